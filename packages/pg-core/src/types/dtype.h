#pragma once
// Element types and promotion. Promotion follows JAX's lattice with weak types (design.md 3.10), except that
// integer / integer and mean of integers give float32.

#include <cstdint>
#include <string>
#include <string_view>

namespace pg {

enum class DType : uint8_t {
  bool_,
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float16,
  bfloat16,
  float32,
  float64,
  complex64,
  complex128
};
constexpr int dtype_count = 15;

std::string_view name_of(DType dtype);         // "float32"
std::string_view short_name_of(DType dtype);   // "f32"
DType dtype_from_name(std::string_view name);  // raises DTypeError listing the names

constexpr int64_t size_of(DType d) {
  constexpr int64_t bytes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return bytes[static_cast<int>(d)];
}
constexpr bool is_bool(DType d) { return d == DType::bool_; }
constexpr bool is_float(DType d) { return d >= DType::float16 && d <= DType::float64; }
constexpr bool is_complex(DType d) { return d >= DType::complex64; }
constexpr bool is_inexact(DType d) { return d >= DType::float16; }  // float or complex: has derivatives
constexpr bool is_unsigned(DType d) { return d >= DType::uint8 && d <= DType::uint64; }
constexpr bool is_signed_int(DType d) { return d >= DType::int8 && d <= DType::int64; }
constexpr bool is_int(DType d) { return is_signed_int(d) || is_unsigned(d); }
constexpr bool is_half(DType d) { return d == DType::float16 || d == DType::bfloat16; }

/// The dtype of the parts of a complex number; other dtypes are their own.
constexpr DType real_type(DType d) {
  return d == DType::complex64 ? DType::float32 : d == DType::complex128 ? DType::float64 : d;
}
/// The complex dtype whose parts are float32 or float64.
constexpr DType complex_type(DType part) {
  return part == DType::float64 ? DType::complex128 : DType::complex64;
}

/// What sums and products of floats and complex numbers run in, so that their order hardly shows.
constexpr DType wide_type(DType d) { return is_complex(d) ? DType::complex128 : DType::float64; }

struct WeakDType {
  DType dtype;
  bool weak = false;
  friend bool operator==(const WeakDType&, const WeakDType&) = default;
};

/// The common type of two operands; weak operands (Python numbers) give way to strong ones of the same or a
/// higher kind.
WeakDType promote(WeakDType a, WeakDType b);

/// Block registers hold float16 and bfloat16 as float32.
constexpr DType compute_type(DType d) { return is_half(d) ? DType::float32 : d; }

float half_to_float(uint16_t bits);
uint16_t float_to_half(float value);  // round to nearest even, keeps NaN
float bfloat16_to_float(uint16_t bits);
uint16_t float_to_bfloat16(float value);  // round to nearest even, keeps NaN

}  // namespace pg
