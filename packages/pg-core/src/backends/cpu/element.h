#pragma once
// Native element types for the hand-written calls: float16 and bfloat16 as storage that converts to and from
// float.

#include <cstdint>
#include <type_traits>
#include <utility>

#include "support/error.h"
#include "support/format.h"
#include "types/dtype.h"

namespace pg::cpu {

struct Float16 {
  uint16_t bits;
  Float16() = default;
  explicit Float16(float value) : bits(float_to_half(value)) {}
  operator float() const { return half_to_float(bits); }
};
struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  explicit BFloat16(float value) : bits(float_to_bfloat16(value)) {}
  operator float() const { return bfloat16_to_float(bits); }
};

/// Complex numbers with the operators that sums and products need.
template <class T> struct Complex {
  T re, im;
  Complex() = default;
  constexpr Complex(T real, T imag) : re(real), im(imag) {}
  explicit constexpr Complex(int real) : re(static_cast<T>(real)), im(0) {}
  template <class U> explicit constexpr Complex(Complex<U> other)
      : re(static_cast<T>(other.re)), im(static_cast<T>(other.im)) {}
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator*(Complex a, Complex b) {
    return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  }
};
template <class T> inline constexpr bool is_complex_type = false;
template <class T> inline constexpr bool is_complex_type<Complex<T>> = true;

template <class T> constexpr bool is_half_type = std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>;

/// What one computes in: float for the halves, unsigned words for sums and products of integers (they wrap),
/// the type itself otherwise.
template <class T> using Wide = std::conditional_t<is_half_type<T>, float, T>;
template <class T> using Accumulator =
    std::conditional_t<is_half_type<T>, float,
                       std::conditional_t<std::is_floating_point_v<T> || is_complex_type<T>, T,
                                          std::conditional_t<(sizeof(T) <= 4), uint32_t, uint64_t>>>;

/// Back to storage: rounds once; bool is "not zero".
template <class T, class From> T narrow(From value) {
  if constexpr (std::is_same_v<T, bool>) return value != From(0);
  else return static_cast<T>(value);
}

/// f(T()) with the native type of `dtype`, which is real.
template <class F> decltype(auto) with_type(DType dtype, F&& f) {
  switch (dtype) {
  case DType::bool_: return f(bool());
  case DType::int8: return f(int8_t());
  case DType::int16: return f(int16_t());
  case DType::int32: return f(int32_t());
  case DType::int64: return f(int64_t());
  case DType::uint8: return f(uint8_t());
  case DType::uint16: return f(uint16_t());
  case DType::uint32: return f(uint32_t());
  case DType::uint64: return f(uint64_t());
  case DType::float16: return f(Float16());
  case DType::bfloat16: return f(BFloat16());
  case DType::float32: return f(float());
  case DType::float64: return f(double());
  case DType::complex64:
  case DType::complex128: break;
  }
  fail(ErrorKind::dtype, concat("this operation is not defined for ", name_of(dtype),
                                "; take pg.real, pg.imag or pg.abs first"));
}

/// The same for every dtype.
template <class F> decltype(auto) with_any_type(DType dtype, F&& f) {
  if (dtype == DType::complex64) return f(Complex<float>());
  if (dtype == DType::complex128) return f(Complex<double>());
  return with_type(dtype, std::forward<F>(f));
}

}  // namespace pg::cpu
