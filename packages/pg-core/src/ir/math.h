#pragma once
// Elementary functions, written once over the vocabulary of scalar.h and native.h.
//
// float32: straight-line arithmetic on add, mul, fma, div, select and bits, without tables or branches, so
// that every dialect and instruction set computes the same bits and loops vectorise; errors stay below 1 ulp
// (tests/accuracy.py). Coefficients come from a minimax fit (Lawson's reweighted least squares) with each low
// coefficient rounded first. Functions without such a form compute in float64 through the C library and round
// once. float64: double_math.h, where it has the function, else the C library.

#include <limits>
#include <numbers>

#include "ir/double_math.h"
#include "ir/native.h"
#include "ir/scalar.h"

namespace pg::ir {
namespace detail {

inline constexpr float inf = std::numeric_limits<float>::infinity();
inline constexpr float nan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float magic =
    12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which is then in the low bits
inline constexpr int magic_bits = 0x4B400000;
inline constexpr float ln2_high = 0.693145752f,
                       ln2_low = 1.42860677e-6f;  // the high part times an exponent is exact

/// c0 + c1 x + c2 x^2 + ... by Horner's rule.
template <class X, class... C> PG_INLINE X poly(X x, float c0, C... rest) {
  if constexpr (sizeof...(rest) == 0) return like(x, c0);
  else return fma(poly(x, rest...), x, c0);
}

template <class I> PG_INLINE auto power_of_two(I n) { return from_bits((n + 127) << 23); }
template <class X> PG_INLINE X with_sign_of(X r, X x) {
  const auto b = bits(x);
  return from_bits((bits(r) & ~lowest_like(b)) | (b & lowest_like(b)));
}

/// e^x = 2^n (1 + head + tail), |x - n ln 2| <= ln(2) / 2; head is linear + quadratic, rounded.
template <class X, class I> struct ExpParts {
  X head, tail, linear, quadratic;
  I n;
};
template <class X> PG_INLINE auto exp_parts(X x) {
  const X t = fma(x, 1.442695f, magic), n = t - magic;
  const X h = fma(n, -ln2_high, x);                                // exact
  const X r = fma(n, -ln2_low, h), low = fma(n, -ln2_low, h - r);  // low: what r lost in rounding
  const X q = fma(r * r, poly(r, 0.5f, 0.16666515f, 0.041666374f, 0.008369394f, 0.0013943254f), low);
  const X head = q + r;
  const auto integer = bits(t) - magic_bits;
  return ExpParts<X, std::remove_const_t<decltype(integer)>>{head, (r - head) + q, r, q, integer};
}
template <class X> PG_INLINE X clamp_exponent(X x, float low, float high) {  // keeps NaN
  const X y = select(x > high, high, x);
  return select(y < low, low, y);
}
/// Results that vanish are chosen, not computed: processors take a slow path where arithmetic underflows, and
/// masks are full of minus infinities.
template <class X> PG_INLINE X exp_single(X x) {
  const auto vanishes = x < -104.0f;
  const auto e = exp_parts(select(vanishes, 0.0f, select(x > 89.0f, 89.0f, x)));
  // One rounding, also where it overflows or is subnormal.
  return select(vanishes, 0.0f, scale(e.head + 1.0f, e.n));
}
/// 1 / (1 + e) for 0 <= e <= 1 to 3e-6, for those who carry the error along: a division takes longer than
/// all the rest of them.
template <class X> PG_INLINE X inverse_above_one(X e) {
  const X y = poly(e, 0.998266876f, -0.942807436f, 0.665510893f, -0.22183688f);
  return fma(y, fma(-y, e, 1.0f - y), y);
}

/// x = 2^e (1 + f) with 2/3 <= 1 + f < 4/3, and log(1 + f) = f + g.
template <class X> struct LogParts {
  X f, g, e;
};
template <class X> PG_INLINE LogParts<X> log_parts(X x) {
  const auto tiny = x < 1.17549435e-38f;
  const X y = select(tiny, x * 8388608.0f, x);
  const auto b = bits(y), e = (b - 0x3F2AAAAB) >> 23;
  const X f = from_bits(b - (e << 23)) - 1.0f, s = f * f;
  const X h = fma(f,
                  poly(f, 0.33333218f, -0.24999672f, 0.20010443f, -0.16686226f, 0.14003497f, -0.121044904f,
                       0.14002734f, -0.13238198f),
                  -0.5f);
  return {f, s * h, convert<float>(e) + select(tiny, -23.0f, like(x, 0.0f))};
}
template <class X> PG_INLINE X log_ends(X x, X r) {  // x: zero, negative, infinite, NaN
  r = select(x < inf, r, x);
  r = select(x < 0.0f, nan, r);
  return select(x == 0.0f, -inf, r);
}
/// e * unit + log(1 + f) * (c_high + c_low) with every rounding error but the last carried along, so that
/// powers of the base give integers.
template <class X> PG_INLINE X log_base(X x, float unit_high, float unit_low, float c_high, float c_low) {
  const auto [f, g, e] = log_parts(x);
  const X y = f + g, y_low = (f - y) + g;
  const X p = y * c_high, p_low = fma(y, c_high, -p);
  const X low = fma(y, c_low, fma(y_low, c_high, p_low));
  const X whole = e * unit_high, sum = whole + p;  // whole is exact; |whole| >= |p| or whole is 0
  return log_ends(x, sum + (((whole - sum) + p) + fma(e, unit_low, low)));
}

/// sin(x + shift * pi / 2) for |x| < 2^15: three parts of pi/2 and a remainder in two terms.
template <class X> PG_INLINE X sine(X x, int shift) {
  const X t = fma(x, 0.636619772f, magic), n = t - magic;
  const auto q = bits(t) + shift;
  const X h = fma(n, -1.57079601f, x), p = n * 3.13916473e-7f, r = h - p;  // h is exact
  const X low = ((h - r) - p) - fma(n, 5.39030253e-15f, fma(n, 3.13916473e-7f, -p));
  const X s = r * r;
  const X sin = r + fma(s * r, poly(s, -0.16666667f, 0.008333379f, -0.00019852974f, 2.8306288e-06f), low);
  const X w = fma(s, -0.5f, 1.0f), rest = fma(s, -0.5f, 1.0f - w);  // 1 - s/2 and its rounding error
  const X cos = w + fma(s * s, poly(s, 0.041666646f, -0.0013887301f, 2.4430665e-05f), rest - r * low);
  const auto odd = -(q & 1);  // all bits or none; GCC 12 does not vectorise a condition on the lowest bit
  return from_bits(((bits(cos) & odd) | (bits(sin) & ~odd)) ^ ((q & 2) << 30));
}

template <Libm f, class X, class... Args> PG_INLINE X through_double(X x, Args... args) {
  return by_width(
      x, [](auto... v) { return convert<float>(libm<f>(convert<double>(v)...)); },
      [](auto... v) { return libm<f>(v...); }, args...);
}

}  // namespace detail

// ---- signs, order ---------------------------------------------------------------------------------------

template <class X> PG_INLINE auto signbit(X x) {
  const auto b = bits(x);
  return b < 0;
}
template <class X> PG_INLINE X copysign(X x, X y) { return detail::with_sign_of(x, y); }

/// NaN from either side is kept; +0 is greater than -0.
template <class X> PG_INLINE X maximum(X x, X y) {
  return by_kind(
      x,
      [](auto a, auto b) {
        const auto ordered = select(a != a, a, select(b < a, a, b));
        return select(a == b, from_bits(bits(a) & bits(b)), ordered);
      },
      [](auto a, auto b) {
        return by_bool(
            a, [](auto p, auto q) { return p | q; }, [](auto p, auto q) { return select(q < p, p, q); }, b);
      },
      y);
}
template <class X> PG_INLINE X minimum(X x, X y) {
  return by_kind(
      x,
      [](auto a, auto b) {
        const auto ordered = select(a != a, a, select(a < b, a, b));
        return select(a == b, from_bits(bits(a) | bits(b)), ordered);
      },
      [](auto a, auto b) {
        return by_bool(
            a, [](auto p, auto q) { return p & q; }, [](auto p, auto q) { return select(p < q, p, q); }, b);
      },
      y);
}

/// The length of (x, y), without overflow. float32: through float64, where the squares are exact.
template <class X> PG_INLINE X hypot(X x, X y) {
  const auto length = by_width(
      x,
      [](auto a, auto b) {
        const auto p = convert<double>(a), q = convert<double>(b);
        return convert<float>(sqrt(p * p + q * q));
      },
      [](auto a, auto b) {
        // Scaled by a power of two that brings the larger one near 1 (below the range: as far as it goes).
        const auto larger = select(abs(a) < abs(b), abs(b), abs(a));
        const auto exponent = bits(larger) & (int64_t{0x7ff} << 52);
        const auto limit = int64_t{2045} << 52, least = int64_t{1} << 52;
        const auto held = select(exponent > limit, limit, select(exponent < least, least, exponent));
        const auto down = from_bits((int64_t{2046} << 52) - held), up = from_bits(held);
        const auto p = a * down, q = b * down;
        return sqrt(fma(p, p, q * q)) * up;
      },
      y);
  return select((abs(x) == detail::inf) | (abs(y) == detail::inf), detail::inf, length);
}

/// 1 / sqrt(x).
template <class X> PG_INLINE X rsqrt(X x) {
  const X root = sqrt(x), r = 1 / root;
  // Newton's correction by what both roundings left over; not where that is 0 * inf.
  const X left = fma(-root, r, like(x, 1)) - fma(-root, root, x) * r * r * 0.5;
  return select((x > 0) & (r > 0), fma(r, left, r), r);
}

// ---- exponentials ---------------------------------------------------------------------------------------

template <class X> PG_INLINE X exp(X x) {
  return by_width(x, [](auto v) { return detail::exp_single(v); }, [](auto v) { return wide::exp(v); });
}

template <class X> PG_INLINE X exp2(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto vanishes = v < -151.0f;
        const auto y = select(vanishes, 0.0f, select(v > 129.0f, 129.0f, v));
        const auto t = y + detail::magic, r = y - (t - detail::magic);
        const auto p = detail::poly(r, 0.2402265f, 0.05550411f, 0.009618078f, 0.0013333414f, 0.00015456072f,
                                    1.5319327e-05f);
        const auto whole = scale(fma(r, 0.6931472f, r * r * p) + 1.0f, bits(t) - detail::magic_bits);
        return select(vanishes, 0.0f, whole);
      },
      [](auto v) { return wide::exp2(v); });
}

