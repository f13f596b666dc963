// The scalar IR as C. What C leaves undefined (overflow, shifts, conversions) goes through the prelude, or
// through unsigned types.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "backends/cuda/emitter.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {

using ir::ScalarOp;

std::string_view register_type(DType dtype) {
  switch (dtype) {
  case DType::bool_: return "bool";
  case DType::int8: return "signed char";
  case DType::int16: return "short";
  case DType::int32: return "int";
  case DType::int64: return "long long";
  case DType::uint8: return "unsigned char";
  case DType::uint16: return "unsigned short";
  case DType::uint32: return "unsigned";
  case DType::uint64: return "unsigned long long";
  case DType::float16:
  case DType::bfloat16:
  case DType::float32: return "float";
  case DType::float64: return "double";
  case DType::complex64: return "pg_c64";
  case DType::complex128: return "pg_c128";
  }
  return "";
}

std::string_view memory_type(DType dtype) {
  if (is_bool(dtype)) return "unsigned char";
  if (dtype == DType::float16) return "pg_f16";
  if (dtype == DType::bfloat16) return "pg_bf16";
  return register_type(dtype);
}

namespace {

std::string real_literal(double value, bool single) {
  if (std::isnan(value)) return single ? "PG_NAN" : "PG_NAN_DOUBLE";
  const char* sign = std::signbit(value) ? "-" : "";
  if (std::isinf(value)) return concat(sign, single ? "PG_INF" : "PG_INF_DOUBLE");
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", single ? 9 : 17, value);
  std::string out = text;
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  out += single ? "f" : "";
  return *sign ? "(" + out + ")" : out;
}

std::string integer_literal(DType dtype, int64_t bits) {
  switch (dtype) {
  case DType::bool_: return bits ? "true" : "false";
  case DType::uint64: return concat(static_cast<uint64_t>(bits), "ull");
  case DType::uint32: return concat(static_cast<uint32_t>(bits), "u");
  case DType::uint16: return concat("(unsigned short)", static_cast<uint16_t>(bits));
  case DType::uint8: return concat("(unsigned char)", int{static_cast<uint8_t>(bits)});
  case DType::int64:
    if (bits == std::numeric_limits<int64_t>::min()) return "(-9223372036854775807ll - 1)";
    return bits < 0 ? concat("(", bits, "ll)") : concat(bits, "ll");
  case DType::int32:
    if (bits == std::numeric_limits<int32_t>::min()) return "(-2147483647 - 1)";
    return bits < 0 ? concat("(", bits, ")") : concat(bits);
  default: return concat("(", register_type(dtype), ")(", bits, ")");
  }
}

std::string binary(const std::string& a, const char* op, const std::string& b) {
  return concat(a, " ", op, " ", b);
}

// Wraps: signed and narrow types go through unsigned ones.
std::string wrapped(DType d, const std::string& a, const char* op, const std::string& b) {
  if (is_unsigned(d) && size_of(d) >= 4) return binary(a, op, b);
  const char* wide = size_of(d) == 8 ? "unsigned long long" : "unsigned";
  return concat("(", register_type(d), ")((", wide, ")", a, " ", op, " (", wide, ")", b, ")");
}

std::string call(std::string_view name, std::span<const std::string> a) {
  std::string out = concat(name, "(");
  for (size_t i = 0; i < a.size(); ++i) out += concat(i ? ", " : "", a[i]);
  return out + ")";
}

std::string integer_operation(ScalarOp op, DType d, std::span<const std::string> a) {
  const bool truth = is_bool(d);
  switch (op) {
  case ScalarOp::add: return truth ? binary(a[0], "||", a[1]) : wrapped(d, a[0], "+", a[1]);
  case ScalarOp::sub: return truth ? binary(a[0], "!=", a[1]) : wrapped(d, a[0], "-", a[1]);
  case ScalarOp::mul: return truth ? binary(a[0], "&&", a[1]) : wrapped(d, a[0], "*", a[1]);
  case ScalarOp::quotient: return call("pg_quotient", a);
  case ScalarOp::rest: return call("pg_rest", a);
  case ScalarOp::neg: return truth ? a[0] : wrapped(d, "0", "-", a[0]);
  case ScalarOp::abs:
    return is_signed_int(d) ? concat(a[0], " < 0 ? ", wrapped(d, "0", "-", a[0]), " : ", a[0]) : a[0];
  case ScalarOp::bit_and: return concat("(", register_type(d), ")(", a[0], " & ", a[1], ")");
  case ScalarOp::bit_or: return concat("(", register_type(d), ")(", a[0], " | ", a[1], ")");
  case ScalarOp::bit_xor: return concat("(", register_type(d), ")(", a[0], " ^ ", a[1], ")");
  case ScalarOp::bit_not: return truth ? "!" + a[0] : concat("(", register_type(d), ")~", a[0]);
  case ScalarOp::shift_left: return call("pg_shift_left", a);
  case ScalarOp::shift_right: return call("pg_shift_right", a);
  default: break;
  }
  fail(ErrorKind::internal, concat(ir::name_of(op), " of ", name_of(d), " has no form in CUDA C"));
}

std::string saturated(const std::string& x, DType from, DType to) {
  const int width = static_cast<int>(size_of(to)) * 8, digits = is_signed_int(to) ? width - 1 : width;
  const double past = std::ldexp(1.0, digits);
  const int64_t low = is_signed_int(to) ? static_cast<int64_t>(~uint64_t{0} << digits) : 0;
  const int64_t high = static_cast<int64_t>(~uint64_t{0} >> (64 - digits));
  const bool single = from != DType::float64;
  return concat("pg_saturate<", register_type(to), ">(", x, ", ",
                real_literal(is_signed_int(to) ? -past : 0.0, single), ", ", real_literal(past, single), ", ",
                integer_literal(to, low), ", ", integer_literal(to, high), ")");
}

}  // namespace

