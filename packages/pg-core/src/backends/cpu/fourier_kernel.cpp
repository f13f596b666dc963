// Stockham's algorithm, in which each pass also puts the elements in order (Van Loan 1992: Computational
// Frameworks for the Fast Fourier Transform, 1.7), with passes of 4, 2, 3, 5 and of any small prime.

#include "backends/cpu/fourier_kernel.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "ir/isa.h"

namespace pg::cpu {

template <class T> std::complex<T> root_of_unity(int64_t k, int64_t n) {
  const double angle = -2 * std::numbers::pi * static_cast<double>(k % n) / static_cast<double>(n);
  return {static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle))};
}

template <class T> FourierPlan<T>::FourierPlan(int64_t length) : n(length) {
  int64_t rest = n;
  for (int p = 4; rest > 1; p = p == 4 ? 2 : p == 2 ? 3 : p + 2)
    for (; rest % p == 0; rest /= p) factors.push_back(p);
  int64_t part = n;
  for (const int p : factors) {
    for (int64_t q = 0; q < part / p; ++q)
      for (int64_t k = 1; k < p; ++k) twiddles.push_back(root_of_unity<T>(q * k, part));
    for (int64_t k = 0; k < p; ++k) roots.push_back(root_of_unity<T>(k, p));
    part /= p;
  }
}

