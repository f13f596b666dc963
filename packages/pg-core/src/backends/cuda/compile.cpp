#include "backends/cuda/compile.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <vector>

#include "support/disk_cache.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

using Source = struct SourceHandle*;

#define PG_NVRTC_FUNCTIONS(PG_FUNCTION)                                                                      \
  PG_FUNCTION(version, nvrtcVersion, (int*, int*))                                                           \
  PG_FUNCTION(create, nvrtcCreateProgram,                                                                    \
              (Source*, const char*, const char*, int, const char* const*, const char* const*))              \
  PG_FUNCTION(destroy, nvrtcDestroyProgram, (Source*))                                                       \
  PG_FUNCTION(compile, nvrtcCompileProgram, (Source, int, const char* const*))                               \
  PG_FUNCTION(log_size, nvrtcGetProgramLogSize, (Source, size_t*))                                           \
  PG_FUNCTION(log, nvrtcGetProgramLog, (Source, char*))                                                      \
  PG_FUNCTION(code_size, nvrtcGetCUBINSize, (Source, size_t*))                                               \
  PG_FUNCTION(code, nvrtcGetCUBIN, (Source, char*))                                                          \
  PG_FUNCTION(ptx_size, nvrtcGetPTXSize, (Source, size_t*))                                                  \
  PG_FUNCTION(ptx, nvrtcGetPTX, (Source, char*))                                                             \
  PG_FUNCTION(architecture_count, nvrtcGetNumSupportedArchs, (int*))                                         \
  PG_FUNCTION(architectures, nvrtcGetSupportedArchs, (int*))

struct Nvrtc {
#define PG_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  PG_NVRTC_FUNCTIONS(PG_MEMBER)
#undef PG_MEMBER
  NvrtcVersion known;
  std::vector<int> supported;
};

std::mutex load_mutex;
std::atomic<const Nvrtc*> loaded{nullptr};

const Nvrtc& nvrtc() {
  if (const Nvrtc* known = loaded.load(std::memory_order_acquire)) return *known;
  driver();  // says what is missing first
  const Found found = find(Library::nvrtc);
  require(found.handle != nullptr, ErrorKind::device,
          [&] { return concat("CUDA cannot be used: ", found.why); });
  auto made = std::make_unique<Nvrtc>();
  const char* lacking = nullptr;
#define PG_FIND(member, name, parameters)                                                                    \
  made->member = reinterpret_cast<decltype(made->member)>(symbol(found, #name));                             \
  if (!made->member) lacking = #name;
  PG_NVRTC_FUNCTIONS(PG_FIND)
#undef PG_FIND
  require(lacking == nullptr, ErrorKind::device, [&] {
    return concat("CUDA cannot be used: NVRTC (", found.path, ") lacks ", lacking,
                  "; install version 12 or 13: pip install 'pg-core[cuda12]'");
  });
  made->version(&made->known.major, &made->known.minor);
  made->known.path = found.path;
  int count = 0;
  made->architecture_count(&count);
  made->supported.resize(static_cast<size_t>(count));
  made->architectures(made->supported.data());
  std::sort(made->supported.begin(), made->supported.end());
  const std::lock_guard lock(load_mutex);
  if (!loaded.load(std::memory_order_relaxed)) loaded.store(made.release(), std::memory_order_release);
  return *loaded.load(std::memory_order_relaxed);
}

std::string build(const Nvrtc& n, const std::string& text, const std::string& architecture, bool ptx) {
  Source source = nullptr;
  require(n.create(&source, text.c_str(), "kernel.cu", 0, nullptr, nullptr) == NVRTC_SUCCESS,
          ErrorKind::device, "NVRTC cannot start");
  const std::string target = concat("--gpu-architecture=", architecture);
  // One rounding for each operation, as on the CPU; denormals are kept and divisions exact by default.
  const char* options[] = {"--std=c++17", "--fmad=false", target.c_str()};
  const Result result = n.compile(source, 3, options);
  size_t size = 0;
  std::string out;
  if (result != NVRTC_SUCCESS) {
    n.log_size(source, &size);
    out.resize(size);
    n.log(source, out.data());
    n.destroy(&source);
    require(result == NVRTC_ERROR_COMPILATION, ErrorKind::device,
            [&] { return concat("NVRTC failed (", result, "): ", out); });
    fail(ErrorKind::internal, concat("NVRTC refuses a kernel: ", out, "\n", text));
  }
  (ptx ? n.ptx_size : n.code_size)(source, &size);
  out.resize(size);
  (ptx ? n.ptx : n.code)(source, out.data());
  n.destroy(&source);
  return out;
}

// Never destroyed: kernels may be dropped while the process ends.
struct Table {
  std::mutex mutex;
  std::map<std::pair<int, std::string>, std::weak_ptr<const Code>> code;  // by GPU and text
  size_t sweep = 64;                                                      // entries at which dead ones go
  CompileCounts counts;
};
Table& table() {
  static auto* made = new Table;
  return *made;
}

}  // namespace

Code::Code(Gpu& gpu, const std::string& image) : gpu_(gpu) {
  gpu.enter();
  check(driver().module_load(&module_, image.data()), "to load a kernel");
}

Code::~Code() {
  // Work that was queued may still run it.
  if (driver().set_current(gpu_.context) != CUDA_SUCCESS) return;
  driver().stream_synchronize(gpu_.stream.own);
  driver().module_unload(module_);
}

Function Code::function(const std::string& name) const {
  Function out = nullptr;
  gpu_.enter();
  check(driver().module_function(&out, module_, name.c_str()), "to find a kernel");
  return out;
}

NvrtcVersion nvrtc_version() { return nvrtc().known; }

CompileCounts compile_counts() {
  const std::lock_guard lock(table().mutex);
  return table().counts;
}

std::shared_ptr<const Code> compile(Gpu& gpu, const std::string& text) {
  Table& t = table();
  {
    const std::lock_guard lock(t.mutex);
    if (const auto found = t.code.find({gpu.index, text}); found != t.code.end())
      if (auto code = found->second.lock()) {
        ++t.counts.shared;
        return code;
      }
  }
  const Nvrtc& n = nvrtc();
  // A GPU newer than the compiler gets PTX, which its driver compiles.
  const bool ptx = !std::binary_search(n.supported.begin(), n.supported.end(), gpu.architecture);
  const std::string architecture =
      ptx && !n.supported.empty()
          ? concat("compute_",
                   *std::prev(std::upper_bound(n.supported.begin() + 1, n.supported.end(), gpu.architecture)))
          : concat("sm_", gpu.architecture);
  const std::string key =
      concat("cuda kernel; nvrtc ", n.known.major, ".", n.known.minor, "; ", architecture, "\n", text);
  std::shared_ptr<const Code> code;
  bool from_disk = false;
  if (const auto known = disk_cache::find(key)) {
    code = std::make_shared<const Code>(gpu, *known);
    from_disk = true;
  } else {
    const std::string image = build(n, text, architecture, ptx);
    code = std::make_shared<const Code>(gpu, image);
    disk_cache::store(key, image);
  }
  const std::lock_guard lock(t.mutex);
  ++(from_disk ? t.counts.loaded : t.counts.compiled);
  t.code[{gpu.index, text}] = code;
  if (t.code.size() > t.sweep) {
    std::erase_if(t.code, [](const auto& entry) { return entry.second.expired(); });
    t.sweep = std::max<size_t>(64, 2 * t.code.size());
  }
  return code;
}

}  // namespace pg::cuda
