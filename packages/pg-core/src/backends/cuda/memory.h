#pragma once
// Memory of one GPU: buffers from the driver's stream-ordered pool, or from a cache of our own
// (allocator="custom"). Both give memory back when its last user was queued, because all work is on one
// stream.

#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "backends/cuda/driver.h"
#include "graph/node.h"
#include "runtime/buffer.h"

namespace pg::cuda {

class Gpu;

enum class Allocator : uint8_t { pool, custom };

struct MemoryStats {
  int64_t live_bytes = 0;    // asked for by living buffers
  int64_t live_buffers = 0;  // that have memory here
  int64_t cached_bytes = 0;  // kept by our cache
  int64_t held_bytes = 0;    // taken from the driver: living blocks and cached ones
  int64_t peak_bytes = 0;    // highest live_bytes
};

/// What a buffer's owner points to; a block of the cache keeps it.
struct Block {
  Gpu* gpu = nullptr;
  Address at = 0;
  size_t capacity = 0, bytes = 0;
  Allocator from = Allocator::pool;
  Block* next = nullptr;
  // While it lives: its neighbours among living blocks, and the Python line that was running when it was
  // asked for, if the interpreter's lock was held.
  Block *before = nullptr, *after = nullptr;
  Location where = {};
};

/// Hooks set by the bindings: the Python line that this thread runs, nothing where it does not hold the
/// interpreter's lock; and "file.py:12 in f" of a line, for which the lock is taken.
extern Location (*running_line)();
extern std::string (*line_text)(const Location&);

class Memory {
 public:
  explicit Memory(Gpu& gpu);
  Memory(const Memory&) = delete;

  /// A buffer of at least `bytes`; 0 works. Raises OutOfMemoryError after the caches were freed.
  BufferRef allocate(size_t bytes);
  MemoryStats stats();
  void reset_peak();
  /// Gives cached memory back to the driver.
  void empty_cache();

  /// Which of the two serves the calling thread.
  static Allocator allocator();
  static void set_allocator(Allocator allocator);

 private:
  friend void release_block(void* block);
  Result take(Block& block);
  void give(Block* block);
  void empty_locked();
  /// The lines whose living buffers are largest, in words.
  std::string holders();

  Gpu& gpu_;
  Pool pool_ = nullptr;  // null: this GPU has none, the cache serves all
  std::mutex mutex_;
  std::unordered_map<size_t, Block*> spare_;  // by capacity
  MemoryStats stats_;
  Block* living_ = nullptr;  // the last one asked for
};

/// While one lives, this thread allocates for the Python line that it ran when the scope began: it may give
/// the interpreter's lock away meanwhile.
class LineScope {
 public:
  LineScope();
  ~LineScope();
  LineScope(const LineScope&) = delete;

 private:
  Location before_;
};

/// Does the memory come from here? Then whoever holds the last reference may write over it.
bool is_own(const Buffer& buffer);

/// The custom allocator serves the thread while one with `custom` lives.
class AllocatorScope {
 public:
  explicit AllocatorScope(bool custom) : before_(Memory::allocator()) {
    if (custom) Memory::set_allocator(Allocator::custom);
  }
  ~AllocatorScope() { Memory::set_allocator(before_); }
  AllocatorScope(const AllocatorScope&) = delete;

 private:
  Allocator before_;
};

}  // namespace pg::cuda
