#pragma once
// Our own matrix product: packed panels, cache blocking and a register kernel per instruction set
// (gemm_kernel.h).

#include "backends/cpu/library.h"

namespace pg::cpu {

/// As matmul() of library.h, for every real dtype and any strides. Called inside a parallel_for it runs on
/// the calling thread alone and leaves the pool to others, with the same bits: strips of rows or of batches
/// may be computed by workers. With `accumulate` the product is added to c (not for halves and bool, whose
/// sums would round twice).
void gemm(const MatmulDesc& desc, const void* a, const void* b, void* c, bool accumulate = false);
/// The same for complex64 and complex128.
void complex_gemm(const MatmulDesc& desc, const void* a, const void* b, void* c);

}  // namespace pg::cpu