template <class X> PG_INLINE X expm1(X x) {
  return by_width(
      x,
      [](auto v) {
        // 2^n (1 + s) - 1 = (2^n - 1) + 2^n s; far out exp or -1 is right.
        const auto e = detail::exp_parts(detail::clamp_exponent(v, -18.0f, 21.0f));
        const auto unit = detail::power_of_two(e.n), whole = unit - 1.0f, lost = (unit - whole) - 1.0f;
        const auto part = unit * e.head, sum = whole + part;
        const auto low =
            ((whole - sum) + part) + lost;  // exact where it matters: |whole| >= |part|, or both are small
        auto r = sum + (low + unit * e.tail);
        r = select(v > 20.0f, detail::exp_single(v), r);
        r = select(v < -17.5f, -1.0f, r);
        return select(v == 0.0f, v, r);  // keeps -0
      },
      [](auto v) { return wide::expm1(v); });
}

template <class X> PG_INLINE X log(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto [f, g, e] = detail::log_parts(v);
        return detail::log_ends(v, fma(e, detail::ln2_high, fma(e, detail::ln2_low, f) + g));
      },
      [](auto v) { return wide::log(v); });
}
template <class X> PG_INLINE X log2(X x) {
  return by_width(
      x, [](auto v) { return detail::log_base(v, 1.0f, 0.0f, 1.442695f, 1.925963e-08f); },
      [](auto v) { return wide::log2(v); });
}
template <class X> PG_INLINE X log10(X x) {
  return by_width(
      x, [](auto v) { return detail::log_base(v, 0.3010254f, 4.605039e-06f, 0.4342945f, -1.010305e-08f); },
      [](auto v) { return wide::log10(v); });
}
template <class X> PG_INLINE X log1p(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto u = v + 1.0f;
        const auto lost = select(abs(v) < 1.0f, v - (u - 1.0f), 1.0f - (u - v));  // (1 + v) - u, exactly
        const auto [f, g, e] = detail::log_parts(u);
        const auto small = fma(e, detail::ln2_low, g + lost / u);
        const auto top = e * detail::ln2_high, sum = top + f;  // top is exact
        auto r = sum + (((top - sum) + f) + small);
        r = select(v < detail::inf, r, v);
        r = select(v < -1.0f, detail::nan, r);
        r = select(v == -1.0f, -detail::inf, r);
        return select(v == 0.0f, v, r);
      },
      [](auto v) { return wide::log1p(v); });
}

