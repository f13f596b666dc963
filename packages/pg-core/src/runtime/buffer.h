#pragma once
// A buffer: contiguous memory on one device, reference counted. It comes from the pool (pool.h) or belongs to
// somebody else.

#include <cstddef>

#include "support/intrusive.h"
#include "types/device.h"

namespace pg {

/// Memory that belongs to somebody else (NumPy, DLPack): `release(context)` is called once, on any thread; it
/// must not throw. An owner that needs a lock of its own (the GIL) queues its work there.
struct ForeignOwner {
  void (*release)(void* context) = nullptr;
  void* context = nullptr;
};

/// One cache line; the bytes of a small block lie right behind it. A free block keeps its header, memory and
/// size class.
struct alignas(64) Buffer {
  RefCount refs;
  uint16_t size_class = 0;
  Device device{};
  bool read_only = false;  // memory that must not be written even when this is the only reference
  void* data = nullptr;
  size_t bytes = 0;     // as asked for
  size_t capacity = 0;  // of the pool's block
  ForeignOwner owner{};
  Buffer* next = nullptr;  // link of the free lists
};
static_assert(sizeof(Buffer) == 64);

void destroy(Buffer* buffer);  // back to the pool, or to the foreign owner
using BufferRef = Ref<Buffer>;

BufferRef wrap_foreign(void* data, size_t bytes, Device device, ForeignOwner owner, bool read_only = false);

}  // namespace pg
