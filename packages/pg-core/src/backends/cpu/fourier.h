#pragma once
// Discrete Fourier transforms over some axes of complex tensors.

#include "ops/ops.h"

namespace pg::cpu {

struct FourierDesc {
  DType dtype = DType::complex64;
  Shape shape;
  Ints axes;
  bool inverse = false;  // neither direction scales
};
/// Both buffers are row-major and do not overlap. Parallel, and the same for any thread count.
void fourier_transform(const FourierDesc& desc, const void* in, void* out);

}  // namespace pg::cpu
