#pragma once
// Elementary functions of float64 in straight-line arithmetic, as math.h has them of float32: no tables, no
// branches, errors below those of tests/accuracy.py. Coefficients are minimax fits (Remez) in 200 bits,
// rounded.

#include <limits>
#include <numbers>

#include "ir/native.h"
#include "ir/scalar.h"

namespace pg::ir::wide {

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
inline constexpr int64_t magic_bits = 0x4338000000000000;
inline constexpr double ln2_high = 0.6931471805592082,
                        ln2_low = 7.371002565167799e-13;  // the high part times an exponent is exact

/// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class X, class... C> PG_INLINE X poly(X x, double c0, C... rest) {
  if constexpr (sizeof...(rest) == 0) return like(x, c0);
  else return fma(wide::poly(x, rest...), x, c0);
}

template <class I> PG_INLINE auto power_of_two(I n) { return from_bits((n + int64_t{1023}) << int64_t{52}); }
/// The integer that a float64 below 2^51 is.
template <class X> PG_INLINE auto integer(X n) { return bits(n + magic) - magic_bits; }
/// x * 2^n for whole n: two products, the first exact.
template <class X> PG_INLINE X scale(X x, X n) {
  const auto half = bits(fma(n, 0.5, magic)) - magic_bits;
  return x * wide::power_of_two(half) * wide::power_of_two(wide::integer(n) - half);
}
template <class X> PG_INLINE X limited(X x, double low, double high) {  // keeps NaN
  const X y = select(x > high, high, x);
  return select(y < low, low, y);
}
template <class X> PG_INLINE X with_sign_of(X r, X x) {
  const auto b = bits(x);
  return from_bits((bits(r) & ~lowest_like(b)) | (b & lowest_like(b)));
}

/// e^x = 2^n (1 + head + tail), |x - n ln 2| <= ln(2) / 2.
template <class X> struct ExpParts {
  X head, tail, n;
};
template <class X> PG_INLINE ExpParts<X> exp_parts(X x) {
  const X n = fma(x, std::numbers::log2e, magic) - magic;
  const X h = fma(n, -ln2_high, x);                                // exact
  const X r = fma(n, -ln2_low, h), low = fma(n, -ln2_low, h - r);  // low: what r lost in rounding
  const X q = fma(r * r,
                  wide::poly(r, 0.5, 0.16666666666666682, 0.04166666666666609, 0.008333333333316918,
                             0.0013888888889117264, 0.00019841269896680964, 2.4801586924615133e-05,
                             2.7557234558604167e-06, 2.755758278098415e-07, 2.5112144591038653e-08,
                             2.0826541991131033e-09),
                  low);
  const X head = q + r;
  return {head, (r - head) + q, n};
}
template <class X> PG_INLINE X exp(X x) {
  const auto vanishes = x < -746.0;
  const auto e = wide::exp_parts(select(vanishes, 0.0, select(x > 710.0, 710.0, x)));
  return select(vanishes, 0.0, wide::scale(e.head + 1.0, e.n));
}
template <class X> PG_INLINE X exp2(X x) {
  const auto vanishes = x < -1076.0;
  const X y = select(vanishes, 0.0, select(x > 1025.0, 1025.0, x));
  const X n = (y + magic) - magic, r = y - n;
  const X p = wide::poly(r, 0.24022650695910072, 0.05550410866482156, 0.009618129107628312,
                         0.0013333558146434966, 0.00015403530394052432, 1.525273379904981e-05,
                         1.3215485834965935e-06, 1.0178081473290638e-07, 7.055445743718641e-09,
                         4.451199308290586e-10, 2.4699313009141525e-11);
  return select(vanishes, 0.0, wide::scale(fma(r, std::numbers::ln2, r * r * p) + 1.0, n));
}
/// 2^n (1 + s) - 1 = (2^n - 1) + 2^n s for n below 70, without what rounding loses.
template <class X> PG_INLINE X less_one(const ExpParts<X>& e) {
  const X unit = wide::power_of_two(wide::integer(select(e.n > 70.0, 70.0, e.n)));
  const X whole = unit - 1.0, lost = (unit - whole) - 1.0, part = unit * e.head, sum = whole + part;
  return sum + ((((whole - sum) + part) + lost) + unit * e.tail);
}
template <class X> PG_INLINE X expm1(X x) {
  X r = wide::less_one(wide::exp_parts(wide::limited(x, -40.0, 45.0)));
  r = select(x > 44.0, wide::exp(x), r);
  r = select(x < -39.0, -1.0, r);
  return select(x == 0.0, x, r);  // keeps -0
}