/// 1 / (1 + e^-x), through e^-|x| so that nothing overflows and the small tail keeps its digits.
template <class X> PG_INLINE X sigmoid(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto a = -abs(v);
        const auto e = detail::exp_parts(select(a < -104.0f, -104.0f, a));
        const auto n = select(e.n < -120, -120, e.n);  // in the sum, where less does not count
        const auto power = detail::power_of_two(n), part = fma(power, e.head, power),
                   part_low = fma(power, e.head, power - part);  // e^-|x|, exactly the two
        const auto y = detail::inverse_above_one(part);
        const auto left = fma(-y, part_low, fma(-y, part, 1.0f - y));  // 1 / (1 + e^-|x|) = y (1 + left)
        const auto negative = v < 0.0f;
        const auto lower = fma(left, e.head + 1.0f, e.quadratic) + e.linear;  // times e^-|x| / 2^n
        const auto r = fma(y, select(negative, lower, left), y);
        return select(negative, scale(r, e.n), r);
      },
      [](auto v) { return wide::sigmoid(v); });
}

template <class X> PG_INLINE X tanh(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto a = -abs(v), s = v * v;
        const auto small = fma(s * v,
                               detail::poly(s, -0.333332658f, 0.133314788f, -0.0537964068f, 0.0211209133f,
                                            -0.00714258384f, 0.00144005893f),
                               v);
        // 1 - 2 t / (1 + t) with t = e^-2|x| = 2^n e^2r; beyond 10 that is 1.
        const auto c = select(a < -10.0f, -10.0f, a);
        const auto k = fma(c, 2.88539f, detail::magic);
        const auto r = fma(k - detail::magic, -0.34657359f, c);
        const auto t = scale(
            detail::poly(r, 1.0f, 2.0f, 1.99999976f, 1.33332169f, 0.666692495f, 0.267798096f, 0.0884448811f),
            bits(k) - detail::magic_bits);
        const auto large = fma(
            -t,
            detail::poly(t, 1.99999964f, -1.99996173f, 1.9986279f, -1.97709882f, 1.80167913f, -1.09924281f),
            1.0f);
        return detail::with_sign_of(select(a > -0.85f, small, large), v);
      },
      [](auto v) { return wide::tanh(v); });
}

