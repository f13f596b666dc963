#include "backends/cpu/gemm_kernel.h"

#include <cstring>

#include "ir/isa.h"

#if defined(__x86_64__) && !defined(PG_GENERIC)
#include <immintrin.h>
#endif

namespace pg::cpu {
namespace {

// Any machine: 16-byte vectors, which the compiler lowers to whatever there is.
template <class T> void generic_kernel(int64_t k, const T* a, const T* b, T* c, int64_t ldc, bool add) {
  constexpr int lanes = 16 / sizeof(T), rows = 4;
  typedef T V __attribute__((vector_size(16)));
  V sum[rows][2] = {};
  for (int64_t l = 0; l < k; ++l, a += rows, b += 2 * lanes) {
    V b0, b1;
    std::memcpy(&b0, b, 16);
    std::memcpy(&b1, b + lanes, 16);
    for (int i = 0; i < rows; ++i) {
      sum[i][0] += a[i] * b0;
      sum[i][1] += a[i] * b1;
    }
  }
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < 2 * lanes; ++j) {
      T& out = c[i * ldc + j];
      const T value = sum[i][j / lanes][j % lanes];
      out = add ? out + value : value;
    }
}

template <class T> constexpr Kernel<T> generic() {
  return {4, static_cast<int>(32 / sizeof(T)), generic_kernel<T>};
}

#if PG_CLONES
// One body for all; the target attribute cannot be a template parameter, hence the macro. ROWS * 2 sums stay
// in registers.
#define PG_DEFINE_KERNEL(NAME, TARGET, T, V, ROWS, LANES, PREFIX, SUFFIX)                                    \
  TARGET void NAME(int64_t k, const T* a, const T* b, T* c, int64_t ldc, bool add) {                         \
    V sum[ROWS][2];                                                                                          \
    _Pragma("GCC unroll 16") for (int i = 0; i < ROWS; ++i) sum[i][0] = sum[i][1] =                          \
        PREFIX##_setzero_##SUFFIX();                                                                         \
    for (int64_t l = 0; l < k; ++l, a += ROWS, b += 2 * LANES) {                                             \
      const V b0 = PREFIX##_loadu_##SUFFIX(b), b1 = PREFIX##_loadu_##SUFFIX(b + LANES);                      \
      _Pragma("GCC unroll 16") for (int i = 0; i < ROWS; ++i) {                                              \
        const V ai = PREFIX##_set1_##SUFFIX(a[i]);                                                           \
        sum[i][0] = PREFIX##_fmadd_##SUFFIX(ai, b0, sum[i][0]);                                              \
        sum[i][1] = PREFIX##_fmadd_##SUFFIX(ai, b1, sum[i][1]);                                              \
      }                                                                                                      \
    }                                                                                                        \
    _Pragma("GCC unroll 16") for (int i = 0; i < ROWS; ++i) {                                                \
      T* row = c + i * ldc;                                                                                  \
      const V c0 = add ? PREFIX##_loadu_##SUFFIX(row) : PREFIX##_setzero_##SUFFIX();                         \
      const V c1 = add ? PREFIX##_loadu_##SUFFIX(row + LANES) : PREFIX##_setzero_##SUFFIX();                 \
      PREFIX##_storeu_##SUFFIX(row, PREFIX##_add_##SUFFIX(sum[i][0], c0));                                   \
      PREFIX##_storeu_##SUFFIX(row + LANES, PREFIX##_add_##SUFFIX(sum[i][1], c1));                           \
    }                                                                                                        \
  }

PG_DEFINE_KERNEL(avx512_float, PG_TARGET_AVX512, float, __m512, 14, 16, _mm512, ps)
PG_DEFINE_KERNEL(avx512_double, PG_TARGET_AVX512, double, __m512d, 14, 8, _mm512, pd)
PG_DEFINE_KERNEL(avx2_float, PG_TARGET_AVX2, float, __m256, 6, 8, _mm256, ps)
PG_DEFINE_KERNEL(avx2_double, PG_TARGET_AVX2, double, __m256d, 6, 4, _mm256, pd)
#undef PG_DEFINE_KERNEL

template <class T> Kernel<T> x86_kernel(void (*avx512)(int64_t, const T*, const T*, T*, int64_t, bool),
                                        void (*avx2)(int64_t, const T*, const T*, T*, int64_t, bool)) {
  if (ir::isa() == ir::Isa::avx512) return {14, static_cast<int>(128 / sizeof(T)), avx512};
  if (ir::isa() == ir::Isa::avx2) return {6, static_cast<int>(64 / sizeof(T)), avx2};
  return generic<T>();
}
#endif

}  // namespace

template <> Kernel<float> best_kernel<float>() {
#if PG_CLONES
  return x86_kernel<float>(avx512_float, avx2_float);
#else
  return generic<float>();
#endif
}

template <> Kernel<double> best_kernel<double>() {
#if PG_CLONES
  return x86_kernel<double>(avx512_double, avx2_double);
#else
  return generic<double>();
#endif
}

template <> Kernel<uint32_t> best_kernel<uint32_t>() { return generic<uint32_t>(); }
template <> Kernel<uint64_t> best_kernel<uint64_t>() { return generic<uint64_t>(); }

}  // namespace pg::cpu
