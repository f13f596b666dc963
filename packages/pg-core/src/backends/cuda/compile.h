#pragma once
// CUDA C to a module on a GPU: NVRTC makes machine code for the GPU's architecture, which is kept on disk by
// its text (support/disk_cache.h) and in the process by text and GPU.

#include <memory>
#include <string>

#include "backends/cuda/device.h"

namespace pg::cuda {

/// Code that is loaded on one GPU.
class Code {
 public:
  Code(Gpu& gpu, const std::string& image);
  ~Code();
  Code(const Code&) = delete;
  Function function(const std::string& name) const;

 private:
  Gpu& gpu_;
  Module module_ = nullptr;
};

/// Raises DeviceError when there is no NVRTC, InternalError with the compiler's words when it refuses the
/// text.
std::shared_ptr<const Code> compile(Gpu& gpu, const std::string& text);

/// "12.9", and the file it comes from. Raises DeviceError when there is none.
struct NvrtcVersion {
  int major = 0, minor = 0;
  std::string path;
};
NvrtcVersion nvrtc_version();

struct CompileCounts {
  int64_t compiled = 0, loaded = 0, shared = 0;  // by NVRTC, from disk, known in the process
};
CompileCounts compile_counts();

}  // namespace pg::cuda
