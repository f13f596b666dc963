// The register kernels of gemm for AVX2: 6 rows of two vectors fill 12 of the 16 registers.

#include "ir/isa.h"

#if defined(__x86_64__) && !defined(PG_GENERIC)
#include <immintrin.h>

#define PG_TILE_TARGET PG_TARGET_AVX2
#include "backends/cpu/gemm_isa.h"
#include "backends/cpu/gemm_tile.h"

namespace pg::cpu {
namespace {

#define PG_ON_LANES PG_TARGET_AVX2 inline

// A window into these words is a mask of the first n lanes.
alignas(32) constexpr int32_t mask_words[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
alignas(32) constexpr int64_t mask_long_words[8] = {-1, -1, -1, -1};

struct Float256 {
  using T = float;
  using V = __m256;
  static constexpr int lanes = 8, rows = 6;
  PG_ON_LANES static V zero() { return _mm256_setzero_ps(); }
  PG_ON_LANES static __m256i first(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask_words + lanes - n));
  }
  PG_ON_LANES static V load(const T* x) { return _mm256_loadu_ps(x); }
  PG_ON_LANES static V load(const T* x, __m256i mask) { return _mm256_maskload_ps(x, mask); }
  PG_ON_LANES static void store(T* x, V v) { _mm256_storeu_ps(x, v); }
  PG_ON_LANES static void store(T* x, V v, __m256i mask) { _mm256_maskstore_ps(x, mask, v); }
  PG_ON_LANES static void stream(T* x, V v) { _mm256_stream_ps(x, v); }
  PG_ON_LANES static V set1(T x) { return _mm256_set1_ps(x); }
  PG_ON_LANES static V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  PG_ON_LANES static V add(V a, V b) { return _mm256_add_ps(a, b); }
  PG_ON_LANES static T total(V a) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
  }
  static constexpr auto transpose = transpose_plainly<T>;
};

struct Double256 {
  using T = double;
  using V = __m256d;
  static constexpr int lanes = 4, rows = 6;
  PG_ON_LANES static V zero() { return _mm256_setzero_pd(); }
  PG_ON_LANES static __m256i first(int n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask_long_words + lanes - n));
  }
  PG_ON_LANES static V load(const T* x) { return _mm256_loadu_pd(x); }
  PG_ON_LANES static V load(const T* x, __m256i mask) { return _mm256_maskload_pd(x, mask); }
  PG_ON_LANES static void store(T* x, V v) { _mm256_storeu_pd(x, v); }
  PG_ON_LANES static void store(T* x, V v, __m256i mask) { _mm256_maskstore_pd(x, mask, v); }
  PG_ON_LANES static void stream(T* x, V v) { _mm256_stream_pd(x, v); }
  PG_ON_LANES static V set1(T x) { return _mm256_set1_pd(x); }
  PG_ON_LANES static V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }
  PG_ON_LANES static V add(V a, V b) { return _mm256_add_pd(a, b); }
  PG_ON_LANES static T total(V a) {
    const __m128d half = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(half, _mm_unpackhi_pd(half, half)));
  }
  static constexpr auto transpose = transpose_plainly<T>;
};

#undef PG_ON_LANES

}  // namespace

template <> Kernel<float> avx2_kernel<float>() { return make_kernel<Float256>(); }
template <> Kernel<double> avx2_kernel<double>() { return make_kernel<Double256>(); }

}  // namespace pg::cpu
#endif
