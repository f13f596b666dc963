#pragma once
// Kernels of fixed CUDA C that library calls need beside them.

#include <span>

#include "backends/cuda/run.h"
#include "types/dtype.h"

namespace pg::cuda {

/// An axis of two arrays, with strides in elements.
struct CopyAxis {
  int64_t extent = 1, from = 0, to = 0;
};
/// to[...] = from[...] over the axes; elements have 1, 2, 4, 8 or 16 bytes.
void strided_copy(CudaRun& run, std::span<const CopyAxis> axes, int64_t item, const void* from, void* to);

/// An axis of two operands and their result.
struct SumAxis {
  int64_t extent = 1, a = 0, b = 0, c = 0;
};
/// c[kept] = the sum over `summed` of a * b, for integers, which wrap.
void sum_products(CudaRun& run, std::span<const SumAxis> kept, std::span<const SumAxis> summed, DType dtype,
                  const void* a, const void* b, void* c);

/// All bytes zero.
void clear(CudaRun& run, void* at, size_t bytes);

}  // namespace pg::cuda