template <class X> PG_INLINE X sinh(X x) {
  const X a = abs(x);
  const auto e = wide::exp_parts(wide::limited(a, 0.0, 712.0));
  const X t = wide::less_one(e), near = (t + t / (t + 1.0)) * 0.5;
  return wide::with_sign_of(select(a > 44.0, wide::scale(e.head + 1.0, e.n - 1.0), select(a == 0.0, a, near)),
                            x);
}
template <class X> PG_INLINE X cosh(X x) {
  const auto e = wide::exp_parts(wide::limited(abs(x), 0.0, 712.0));
  const X half = wide::scale(e.head + 1.0, e.n - 1.0);
  return half + 0.25 / half;
}
template <class X> PG_INLINE X tanh(X x) {
  const X e = wide::expm1(wide::limited(abs(x), 0.0, 22.0) * -2.0);
  return wide::with_sign_of(-e / (e + 2.0), x);
}
/// 1 / (1 + e^-x), through e^-|x| so that nothing overflows and the small tail keeps its digits.
template <class X> PG_INLINE X sigmoid(X x) {
  const X e = wide::exp(-abs(x));
  return select(x < 0.0, e, 1.0) / (e + 1.0);
}

/// x = 2^e (1 + f) with 2/3 <= 1 + f < 4/3, and log(1 + f) = f + g.
template <class X> struct LogParts {
  X f, g, e;
};
template <class X> PG_INLINE LogParts<X> log_parts(X x) {
  const auto tiny = x < 2.2250738585072014e-308;
  const X y = select(tiny, x * 18014398509481984.0, x);
  const auto b = bits(y), e = (b - int64_t{0x3FE5555555555555}) >> int64_t{52};
  const X f = from_bits(b - (e << int64_t{52})) - 1.0, half = f * f * 0.5;
  // With s = f / (2 + f): log(1 + f) = log((1 + s) / (1 - s)) = f - f^2/2 + s (f^2/2 + s^2
  // Q(s^2)).
  const X s = f / (f + 2.0), z = s * s;
  const X q =
      z * wide::poly(z, 0.666666666666666, 0.4000000000005695, 0.28571428555767886, 0.22222224302852425,
                     0.18181665512111883, 0.15391123373648088, 0.13173412883031138, 0.13844271770473696);
  return {f, fma(s, half + q, -half),
          (from_bits(e + magic_bits) - magic) + select(tiny, -54.0, like(x, 0.0))};
}
template <class X> PG_INLINE X log_ends(X x, X r) {  // x: zero, negative, infinite, NaN
  r = select(x < inf, r, x);
  r = select(x < 0.0, nan, r);
  return select(x == 0.0, -inf, r);
}
template <class X> PG_INLINE X log(X x) {
  const auto [f, g, e] = wide::log_parts(x);
  const X y = f + g, y_low = (f - y) + g;
  const X whole = e * ln2_high, sum = whole + y;  // whole is exact; |whole| >= |y| or whole is 0
  return wide::log_ends(x, sum + (((whole - sum) + y) + fma(e, ln2_low, y_low)));
}
/// e * unit + log(1 + f) * (c_high + c_low) with every rounding error but the last carried along, so
/// that powers of the base give integers.
template <class X> PG_INLINE X log_base(X x, double unit_high, double unit_low, double c_high, double c_low) {
  const auto [f, g, e] = wide::log_parts(x);
  const X y = f + g, y_low = (f - y) + g;
  const X p = y * c_high, p_low = fma(y, c_high, -p);
  const X low = fma(y, c_low, fma(y_low, c_high, p_low));
  const X whole = e * unit_high, sum = whole + p;
  return wide::log_ends(x, sum + (((whole - sum) + p) + fma(e, unit_low, low)));
}
template <class X> PG_INLINE X log2(X x) {
  return wide::log_base(x, 1.0, 0.0, 1.4426950408889634, 2.0355273740931033e-17);
}
template <class X> PG_INLINE X log10(X x) {
  return wide::log_base(x, 0.30102999566361177, 3.694239077158931e-13, 0.4342944819032518,
                        1.098319650216765e-17);
}
template <class X> PG_INLINE X log1p(X x) {
  const X u = x + 1.0;
  const X lost = select(abs(x) < 1.0, x - (u - 1.0), 1.0 - (u - x));  // (1 + x) - u, exactly
  const auto [f, g, e] = wide::log_parts(u);
  const X small = fma(e, ln2_low, g + lost / u);
  const X top = e * ln2_high, sum = top + f;
  X r = sum + (((top - sum) + f) + small);
  r = select(x < inf, r, x);
  r = select(x < -1.0, nan, r);
  r = select(x == -1.0, -inf, r);
  return select(x == 0.0, x, r);
}

