#pragma once
// A GPU: its primary context, the one stream that all our work on it goes through, and its memory.
//
// One stream means: what is asked for later happens later, also when different threads ask. So memory may be
// used again as soon as its last user was queued, and no event is needed within a device.

#include <atomic>
#include <memory>
#include <mutex>

#include "backends/cuda/driver.h"
#include "backends/cuda/memory.h"
#include "runtime/buffer.h"

namespace pg::cuda {

/// The stream of a GPU, or the one which the calling thread records instead (recording.h).
class MainStream {
 public:
  Stream own = nullptr;
  operator Stream() const { return recorded_for == this ? recorded : own; }
  bool is_recorded() const { return recorded_for == this; }
  /// Of the calling thread; null: no longer.
  void record_into(Stream stream) const {
    recorded = stream;
    recorded_for = stream ? this : nullptr;
  }

 private:
  static inline thread_local Stream recorded = nullptr;
  static inline thread_local const MainStream* recorded_for = nullptr;
};

class Gpu {
 public:
  explicit Gpu(int index);
  Gpu(const Gpu&) = delete;

  int index;
  std::string name;
  int architecture = 0;  // 90: sm_90
  int processors = 0;
  size_t bytes = 0;
  Context context = nullptr;
  MainStream stream;
  // For recording, by one thread at a time; what lives of it, and how often it ran.
  Stream side = nullptr;
  std::mutex recording;
  std::atomic<int64_t> graphs{0}, graph_bytes{0}, graph_launches{0};
  std::unique_ptr<Memory> memory;

  Device device() const { return {DeviceKind::cuda, static_cast<uint8_t>(index)}; }
  /// Makes the context the calling thread's; every use of the driver below needs that.
  void enter() const { check(driver().set_current(context), "to enter the context"); }

  /// Copies from host memory, which may be written again afterwards.
  void upload(Address to, const void* from, size_t bytes);
  /// Waits for all work before it.
  void download(void* to, Address from, size_t bytes);
  void copy(Address to, Address from, size_t bytes);
  void synchronize();

  /// A mark in the stream, and waiting for another GPU's mark.
  Event mark();
  void wait_for(Event event);

 private:
  // Pinned memory through which uploads go: the driver copies from it while the caller goes on.
  struct Stage {
    char* data = nullptr;
    size_t used = 0;
    Event done = nullptr;
  };
  static constexpr size_t stage_bytes = 4 << 20;
  std::mutex staging_;
  Stage stages_[2];
  int stage_ = 0;
};

/// The GPU of an index, with its context made current. Raises DeviceError when there is none.
Gpu& gpu(int index);
/// The index of the GPU on which memory lies. Raises DeviceError when there is none.
int device_of(Address memory);
/// Null when it was not used yet.
Gpu* known_gpu(int index);

/// A buffer on a GPU with a copy of host memory.
BufferRef place(const void* data, size_t bytes, Device device);
/// Copies a buffer of one device into a new one of another (or of the host).
BufferRef transfer(const BufferRef& from, Device to);

}  // namespace pg::cuda
