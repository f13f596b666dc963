#pragma once
// Elementary functions of complex128, over the vocabulary; complex64 goes through complex128 and rounds once.
//
// Each is built on real functions, with the branch cuts, signed zeros and infinities of C99 Annex G (which
// the array API asks for). log and its kin follow Kahan's "Branch cuts for complex elementary functions"
// (1987): no cancellation in the inverse functions, and log |z| keeps its digits near |z| = 1.

#include <numbers>

#include "ir/complex.h"
#include "ir/math.h"

namespace pg::ir {
namespace complex_math {

template <class X> PG_INLINE auto infinite(X x) { return abs(x) == detail::inf; }
template <class X> PG_INLINE auto finite(X x) { return abs(x) < detail::inf; }
template <class X> PG_INLINE X larger(X a, X b) { return select(a < b, b, a); }
/// i z, and what comes back from a function that was asked at i z: -i w.
template <class Z> PG_INLINE Z times_i(Z z) { return pair(-imag_part(z), real_part(z)); }
template <class Z> PG_INLINE Z over_i(Z w) { return pair(imag_part(w), -real_part(w)); }

/// What a + b loses in rounding (Knuth).
template <class X> PG_INLINE X lost(X a, X b, X sum) {
  const X other = sum - a;
  return (a - (sum - other)) + (b - other);
}

/// log |x + iy|.
template <class X> PG_INLINE X log_abs(X x, X y) {
  const X a = abs(x), b = abs(y);
  const X big = select(a < b, b, a), small = select(a < b, a, b);
  // Near 1: |z|^2 - 1 with the roundings of both squares carried along; the first difference is exact.
  const X p = big * big, p_low = fma(big, big, -p), q = small * small, q_low = fma(small, small, -q);
  const X less = p - 1, sum = less + q;
  const X near = 0.5 * libm<Libm::log1p>(sum + (lost(less, q, sum) + p_low + q_low));
  const X ratio = select(big == 0, small, small / big);  // 0, or the NaN beside it
  const X far = libm<Libm::log>(big) + 0.5 * libm<Libm::log1p>(ratio * ratio);
  const X r = select((p > 0.5) & (p < 3), near, far);
  return select(infinite(x) | infinite(y), detail::inf, r);
}

/// e^(|x| - 700) / 2 with the factor that is missing: for hyperbolic functions where e^|x| overflows.
inline constexpr double far_out = 700, e_far_out = 1.0142320547350045e304;

struct Exp {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z);
    const auto over = x > far_out;
    const auto e = libm<Libm::exp>(select(over, x - far_out, x)),
               factor = select(over, like(x, e_far_out), like(x, 1));
    const auto re = e * libm<Libm::cos>(y) * factor, im = e * libm<Libm::sin>(y) * factor;
    const auto vanishes = (x == -detail::inf) & ~finite(y), grows = (x == detail::inf) & ~finite(y);
    return pair(select(vanishes, 0, select(grows, x, re)), select(vanishes, 0, select(y == 0, y, im)));
  }
};

struct Exp2 {
  template <class Z> static PG_INLINE Z of(Z z) {
    return Exp::of(pair(real_part(z) * std::numbers::ln2, imag_part(z) * std::numbers::ln2));
  }
};

struct Expm1 {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z);
    const auto far = Exp::of(z);
    const auto half = libm<Libm::sin>(0.5 * y);
    const auto near = libm<Libm::expm1>(x) * libm<Libm::cos>(y) - 2 * half * half;
    const auto gone = (x < -40) & (finite(y) | infinite(x));
    return pair(select(y == 0, libm<Libm::expm1>(x) + 0,
                       select(gone, like(x, -1), select(x > 40, real_part(far), near))),
                imag_part(far));
  }
};

struct Log {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z);
    return pair(log_abs(x, y), libm<Libm::atan2>(y, x));
  }
};

struct Log2 {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto w = Log::of(z);
    return pair(real_part(w) * std::numbers::log2e, imag_part(w) * std::numbers::log2e);
  }
};

struct Log10 {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto w = Log::of(z);
    return pair(real_part(w) * std::numbers::log10e, imag_part(w) * std::numbers::log10e);
  }
};

