#include "backends/cuda/memory.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "backends/cuda/device.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

thread_local Allocator chosen = Allocator::pool;
thread_local Location line;  // of the LineScope that lives

// Four sizes an octave up to 1 MiB, sixteen above, so that a block wastes little and is found again.
size_t capacity_for(size_t bytes) {
  constexpr size_t smallest = 512, large = 1 << 20;
  if (bytes <= smallest) return smallest;
  const int steps = bytes <= large ? 2 : 4;
  const int shift = 63 - __builtin_clzll(bytes - 1) - steps;
  return (((bytes - 1) >> shift) + 1) << shift;
}

std::string in_mib(int64_t bytes) { return concat((bytes + (1 << 20) - 1) >> 20, " MiB"); }

}  // namespace

Location (*running_line)() = nullptr;
std::string (*line_text)(const Location&) = nullptr;

LineScope::LineScope() : before_(std::exchange(line, running_line ? running_line() : Location{})) {}
LineScope::~LineScope() { line = before_; }

Allocator Memory::allocator() { return chosen; }
void Memory::set_allocator(Allocator allocator) { chosen = allocator; }

Memory::Memory(Gpu& gpu) : gpu_(gpu) {
  const Driver& d = driver();
  int pools = 0;
  check(d.device_attribute(&pools, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, gpu.index),
        "to ask for pools");
  if (!pools) return;
  check(d.default_pool(&pool_, gpu.index), "to find the pool");
  uint64_t keep = UINT64_MAX;  // a synchronisation must not give the memory back
  check(d.pool_attribute(pool_, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep), "to set up the pool");
}

void release_block(void* raw) {
  Block* block = static_cast<Block*>(raw);
  block->gpu->memory->give(block);
}

bool is_own(const Buffer& buffer) { return buffer.owner.release == release_block; }

// The lock is held.
Result Memory::take(Block& block) {
  if (block.from == Allocator::pool)
    return driver().pool_allocate(&block.at, block.capacity, gpu_.stream.own);
  return driver().allocate(&block.at, block.capacity);
}

BufferRef Memory::allocate(size_t bytes) {
  const Allocator from = pool_ ? chosen : Allocator::custom;
  const size_t capacity = from == Allocator::custom ? capacity_for(bytes) : std::max<size_t>(bytes, 1);
  Location where = running_line ? running_line() : Location{};
  if (!where.code) where = line;
  Block* block = nullptr;
  Result result = CUDA_SUCCESS;
  {
    const std::lock_guard lock(mutex_);
    if (from == Allocator::custom) {
      const auto found = spare_.find(capacity);
      if (found != spare_.end() && found->second) {
        block = found->second;
        found->second = block->next;
        stats_.cached_bytes -= static_cast<int64_t>(capacity);
      }
    }
    if (!block) {
      gpu_.enter();
      auto made = std::make_unique<Block>();
      made->gpu = &gpu_;
      made->capacity = capacity;
      made->from = from;
      result = take(*made);
      if (result == CUDA_ERROR_OUT_OF_MEMORY) {
        empty_locked();
        result = take(*made);
      }
      if (result == CUDA_SUCCESS) {
        block = made.release();
        stats_.held_bytes += static_cast<int64_t>(capacity);
      }
    }
    if (block) {
      block->bytes = bytes;
      block->where = where;
      block->before = nullptr;
      block->after = std::exchange(living_, block);
      if (block->after) block->after->before = block;
      stats_.live_bytes += static_cast<int64_t>(bytes);
      ++stats_.live_buffers;
      stats_.peak_bytes = std::max(stats_.peak_bytes, stats_.live_bytes);
    }
  }
  if (!block) {
    check(result == CUDA_ERROR_OUT_OF_MEMORY ? CUDA_SUCCESS : result, "to allocate memory");
    const MemoryStats now = stats();
    fail(ErrorKind::memory,
         concat("out of memory on cuda:", gpu_.index, ": ", in_mib(static_cast<int64_t>(bytes)),
                " requested, ", in_mib(now.live_bytes), " in use by ", now.live_buffers, " tensors, ",
                in_mib(static_cast<int64_t>(gpu_.bytes)), " on the device; use a smaller ",
                "batch or shape, or drop tensors you no longer need", holders()));
  }
  return wrap_foreign(reinterpret_cast<void*>(block->at), bytes, gpu_.device(), {release_block, block});
}

// Lines are put into words without our lock: whoever holds the interpreter's may be waiting for it.
std::string Memory::holders() {
  struct Line {
    Location where;
    int64_t bytes = 0, count = 0;
  };
  std::map<std::pair<void*, int>, Line> lines;
  {
    const std::lock_guard lock(mutex_);
    for (const Block* b = living_; b; b = b->after) {
      Line& line = lines[{b->where.code, b->where.offset}];
      line.where = b->where;
      line.bytes += static_cast<int64_t>(b->bytes);
      ++line.count;
    }
  }
  std::vector<Line> all;
  for (const auto& [key, line] : lines) all.push_back(line);
  constexpr size_t most = 5;
  const size_t shown = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<ptrdiff_t>(shown), all.end(),
                    [](const Line& a, const Line& b) { return a.bytes > b.bytes; });
  std::string out;
  for (size_t i = 0; i < shown; ++i) {
    const std::string place = line_text && all[i].where.code ? line_text(all[i].where) : "";
    out +=
        concat(i ? "\n  " : "\nheld by what was computed at\n  ", place.empty() ? "unknown lines" : place,
               ": ", in_mib(all[i].bytes), " in ", all[i].count, all[i].count == 1 ? " tensor" : " tensors");
  }
  return out;
}

void Memory::give(Block* block) {
  const std::lock_guard lock(mutex_);
  stats_.live_bytes -= static_cast<int64_t>(block->bytes);
  --stats_.live_buffers;
  (block->before ? block->before->after : living_) = block->after;
  if (block->after) block->after->before = block->before;
  if (block->from == Allocator::custom) {
    Block*& head = spare_[block->capacity];
    block->next = std::exchange(head, block);
    stats_.cached_bytes += static_cast<int64_t>(block->capacity);
    return;
  }
  // Called where nothing may be raised; a context that is gone took its memory along.
  stats_.held_bytes -= static_cast<int64_t>(block->capacity);
  if (driver().set_current(gpu_.context) == CUDA_SUCCESS) driver().pool_release(block->at, gpu_.stream.own);
  delete block;
}

// The lock is held.
void Memory::empty_locked() {
  const Driver& d = driver();
  gpu_.enter();
  check(d.stream_synchronize(gpu_.stream.own), "while waiting to free cached memory");
  for (auto& [capacity, head] : spare_)
    while (Block* block = head) {
      head = block->next;
      check(d.release(block->at), "to free cached memory");
      stats_.cached_bytes -= static_cast<int64_t>(capacity);
      stats_.held_bytes -= static_cast<int64_t>(capacity);
      delete block;
    }
  if (pool_) check(d.pool_trim(pool_, 0), "to shrink the pool");
}

void Memory::empty_cache() {
  const std::lock_guard lock(mutex_);
  empty_locked();
}

MemoryStats Memory::stats() {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Memory::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak_bytes = stats_.live_bytes;
}

}  // namespace pg::cuda
