#pragma once
// Many Fourier transforms of one length at a time, one in each lane.

#include <complex>
#include <cstdint>
#include <vector>

namespace pg::cpu {

/// Transforms of this length; its prime factors are at most `largest_factor`.
template <class T> struct FourierPlan {
  static constexpr int lanes = 64 / sizeof(T);  // transforms that run together
  static constexpr int largest_factor = 31;

  explicit FourierPlan(int64_t length);

  int64_t n;
  std::vector<int> factors;  // of a pass each
  // Of each pass, in order: exp(-2 pi i q k / length of the pass) for q in order, k = 1 ... factor - 1.
  std::vector<std::complex<T>> twiddles;
  std::vector<std::complex<T>> roots;  // of unity, of each factor in order
};

/// exp(-2 pi i k / n), rounded once from double.
template <class T> std::complex<T> root_of_unity(int64_t k, int64_t n);

/// Transforms `lanes` sequences: element i of lane l stands at re[i * lanes + l]; `re`, `im` and the equally
/// large `re2`, `im2` are overwritten. True: the result is in re2 and im2.
template <class T> bool transform_lanes(const FourierPlan<T>& plan, T* re, T* im, T* re2, T* im2);

}  // namespace pg::cpu
