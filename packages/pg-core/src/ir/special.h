#pragma once
// Special functions, written like math.h over the vocabulary of scalar.h and native.h.
//
// The normal distribution and what is made of it have straight-line float32 forms, since networks call them
// per element. The gamma family computes in float64 and rounds once. Coefficients: polynomials through the
// Chebyshev points of their interval (float64), reweighted least squares (float32), computed with 50 digits.

#include "ir/math.h"

namespace pg::ir {
namespace detail {

/// A function of float64, for float32 operands too: those are widened and the result is rounded once.
template <class F, class X, class... Rest> PG_INLINE X in_double(F, X x, Rest... rest) {
  return by_width(
      x, [](auto... v) { return convert<float>(F{}(convert<double>(v)...)); },
      [](auto... v) { return F{}(v...); }, rest...);
}

/// c0 + c1 x + c2 x^2 + ... in float64.
template <class X, class... C> PG_INLINE X poly_wide(X x, double c0, C... rest) {
  if constexpr (sizeof...(rest) == 0) return like(x, c0);
  else return fma(poly_wide(x, rest...), x, c0);
}

/// a + b = sum + error, exactly.
template <class X> struct Pair {
  X high, low;
};
template <class X> PG_INLINE Pair<X> two_sum(X a, X b) {
  const X sum = a + b, other = sum - a;
  return {sum, (a - (sum - other)) + (b - other)};
}

/// The two parts of e^(high + low) / 2^n: 1 + head and what is missing from it.
template <class X, class I> struct ExpPair {
  X one, rest;
  I n;
};
template <class X> PG_INLINE auto exp_pair(X high, X low) {
  const auto e = exp_parts(high);
  const X one = e.head + 1.0f, lost = (1.0f - one) + e.head;
  return ExpPair<X, std::remove_const_t<decltype(e.n)>>{one, lost + fma(low, one, e.tail), e.n};
}

/// The upper tail of the normal distribution at a = |x| <= 15, P(N > a) = 2^n (high + low): e^(-a^2/2) times
/// (a + 3) P((a - 3) / (a + 3)), nearly without rounding errors.
template <class X, class I> struct Tail {
  X high, low;
  I n;
};
template <class X> PG_INLINE auto normal_tail(X a) {
  const X half = a * -0.5f, square = half * a;
  const auto e = exp_pair(square, fma(half, a, -square));
  const auto below = two_sum(a, like(a, 3.0f));
  const X inverse = 1.0f / below.high, t = (a - 3.0f) * inverse;
  const X rest = fma(t,
                     poly(t, -0.509332001f, 0.230017707f, -0.0472624339f, -0.0104626175f, 0.00696755107f,
                          0.00102484366f, -0.00102792738f, -0.00024336671f, 0.000127070118f, 5.2005078e-05f),
                     like(a, -2.64978759e-08f));
  // What t lost in rounding, times the slope of the polynomial to two digits.
  const X t_low = (fma(-t, below.high, a - 3.0f) - t * below.low) * inverse;
  const X slope = fma(t, fma(t, -0.14f, like(a, 0.46f)), like(a, -0.51f));
  const X top = rest + 0.729083717f, top_low = fma(t_low, slope, (0.729083717f - top) + rest);
  const X q = top * inverse, left = fma(-q, below.high, top) + (top_low - q * below.low);
  const X q_low = left * inverse;
  const X high = q * e.one, low = fma(q, e.one, -high) + fma(q, e.rest, q_low * e.one);
  return Tail<X, std::remove_const_t<decltype(e.n)>>{high, low, e.n};
}
template <class X> PG_INLINE X no_further(X x, float most) {  // keeps NaN
  return select(abs(x) > most, with_sign_of(like(x, most), x), x);
}

/// line x + cube x^3, the coefficients given in two parts each.
template <class X, class N> PG_INLINE Pair<X> gelu_argument(X x, N line, N line_low, N cube, N cube_low) {
  const X s = x * x, s_low = fma(x, x, -s), a = s * cube;
  const auto p = two_sum(a, like(x, line));
  const X rest = fma(s_low, cube, fma(s, cube_low, like(x, line_low)));
  const X p_low = p.low + (fma(s, cube, -a) + rest);
  const X w = x * p.high;
  return {w, fma(x, p_low, fma(x, p.high, -w))};
}

/// x / (1 + e^-w) where w = high + low has the sign of x; as sigmoid, with the product inside, so that the
/// lower tail is rounded once.
template <class X> PG_INLINE X gated(X x, X high, X low) {
  const X flip = select(high < 0.0f, 1.0f, like(x, -1.0f));
  const auto e = exp_pair(flip * high, flip * low);  // e^-|w|
  const X scaled = scale(e.one, e.n), bottom = scaled + 1.0f;
  const X bottom_low = ((1.0f - bottom) + scaled) + scale(e.rest, e.n);
  const auto negative = high < 0.0f;
  const X top = select(negative, e.one, 1.0f), top_low = select(negative, e.rest, 0.0f);
  const X inverse = inverse_above_one(scaled), q = top * inverse;
  const X q_low = (fma(-q, bottom, top) + (top_low - q * bottom_low)) * inverse;
  const X product = x * q, r = product + fma(x, q_low, fma(x, q, -product));
  // Of a result that rounds to zero the terms may have either sign.
  return with_sign_of(select(negative, scale(r, e.n), r), x);
}

/// log(1 + x) for erf_inv, operation by operation as XLA's CPU compiler has it (rational for |x| < sqrt(2) -
/// 1, else the logarithm of 1 + x by Cephes' polynomial): normal numbers then have JAX's bits. x is in (-1,
/// 0].
template <class X> PG_INLINE X log1p_of_xla(X x) {
  const X v = x + 1.0f;
  const X y = select(v < 1.17549435e-38f, 1.17549435e-38f, v);
  const auto b = bits(y);
  const X m = from_bits((b & 0x007FFFFF) | 0x3F000000);
  const auto low_half = m < 0.707106769f;
  const X f = (m - 1.0f) + select(low_half, m, 0.0f);
  const X e = (convert<float>((b >> 23) - 127) + 1.0f) - select(low_half, 1.0f, like(x, 0.0f));
  const X s = f * f, cube = s * f;
  const X p = fma(fma(f, 0.0703768358f, like(x, -0.115146101f)), f, like(x, 0.116769984f));
  const X q = fma(fma(f, -0.12420141f, like(x, 0.142493233f)), f, like(x, -0.166680574f));
  const X r = fma(fma(f, 0.200007141f, like(x, -0.24999994f)), f, like(x, 0.333333313f));
  const X tail = fma(fma(fma(p, cube, q), cube, r), cube, e * -0.000212194442f);
  const X large = fma(e, 0.693359375f, fma(-s, 0.5f, f) + tail);
  const X square = x * x;
  const X above =
      poly(x, 20.0395527f, 57.1129646f, 60.9496689f, 29.9119186f, 6.57873249f, 0.498541027f, 4.52700008e-05f);
  const X below = poly(x, 60.11866f, 216.427887f, 309.098724f, 221.762405f, 83.0475693f, 15.0629091f, 1.0f);
  const X small = x + fma(square, -0.5f, (x * square) * (above / below));
  return select(abs(x) < 0.414213568f, small, large);
}

/// The inverse error function of float32 by M. Giles' two polynomials, as XLA has it.
template <class X> PG_INLINE X erfinv_single(X x) {
  const X w = -log1p_of_xla(x * -x);
  const auto central = w < 5.0f;
  const X t = select(central, w - 2.5f, sqrt(w) - 3.0f);
  const auto step = [&](X p, float near, float far) {
    return fma(p, t, select(central, near, like(x, far)));
  };
  X p = select(central, 2.81022636e-08f, like(x, -0.000200214257f));
  p = step(p, 3.43273939e-07f, 0.000100950558f);
  p = step(p, -3.5233877e-06f, 0.00134934322f);
  p = step(p, -4.39150654e-06f, -0.00367342844f);
  p = step(p, 0.00021858087f, 0.00573950773f);
  p = step(p, -0.00125372503f, -0.0076224613f);
  p = step(p, -0.00417768164f, 0.00943887047f);
  p = step(p, 0.246640727f, 1.00167406f);
  p = step(p, 1.50140941f, 2.83297682f);
  return select(abs(x) < 1.0f, p * x, select(abs(x) == 1.0f, x * inf, like(x, nan)));
}

/// erfinv(x) / x is a smooth function of w = -log(1 - x^2): three polynomials, in w or its root.
struct ErfinvDouble {
  template <class X> PG_INLINE X operator()(X x) const {
    const X a = abs(x), w = -libm<Libm::log>((1.0 - a) * (1.0 + a)), s = sqrt(w);
    const X central = poly_wide(
        w - 3.125, 1.6536545626831027, 0.2401581824255883, -0.00603367087142785, -0.000740702534154477,
        0.00018673420802464837, -1.3882523394405316e-05, -1.3654691850603575e-06, 4.234788173782339e-07,
        -2.9070382262927266e-08, -4.11266082002324e-09, 1.0512181539804126e-09, -5.414287198084716e-11,
        -1.2976885526532075e-11, 2.6304834740560442e-12, -8.118399443074353e-14, -4.001237735091896e-14,
        6.596407712420834e-15, -4.0282154327661744e-17, -1.3016928016796445e-16, 1.557432024623325e-17,
        1.150022252066253e-18, -3.4996044354754177e-19, -1.113483769832702e-21, 3.240704459379902e-21);
    const X middle = poly_wide(
        s - 3.25, 3.0838856104922208, 1.0052589676941652, 0.00537091455357168, -0.003751208508215561,
        0.0024914420969817607, -0.0016882755357337071, 0.0009532893637435638, -0.00035503780975963814,
        2.4031257015092525e-05, 6.828708654753377e-05, -4.731898412011245e-05, 1.2465167157087251e-05,
        2.9257291901789823e-06, -3.986084395214756e-06, 1.4987130784186127e-06, -2.7004219280868947e-08,
        -2.713451105439456e-07, 1.3104351499972014e-07, 6.969241977629694e-10, -1.5102695423335065e-08);
    const X far = poly_wide(s - 5.125, 4.976191390016299, 1.0102562759886629, -0.0002125995036214146,
                            -0.00017993907261288475, 6.469075613478816e-05, -1.658989456654548e-05,
                            3.7475909743542376e-06, -7.962443714465717e-07, 1.6930220687233143e-07,
                            -4.153365515233822e-08, 1.4597688843353818e-08, -7.0233943840198245e-09,
                            3.4920465549867165e-09, -1.701759098067508e-09, 8.508150803247171e-10,
                            -2.9924829833640584e-10, 2.0270368890856437e-11, 1.3470755903592841e-11);
    const X ratio = select(w < 6.25, central, select(w < 16.0, middle, far));
    return select(a == 1.0, x * double{inf}, ratio * x);
  }
};

/// The distance of x to the nearest integer, with sign: exact, so that sines of pi x keep their zeros.
template <class X> PG_INLINE X off_integer(X x) { return x - rint(x); }
inline constexpr double pi = std::numbers::pi;

/// log |gamma|: a polynomial with the zeros at 1 and 2 taken out on [1, 2.5], the recurrence up to 8,
/// Stirling's series above, reflection below 0.
struct LogGamma {
  template <class X> PG_INLINE X operator()(X x) const {
    const auto mirrored = x < 0.0;
    const X a = select(mirrored, 1.0 - x, x);
    const auto small = a < 1.0, large = a >= 8.0;
    X u = select(small, a, a - 1.0), product = like(x, 1.0);  // u = y - 1 is exact
    for (int i = 0; i < 6; ++i) {
      const auto above = u > 1.5;
      product = select(above, product * u, product);
      u = select(above, u - 1.0, u);
    }
    const X near = u * (u - 1.0) *
                   poly_wide(u - 0.75, 0.4501393121092563, -0.11948158662524275, 0.044520447198509686,
                             -0.019053957830246777, 0.00877637042524953, -0.004226194125963237,
                             0.0020955338803511515, -0.0010605660740508067, 0.0005448969798010082,
                             -0.000283190642428413, 0.0001485169172330309, -7.84615612837167e-05,
                             4.170409808958023e-05, -2.2282559008298975e-05, 1.195718295249812e-05,
                             -6.432318239552401e-06, 3.4764841281870834e-06, -1.9132461879841067e-06,
                             1.0402308562055134e-06, -5.013249838452059e-07, 2.7329252368665147e-07,
                             -2.514796629915524e-07, 1.3833778748324786e-07, 2.71885747144867e-08,
                             -1.5258602053637756e-08, -5.271069691352568e-08, 2.915020840600158e-08);
    const X log = libm<Libm::log>(select(small | large, a, product));
    const X r = 1.0 / a;
    const X series = r * poly_wide(r * r, 0.08333333333333333, -0.002777777777777778, 0.0007936507936507937,
                                   -0.0005952380952380953, 0.0008417508417508417, -0.0019175269175269176,
                                   0.00641025641025641, -0.029550653594771242, 0.17964437236883057);
    const X stirling = (a - 0.5) * (log - 1.0) + (0.4189385332046727 + series);  // log(2 pi) / 2 - 1 / 2
    const X positive = select(large, stirling, select(small, near - log, near + log));
    const X sine = libm<Libm::sin>(abs(off_integer(x)) * pi);
    const X r_mirrored = (1.1447298858494002 - libm<Libm::log>(sine)) - positive;  // log(pi)
    return select(abs(x) == double{inf}, double{inf}, select(mirrored, r_mirrored, positive));
  }
};

/// The derivative of log gamma: a polynomial with the zero near 1.46 taken out on [1, 2], the recurrence up
/// to 10, the asymptotic series above, reflection below 0.
struct Digamma {
  template <class X> PG_INLINE X operator()(X x) const {
    const auto mirrored = x <= 0.0;
    const X a = select(mirrored, 1.0 - x, x);
    const auto small = a < 1.0;
    X y = select(small, a + 1.0, a), above = select(small, -1.0, like(x, 0.0)), below = select(small, a, 1.0);
    for (int i = 0; i < 8; ++i) {  // above / below gathers the sum of 1 / (y - 1)
      const auto high = y > 2.0;
      const X less = y - 1.0;
      above = select(high, fma(above, less, below), above);
      below = select(high, below * less, below);
      y = select(high, less, y);
    }
    const X near =
        ((y - 1.4616321449683622) - 9.549995429965697e-17) *
        poly_wide(y - 1.5, 0.9510558760318328, -0.4236274212814606, 0.24054248424078697, -0.14840492305388092,
                  0.09498872445289039, -0.06192213327548831, 0.040760833940846085, -0.026975796659787055,
                  0.017907248317313294, -0.011908220105959716, 0.007927021796868154, -0.005279937255532708,
                  0.003518106563802472, -0.0023454947397380833, 0.0015633696313653504, -0.0010364584817312839,
                  0.0006909255761282986, -0.00048595039220036254, 0.00032395945401345196,
                  -0.00014480643368061614, 9.653646261410062e-05, -0.0001782188548855923,
                  0.00011881232908510335);
    const X r = 1.0 / a, s = r * r;
    const X far =
        libm<Libm::log>(a) - fma(s,
                                 poly_wide(s, 0.08333333333333333, -0.008333333333333333,
                                           0.003968253968253968, -0.004166666666666667, 0.007575757575757576,
                                           -0.021092796092796094, 0.08333333333333333, -0.4432598039215686),
                                 r * 0.5);
    const X positive = select(a >= 10.0, far, near + above / below);
    const X off = off_integer(x);
    const X left = select(off == 0.0, double{nan}, positive - pi / libm<Libm::tan>(off * pi));
    return select(x == 0.0, -1.0 / x, select(mirrored, left, positive));
  }
};

/// Hurwitz' zeta function, the sum of (q + k)^-s: ten terms, then Euler and Maclaurin's formula. s > 1, q >
/// 0.
struct Zeta {
  template <class X> PG_INLINE X operator()(X s, X q) const {
    X sum = like(s, 0.0);
    for (int k = 0; k < 10; ++k) sum = sum + libm<Libm::pow>(q + static_cast<double>(k), -s);
    const X a = q + 10.0, p = libm<Libm::pow>(a, -s), inverse = 1.0 / a;
    constexpr double bernoulli[] = {0.08333333333333333,    -0.001388888888888889,   3.306878306878307e-05,
                                    -8.267195767195768e-07, 2.08767569878681e-08,    -5.284190138687493e-10,
                                    1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
                                    -2.174868698558062e-16, 5.5090028283602295e-18,  -1.3954464685812522e-19};
    X factor = s * inverse, rest = 0.5 + factor * bernoulli[0];
    for (int k = 1; k < 12; ++k) {
      factor = factor * ((s + static_cast<double>(2 * k - 1)) * inverse) *
               ((s + static_cast<double>(2 * k)) * inverse);
      rest = rest + factor * bernoulli[k];
    }
    const X tail = p * (a / (s - 1.0) + rest);
    X r = sum + select((s < 1e5) & (a < double{inf}), tail, like(s, 0.0));
    r = select((q < 0.0) | (s < 1.0), double{nan}, r);
    r = select((q == 0.0) & (s > 1.0), double{inf}, r);
    return select(s == 1.0, double{inf}, r);
  }
};

/// P(N > a) of float64: half of erfc(a / sqrt 2), with the rounding error of the argument taken back.
struct NormalTailDouble {
  template <class X> PG_INLINE X operator()(X a) const {
    const X y = a * std::numbers::sqrt2 * 0.5;
    const X lost = fma(a, 0.7071067811865476, -y) + a * -4.833646656726457e-17;
    const X whole = libm<Libm::erfc>(y);
    return 0.5 * (whole -
                  select(abs(y) < 30.0, 1.1283791670955126 * libm<Libm::exp>(-(y * y)) * lost, like(a, 0.0)));
  }
};

}  // namespace detail

/// The inverse of erf; float32 to the bit as JAX's.
template <class X> PG_INLINE X erfinv(X x) {
  return by_width(
      x, [](auto v) { return detail::erfinv_single(v); }, [](auto v) { return detail::ErfinvDouble{}(v); });
}
template <class X> PG_INLINE X lgamma(X x) { return detail::in_double(detail::LogGamma{}, x); }
template <class X> PG_INLINE X digamma(X x) { return detail::in_double(detail::Digamma{}, x); }
template <class X> PG_INLINE X zeta(X s, X q) { return detail::in_double(detail::Zeta{}, s, q); }

/// The probability that a standard normal number lies below x.
template <class X> PG_INLINE X ndtr(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto t = detail::normal_tail(detail::no_further(abs(v), 15.0f));
        const auto tail = scale(t.high + t.low, t.n);
        return select(v < 0.0f, tail, 1.0f - tail);
      },
      [](auto v) { return detail::NormalTailDouble{}(-v); });
}