template <class X> PG_INLINE X erf(X x) {
  return by_width(
      x,
      [](auto v) {
        const auto a = abs(v), s = v * v;
        const auto small = fma(detail::poly(s, 0.12837917f, -0.3761263f, 0.11283624f, -0.026855584f,
                                            0.005191926f, -0.0008043434f, 7.9672696e-05f),
                               v, v);
        const auto t = select(a > 4.0f, 4.0f, a);
        const auto p = detail::poly(t, -1.1285449f, -0.6356564f, -0.10520308f, 0.022612128f, -0.0028923322f,
                                    3.605779e-05f, 4.8207865e-05f, -5.151752e-06f);
        // 1 - e^(t p), without rounding the product or the exponential.
        const auto product = t * p, product_low = fma(t, p, -product);
        const auto e = detail::exp_parts(product);
        const auto unit = detail::power_of_two(e.n), whole = 1.0f - unit, part = unit * e.head;
        const auto sum = whole - part, rounded = (whole - sum) - part;
        const auto large = sum + (rounded - unit * fma(product_low, e.head + 1.0f, e.tail));
        return select(a < 0.92f, small, detail::with_sign_of(large, v));
      },
      [](auto v) { return libm<Libm::erf>(v); });
}

// ---- trigonometry ---------------------------------------------------------------------------------------

/// sin and cos have a straight-line form below 2^15 (float64: 10^6) and take the C library beyond: block
/// loops ask once per chunk.
template <class X> PG_INLINE auto beyond_sine(X x) {
  return by_width(x, [](auto v) { return abs(v) >= 32768.0f; }, [](auto v) { return abs(v) >= 1e6; });
}
struct Sine {
  template <class X> static PG_INLINE X fast(X x) {
    return by_width(
        x, [](auto v) { return select(v == 0.0f, v, detail::sine(v, 0)); },
        [](auto v) { return select(v == 0.0, v, wide::sine(v, 0)); });
  }
  template <class X> static PG_INLINE X slow(X x) { return detail::through_double<Libm::sin>(x); }
};
struct Cosine {
  template <class X> static PG_INLINE X fast(X x) {
    return by_width(x, [](auto v) { return detail::sine(v, 1); }, [](auto v) { return wide::sine(v, 1); });
  }
  template <class X> static PG_INLINE X slow(X x) { return detail::through_double<Libm::cos>(x); }
};

// ---- integers, division ---------------------------------------------------------------------------------