std::string literal(DType dtype, int64_t bits) {
  if (!is_inexact(dtype)) return integer_literal(dtype, bits);
  const double value = bits_as_double(bits);
  const bool single = real_type(compute_type(dtype)) == DType::float32;
  if (!is_complex(dtype)) return real_literal(value, single);
  const double imag = value == 0 && std::signbit(value) ? -0.0 : 0.0;
  return concat(register_type(dtype), "{", real_literal(value, single), ", ", real_literal(imag, single),
                "}");
}

std::string Emitter::convert(const std::string& x, DType from, DType to) {
  if (from == to) return x;
  if (is_complex(to)) {
    const std::string part = concat("(", register_type(real_type(to)), ")");
    return concat(register_type(to), "{", part, x, ".re, ", part, x, ".im}");
  }
  if (is_half(to))
    return concat(to == DType::float16 ? "pg_round_f16" : "pg_round_bf16", "(pg_sticky(", x, "))");
  if (is_bool(to)) return binary(x, "!=", is_float(from) ? real_literal(0, from != DType::float64) : "0");
  if (is_float(from) && !is_float(to)) return saturated(x, from, to);
  return register_type(from) == register_type(to) ? x : concat("(", register_type(to), ")", x);
}

std::string Emitter::operation(const ir::Value& v, DType from, std::span<const std::string> a) {
  const DType d = v.dtype;
  switch (v.op) {
  case ScalarOp::equal: return binary(a[0], "==", a[1]);
  case ScalarOp::not_equal: return binary(a[0], "!=", a[1]);
  case ScalarOp::less: return binary(a[0], "<", a[1]);
  case ScalarOp::less_equal: return binary(a[0], "<=", a[1]);
  case ScalarOp::select: return concat(a[0], " ? ", a[1], " : ", a[2]);
  case ScalarOp::convert: return convert(a[0], from, d);
  case ScalarOp::bitcast:
    if (from == d) return a[0];
    if (is_half(from)) {
      const char* raw = from == DType::float16 ? "pg_f16_of" : "pg_bf16_of";
      return is_half(d) ? concat("pg_float(", memory_type(d), "{", raw, "(", a[0], ").bits})")
                        : concat("(", register_type(d), ")", raw, "(", a[0], ").bits");
    }
    if (is_half(d)) return concat("pg_float(", memory_type(d), "{(unsigned short)", a[0], "})");
    return concat("pg_bits<", register_type(d), ">(", a[0], ")");
  case ScalarOp::pair: return concat(register_type(d), "{", a[0], ", ", a[1], "}");
  case ScalarOp::real: return a[0] + ".re";
  case ScalarOp::imag: return a[0] + ".im";
  default: break;
  }
  if (!is_float(d)) return integer_operation(v.op, d, a);
  const char* suffix = d == DType::float64 ? "" : "f";
  switch (v.op) {
  case ScalarOp::add: return binary(a[0], "+", a[1]);
  case ScalarOp::sub: return binary(a[0], "-", a[1]);
  case ScalarOp::mul: return binary(a[0], "*", a[1]);
  case ScalarOp::div: return binary(a[0], "/", a[1]);
  case ScalarOp::fma: return call(concat("fma", suffix), a);
  case ScalarOp::scale: return call("pg_scale", a);
  case ScalarOp::neg: return "-" + a[0];
  case ScalarOp::abs: return call(concat("fabs", suffix), a);
  case ScalarOp::floor:
  case ScalarOp::ceil:
  case ScalarOp::trunc:
  case ScalarOp::rint:
  case ScalarOp::sqrt: return call(concat(ir::name_of(v.op), suffix), a);
  case ScalarOp::libm: return call(concat(ir::libm_names[v.bits], suffix), a);
  default: break;
  }
  fail(ErrorKind::internal, concat(ir::name_of(v.op), " of ", name_of(d), " has no form in CUDA C"));
}