struct Log1p {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z), u = x + 1;
    // |1 + z|^2 - 1 = 2x + y^2 + x^2, with every rounding but the last carried along.
    const auto p = x * x, p_low = fma(x, x, -p), q = y * y, q_low = fma(y, y, -q), twice = x + x;
    const auto first = twice + q, sum = first + p;
    const auto low = lost(twice, q, first) + lost(first, p, sum) + p_low + q_low;
    const auto near = 0.5 * libm<Libm::log1p>(sum + low);
    const auto small = (abs(x) < 0.5) & (abs(y) < 0.5);
    return pair(select(small, near, log_abs(u, y)), libm<Libm::atan2>(y, u));
  }
};

struct Sqrt {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z), a = abs(x), b = abs(y), size = larger(a, b);
    // Powers of four keep |z| away from both ends of the range.
    const auto huge = size > 0x1p1000, tiny = size < 0x1p-900;
    const auto factor = select(huge, like(x, 0x1p-54), select(tiny, like(x, 0x1p108), like(x, 1)));
    const auto back = select(huge, like(x, 0x1p27), select(tiny, like(x, 0x1p-54), like(x, 1)));
    const auto t = sqrt(0.5 * (a * factor + hypot(a * factor, b * factor))) * back;
    auto re = select(x < 0, b / (t + t), t), im = select(x < 0, copysign(t, y), y / (t + t));
    const auto zero = (x == 0) & (y == 0);
    re = select(zero, 0, re);
    im = select(zero, y, im);
    const auto right = x == detail::inf, left = x == -detail::inf;
    const auto nothing = select(y != y, y, like(y, 0));
    re = select(right, x, select(left, nothing, re));
    im = select(right, copysign(nothing, y), select(left, copysign(a, y), im));
    return pair(select(infinite(y), b, re), select(infinite(y), y, im));
  }
};

struct Rsqrt {
  template <class Z> static PG_INLINE Z of(Z z) { return 1 / Sqrt::of(z); }
};

struct Sinh {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z), cos = libm<Libm::cos>(y), sin = libm<Libm::sin>(y);
    const auto far = abs(x) > far_out, wild = ~finite(y) & ((x == 0) | infinite(x));
    const auto e = 0.5 * libm<Libm::exp>(abs(x) - far_out);
    const auto re = select(far, copysign(e, x) * cos * e_far_out, libm<Libm::sinh>(x) * cos);
    const auto im = select(far, e * sin * e_far_out, libm<Libm::cosh>(x) * sin);
    return pair(select(wild, x, re), select(y == 0, y, im));
  }
};

struct Cosh {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z), cos = libm<Libm::cos>(y), sin = libm<Libm::sin>(y);
    const auto far = abs(x) > far_out;
    const auto e = 0.5 * libm<Libm::exp>(abs(x) - far_out);
    const auto re = select(far, e * cos * e_far_out, libm<Libm::cosh>(x) * cos);
    const auto im = select(far, copysign(e, x) * sin * e_far_out, libm<Libm::sinh>(x) * sin);
    return pair(select(infinite(x) & ~finite(y), abs(x), re),
                select(y == 0, y * copysign(like(x, 1), x), select((x == 0) & ~finite(y), x, im)));
  }
};

/// Kahan's, with t = tan y; beyond |x| = 22 only the imaginary part is not yet +-1.
struct Tanh {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z), a = abs(x);
    const auto t = libm<Libm::tan>(y), beta = 1 + t * t, s = libm<Libm::sinh>(select(a > 22, 22, x));
    const auto bottom = 1 + beta * s * s;
    // At infinity the zero has the sign of y, as the array API standard has it (in C99 that of sin 2y).
    const auto tail = select(infinite(x), copysign(like(y, 0), y),
                             4 * libm<Libm::sin>(y) * libm<Libm::cos>(y) * libm<Libm::exp>(-2 * a));
    const auto far = (a > 22) & (finite(y) | infinite(x));
    const auto re = select(far, copysign(like(x, 1), x), beta * sqrt(1 + s * s) * s / bottom);
    const auto im = select(far, select(finite(y), tail, like(y, 0)), t / bottom);
    return pair(select(x == 0, x, re), select(y == 0, y, im));
  }
};

struct Sin {
  template <class Z> static PG_INLINE Z of(Z z) { return over_i(Sinh::of(times_i(z))); }
};
struct Cos {
  template <class Z> static PG_INLINE Z of(Z z) { return Cosh::of(times_i(z)); }
};
struct Tan {
  template <class Z> static PG_INLINE Z of(Z z) { return over_i(Tanh::of(times_i(z))); }
};

