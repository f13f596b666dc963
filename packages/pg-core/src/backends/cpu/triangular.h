#pragma once
// Triangular systems on raw pointers.

#include <cstdint>

#include "backends/cpu/library.h"
#include "types/shape.h"

namespace pg::cpu {

/// op(a) x = b for `batch` row-major matrices a (n, n) and right sides (n, k). Only the triangle that is
/// named is read. Division by a zero on the diagonal gives infinities.
struct TriangularDesc {
  DType dtype = DType::float32;
  int64_t batch = 0, n = 0, k = 0;
  bool lower = true, transposed = false, unit_diagonal = false;
};
void triangular_solve(const TriangularDesc& desc, const void* a, const void* b, void* x);

}  // namespace pg::cpu
