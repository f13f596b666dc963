#pragma once
#include "graph/op.h"

namespace pg {

/// What a contiguous array of this type takes.
inline size_t bytes_of(const Aval& type) {
  return static_cast<size_t>(count_of(type.shape)) * static_cast<size_t>(size_of(type.dtype));
}

}  // namespace pg