/// sin(x + shift * pi / 2) for |x| < 10^6: three parts of pi/2 and a remainder in two terms.
template <class X> PG_INLINE X sine(X x, int64_t shift) {
  const X t = fma(x, 2 / std::numbers::pi, magic), n = t - magic;
  const auto q = bits(t) + shift;
  const X h = fma(n, -1.5707963267341256, x), p = n * 6.077100506506192e-11, r = h - p;  // h is exact
  const X low = ((h - r) - p) - fma(n, 3.5215598651832e-27, fma(n, 6.077100506506192e-11, -p));
  const X s = r * r;
  const X sin = r + fma(s * r,
                        wide::poly(s, -0.16666666666666632, 0.008333333333322316, -0.00019841269829725392,
                                   2.7557313662111545e-06, -2.5050753271975805e-08, 1.5896505339923844e-10),
                        low);
  const X w = fma(s, -0.5, 1.0), rest = fma(s, -0.5, 1.0 - w);  // 1 - s/2 and its rounding error
  const X cos = w + fma(s * s,
                        wide::poly(s, 0.0416666666666666, -0.001388888888887399, 2.4801587289394998e-05,
                                   -2.7557314326035097e-07, 2.087571955759426e-09, -1.1359448554761166e-11),
                        rest - r * low);
  const auto odd = -(q & int64_t{1});  // all bits or none
  return from_bits(((bits(cos) & odd) | (bits(sin) & ~odd)) ^ ((q & int64_t{2}) << int64_t{62}));
}

/// What the truncated division a / b of finite numbers leaves, exactly, where the quotient is below 2^53: fma
/// rounds once, and a remainder is representable. The quotient may have been rounded up to the next integer.
template <class X> PG_INLINE X division_rest(X a, X b) {
  const X x = abs(a), y = abs(b);
  const X left = fma(-trunc(x / y), y, x);
  const X r = select(left < 0.0, left + y, left);
  return wide::with_sign_of(select((y == inf) & (x < inf), x, r), a);
}
template <class X> PG_INLINE auto beyond_division(X a, X b) { return abs(a / b) >= 9007199254740992.0; }

/// x^y of operands that float32 holds, with errors far below its spacing.
template <class X> PG_INLINE X power_single(X x, X y) {
  const X a = abs(x), whole = floor(y), half = y * 0.5;
  const X r = wide::exp(y * wide::log(a));
  const auto one = (x == 1.0) | (y == 0.0) | ((a == 1.0) & (abs(y) == inf));
  const auto odd = (y == whole) & (floor(half) != half);
  const X with_sign = select(odd & (bits(x) < int64_t{0}), -r, r);
  const X real = select((x < 0.0) & (x > -inf) & (y != whole), nan, with_sign);
  return select(one, 1.0, real);
}

}  // namespace pg::ir::wide
