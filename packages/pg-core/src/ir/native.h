#pragma once
// The vocabulary of scalar.h over native types. Val<T> wraps a number so that C++'s own rules do not leak in:
// no promotion of small integers to int, no undefined overflow, shift, division or float-to-integer
// conversion, no float * double. Everything is always_inline: the instruction set is that of the loop it is
// inlined into.

#include <cmath>
#include <limits>
#include <type_traits>

#include "ir/vocabulary.h"

namespace pg::ir {

template <class T> struct Val {
  using type = T;
  T v;
};

template <class T> using unsigned_of = std::make_unsigned_t<T>;
template <class T> inline constexpr bool is_integer = std::is_integral_v<T> && !std::is_same_v<T, bool>;

template <class T, Number N> PG_INLINE Val<T> like(Val<T>, N value) {
  if constexpr (is_complex_type<T>) return {{static_cast<decltype(T::re)>(value), 0}};
  else return {static_cast<T>(value)};
}
template <class T> PG_INLINE Val<Complex<T>> pair(Val<T> re, Val<T> im) { return {{re.v, im.v}}; }
template <class T> PG_INLINE Val<T> real_part(Val<Complex<T>> z) { return {z.v.re}; }
template <class T> PG_INLINE Val<T> imag_part(Val<Complex<T>> z) { return {z.v.im}; }

/// Integer arithmetic in unsigned int or wider, so that nothing overflows, then wrapped.
template <class T> using Wide =
    std::conditional_t<sizeof(T) < 4, uint32_t, unsigned_of<std::conditional_t<is_integer<T>, T, int64_t>>>;

#define PG_ARITHMETIC(op)                                                                                    \
  template <class T> PG_INLINE Val<T> operator op(Val<T> a, Val<T> b) {                                      \
    if constexpr (is_integer<T>)                                                                             \
      return {static_cast<T>(static_cast<Wide<T>>(a.v) op static_cast<Wide<T>>(b.v))};                       \
    else return {static_cast<T>(a.v op b.v)};                                                                \
  }
PG_ARITHMETIC(+)
PG_ARITHMETIC(-)
PG_ARITHMETIC(*)
PG_ARITHMETIC(&)
PG_ARITHMETIC(|)
PG_ARITHMETIC(^)
#undef PG_ARITHMETIC

template <class T>
  requires std::is_floating_point_v<T>
PG_INLINE Val<T> operator/(Val<T> a, Val<T> b) {
  return {a.v / b.v};
}

template <class T>
  requires is_integer<T>
PG_INLINE Val<T> quotient(Val<T> a, Val<T> b) {
  if (b.v == 0) return {0};
  if constexpr (std::is_signed_v<T>)
    if (b.v == -1) return {static_cast<T>(0 - static_cast<Wide<T>>(a.v))};
  return {static_cast<T>(a.v / b.v)};
}
template <class T>
  requires is_integer<T>
PG_INLINE Val<T> rest(Val<T> a, Val<T> b) {
  if (b.v == 0) return {0};
  if constexpr (std::is_signed_v<T>)
    if (b.v == -1) return {0};
  return {static_cast<T>(a.v % b.v)};
}

template <class T> PG_INLINE Val<T> operator-(Val<T> a) {
  if constexpr (is_integer<T>) return {static_cast<T>(Wide<T>{0} - static_cast<Wide<T>>(a.v))};
  else return {-a.v};
}
template <class T> PG_INLINE Val<T> operator~(Val<T> a) {
  if constexpr (std::is_same_v<T, bool>) return {!a.v};
  else return {static_cast<T>(~a.v)};
}
template <class T> PG_INLINE Val<T> operator<<(Val<T> a, Val<T> b) {
  constexpr unsigned_of<T> width = sizeof(T) * 8;
  const auto amount = static_cast<unsigned_of<T>>(b.v);
  const auto moved = static_cast<T>(static_cast<Wide<T>>(a.v) << (amount & (width - 1)));
  return {amount < width ? moved : T{0}};
}
template <class T> PG_INLINE Val<T> operator>>(Val<T> a, Val<T> b) {
  constexpr unsigned_of<T> width = sizeof(T) * 8;
  const auto amount = static_cast<unsigned_of<T>>(b.v);
  if constexpr (std::is_signed_v<T>) {
    const unsigned_of<T> most = width - 1;
    return {static_cast<T>(a.v >> (amount < width ? amount : most))};
  } else return {amount < width ? static_cast<T>(a.v >> (amount & (width - 1))) : T{0}};
}

#define PG_COMPARISON(op)                                                                                    \
  template <class T> PG_INLINE Val<bool> operator op(Val<T> a, Val<T> b) { return {a.v op b.v}; }
PG_COMPARISON(==)
PG_COMPARISON(!=)
PG_COMPARISON(<)
PG_COMPARISON(<=)
PG_COMPARISON(>)
PG_COMPARISON(>=)
#undef PG_COMPARISON

#define PG_WITH_NUMBER(op)                                                                                   \
  template <class T, Number N> PG_INLINE auto operator op(Val<T> a, N b) { return a op like(a, b); }         \
  template <class T, Number N> PG_INLINE auto operator op(N a, Val<T> b) { return like(b, a) op b; }
PG_WITH_NUMBER(+)
PG_WITH_NUMBER(-)
PG_WITH_NUMBER(*)
PG_WITH_NUMBER(/)
PG_WITH_NUMBER(&)
PG_WITH_NUMBER(|)
PG_WITH_NUMBER(^)
PG_WITH_NUMBER(<<)
PG_WITH_NUMBER(>>)
PG_WITH_NUMBER(==)
PG_WITH_NUMBER(!=)
PG_WITH_NUMBER(<)
PG_WITH_NUMBER(<=)
PG_WITH_NUMBER(>)
PG_WITH_NUMBER(>=)
#undef PG_WITH_NUMBER

PG_INLINE Val<float> fma(Val<float> a, Val<float> b, Val<float> c) { return {__builtin_fmaf(a.v, b.v, c.v)}; }
PG_INLINE Val<double> fma(Val<double> a, Val<double> b, Val<double> c) {
  return {__builtin_fma(a.v, b.v, c.v)};
}
template <class T, Number N> PG_INLINE Val<T> fma(Val<T> a, N b, Val<T> c) { return fma(a, like(a, b), c); }
template <class T, Number N> PG_INLINE Val<T> fma(Val<T> a, Val<T> b, N c) { return fma(a, b, like(a, c)); }
template <class T, Number N, Number M> PG_INLINE Val<T> fma(Val<T> a, N b, M c) {
  return fma(a, like(a, b), like(a, c));
}

template <class T> PG_INLINE Val<T> abs(Val<T> x) {
  if constexpr (std::is_same_v<T, float>) return {__builtin_fabsf(x.v)};
  else if constexpr (std::is_same_v<T, double>) return {__builtin_fabs(x.v)};
  else if constexpr (std::is_unsigned_v<T>) return x;
  else return {x.v < 0 ? (-x).v : x.v};
}
#define PG_ROUNDING(name)                                                                                    \
  PG_INLINE Val<float> name(Val<float> x) { return {__builtin_##name##f(x.v)}; }                             \
  PG_INLINE Val<double> name(Val<double> x) { return {__builtin_##name(x.v)}; }
PG_ROUNDING(floor)
PG_ROUNDING(ceil)
PG_ROUNDING(trunc)
PG_ROUNDING(rint)
PG_ROUNDING(sqrt)
#undef PG_ROUNDING

template <class T> PG_INLINE Val<T> select(Val<bool> condition, Val<T> x, Val<T> y) {
  return {condition.v ? x.v : y.v};
}
template <class T> PG_INLINE Val<T> select_rare(Val<bool> condition, Val<T> x, Val<T> y) {
  return {condition.v ? x.v : y.v};
}
template <class T, Number N> PG_INLINE Val<T> select(Val<bool> condition, Val<T> x, N y) {
  return select(condition, x, like(x, y));
}
template <class T, Number N> PG_INLINE Val<T> select(Val<bool> condition, N x, Val<T> y) {
  return select(condition, like(y, x), y);
}

template <class To, class T> PG_INLINE Val<To> bitcast(Val<T> x) {
  static_assert(sizeof(To) == sizeof(T));
  return {__builtin_bit_cast(To, x.v)};
}
PG_INLINE Val<int32_t> bits(Val<float> x) { return bitcast<int32_t>(x); }
PG_INLINE Val<int64_t> bits(Val<double> x) { return bitcast<int64_t>(x); }
PG_INLINE Val<float> from_bits(Val<int32_t> x) { return bitcast<float>(x); }
PG_INLINE Val<double> from_bits(Val<int64_t> x) { return bitcast<double>(x); }
PG_INLINE Val<float> scale(Val<float> x, Val<int32_t> n) {  // the first product is exact
  const Val<int32_t> half = n >> 1, rest = n - half;
  return x * from_bits((half + 127) << 23) * from_bits((rest + 127) << 23);
}
template <class T> PG_INLINE Val<T> lowest_like(Val<T>) { return {std::numeric_limits<T>::min()}; }

// ---- conversions ----------------------------------------------------------------------------------------

/// float32 rounded to the nearest float16 (a float32 again); the bits of a NaN stay.
PG_INLINE Val<float> round_to_half(Val<float> x) {
  const uint32_t all = __builtin_bit_cast(uint32_t, x.v), sign = all & 0x80000000u,
                 magnitude = all & 0x7fffffffu;
  const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u)) & 0xffffe000u;
  // Subnormal halves are multiples of 2^-24, the spacing of floats at 0.5: addition rounds there.
  const float low = (__builtin_bit_cast(float, magnitude) + 0.5f) - 0.5f;
  uint32_t r = magnitude < 0x38800000u ? __builtin_bit_cast(uint32_t, low) : normal;
  r = magnitude >= 0x477ff000u ? 0x7f800000u : r;
  r = magnitude > 0x7f800000u ? magnitude : r;
  return {__builtin_bit_cast(float, sign | r)};
}
PG_INLINE Val<float> round_to_bfloat(Val<float> x) {
  const uint32_t all = __builtin_bit_cast(uint32_t, x.v);
  const uint32_t rounded = (all + 0x7fffu + ((all >> 16) & 1u)) & 0xffff0000u;
  return {__builtin_bit_cast(float, (all & 0x7fffffffu) > 0x7f800000u ? all : rounded)};
}

/// To float32, towards the odd neighbour when inexact: a later rounding to 16 bits is then as if there had
/// been only one.
PG_INLINE Val<float> to_float_odd(Val<double> x) {
  const float f = static_cast<float>(x.v);
  const uint32_t raw = __builtin_bit_cast(uint32_t, f);
  const uint32_t other = __builtin_fabs(static_cast<double>(f)) < __builtin_fabs(x.v) ? raw + 1 : raw - 1;
  const bool step = static_cast<double>(f) != x.v && !(raw & 1u) && x.v == x.v;
  return {__builtin_bit_cast(float, step ? other : raw)};
}

template <class To, class T> PG_INLINE auto convert(Val<T> x);

template <class T>
PG_INLINE Val<float> to_float_sticky(Val<T> x) {  // exact enough for one rounding to 16 bits
  if constexpr (std::is_same_v<T, float>) return x;
  else if constexpr (std::is_same_v<T, double>) return to_float_odd(x);
  else if constexpr (sizeof(T) < 4) return {static_cast<float>(x.v)};
  else if constexpr (sizeof(T) == 4) return to_float_odd(Val<double>{static_cast<double>(x.v)});
  else {  // 64 bits: fold the low bits into one that a double still holds
    const auto low = static_cast<uint64_t>(x.v) & 0xfffu;
    const auto folded = static_cast<T>((static_cast<uint64_t>(x.v) & ~uint64_t{0xfff}) | (low ? 0x800u : 0u));
    bool large = x.v >= (T{1} << 40);
    if constexpr (std::is_signed_v<T>) large = large || x.v <= -(T{1} << 40);
    return to_float_odd(Val<double>{static_cast<double>(large ? folded : x.v)});
  }
}

template <class To, class T> PG_INLINE Val<To> saturate(Val<T> x) {  // float -> integer
  constexpr T low = static_cast<T>(std::numeric_limits<To>::min());
  constexpr T past =
      T{2} * static_cast<T>(To{1} << (std::numeric_limits<To>::digits - 1));  // 2^digits, exactly
  const bool inside = x.v >= low && x.v < past;
  const To inner = static_cast<To>(inside ? x.v : T{0});
  const To high = x.v >= past ? std::numeric_limits<To>::max() : inner;
  return {x.v < low ? std::numeric_limits<To>::min() : high};
}

template <class To, class T> PG_INLINE auto convert(Val<T> x) {
  if constexpr (is_complex_type<To>) {
    using R = decltype(To::re);
    return Val<To>{{static_cast<R>(x.v.re), static_cast<R>(x.v.im)}};
  } else if constexpr (std::is_same_v<To, Half>) return round_to_half(to_float_sticky(x));
  else if constexpr (std::is_same_v<To, BFloat>) return round_to_bfloat(to_float_sticky(x));
  else if constexpr (std::is_same_v<To, bool>) return Val<bool>{x.v != T{0}};
  else if constexpr (std::is_floating_point_v<T> && is_integer<To>) return saturate<To>(x);
  else return Val<To>{static_cast<To>(x.v)};
}

// ---- C library ------------------------------------------------------------------------------------------

template <Libm f> PG_INLINE Val<double> libm(Val<double> x) {
  if constexpr (f == Libm::exp) return {std::exp(x.v)};
  else if constexpr (f == Libm::exp2) return {std::exp2(x.v)};
  else if constexpr (f == Libm::expm1) return {std::expm1(x.v)};
  else if constexpr (f == Libm::log) return {std::log(x.v)};
  else if constexpr (f == Libm::log2) return {std::log2(x.v)};
  else if constexpr (f == Libm::log10) return {std::log10(x.v)};
  else if constexpr (f == Libm::log1p) return {std::log1p(x.v)};
  else if constexpr (f == Libm::sin) return {std::sin(x.v)};
  else if constexpr (f == Libm::cos) return {std::cos(x.v)};
  else if constexpr (f == Libm::tan) return {std::tan(x.v)};
  else if constexpr (f == Libm::asin) return {std::asin(x.v)};
  else if constexpr (f == Libm::acos) return {std::acos(x.v)};
  else if constexpr (f == Libm::atan) return {std::atan(x.v)};
  else if constexpr (f == Libm::sinh) return {std::sinh(x.v)};
  else if constexpr (f == Libm::cosh) return {std::cosh(x.v)};
  else if constexpr (f == Libm::tanh) return {std::tanh(x.v)};
  else if constexpr (f == Libm::asinh) return {std::asinh(x.v)};
  else if constexpr (f == Libm::acosh) return {std::acosh(x.v)};
  else if constexpr (f == Libm::atanh) return {std::atanh(x.v)};
  else if constexpr (f == Libm::erf) return {std::erf(x.v)};
  else {
    static_assert(f == Libm::erfc);
    return {std::erfc(x.v)};
  }
}
template <Libm f> PG_INLINE Val<double> libm(Val<double> x, Val<double> y) {
  if constexpr (f == Libm::pow) return {std::pow(x.v, y.v)};
  else if constexpr (f == Libm::atan2) return {std::atan2(x.v, y.v)};
  else {
    static_assert(f == Libm::fmod);
    return {std::fmod(x.v, y.v)};
  }
}
template <Libm f> PG_INLINE Val<float> libm(Val<float> x, Val<float> y) {
  static_assert(f == Libm::fmod);
  return {std::fmod(x.v, y.v)};
}

// ---- choices by type: only the branch taken is compiled -------------------------------------------------

template <class T, class OnFloat, class OnInt, class... Rest>
PG_INLINE auto by_kind(Val<T> x, OnFloat on_float, OnInt on_int, Rest... rest) {
  if constexpr (std::is_floating_point_v<T>) return on_float(x, rest...);
  else return on_int(x, rest...);
}
template <class T, class OnReal, class OnComplex, class... Rest>
PG_INLINE auto by_field(Val<T> x, OnReal on_real, OnComplex on_complex, Rest... rest) {
  if constexpr (is_complex_type<T>) return on_complex(x, rest...);
  else return on_real(x, rest...);
}
template <class T, class OnSigned, class OnUnsigned, class... Rest>
PG_INLINE auto by_sign(Val<T> x, OnSigned on_signed, OnUnsigned on_unsigned, Rest... rest) {
  if constexpr (std::is_unsigned_v<T>) return on_unsigned(x, rest...);
  else return on_signed(x, rest...);
}
template <class T, class OnSingle, class OnDouble, class... Rest>
PG_INLINE auto by_width(Val<T> x, OnSingle on_single, OnDouble on_double, Rest... rest) {
  if constexpr (std::is_same_v<T, double>) return on_double(x, rest...);
  else return on_single(x, rest...);
}
template <class T, class OnBool, class OnOther, class... Rest>
PG_INLINE auto by_bool(Val<T> x, OnBool on_bool, OnOther on_other, Rest... rest) {
  if constexpr (std::is_same_v<T, bool>) return on_bool(x, rest...);
  else return on_other(x, rest...);
}
template <class T> PG_INLINE bool known_zero(Val<T> x) { return x.v == 0; }
template <class T> constexpr int width_of(Val<T>) { return sizeof(T) * 8; }

}  // namespace pg::ir