/// Where the inverse functions are log 2z to the last bit.
template <class X> PG_INLINE auto far_away(X x, X y) {
  return (larger(abs(x), abs(y)) > 1e100) | infinite(x) | infinite(y);
}

struct Asinh {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z);
    const auto p = Sqrt::of(pair(1 + y, -x)), q = Sqrt::of(pair(1 - y, x));  // of 1 - iz and 1 + iz
    const auto pr = real_part(p), pi = imag_part(p), qr = real_part(q), qi = imag_part(q);
    const auto far = far_away(x, y);
    const auto re =
        select(far, copysign(log_abs(x, y) + std::numbers::ln2, x), libm<Libm::asinh>(pr * qi - pi * qr));
    const auto im = libm<Libm::atan2>(y, select(far, abs(x), pr * qr - pi * qi));
    return pair(re, select((y == 0) & (x != x), y, im));
  }
};

struct Acos {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z);
    const auto p = Sqrt::of(pair(1 - x, -y)), q = Sqrt::of(pair(1 + x, y));
    const auto pr = real_part(p), pi = imag_part(p), qr = real_part(q), qi = imag_part(q);
    const auto far = far_away(x, y);
    const auto re = select(far, libm<Libm::atan2>(abs(y), x), 2 * libm<Libm::atan2>(pr, qr));
    const auto im =
        select(far, -copysign(log_abs(x, y) + std::numbers::ln2, y), libm<Libm::asinh>(qr * pi - qi * pr));
    return pair(select((x == 0) & (y != y), like(x, std::numbers::pi / 2), re), im);
  }
};

struct Asin {
  template <class Z> static PG_INLINE Z of(Z z) { return over_i(Asinh::of(times_i(z))); }
};

struct Acosh {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto w = Acos::of(z);
    return pair(abs(imag_part(w)), copysign(real_part(w), imag_part(z)));
  }
};

struct Atanh {
  template <class Z> static PG_INLINE Z of(Z z) {
    const auto x = real_part(z), y = imag_part(z), a = abs(x), b = abs(y), size = larger(a, b);
    const auto inside = 0.25 * libm<Libm::log1p>(4 * a / ((1 - a) * (1 - a) + b * b));
    const auto at_one = 0.5 * (std::numbers::ln2 - libm<Libm::log>(b));
    const auto u = a / size, v = b / size;
    const auto beyond = select(infinite(x) | infinite(y), 0, u / (u * u + v * v) / size);
    const auto far = far_away(x, y);
    const auto re = select(far, beyond, select((a == 1) & (b < 1e-100), at_one, inside));
    const auto im = select(far, copysign(like(y, std::numbers::pi / 2), y),
                           0.5 * libm<Libm::atan2>(2 * y, (1 - a) * (1 + a) - b * b));
    return pair(select(x == 0, x, copysign(re, x)), select(y != y, y, im));
  }
};

struct Atan {
  template <class Z> static PG_INLINE Z of(Z z) { return over_i(Atanh::of(times_i(z))); }
};

/// z^w = e^(w log z); 0^w is 0 for a positive real part of w, and anything to the power 0 is 1.
struct Pow {
  template <class Z> static PG_INLINE Z of(Z z, Z w) {
    const auto power = Exp::of(w * Log::of(z));
    const auto of_zero = select(real_part(w) > 0, like(real_part(w), 0), like(real_part(w), detail::nan));
    return select(w == 0, like(z, 1), select(z == 0, pair(of_zero, of_zero), power));
  }
};

/// One body per function for all loops: its cost dwarfs a call.
template <class F, class... Z> __attribute__((noinline)) Val<Complex<double>> body(Z... z) {
  return F::of(z...);
}
template <class F, class T, class... Rest> PG_INLINE Val<Complex<T>> call(Val<Complex<T>> z, Rest... rest) {
  return convert<Complex<T>>(body<F>(convert<Complex<double>>(z), convert<Complex<double>>(rest)...));
}
template <class F, class... Rest> Sym call(Sym z, Rest... rest) {
  return convert(F::of(convert(z, DType::complex128), convert(rest, DType::complex128)...), z.dtype);
}

}  // namespace complex_math

/// A function of real numbers and its continuation: real(x) or complex_math::call<F>(x).
template <class F, class OnReal, class X, class... Rest>
PG_INLINE auto continued(OnReal on_real, X x, Rest... rest) {
  return by_field(x, on_real, [](auto... z) { return complex_math::call<F>(z...); }, rest...);
}

}  // namespace pg::ir
