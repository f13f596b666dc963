// The register kernels of gemm for AVX-512: 14 rows of two vectors fill 28 of the 32 registers.

#include "ir/isa.h"

#if defined(__x86_64__) && !defined(PG_GENERIC)
#include <immintrin.h>

#define PG_TILE_TARGET PG_TARGET_AVX512
#include "backends/cpu/gemm_isa.h"
#include "backends/cpu/gemm_tile.h"

namespace pg::cpu {
namespace {

#define PG_ON_LANES PG_TARGET_AVX512 inline

struct Float512 {
  using T = float;
  using V = __m512;
  static constexpr int lanes = 16, rows = 14;
  PG_ON_LANES static V zero() { return _mm512_setzero_ps(); }
  PG_ON_LANES static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  PG_ON_LANES static V load(const T* x) { return _mm512_loadu_ps(x); }
  PG_ON_LANES static V load(const T* x, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, x); }
  PG_ON_LANES static void store(T* x, V v) { _mm512_storeu_ps(x, v); }
  PG_ON_LANES static void store(T* x, V v, __mmask16 mask) { _mm512_mask_storeu_ps(x, mask, v); }
  PG_ON_LANES static void stream(T* x, V v) { _mm512_stream_ps(x, v); }
  PG_ON_LANES static V set1(T x) { return _mm512_set1_ps(x); }
  PG_ON_LANES static V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  PG_ON_LANES static V add(V a, V b) { return _mm512_add_ps(a, b); }
  PG_ON_LANES static T total(V a) {
    const __m256 half =
        _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, a, 0), _mm512_maskz_extractf32x8_ps(0xff, a, 1));
    __m128 quarter = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    quarter = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
    return _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)));
  }

  // Row i of the result holds element i of every vector. (The forms with a mask that is full: GCC 12 warns
  // about the others.)
  PG_ON_LANES static void turn(V (&x)[16]) {
    V y[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      y[2 * i] = _mm512_maskz_unpacklo_ps(0xffff, x[2 * i], x[2 * i + 1]);
      y[2 * i + 1] = _mm512_maskz_unpackhi_ps(0xffff, x[2 * i], x[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const __m512d even = _mm512_castps_pd(y[4 * i]), odd = _mm512_castps_pd(y[4 * i + 1]);
      const __m512d next_even = _mm512_castps_pd(y[4 * i + 2]), next_odd = _mm512_castps_pd(y[4 * i + 3]);
      x[4 * i] = _mm512_castpd_ps(_mm512_maskz_unpacklo_pd(0xff, even, next_even));
      x[4 * i + 1] = _mm512_castpd_ps(_mm512_maskz_unpackhi_pd(0xff, even, next_even));
      x[4 * i + 2] = _mm512_castpd_ps(_mm512_maskz_unpacklo_pd(0xff, odd, next_odd));
      x[4 * i + 3] = _mm512_castpd_ps(_mm512_maskz_unpackhi_pd(0xff, odd, next_odd));
    }
    // x[4 g + e] holds elements e, e + 4, e + 8, e + 12 of vectors 4 g ... 4 g + 3.
#pragma GCC unroll 4
    for (int e = 0; e < 4; ++e) {
      const V low02 = _mm512_maskz_shuffle_f32x4(0xffff, x[e], x[4 + e], 0x88),
              low13 = _mm512_maskz_shuffle_f32x4(0xffff, x[e], x[4 + e], 0xdd);
      const V high02 = _mm512_maskz_shuffle_f32x4(0xffff, x[8 + e], x[12 + e], 0x88),
              high13 = _mm512_maskz_shuffle_f32x4(0xffff, x[8 + e], x[12 + e], 0xdd);
      y[e] = _mm512_maskz_shuffle_f32x4(0xffff, low02, high02, 0x88);
      y[8 + e] = _mm512_maskz_shuffle_f32x4(0xffff, low02, high02, 0xdd);
      y[4 + e] = _mm512_maskz_shuffle_f32x4(0xffff, low13, high13, 0x88);
      y[12 + e] = _mm512_maskz_shuffle_f32x4(0xffff, low13, high13, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) x[i] = y[i];
  }
  static void transpose(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out);
};

struct Double512 {
  using T = double;
  using V = __m512d;
  static constexpr int lanes = 8, rows = 14;
  PG_ON_LANES static V zero() { return _mm512_setzero_pd(); }
  PG_ON_LANES static __mmask8 first(int n) { return static_cast<__mmask8>((1u << n) - 1); }
  PG_ON_LANES static V load(const T* x) { return _mm512_loadu_pd(x); }
  PG_ON_LANES static V load(const T* x, __mmask8 mask) { return _mm512_maskz_loadu_pd(mask, x); }
  PG_ON_LANES static void store(T* x, V v) { _mm512_storeu_pd(x, v); }
  PG_ON_LANES static void store(T* x, V v, __mmask8 mask) { _mm512_mask_storeu_pd(x, mask, v); }
  PG_ON_LANES static void stream(T* x, V v) { _mm512_stream_pd(x, v); }
  PG_ON_LANES static V set1(T x) { return _mm512_set1_pd(x); }
  PG_ON_LANES static V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }
  PG_ON_LANES static V add(V a, V b) { return _mm512_add_pd(a, b); }
  PG_ON_LANES static T total(V a) {
    const __m256d half =
        _mm256_add_pd(_mm512_maskz_extractf64x4_pd(0xf, a, 0), _mm512_maskz_extractf64x4_pd(0xf, a, 1));
    const __m128d quarter = _mm_add_pd(_mm256_castpd256_pd128(half), _mm256_extractf128_pd(half, 1));
    return _mm_cvtsd_f64(_mm_add_sd(quarter, _mm_unpackhi_pd(quarter, quarter)));
  }

  PG_ON_LANES static void turn(V (&x)[8]) {
    V y[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      y[2 * i] = _mm512_maskz_unpacklo_pd(0xff, x[2 * i], x[2 * i + 1]);
      y[2 * i + 1] = _mm512_maskz_unpackhi_pd(0xff, x[2 * i], x[2 * i + 1]);
    }
    // y[2 g + e] holds elements e, e + 2, e + 4, e + 6 of vectors 2 g and 2 g + 1.
#pragma GCC unroll 2
    for (int e = 0; e < 2; ++e) {
      const V low02 = _mm512_maskz_shuffle_f64x2(0xff, y[e], y[2 + e], 0x88),
              low13 = _mm512_maskz_shuffle_f64x2(0xff, y[e], y[2 + e], 0xdd);
      const V high02 = _mm512_maskz_shuffle_f64x2(0xff, y[4 + e], y[6 + e], 0x88),
              high13 = _mm512_maskz_shuffle_f64x2(0xff, y[4 + e], y[6 + e], 0xdd);
      x[e] = _mm512_maskz_shuffle_f64x2(0xff, low02, high02, 0x88);
      x[4 + e] = _mm512_maskz_shuffle_f64x2(0xff, low02, high02, 0xdd);
      x[2 + e] = _mm512_maskz_shuffle_f64x2(0xff, low13, high13, 0x88);
      x[6 + e] = _mm512_maskz_shuffle_f64x2(0xff, low13, high13, 0xdd);
    }
  }
  static void transpose(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out);
};

// Squares of `lanes` elements, turned in registers.
template <class S> PG_TARGET_AVX512 void transpose_squares(const typename S::T* x, int64_t row, int64_t count,
                                                           int64_t depth, int64_t width, typename S::T* out) {
  constexpr int lanes = S::lanes;
  for (int64_t i0 = 0; i0 < width; i0 += lanes) {
    const int high = static_cast<int>(width - i0 < lanes ? width - i0 : lanes);
    const int present = static_cast<int>(count - i0 < lanes ? (count > i0 ? count - i0 : 0) : lanes);
    const auto stored = S::first(high);
    for (int64_t l0 = 0; l0 < depth; l0 += lanes) {
      const int deep = static_cast<int>(depth - l0 < lanes ? depth - l0 : lanes);
      const typename S::T* const from = x + i0 * row + l0;
      typename S::T* const to = out + l0 * width + i0;
      typename S::V square[lanes];
      if (present == lanes && deep == lanes) {
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) square[i] = S::load(from + i * row);
        S::turn(square);
        if (high == lanes) {
#pragma GCC unroll 16
          for (int l = 0; l < lanes; ++l) S::store(to + l * width, square[l]);
          continue;
        }
      } else {
        const auto loaded = S::first(deep);
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) square[i] = i < present ? S::load(from + i * row, loaded) : S::zero();
        S::turn(square);
      }
#pragma GCC unroll 16
      for (int l = 0; l < lanes; ++l)
        if (l < deep) S::store(to + l * width, square[l], stored);
    }
  }
}

void Float512::transpose(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out) {
  transpose_squares<Float512>(x, row, count, depth, width, out);
}
void Double512::transpose(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out) {
  transpose_squares<Double512>(x, row, count, depth, width, out);
}

#undef PG_ON_LANES

}  // namespace

template <> Kernel<float> avx512_kernel<float>() { return make_kernel<Float512>(); }
template <> Kernel<double> avx512_kernel<double>() { return make_kernel<Double512>(); }

}  // namespace pg::cpu
#endif