/// x^n by repeated squaring, wrapping; a negative power of an integer is 0 except for 1 and -1.
template <class X> PG_INLINE X integer_power(X x, X n) {
  X base = x, result = like(x, 1), left = n;
  const auto squared = [&](int rounds) {
    for (int bit = 0; bit < rounds && !known_zero(left); ++bit) {
      result = select((left & 1) == 1, result * base, result);
      base = base * base;
      left = left >> 1;
    }
  };
  constexpr int usual = 6;
  squared(usual);
  const X small = result;
  const auto large = left > 0;
  squared(width_of(x) - usual);
  result = select_rare(large, result, small);
  return by_sign(
      x,
      [](auto v, auto exponent, auto positive) {
        const auto unit = select(v == 1, v, select(v == -1, select((exponent & 1) == 1, v, 1), like(v, 0)));
        return select(exponent < 0, unit, positive);
      },
      [](auto, auto, auto positive) { return positive; }, n, result);
}

/// Does the truncated division leave something on the other side of zero than the divisor?
template <class X> PG_INLINE auto crosses(X left, X y) { return (left != 0) & ((left < 0) ^ (y < 0)); }

/// The truncated division of floats leaves something exact in straight-line arithmetic for quotients below
/// 2^53; the C library knows all. F makes the result of the operands and of what was left; `whole` that of
/// integers.
template <class F> struct Division {
  template <class X> static PG_INLINE auto rare(X a, X b) {
    return by_width(
        a, [](auto v, auto w) { return wide::beyond_division(convert<double>(v), convert<double>(w)); },
        [](auto v, auto w) { return wide::beyond_division(v, w); }, b);
  }
  template <class X> static PG_INLINE X fast(X a, X b) {
    return F::finish(a, b,
                     by_width(
                         a,
                         [](auto v, auto w) {
                           return convert<float>(wide::division_rest(convert<double>(v), convert<double>(w)));
                         },
                         [](auto v, auto w) { return wide::division_rest(v, w); }, b));
  }
  template <class X> static PG_INLINE X slow(X a, X b) { return F::finish(a, b, libm<Libm::fmod>(a, b)); }
  template <class X> PG_INLINE X operator()(X x, X y) const {
    return by_kind(
        x, [](auto a, auto b) { return select_rare(rare(a, b), slow(a, b), fast(a, b)); },
        [](auto a, auto b) { return F::whole(a, b); }, y);
  }
};

/// Quotient rounded down, as Python's //; where an operand is infinite the plain quotient, as the array API
/// standard has it: inf // 2 is inf, -2 // inf is -0 (NumPy and Python give NaN and -1).
struct FloorDivide : Division<FloorDivide> {
  // What is left makes the quotient an integer up to rounding; Python's corner cases follow from that.
  template <class X> static PG_INLINE X finish(X a, X b, X left) {
    const X d = (a - left) / b;
    const X q = select(crosses(left, b), d - 1, d), down = floor(q);
    const X near = select(q - down > 0.5, down + 1, down);
    const X r = select(q == 0, copysign(like(b, 0), a / b), near);
    return select((b == 0) | (abs(a) == detail::inf) | (abs(b) == detail::inf), a / b, r);
  }
  template <class X> static PG_INLINE X whole(X a, X b) {
    return by_sign(
        a, [](auto s, auto t) { return select(crosses(rest(s, t), t), quotient(s, t) - 1, quotient(s, t)); },
        [](auto s, auto t) { return quotient(s, t); }, b);
  }
};

/// x - y * floor_divide(x, y), with the sign of y, as Python's %.
struct Remainder : Division<Remainder> {
  template <class X> static PG_INLINE X finish(X, X b, X left) {
    return select(left == 0, copysign(left, b), select(crosses(left, b), left + b, left));
  }
  template <class X> static PG_INLINE X whole(X a, X b) {
    return by_sign(
        a, [](auto s, auto t) { return select(crosses(rest(s, t), t), rest(s, t) + t, rest(s, t)); },
        [](auto s, auto t) { return rest(s, t); }, b);
  }
};

/// Remainder of the truncated division, with the sign of x, as C's.
struct Fmod : Division<Fmod> {
  template <class X> static PG_INLINE X finish(X, X, X left) { return left; }
  template <class X> static PG_INLINE X whole(X a, X b) { return rest(a, b); }
};

template <class X> PG_INLINE X pow(X x, X y) {
  return by_kind(
      x,
      [](auto a, auto b) {
        return by_width(
            a,
            [](auto v, auto w) {
              return convert<float>(wide::power_single(convert<double>(v), convert<double>(w)));
            },
            [](auto v, auto w) { return libm<Libm::pow>(v, w); }, b);
      },
      [](auto a, auto b) { return integer_power(a, b); }, y);
}

}  // namespace pg::ir
