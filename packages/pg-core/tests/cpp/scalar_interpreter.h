#pragma once
// Evaluates scalar IR one value at a time, in double and 128-bit integers: slow, written without the code it
// checks.

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "ir/scalar.h"

namespace scalar_interpreter {

using pg::DType;
using pg::ir::Libm;
using pg::ir::ScalarOp;
using Wide = __int128;

/// A number of some dtype: floats (of every width) in `real`, integers and bool in `whole`, complex numbers
/// in `real` and `imag`.
struct Number {
  double real = 0;
  Wide whole = 0;
  double imag = 0;
};

// noinline: GCC 12 otherwise imagines dtypes beyond the last and warns about the table of sizes.
[[gnu::noinline]] inline int width(DType d) { return static_cast<int>(pg::size_of(d)) * 8; }

inline Wide wrap(DType d, Wide v) {
  if (pg::is_bool(d)) return v != 0;
  const Wide modulus = Wide{1} << width(d);
  Wide r = ((v % modulus) + modulus) % modulus;
  if (pg::is_signed_int(d) && r >= modulus / 2) r -= modulus;
  return r;
}

inline double round_to(DType d, long double v) {  // one rounding from anything a long double holds
  if (d == DType::float64) return static_cast<double>(v);
  if (d == DType::float32) return static_cast<float>(v);
  if (std::isnan(v) || std::isinf(v) || v == 0) return static_cast<double>(v);
  const int precision = d == DType::float16 ? 11 : 8, lowest = d == DType::float16 ? -24 : -133;
  int exponent;
  std::frexp(v, &exponent);
  const int unit = std::max(exponent - precision, lowest);
  const long double scaled = std::nearbyint(std::ldexp(v, -unit));
  const double r = static_cast<double>(std::ldexp(scaled, unit));
  const double largest =
      d == DType::float16 ? 65504.0 : static_cast<double>(std::bit_cast<float>(0x7f7f0000u));
  if (r == 0) return std::copysign(0.0, static_cast<double>(v));
  return std::fabs(r) > largest ? std::copysign(std::numeric_limits<double>::infinity(), r) : r;
}

inline uint64_t bits_of(DType d, const Number& v) {
  switch (d) {
  case DType::float16: return pg::float_to_half(static_cast<float>(v.real));
  case DType::bfloat16: return pg::float_to_bfloat16(static_cast<float>(v.real));
  case DType::float32: return std::bit_cast<uint32_t>(static_cast<float>(v.real));
  case DType::float64: return std::bit_cast<uint64_t>(v.real);
  default: return static_cast<uint64_t>(v.whole) & (~uint64_t{0} >> (64 - width(d)));
  }
}
inline Number from_bits(DType d, uint64_t raw) {
  switch (d) {
  case DType::float16: return {pg::half_to_float(static_cast<uint16_t>(raw)), 0};
  case DType::bfloat16: return {pg::bfloat16_to_float(static_cast<uint16_t>(raw)), 0};
  case DType::float32: return {std::bit_cast<float>(static_cast<uint32_t>(raw)), 0};
  case DType::float64: return {std::bit_cast<double>(raw), 0};
  default: return {0, wrap(d, static_cast<Wide>(raw))};
  }
}

inline double call(Libm f, double x, double y) {
  switch (f) {
  case Libm::exp: return std::exp(x);
  case Libm::exp2: return std::exp2(x);
  case Libm::expm1: return std::expm1(x);
  case Libm::log: return std::log(x);
  case Libm::log2: return std::log2(x);
  case Libm::log10: return std::log10(x);
  case Libm::log1p: return std::log1p(x);
  case Libm::sin: return std::sin(x);
  case Libm::cos: return std::cos(x);
  case Libm::tan: return std::tan(x);
  case Libm::asin: return std::asin(x);
  case Libm::acos: return std::acos(x);
  case Libm::atan: return std::atan(x);
  case Libm::sinh: return std::sinh(x);
  case Libm::cosh: return std::cosh(x);
  case Libm::tanh: return std::tanh(x);
  case Libm::asinh: return std::asinh(x);
  case Libm::acosh: return std::acosh(x);
  case Libm::atanh: return std::atanh(x);
  case Libm::erf: return std::erf(x);
  case Libm::erfc: return std::erfc(x);
  case Libm::pow: return std::pow(x, y);
  case Libm::atan2: return std::atan2(x, y);
  case Libm::fmod: return std::fmod(x, y);
  }
  return std::nan("");
}

inline Number convert(DType from, DType to, const Number& v) {
  if (pg::is_float(from)) {
    if (pg::is_float(to)) return {round_to(to, v.real), 0};
    if (pg::is_bool(to)) return {0, v.real != 0};
    if (std::isnan(v.real)) return {0, 0};
    const Wide top = (Wide{1} << (width(to) - (pg::is_signed_int(to) ? 1 : 0))) - 1;
    const Wide bottom = pg::is_signed_int(to) ? -top - 1 : 0;
    if (v.real >= 1e38 || v.real <= -1e38) return {0, v.real > 0 ? top : bottom};
    const Wide whole = static_cast<Wide>(v.real);  // truncates
    return {0, whole > top ? top : whole < bottom ? bottom : whole};
  }
  if (pg::is_float(to))
    return {round_to(to, static_cast<long double>(v.whole)), 0};  // 64 bits fit a long double
  return {0, wrap(to, v.whole)};
}

inline Number evaluate(const pg::ir::Builder& builder, int32_t result, const std::vector<Number>& inputs) {
  const auto& values = builder.values();
  std::vector<Number> done(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    const auto& v = values[i];
    const Number a = v.arity > 0 ? done[v.args[0]] : Number{}, b = v.arity > 1 ? done[v.args[1]] : Number{};
    const Number c = v.arity > 2 ? done[v.args[2]] : Number{};
    const DType from = v.arity > 0 ? values[v.args[0]].dtype : v.dtype;
    const bool real = pg::is_float(from);
    const auto rounded = [&](double x) { return Number{round_to(v.dtype, x), 0}; };
    const auto wrapped = [&](Wide x) { return Number{0, wrap(v.dtype, x)}; };
    const auto truth = [&](bool on_real, bool on_whole) { return Number{0, real ? on_real : on_whole}; };
    const bool in_range = b.whole >= 0 && b.whole < width(v.dtype);
    switch (v.op) {
    case ScalarOp::input: done[i] = inputs[v.bits]; break;
    case ScalarOp::literal:
      done[i] = pg::is_float(v.dtype) ? Number{std::bit_cast<double>(v.bits), 0} : wrapped(v.bits);
      break;
    // In double, a float32 sum, product, quotient or root rounds twice to the same float32 as once.
    case ScalarOp::add: done[i] = real ? rounded(a.real + b.real) : wrapped(a.whole + b.whole); break;
    case ScalarOp::sub: done[i] = real ? rounded(a.real - b.real) : wrapped(a.whole - b.whole); break;
    case ScalarOp::mul:  // the low 64 bits of the product are those of the product of the low 64 bits
      done[i] =
          real ? rounded(a.real * b.real)
               : wrapped(static_cast<Wide>(static_cast<uint64_t>(a.whole) * static_cast<uint64_t>(b.whole)));
      break;
    case ScalarOp::div: done[i] = rounded(a.real / b.real); break;
    case ScalarOp::quotient: done[i] = wrapped(b.whole == 0 ? 0 : a.whole / b.whole); break;
    case ScalarOp::rest: done[i] = wrapped(b.whole == 0 ? 0 : a.whole % b.whole); break;
    case ScalarOp::fma:
      done[i] = v.dtype == DType::float64
                    ? Number{std::fma(a.real, b.real, c.real), 0}
                    : Number{std::fmaf(static_cast<float>(a.real), static_cast<float>(b.real),
                                       static_cast<float>(c.real)),
                             0};
      break;
    case ScalarOp::neg: done[i] = real ? Number{-a.real, 0} : wrapped(-a.whole); break;
    case ScalarOp::abs:
      done[i] = real ? Number{std::fabs(a.real), 0} : wrapped(a.whole < 0 ? -a.whole : a.whole);
      break;
    case ScalarOp::floor: done[i].real = std::floor(a.real); break;
    case ScalarOp::ceil: done[i].real = std::ceil(a.real); break;
    case ScalarOp::trunc: done[i].real = std::trunc(a.real); break;
    case ScalarOp::rint: done[i].real = std::nearbyint(a.real); break;
    case ScalarOp::scale: done[i] = rounded(std::ldexp(a.real, static_cast<int>(b.whole))); break;
    case ScalarOp::sqrt: done[i] = rounded(std::sqrt(a.real)); break;
    case ScalarOp::bit_and: done[i] = wrapped(a.whole & b.whole); break;
    case ScalarOp::bit_or: done[i] = wrapped(a.whole | b.whole); break;
    case ScalarOp::bit_xor: done[i] = wrapped(a.whole ^ b.whole); break;
    case ScalarOp::bit_not: done[i] = pg::is_bool(v.dtype) ? Number{0, !a.whole} : wrapped(~a.whole); break;
    case ScalarOp::shift_left: done[i] = wrapped(in_range ? a.whole * (Wide{1} << b.whole) : 0); break;
    case ScalarOp::shift_right:
      done[i] = wrapped(in_range ? a.whole >> b.whole : a.whole < 0 ? -1 : 0);
      break;
    case ScalarOp::equal: done[i] = truth(a.real == b.real, a.whole == b.whole); break;
    case ScalarOp::not_equal: done[i] = truth(a.real != b.real, a.whole != b.whole); break;
    case ScalarOp::less: done[i] = truth(a.real < b.real, a.whole < b.whole); break;
    case ScalarOp::less_equal: done[i] = truth(a.real <= b.real, a.whole <= b.whole); break;
    case ScalarOp::select:
    case ScalarOp::select_rare: done[i] = a.whole ? b : c; break;
    case ScalarOp::convert: done[i] = convert(from, v.dtype, a); break;
    case ScalarOp::bitcast: done[i] = from_bits(v.dtype, bits_of(from, a)); break;
    case ScalarOp::pair: done[i] = {a.real, 0, b.real}; break;
    case ScalarOp::real: done[i] = {a.real, 0}; break;
    case ScalarOp::imag: done[i] = {a.imag, 0}; break;
    case ScalarOp::libm: done[i] = rounded(call(static_cast<Libm>(v.bits), a.real, b.real)); break;
    }
  }
  return done[result];
}

}  // namespace scalar_interpreter
