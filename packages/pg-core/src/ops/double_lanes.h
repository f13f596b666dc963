#pragma once
// Functions of float32 in straight-line arithmetic on float64, whose errors below 1e-10 leave one rounding.
// Coefficients are fits as those of ir/math.h. They are written over the same vocabulary; of operands in
// float64 only the ranges that are named are right.

#include <numbers>

#include "ops/elementwise.h"

namespace pg::double_lanes {

/// c0 + c1 x + c2 x^2 + ...
template <class X, class... C> PG_INLINE X horner(X x, double c0, C... rest) {
  if constexpr (sizeof...(rest) == 0) return ir::like(x, c0);
  else return horner(x, rest...) * x + c0;
}

inline constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
inline constexpr int64_t magic_bits = 0x4338000000000000;
inline constexpr double ln2_high = 0.69314718048553914, ln2_low = 7.4406147909655829e-11;
inline constexpr double half_pi_high = 1.5707963109016418, half_pi_low = 1.5893254712295857e-08;

/// The inverse tangent of -1 .. 1.
template <class X> PG_INLINE X atan_inner(X t) {
  return t * horner(t * t, 0.99999999994124544, -0.33333331571215746, 0.19999912050079144,
                    -0.14283980729482176, 0.11093240982546276, -0.08980237682389898, 0.072457138737395982,
                    -0.054279019134283929, 0.034209496118477456, -0.016111592533690051, 0.0048508948180193386,
                    -0.00068478509122942683);
}
template <class X> PG_INLINE X atan(X x) {
  constexpr double half_pi = std::numbers::pi / 2;
  const X r = atan_inner(ir::select(ir::abs(x) > 1.0, 1.0 / x, x));
  return ir::select(x > 1.0, half_pi - r, ir::select(x < -1.0, -half_pi - r, r));
}

/// The tangent of -2^20 .. 2^20.
template <class X> PG_INLINE X tan(X x) {
  const X t = x * (2 / std::numbers::pi) + magic, n = t - magic;
  const X r = (x - n * half_pi_high) - n * half_pi_low, s = r * r;
  const X sine = r * horner(s, 0.99999999999544475, -0.16666666630417443, 0.0083333286873568443,
                            -0.00019839177514260111, 2.7171450533645474e-06);
  const X cosine = horner(s, 0.99999999999993427, -0.49999999999272227, 0.041666666533817322,
                          -0.0013888879941783704, 2.4798846015776496e-05, -2.7168121641002978e-07);
  const auto odd = -(ir::bits(t) & 1);  // all bits or none
  const auto up = ir::bits(sine), down = ir::bits(cosine), minus = ir::bits(-cosine);
  return ir::from_bits((minus & odd) | (up & ~odd)) / ir::from_bits((up & odd) | (down & ~odd));
}

/// e^x for -700 .. 700 and NaN.
template <class X> PG_INLINE X exp(X x) {
  const X t = x * std::numbers::log2e + magic, n = t - magic;
  const X r = (x - n * ln2_high) - n * ln2_low;
  const X p = horner(r, 0.99999999999976052, 0.99999999998057743, 0.50000000006204115, 0.16666666885871484,
                     0.041666664214217448, 0.0083332669437122288, 0.0013889179035573855,
                     0.00019915472196933644, 2.4727202398279491e-05);
  return p * ir::from_bits((ir::bits(t) - magic_bits + int64_t{1023}) << int64_t{52});
}

/// The logarithm of positive normal numbers.
template <class X> PG_INLINE X log(X x) {
  const auto b = ir::bits(x), e = (b - int64_t{0x3FE6A09E667F3BCD}) >> int64_t{52};
  const X m = ir::from_bits(b - (e << int64_t{52})), f = (m - 1.0) / (m + 1.0);
  const X r = f * horner(f * f, 1.9999999999999452, 0.66666666679644526, 0.39999994872374717,
                         0.28572168132849346, 0.22174168605484521, 0.19609246420647719);
  return ir::convert<double>(e) * std::numbers::ln2 + r;
}

/// f of float32 through float64, or `exact` of float64.
template <class F, class Exact, class X, class... Rest>
PG_INLINE X lanes_or(F f, Exact exact, X x, Rest... rest) {
  return ir::by_width(
      x, [f](auto... v) { return ir::convert<float>(f(ir::convert<double>(v)...)); }, exact, rest...);
}
/// The same with the C library's function of float64.
template <ir::Libm exact, class F, class X, class... Rest> PG_INLINE X through_lanes(F f, X x, Rest... rest) {
  return lanes_or(f, [](auto... v) { return ir::libm<exact>(v...); }, x, rest...);
}

}  // namespace pg::double_lanes
