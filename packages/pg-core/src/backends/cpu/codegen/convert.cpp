// Conversions between dtypes, as ir/native.h has them.
#include "backends/cpu/codegen/arithmetic.h"
#include "graph/op.h"
#include "support/format.h"

namespace pg::codegen {

// To float32, towards the odd neighbour when inexact.
std::string Arithmetic::to_float_odd(const std::string& x) {
  const std::string f = cast("fptrunc", x, "double", "float"), back = cast("fpext", f, "float", "double");
  const std::string raw = cast("bitcast", f, "float", "i32");
  const std::string one = w_.integer("i32", 1);
  const std::string shrunk =
      compare("olt", DType::float64, unary("fabs", DType::float64, back), unary("fabs", DType::float64, x));
  const std::string other =
      select(shrunk, DType::int32, binary("add", "i32", raw, one), binary("sub", "i32", raw, one));
  // Ordered and different, and the last bit even.
  const std::string inexact = compare("one", DType::float64, back, x);
  const std::string even = compare("eq", DType::int32, binary("and", "i32", raw, one), w_.integer("i32", 0));
  const std::string step = binary("and", "i1", inexact, even);
  return cast("bitcast", select(step, DType::int32, other, raw), "i32", "float");
}

std::string Arithmetic::to_float_sticky(const std::string& x, DType from) {
  if (from == DType::float64) return to_float_odd(x);
  if (is_float(from)) return x;
  const char* to_real = is_signed_int(from) ? "sitofp" : "uitofp";
  const std::string_view element = register_type(from);
  if (size_of(from) < 4) return cast(to_real, x, element, "float");
  if (size_of(from) == 4) return to_float_odd(cast(to_real, x, element, "double"));
  // 64 bits: fold the low bits into one that a double still holds.
  const std::string low = binary("and", element, x, w_.literal(from, 0xfff));
  const std::string high = binary("and", element, x, w_.literal(from, ~int64_t{0xfff}));
  const std::string sticky = select(compare("ne", from, low, w_.literal(from, 0)), from,
                                    w_.literal(from, 0x800), w_.literal(from, 0));
  const std::string folded = binary("or", element, high, sticky);
  std::string large = whether(true, from, x, w_.literal(from, int64_t{1} << 40));
  if (is_signed_int(from))
    large = binary("or", "i1", large, compare("sle", from, x, w_.literal(from, -(int64_t{1} << 40))));
  return to_float_odd(cast(to_real, select(large, from, folded, x), element, "double"));
}

std::string Arithmetic::round_to(const std::string& x, DType dtype) {
  if (dtype == DType::float16) return cast("fpext", cast("fptrunc", x, "float", "half"), "half", "float");
  // Not LLVM's bfloat type: the instruction for it flushes subnormal numbers.
  const std::string raw = cast("bitcast", x, "float", "i32");
  const std::string last =
      binary("and", "i32", binary("lshr", "i32", raw, w_.integer("i32", 16)), w_.integer("i32", 1));
  const std::string up = binary("add", "i32", binary("add", "i32", raw, w_.integer("i32", 0x7fff)), last);
  const std::string rounded = binary("and", "i32", up, w_.integer("i32", -65536));
  const std::string nan = compare("uno", DType::float32, x, x);
  return cast("bitcast", select(nan, DType::int32, raw, rounded), "i32", "float");
}

// Truncates and saturates; NaN gives 0.
std::string Arithmetic::saturate(const std::string& x, DType from, DType to) {
  const bool is_signed = is_signed_int(to);
  const int width = bits_of(to), digits = is_signed ? width - 1 : width;
  const double past = static_cast<double>(uint64_t{1} << (digits - 1)) * 2;
  const int64_t low = is_signed ? static_cast<int64_t>(~uint64_t{0} << digits) : 0;
  const int64_t high = static_cast<int64_t>(~uint64_t{0} >> (64 - digits));
  const std::string bottom = w_.number(from, is_signed ? -past : 0), top = w_.number(from, past);
  const std::string below = compare("olt", from, x, bottom), above = compare("oge", from, x, top);
  const std::string inside =
      binary("and", "i1", compare("oge", from, x, bottom), compare("olt", from, x, top));
  const std::string safe = select(inside, from, x, w_.number(from, 0));
  const std::string inner =
      cast(is_signed ? "fptosi" : "fptoui", safe, register_type(from), register_type(to));
  return select(below, to, w_.literal(to, low), select(above, to, w_.literal(to, high), inner));
}

std::string Arithmetic::convert(const std::string& x, DType from, DType to) {
  if (from == to) return x;
  const std::string_view a = register_type(from), b = register_type(to);
  if (is_half(to)) return round_to(to_float_sticky(x, from), to);
  if (is_bool(to)) return compare(is_float(from) ? "une" : "ne", from, x, w_.number(from, 0));
  if (is_float(from)) {
    if (!is_float(to)) return saturate(x, from, to);
    return a == b ? x : cast(a == "float" ? "fpext" : "fptrunc", x, a, b);
  }
  if (is_float(to)) return cast(is_signed_int(from) ? "sitofp" : "uitofp", x, a, b);
  const int before = bits_of(from), after = bits_of(to);
  if (before == after) return x;
  return cast(before > after ? "trunc" : is_signed_int(from) ? "sext" : "zext", x, a, b);
}

std::string Arithmetic::bitcast(const std::string& x, DType from, DType to) {
  if (is_half(from) || is_half(to)) {  // registers hold those as float32
    const std::string raw = is_half(from) ? to_memory(x, from) : x;
    return is_half(to) ? from_memory(raw, to) : raw;
  }
  const std::string_view a = register_type(from), b = register_type(to);
  return a == b ? x : cast("bitcast", x, a, b);
}

std::string Arithmetic::to_memory(const std::string& x, DType dtype) {
  if (is_bool(dtype)) return cast("zext", x, "i1", "i8");
  if (dtype == DType::float16) return cast("bitcast", cast("fptrunc", x, "float", "half"), "half", "i16");
  if (dtype != DType::bfloat16) return x;
  // Rounds: what comes here may be of a wider type.
  const std::string raw = cast("bitcast", x, "float", "i32");
  const std::string top = binary("lshr", "i32", raw, w_.integer("i32", 16));
  const std::string up = binary("add", "i32", binary("add", "i32", raw, w_.integer("i32", 0x7fff)),
                                binary("and", "i32", top, w_.integer("i32", 1)));
  const std::string rounded = binary("lshr", "i32", up, w_.integer("i32", 16));
  const std::string quiet = binary("or", "i32", top, w_.integer("i32", 0x40));
  const std::string nan = compare("uno", DType::float32, x, x);
  return cast("trunc", select(nan, DType::int32, quiet, rounded), "i32", "i16");
}

std::string Arithmetic::from_memory(const std::string& x, DType dtype) {
  if (is_bool(dtype)) return compare("ne", DType::uint8, x, w_.integer("i8", 0));
  if (dtype == DType::float16) return cast("fpext", cast("bitcast", x, "i16", "half"), "half", "float");
  if (dtype != DType::bfloat16) return x;
  return cast("bitcast", binary("shl", "i32", cast("zext", x, "i16", "i32"), w_.integer("i32", 16)), "i32",
              "float");
}

}  // namespace pg::codegen
