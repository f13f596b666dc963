#pragma once
// Fourier transforms are computed by the interpreter's own library (NumPy's pocketfft).

#include "ops/ops.h"

namespace pg::cpu {

struct FourierDesc {
  DType dtype = DType::complex64;
  Shape shape;
  Ints axes;
  bool inverse = false;  // neither direction scales
};
/// Set by the bindings; null without an interpreter. Both buffers are row-major.
extern void (*fourier_transform)(const FourierDesc& desc, const void* in, void* out);

}  // namespace pg::cpu
