#include "types/dtype.h"

#include <bit>
#include <cstring>

#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

constexpr std::string_view names[] = {"bool",     "int8",    "int16",   "int32",     "int64",
                                      "uint8",    "uint16",  "uint32",  "uint64",    "float16",
                                      "bfloat16", "float32", "float64", "complex64", "complex128"};
constexpr std::string_view short_names[] = {"bool", "i8",  "i16",  "i32", "i64", "u8",  "u16", "u32",
                                            "u64",  "f16", "bf16", "f32", "f64", "c64", "c128"};

// Kinds order the weak lattice: bool < integer < float < complex.
int kind(DType d) { return is_complex(d) ? 3 : is_float(d) ? 2 : is_int(d) ? 1 : 0; }

DType promote_ints(DType a, DType b) {
  if (is_unsigned(a) == is_unsigned(b)) return size_of(a) >= size_of(b) ? a : b;
  const DType u = is_unsigned(a) ? a : b;
  const DType s = is_unsigned(a) ? b : a;
  if (size_of(s) > size_of(u)) return s;
  switch (u) {  // the next wider signed type; uint64 with a signed type is float32, as in JAX
  case DType::uint8: return DType::int16;
  case DType::uint16: return DType::int32;
  case DType::uint32: return DType::int64;
  default: return DType::float32;
  }
}

DType promote_floats(DType a, DType b) {
  if (a == b) return a;
  if (is_half(a) && is_half(b)) return DType::float32;
  return size_of(a) >= size_of(b) ? a : b;
}

DType promote_strong(DType a, DType b) {
  if (a == b) return a;
  if (is_complex(a) || is_complex(b)) {
    const bool wide = real_type(a) == DType::float64 || real_type(b) == DType::float64;
    return wide ? DType::complex128 : DType::complex64;
  }
  if (is_float(a) && is_float(b)) return promote_floats(a, b);
  if (is_float(a)) return a;
  if (is_float(b)) return b;
  if (is_bool(a)) return b;
  if (is_bool(b)) return a;
  return promote_ints(a, b);
}

}  // namespace

std::string_view name_of(DType d) { return names[static_cast<int>(d)]; }
std::string_view short_name_of(DType d) { return short_names[static_cast<int>(d)]; }

DType dtype_from_name(std::string_view name) {
  for (int i = 0; i < dtype_count; ++i)
    if (names[i] == name || short_names[i] == name) return static_cast<DType>(i);
  fail(ErrorKind::dtype, concat("unknown dtype '", name, "'; the dtypes are ", join(names)));
}

WeakDType promote(WeakDType a, WeakDType b) {
  if (a.weak == b.weak) return {promote_strong(a.dtype, b.dtype), a.weak};
  const WeakDType strong = a.weak ? b : a;
  const WeakDType weak = a.weak ? a : b;
  if (kind(strong.dtype) >= kind(weak.dtype)) return {strong.dtype, false};
  // A weak value of a higher kind decides the type: int64 tensor * 0.5 is float32 (the default float), and
  // stays weak as in JAX only when the strong side was bool or integer; the result is strong here because one
  // operand was a real tensor.
  if (is_complex(weak.dtype)) return {promote_strong(strong.dtype, DType::complex64), false};
  return {weak.dtype, false};
}

float half_to_float(uint16_t h) {
  const uint32_t sign = (h & 0x8000u) << 16;
  uint32_t exponent = (h >> 10) & 0x1f;
  uint32_t mantissa = h & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x477ff000u) return sign | 0x7c00;  // rounds to infinity
  if (magnitude < 0x38800000u) {  // subnormal in half: let float addition do the rounding
    const float scaled = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(scaled) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t float_to_bfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

}  // namespace pg
