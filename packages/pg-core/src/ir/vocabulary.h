#pragma once
// What the symbolic (scalar.h) and the native (native.h) form of the arithmetic share.

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "types/dtype.h"

#define PG_INLINE __attribute__((always_inline)) inline

namespace pg::ir {

/// Tags of the 16-bit floats, as targets of convert: their values live in float32, rounded.
struct Half {};
struct BFloat {};

/// A complex number in memory and registers: real part first. Its arithmetic is complex.h's.
template <class T> struct Complex {
  T re, im;
};
template <class T> inline constexpr bool is_complex_type = false;
template <class T> inline constexpr bool is_complex_type<Complex<T>> = true;

template <class T> inline constexpr DType dtype_of = DType::bool_;
template <> inline constexpr DType dtype_of<int8_t> = DType::int8;
template <> inline constexpr DType dtype_of<int16_t> = DType::int16;
template <> inline constexpr DType dtype_of<int32_t> = DType::int32;
template <> inline constexpr DType dtype_of<int64_t> = DType::int64;
template <> inline constexpr DType dtype_of<uint8_t> = DType::uint8;
template <> inline constexpr DType dtype_of<uint16_t> = DType::uint16;
template <> inline constexpr DType dtype_of<uint32_t> = DType::uint32;
template <> inline constexpr DType dtype_of<uint64_t> = DType::uint64;
template <> inline constexpr DType dtype_of<Half> = DType::float16;
template <> inline constexpr DType dtype_of<BFloat> = DType::bfloat16;
template <> inline constexpr DType dtype_of<float> = DType::float32;
template <> inline constexpr DType dtype_of<double> = DType::float64;
template <> inline constexpr DType dtype_of<Complex<float>> = DType::complex64;
template <> inline constexpr DType dtype_of<Complex<double>> = DType::complex128;

template <class N>
concept Number = std::is_arithmetic_v<N>;

/// Functions that are not spelled out in the IR: a dialect must supply every one for float64 (and fmod for
/// float32 too), with the C library's special values. float32 versions of the others compute in float64 and
/// round once.
enum class Libm : uint8_t {
  exp,
  exp2,
  expm1,
  log,
  log2,
  log10,
  log1p,
  sin,
  cos,
  tan,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  tanh,
  asinh,
  acosh,
  atanh,
  erf,
  erfc,
  pow,
  atan2,
  fmod
};
inline constexpr std::string_view libm_names[] = {
    "exp",  "exp2", "expm1", "log",  "log2",  "log10", "log1p", "sin", "cos",  "tan", "asin",  "acos",
    "atan", "sinh", "cosh",  "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "pow", "atan2", "fmod"};

}  // namespace pg::ir
