#pragma once
// The caching allocator: the one place where tensor memory is taken from and given back to the system.
//
// Blocks up to 1 MiB live in size-class lists of the calling thread (no lock, no locked instruction), capped
// in number and bytes; what is above the cap, and everything when a thread ends, goes to shared lists. Larger
// blocks are 2 MiB-aligned mappings that ask for huge pages and are always shared. All blocks are aligned to
// 64 bytes and not initialised.

#include "runtime/buffer.h"

namespace pg {

/// A block of at least `bytes` (0 works). Raises OutOfMemory when the limit or the system refuses after the
/// caches were freed.
BufferRef allocate(size_t bytes, Device device = {});
/// The same for `count` items; the product is overflow-checked.
BufferRef allocate_items(int64_t count, int64_t item_size, Device device = {});

struct MemoryStats {
  int64_t live_bytes;    // asked for by living pool buffers
  int64_t live_buffers;  // living buffers, foreign ones too
  int64_t cached_bytes;  // kept for reuse
  int64_t held_bytes;    // taken from the system: living blocks (rounded to their size class) and cached ones
  int64_t peak_bytes;  // highest live_bytes, exact for blocks above 1 MiB, to 8 MiB a thread for smaller ones
  int64_t limit_bytes;
};
MemoryStats memory_stats();
void reset_peak();

/// Gives cached blocks back to the system: the shared lists and the calling thread's at once, those of other
/// threads when they next allocate beyond their lists or release.
void empty_cache();

/// Most bytes the pool may hold; 0 restores the default (PG_MEMORY_LIMIT, else 90 % of the smaller of the
/// cgroup's limit and the memory available at the first allocation).
void set_memory_limit(int64_t bytes);

}  // namespace pg