/// x times ndtr(x); -0 at -inf.
template <class X> PG_INLINE X gelu(X x) {
  return by_width(
      x,
      // Not inlined by itself, and then compiled for the oldest processor.
      [](auto v) __attribute__((always_inline)) {
        const auto t = detail::normal_tail(detail::no_further(abs(v), 15.0f));
        const auto lower = select(v < -15.0f, like(v, -15.0f), v);
        const auto product = lower * t.high;
        const auto below = scale(product + fma(lower, t.low, fma(lower, t.high, -product)), t.n);
        const auto above = fma(-v, scale(t.high + t.low, t.n), v);
        return select(v < 0.0f, below, select((v > 15.0f) | (v == 0.0f), v, above));
      },
      [](auto v) {
        const auto lower = select(v < -40.0, like(v, -40.0), v);
        return lower * detail::NormalTailDouble{}(-lower);
      });
}

/// x sigmoid(w) with w = sqrt(8 / pi) (x + 0.044715 x^3): gelu with tanh; -0 at -inf.
template <class X> PG_INLINE X gelu_tanh(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto c = detail::no_further(v, 12.0f);
        const auto w =
            detail::gelu_argument(c, 1.59576917f, -4.53406805e-08f, 0.0713548139f, 2.39883247e-09f);
        return select((v > 12.0f) | (v == 0.0f), v, detail::gated(c, w.high, w.low));
      },
      [](auto v) {
        const auto lower = select(v < -40.0, like(v, -40.0), v), c = select(v > 40.0, like(v, 40.0), lower);
        const auto w = detail::gelu_argument(c, 1.5957691216057308, -9.96930880911092e-17,
                                             0.07135481627260025, -6.175149918155315e-19);
        const auto negative = w.high < 0.0;
        const auto e = libm<Libm::exp>(-abs(w.high));
        const auto exact = fma(e, select(negative, w.low, -w.low), e);
        return lower * (select(negative, exact, 1.0) / (1.0 + exact));
      });
}

/// x sigmoid(x); -0 at -inf.
template <class X> PG_INLINE X silu(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto w = detail::no_further(v, 120.0f);
        return select((v > 120.0f) | (v == 0.0f), v, detail::gated(w, w, like(v, 0.0f)));
      },
      [](auto v) {
        const auto lower = select(v < -850.0, like(v, -850.0), v);
        const auto far = lower < -600.0;  // there e^x may be subnormal, and is kept larger until the end
        const auto e = libm<Libm::exp>(select(far, 100.0, like(v, 0.0)) - abs(lower));
        const auto down = select(far, 3.720075976020836e-44, like(v, 1.0));  // e^-100
        return lower * (select(lower < 0.0, e, 1.0) / (1.0 + e * down)) * down;
      });
}

}  // namespace pg::ir
