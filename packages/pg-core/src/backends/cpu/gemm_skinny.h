#pragma once
// Products of few rows, which read the large matrix once at the speed of the memory.

#include "backends/cpu/gemm_kernel.h"

namespace pg::cpu {

/// Rows of a (m) up to which a product is one of these. They read b where it lies.
constexpr int64_t skinny_rows = 28, dot_rows = 16;

/// c (+)= a * b with rows of b side by side in memory (the stride of n is 1) and m <= skinny_rows; c
/// row-major.
template <class T> void skinny_rows_product(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row,
                                            int64_t a_col, const T* b, int64_t b_row, T* c, int64_t ldc,
                                            bool accumulate);
/// The same with columns of b side by side (the stride of k is 1) and m <= dot_rows; any c.
template <class T> void skinny_dots_product(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row,
                                            int64_t a_col, const T* b, int64_t b_col, T* c, int64_t c_row,
                                            int64_t c_col, bool accumulate);

/// *c (+)= the sum of x[i] * y[i]: the sum, in order, of sums of fixed parts, which threads share.
template <class T> void vectors_product(int64_t k, const T* x, const T* y, T* c, bool accumulate);

}  // namespace pg::cpu
