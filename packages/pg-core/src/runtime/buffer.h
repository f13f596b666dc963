#pragma once
// A buffer: contiguous memory on one device, reference counted.

#include <cstddef>

#include "support/intrusive.h"
#include "types/device.h"

namespace pg {

/// Memory that belongs to somebody else (NumPy, DLPack): `release(context)` is called once, on any thread.
struct ForeignOwner {
  void (*release)(void* context) = nullptr;
  void* context = nullptr;
};

struct Buffer {
  RefCount refs;
  uint8_t size_class = 0;
  Device device{};
  bool read_only = false;  // memory that must not be written even when this is the only reference
  void* data = nullptr;
  size_t bytes = 0;
  ForeignOwner owner{};
};
void destroy(Buffer* buffer);

}  // namespace pg