namespace {

#define PG_INLINE __attribute__((always_inline)) inline

// One butterfly for `count` adjacent elements: x[k] has its inputs, y[k] gets its outputs times w[k - 1].
template <class T, int p> struct Points {
  const T *re[p], *im[p];
  T *to_re[p], *to_im[p];
  const std::complex<T>* w;
};

template <class T> PG_INLINE void store(T re, T im, std::complex<T> w, T* to_re, T* to_im) {
  *to_re = re * w.real() - im * w.imag();
  *to_im = re * w.imag() + im * w.real();
}

template <class T> PG_INLINE void butterfly(const Points<T, 2>& x, int64_t count) {
  const std::complex<T> w = x.w[0];
  const T* __restrict a = x.re[0], * __restrict ai = x.im[0], * __restrict b = x.re[1], * __restrict bi = x.im[1];
  T* __restrict y = x.to_re[0], * __restrict yi = x.to_im[0], * __restrict z = x.to_re[1], * __restrict zi = x.to_im[1];
  for (int64_t i = 0; i < count; ++i) {
    y[i] = a[i] + b[i];
    yi[i] = ai[i] + bi[i];
    store(a[i] - b[i], ai[i] - bi[i], w, z + i, zi + i);
  }
}

template <class T> PG_INLINE void butterfly(const Points<T, 3>& x, int64_t count) {
  const std::complex<T> w1 = x.w[0], w2 = x.w[1];
  const T half = T(-0.5), sine = static_cast<T>(-0.86602540378443864676);
  const T* __restrict a = x.re[0], * __restrict ai = x.im[0], * __restrict b = x.re[1], * __restrict bi = x.im[1];
  const T* __restrict c = x.re[2], * __restrict ci = x.im[2];
  T* __restrict y = x.to_re[0], * __restrict yi = x.to_im[0], * __restrict z = x.to_re[1], * __restrict zi = x.to_im[1];
  T* __restrict v = x.to_re[2], * __restrict vi = x.to_im[2];
  for (int64_t i = 0; i < count; ++i) {
    const T s = b[i] + c[i], si = bi[i] + ci[i], d = sine * (b[i] - c[i]), di = sine * (bi[i] - ci[i]);
    const T m = a[i] + half * s, mi = ai[i] + half * si;
    y[i] = a[i] + s;
    yi[i] = ai[i] + si;
    store(m - di, mi + d, w1, z + i, zi + i);
    store(m + di, mi - d, w2, v + i, vi + i);
  }
}

template <class T> PG_INLINE void butterfly(const Points<T, 4>& x, int64_t count) {
  const std::complex<T> w1 = x.w[0], w2 = x.w[1], w3 = x.w[2];
  const T* __restrict a = x.re[0], * __restrict ai = x.im[0], * __restrict b = x.re[1], * __restrict bi = x.im[1];
  const T* __restrict c = x.re[2], * __restrict ci = x.im[2], * __restrict d = x.re[3], * __restrict di = x.im[3];
  T* __restrict y = x.to_re[0], * __restrict yi = x.to_im[0], * __restrict z = x.to_re[1], * __restrict zi = x.to_im[1];
  T* __restrict v = x.to_re[2], * __restrict vi = x.to_im[2], * __restrict u = x.to_re[3], * __restrict ui = x.to_im[3];
  for (int64_t i = 0; i < count; ++i) {
    const T s = a[i] + c[i], si = ai[i] + ci[i], e = a[i] - c[i], ei = ai[i] - ci[i];
    const T t = b[i] + d[i], ti = bi[i] + di[i], f = b[i] - d[i], fi = bi[i] - di[i];
    y[i] = s + t;
    yi[i] = si + ti;
    store(e + fi, ei - f, w1, z + i, zi + i);
    store(s - t, si - ti, w2, v + i, vi + i);
    store(e - fi, ei + f, w3, u + i, ui + i);
  }
}

// Any odd factor, from the definition.
template <class T> PG_INLINE void butterfly_of(int p, const T* re, const T* im, int64_t apart, T* to_re,
                                               T* to_im, int64_t to_apart, const std::complex<T>* w,
                                               const std::complex<T>* roots, int64_t count) {
  for (int k = 0; k < p; ++k) {
    T* __restrict y = to_re + k * to_apart, * __restrict yi = to_im + k * to_apart;
    for (int64_t i = 0; i < count; ++i) y[i] = re[i], yi[i] = im[i];
    for (int j = 1; j < p; ++j) {
      const std::complex<T> r = roots[j * k % p];
      const T* __restrict a = re + j * apart, * __restrict ai = im + j * apart;
      for (int64_t i = 0; i < count; ++i) {
        y[i] += a[i] * r.real() - ai[i] * r.imag();
        yi[i] += a[i] * r.imag() + ai[i] * r.real();
      }
    }
    if (k == 0) continue;
    const std::complex<T> v = w[k - 1];
    for (int64_t i = 0; i < count; ++i) store(T(y[i]), T(yi[i]), v, y + i, yi + i);
  }
}

template <class T, int p> PG_INLINE void pass(const T* re, const T* im, T* to_re, T* to_im, int64_t groups,
                                              int64_t count, const std::complex<T>* w) {
  for (int64_t q = 0; q < groups; ++q) {
    Points<T, p> x;
    for (int k = 0; k < p; ++k) {
      x.re[k] = re + (q + k * groups) * count;
      x.im[k] = im + (q + k * groups) * count;
      x.to_re[k] = to_re + (q * p + k) * count;
      x.to_im[k] = to_im + (q * p + k) * count;
    }
    x.w = w + q * (p - 1);
    butterfly(x, count);
  }
}

template <class T> PG_INLINE bool passes(const FourierPlan<T>& plan, T* re, T* im, T* re2, T* im2) {
  int64_t part = plan.n, count = FourierPlan<T>::lanes;
  const std::complex<T>*w = plan.twiddles.data(), *roots = plan.roots.data();
  bool swapped = false;
  for (const int p : plan.factors) {
    const int64_t groups = part / p;
    if (p == 4) pass<T, 4>(re, im, re2, im2, groups, count, w);
    else if (p == 2) pass<T, 2>(re, im, re2, im2, groups, count, w);
    else if (p == 3) pass<T, 3>(re, im, re2, im2, groups, count, w);
    else
      for (int64_t q = 0; q < groups; ++q)
        butterfly_of(p, re + q * count, im + q * count, groups * count, re2 + q * p * count,
                     im2 + q * p * count, count, w + q * (p - 1), roots, count);
    std::swap(re, re2);
    std::swap(im, im2);
    swapped = !swapped;
    w += groups * (p - 1);
    roots += p;
    part = groups;
    count *= p;
  }
  return swapped;
}

#if PG_CLONES
template <class T>
PG_TARGET_AVX512 bool passes_avx512(const FourierPlan<T>& plan, T* re, T* im, T* re2, T* im2) {
  return passes(plan, re, im, re2, im2);
}
template <class T> PG_TARGET_AVX2 bool passes_avx2(const FourierPlan<T>& plan, T* re, T* im, T* re2, T* im2) {
  return passes(plan, re, im, re2, im2);
}
#endif

}  // namespace

template <class T> bool transform_lanes(const FourierPlan<T>& plan, T* re, T* im, T* re2, T* im2) {
#if PG_CLONES
  if (ir::isa() == ir::Isa::avx512) return passes_avx512(plan, re, im, re2, im2);
  if (ir::isa() == ir::Isa::avx2) return passes_avx2(plan, re, im, re2, im2);
#endif
  return passes(plan, re, im, re2, im2);
}

template struct FourierPlan<float>;
template struct FourierPlan<double>;
template std::complex<float> root_of_unity<float>(int64_t, int64_t);
template std::complex<double> root_of_unity<double>(int64_t, int64_t);
template bool transform_lanes(const FourierPlan<float>&, float*, float*, float*, float*);
template bool transform_lanes(const FourierPlan<double>&, double*, double*, double*, double*);

}  // namespace pg::cpu