// One statement for each value that is needed. The costly side of a rare choice is computed only where it is
// chosen.
std::string Emitter::arithmetic(const ir::Builder& builder, ir::Sym result,
                                std::span<const std::string> inputs, const std::string& prefix) {
  const std::vector<ir::Value>& values = builder.values();
  std::vector<std::string> made(values.size());
  const auto needed_by = [&](int32_t root) {
    std::vector<bool> needed(values.size());
    needed[static_cast<size_t>(root)] = true;
    for (int32_t i = root; i >= 0; --i) {
      const ir::Value& v = values[static_cast<size_t>(i)];
      if (!needed[static_cast<size_t>(i)] || !made[static_cast<size_t>(i)].empty()) continue;
      for (int k = 0; k < v.arity; ++k)
        if (!(v.op == ScalarOp::select_rare && k == 1)) needed[static_cast<size_t>(v.args[k])] = true;
    }
    return needed;
  };
  const std::function<void(int32_t, const std::string&)> compute = [&](int32_t root,
                                                                       const std::string& last) {
    const std::vector<bool> needed = needed_by(root);
    std::vector<size_t> fresh;  // names that end with their block
    for (size_t i = 0; i <= static_cast<size_t>(root); ++i) {
      if (!needed[i] || !made[i].empty()) continue;
      const ir::Value& v = values[i];
      std::array<std::string, 3> a;
      for (int k = 0; k < v.arity; ++k) a[static_cast<size_t>(k)] = made[static_cast<size_t>(v.args[k])];
      const std::string name =
          i == static_cast<size_t>(root) && !last.empty() ? last : concat(prefix, "_", i);
      const auto result_is = [&](const std::string& text) {
        if (name == last) {
          line(concat(last, " = ", text, ";"));
          return;
        }
        line(concat("const ", register_type(v.dtype), " ", name, " = ", text, ";"));
      };
      fresh.push_back(i);
      if (v.op == ScalarOp::input) {
        made[i] = inputs[static_cast<size_t>(v.bits)];
        if (name == last) result_is(made[i]);
      } else if (v.op == ScalarOp::literal) {
        made[i] = literal(v.dtype, v.bits);
        if (name == last) result_is(made[i]);
      } else if (v.op == ScalarOp::select_rare) {
        made[i] = name;
        if (name != last) line(concat(register_type(v.dtype), " ", name, ";"));
        line(concat(name, " = ", a[2], ";"));
        open(concat("if (", a[0], ") {"));
        compute(v.args[1], name);
        close();
      } else {
        const DType from = v.op == ScalarOp::select ? v.dtype
                           : v.arity                ? values[static_cast<size_t>(v.args[0])].dtype
                                                    : v.dtype;
        made[i] = name;
        result_is(operation(v, from, std::span(a).first(v.arity)));
      }
    }
    if (!last.empty()) {
      if (std::find(fresh.begin(), fresh.end(), static_cast<size_t>(root)) == fresh.end())
        line(concat(last, " = ", made[static_cast<size_t>(root)], ";"));  // known before the block
      for (const size_t i : fresh) made[i].clear();
    }
  };
  compute(result.id, "");
  return made[static_cast<size_t>(result.id)];
}

}  // namespace pg::cuda
