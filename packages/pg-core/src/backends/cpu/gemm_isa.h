#pragma once
// Where best_kernel() finds the kernels of each instruction set.

#include "backends/cpu/gemm_kernel.h"

namespace pg::cpu {

/// T is float or double. Only to be called on a machine that has the instructions.
template <class T> Kernel<T> avx512_kernel();
template <class T> Kernel<T> avx2_kernel();

/// Kernel::transpose for any T, element by element.
template <class T>
void transpose_plainly(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out) {
  constexpr int64_t block = 16;  // rows of x that share the cache lines of out
  for (int64_t l0 = 0; l0 < depth; l0 += block)
    for (int64_t i = 0; i < width; ++i)
      for (int64_t l = l0; l < (l0 + block < depth ? l0 + block : depth); ++l)
        out[l * width + i] = i < count ? x[i * row + l] : T(0);
}

}  // namespace pg::cpu
