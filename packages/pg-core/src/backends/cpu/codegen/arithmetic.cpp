#include "backends/cpu/codegen/arithmetic.h"

#include <cstddef>

#include "ir/math.h"
#include "ir/native.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::codegen {

using ir::ScalarOp;

std::string Arithmetic::binary(const char* op, std::string_view element, const std::string& x,
                               const std::string& y) {
  return w_.put(concat(op, " ", w_.type(element), " ", x, ", ", y));
}

std::string Arithmetic::cast(const char* op, const std::string& x, std::string_view from,
                             std::string_view to) {
  return w_.put(concat(op, " ", w_.type(from), " ", x, " to ", w_.type(to)));
}

std::string Arithmetic::select(const std::string& condition, DType dtype, const std::string& x,
                               const std::string& y) {
  if (x == y) return x;
  const std::string type = w_.type(dtype);
  return w_.put(concat("select ", w_.type("i1"), " ", condition, ", ", type, " ", x, ", ", type, " ", y));
}

std::string Arithmetic::compare(const char* predicate, DType dtype, const std::string& x,
                                const std::string& y) {
  return w_.put(concat(is_float(dtype) ? "fcmp " : "icmp ", predicate, " ", w_.type(dtype), " ", x, ", ", y));
}

std::string Arithmetic::unary(const char* intrinsic, DType dtype, const std::string& x) {
  const std::string_view element = register_type(dtype);
  const std::string type = w_.type(element);
  return w_.call(type, concat("llvm.", intrinsic, ".", w_.suffix(element)), type, concat(type, " ", x));
}

std::string Arithmetic::whether(bool at_least, DType dtype, const std::string& x, const std::string& y) {
  if (at_least) return compare(is_unsigned(dtype) || is_bool(dtype) ? "uge" : "sge", dtype, x, y);
  return compare(is_unsigned(dtype) || is_bool(dtype) ? "ult" : "slt", dtype, x, y);
}

std::string Arithmetic::division(const ir::Value& v, const std::string& x, const std::string& y) {
  const DType d = v.dtype;
  const std::string_view element = register_type(d);
  const bool quotient = v.op == ScalarOp::quotient;
  const std::string zero = w_.literal(d, 0), one = w_.literal(d, 1);
  const std::string by_zero = compare("eq", d, y, zero);
  if (is_unsigned(d) || is_bool(d)) {
    const std::string r = binary(quotient ? "udiv" : "urem", element, x, select(by_zero, d, one, y));
    return select(by_zero, d, zero, r);
  }
  // By -1 the quotient wraps, which LLVM leaves undefined.
  const std::string by_minus_one = compare("eq", d, y, w_.literal(d, -1));
  const std::string special = w_.put(concat("or ", w_.type("i1"), " ", by_zero, ", ", by_minus_one));
  const std::string r = binary(quotient ? "sdiv" : "srem", element, x, select(special, d, one, y));
  const std::string negated = quotient ? binary("sub", element, zero, x) : zero;
  return select(by_zero, d, zero, select(by_minus_one, d, negated, r));
}

std::string Arithmetic::shift(const ir::Value& v, const std::string& x, const std::string& y) {
  const DType d = v.dtype;
  const std::string_view element = register_type(d);
  const int64_t width = bits_of(d);
  const std::string small = w_.put(concat("icmp ult ", w_.type(element), " ", y, ", ", w_.literal(d, width)));
  if (v.op == ScalarOp::shift_right && is_signed_int(d))
    return binary("ashr", element, x, select(small, d, y, w_.literal(d, width - 1)));
  const std::string moved = binary(v.op == ScalarOp::shift_left ? "shl" : "lshr", element, x,
                                   select(small, d, y, w_.literal(d, 0)));
  return select(small, d, moved, w_.literal(d, 0));
}

std::string Arithmetic::integer_operation(const ir::Value& v, std::span<const std::string> a) {
  const DType d = v.dtype;
  const std::string_view element = register_type(d);
  switch (v.op) {
  case ScalarOp::add: return binary(is_bool(d) ? "or" : "add", element, a[0], a[1]);
  case ScalarOp::sub: return binary(is_bool(d) ? "xor" : "sub", element, a[0], a[1]);
  case ScalarOp::mul: return binary(is_bool(d) ? "and" : "mul", element, a[0], a[1]);
  case ScalarOp::quotient:
  case ScalarOp::rest: return division(v, a[0], a[1]);
  case ScalarOp::neg: return is_bool(d) ? a[0] : binary("sub", element, w_.literal(d, 0), a[0]);
  case ScalarOp::abs: {
    if (!is_signed_int(d)) return a[0];
    const std::string zero = w_.literal(d, 0);
    return select(compare("slt", d, a[0], zero), d, binary("sub", element, zero, a[0]), a[0]);
  }
  case ScalarOp::bit_and: return binary("and", element, a[0], a[1]);
  case ScalarOp::bit_or: return binary("or", element, a[0], a[1]);
  case ScalarOp::bit_xor: return binary("xor", element, a[0], a[1]);
  case ScalarOp::bit_not: return binary("xor", element, a[0], w_.literal(d, is_bool(d) ? 1 : -1));
  case ScalarOp::shift_left:
  case ScalarOp::shift_right: return shift(v, a[0], a[1]);
  default: throw Unsupported{concat(ir::name_of(v.op), " of ", name_of(d))};
  }
}

std::string Arithmetic::operation(const ir::Value& v, DType from, std::span<const std::string> a) {
  const DType d = v.dtype;
  const bool real = is_float(from);
  switch (v.op) {
  case ScalarOp::equal: return compare(real ? "oeq" : "eq", from, a[0], a[1]);
  case ScalarOp::not_equal: return compare(real ? "une" : "ne", from, a[0], a[1]);
  case ScalarOp::less:
    return real ? compare("olt", from, a[0], a[1])
                : compare(is_signed_int(from) ? "slt" : "ult", from, a[0], a[1]);
  case ScalarOp::less_equal:
    return real ? compare("ole", from, a[0], a[1])
                : compare(is_signed_int(from) ? "sle" : "ule", from, a[0], a[1]);
  case ScalarOp::select: return select(a[0], d, a[1], a[2]);
  case ScalarOp::convert: return convert(a[0], from, d);
  case ScalarOp::bitcast: return bitcast(a[0], from, d);
  default: break;
  }
  if (!is_float(d)) return integer_operation(v, a);
  const std::string_view element = register_type(d);
  switch (v.op) {
  case ScalarOp::add: return binary("fadd", element, a[0], a[1]);
  case ScalarOp::sub: return binary("fsub", element, a[0], a[1]);
  case ScalarOp::mul: return binary("fmul", element, a[0], a[1]);
  case ScalarOp::div: return binary("fdiv", element, a[0], a[1]);
  case ScalarOp::fma: {
    const std::string type = w_.type(element);
    return w_.call(type, concat("llvm.fma.", w_.suffix(element)), concat(type, ", ", type, ", ", type),
                   concat(type, " ", a[0], ", ", type, " ", a[1], ", ", type, " ", a[2]));
  }
  case ScalarOp::scale: return scale(a[0], a[1], "");
  case ScalarOp::neg: return w_.put(concat("fneg ", w_.type(element), " ", a[0]));
  case ScalarOp::abs: return unary("fabs", d, a[0]);
  case ScalarOp::floor: return unary("floor", d, a[0]);
  case ScalarOp::ceil: return unary("ceil", d, a[0]);
  case ScalarOp::trunc: return unary("trunc", d, a[0]);
  case ScalarOp::rint: return unary("rint", d, a[0]);
  case ScalarOp::sqrt: return unary("sqrt", d, a[0]);
  default: throw Unsupported{concat(ir::name_of(v.op), " of ", name_of(d))};
  }
}

// x * 2^n: one instruction for vectors of AVX-512, else two products of which the first is exact. `number`: n
// as a float, where there is one.
std::string Arithmetic::scale(const std::string& x, const std::string& n, const std::string& number) {
  const std::string type = w_.type("float");
  if (w_.wide && w_.lanes() == 16) {
    const std::string power = number.empty() ? cast("sitofp", n, "i32", "float") : number;
    return w_.call(type, "llvm.x86.avx512.mask.scalef.ps.512",
                   concat(type, ", ", type, ", ", type, ", i16, i32"),
                   concat(type, " ", x, ", ", type, " ", power, ", ", type, " ", x, ", i16 -1, i32 4"));
  }
  const std::string half = binary("ashr", "i32", n, w_.integer("i32", 1));
  const auto times_power = [&](const std::string& value, const std::string& exponent) {
    const std::string biased = binary("add", "i32", exponent, w_.integer("i32", 127));
    const std::string power =
        cast("bitcast", binary("shl", "i32", biased, w_.integer("i32", 23)), "i32", "float");
    return binary("fmul", "float", value, power);
  };
  return times_power(times_power(x, half), binary("sub", "i32", n, half));
}

// The operands go through stack memory to a loop over the function, all pieces at once.
Registers Arithmetic::library(const ir::Value& v, std::span<const Registers> operands) {
  const bool single = v.dtype != DType::float64;
  PG_INVARIANT(!single || static_cast<ir::Libm>(v.bits) == ir::Libm::fmod);
  const std::string type = w_.type(v.dtype);
  const std::string_view element = register_type(v.dtype);
  const size_t pieces = operands[0].size();
  const int lanes = w_.wide ? w_.lanes() : 1, n = static_cast<int>(pieces) * lanes;
  const auto piece_of = [&](const std::string& memory, size_t p) {
    const int64_t first = static_cast<int64_t>(p) * lanes;
    return p ? w_.put(concat("getelementptr ", element, ", ptr ", memory, ", i64 ", first)) : memory;
  };
  std::string places[3];
  for (size_t i = 0; i <= operands.size(); ++i) places[i] = w_.stack(concat("[", n, " x ", element, "]"), 64);
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t p = 0; p < pieces; ++p)
      w_.line(concat("store ", type, " ", operands[i][p], ", ptr ", piece_of(places[i + 1], p), ", align 8"));
  const size_t offset = single ? offsetof(Runtime, fmod_single)
                               : offsetof(Runtime, library) + sizeof(void*) * static_cast<size_t>(v.bits);
  const std::string at = w_.put(concat("getelementptr i8, ptr %runtime, i64 ", offset));
  const std::string f = w_.effect(concat("load ptr, ptr ", at));
  w_.line(concat("call void ", f, "(ptr ", places[0], ", ptr ", places[1], ", ptr ",
                 operands.size() > 1 ? places[2] : places[1], ", i64 ", n, ")"));
  Registers out;
  for (size_t p = 0; p < pieces; ++p)
    out.push_back(w_.effect(concat("load ", type, ", ptr ", piece_of(places[0], p), ", align 8")));
  return out;
}

Registers Arithmetic::emit(const ir::Builder& builder, ir::Sym result, std::span<const Registers> inputs,
                           size_t pieces) {
  const std::vector<ir::Value>& values = builder.values();
  const auto needed_by = [&](int32_t root, const std::vector<bool>& done) {
    std::vector<bool> needed(values.size());
    needed[static_cast<size_t>(root)] = true;
    for (int32_t i = root; i >= 0; --i) {  // operands stand before their users
      const ir::Value& v = values[static_cast<size_t>(i)];
      if (!needed[static_cast<size_t>(i)] || done[static_cast<size_t>(i)]) continue;
      for (int k = 0; k < v.arity; ++k)
        if (!(v.op == ScalarOp::select_rare && k == 1)) needed[static_cast<size_t>(v.args[k])] = true;
    }
    return needed;
  };
  std::vector<Registers> made(values.size());
  std::vector<bool> done(values.size());
  // The integer that the low bits of t = magic + n hold, as math.h takes it out: t - magic is the same
  // number.
  const auto rounded = [&](int32_t n) -> int32_t {
    const ir::Value& v = values[static_cast<size_t>(n)];
    if (v.op != ScalarOp::sub) return -1;
    const ir::Value &bits = values[static_cast<size_t>(v.args[0])],
                    &taken = values[static_cast<size_t>(v.args[1])];
    const bool out = bits.op == ScalarOp::bitcast && taken.op == ScalarOp::literal &&
                     taken.bits == ir::detail::magic_bits &&
                     values[static_cast<size_t>(bits.args[0])].dtype == DType::float32;
    return out ? bits.args[0] : -1;
  };
  const auto plain = [&](size_t i) {
    const ir::Value& v = values[i];
    made[i].clear();
    done[i] = true;
    if (v.op == ScalarOp::libm) {
      std::vector<Registers> operands;
      for (int k = 0; k < v.arity; ++k) operands.push_back(made[static_cast<size_t>(v.args[k])]);
      made[i] = library(v, operands);
      return;
    }
    for (size_t p = 0; p < pieces; ++p) {
      if (v.op == ScalarOp::input) {
        made[i].push_back(inputs[static_cast<size_t>(v.bits)][p]);
      } else if (v.op == ScalarOp::literal) {
        made[i].push_back(w_.literal(v.dtype, v.bits));
      } else {
        std::array<std::string, 3> a;
        for (int k = 0; k < v.arity; ++k) a[static_cast<size_t>(k)] = made[static_cast<size_t>(v.args[k])][p];
        const DType from = v.op == ScalarOp::select ? v.dtype
                           : v.arity                ? values[static_cast<size_t>(v.args[0])].dtype
                                                    : v.dtype;
        const int32_t t = v.op == ScalarOp::scale ? rounded(v.args[1]) : -1;
        made[i].push_back(
            t < 0 ? operation(v, from, std::span(a).first(v.arity))
                  : scale(a[0], a[1],
                          binary("fsub", "float", made[static_cast<size_t>(t)][p],
                                 w_.number(DType::float32, static_cast<double>(ir::detail::magic)))));
      }
    }
  };
  // The costly value is computed in a block of its own, which is entered when any lane needs it.
  const auto rare = [&](size_t i) {
    const ir::Value& v = values[i];
    const Registers& conditions = made[static_cast<size_t>(v.args[0])];
    const Registers& usual = made[static_cast<size_t>(v.args[2])];
    std::string any = conditions[0];
    for (size_t p = 1; p < pieces; ++p) any = binary("or", "i1", any, conditions[p]);
    if (w_.wide) {
      const std::string word = concat("i", w_.lanes());
      any = w_.put(concat("bitcast ", w_.type("i1"), " ", any, " to ", word));
      any = w_.put(concat("icmp ne ", word, " ", any, ", 0"));
    }
    const std::string slow = w_.fresh_label("rare"), after = w_.fresh_label("after");
    const std::string before = w_.block();
    w_.branch(any, slow, after);
    w_.begin_block(slow);
    w_.open_scope();
    const std::vector<bool> kept = done;
    const std::vector<bool> needed = needed_by(v.args[1], done);
    for (size_t k = 0; k <= static_cast<size_t>(v.args[1]); ++k)
      if (needed[k] && !done[k]) {
        if (values[k].op == ScalarOp::select_rare) throw Unsupported{"a rare case within a rare case"};
        plain(k);
      }
    Registers chosen;
    for (size_t p = 0; p < pieces; ++p)
      chosen.push_back(select(conditions[p], v.dtype, made[static_cast<size_t>(v.args[1])][p], usual[p]));
    done = kept;
    w_.close_scope();
    w_.jump(after);
    w_.begin_block(after);
    made[i].clear();
    for (size_t p = 0; p < pieces; ++p)
      made[i].push_back(w_.effect(concat("phi ", w_.type(v.dtype), " [ ", usual[p], ", %", before, " ], [ ",
                                         chosen[p], ", %", slow, " ]")));
    done[i] = true;
  };
  const std::vector<bool> needed = needed_by(result.id, done);
  for (size_t i = 0; i <= static_cast<size_t>(result.id); ++i) {
    if (!needed[i]) continue;
    if (values[i].op == ScalarOp::select_rare) rare(i);
    else plain(i);
  }
  return made[static_cast<size_t>(result.id)];
}

// ---- the library ----------------------------------------------------------------------------------------

namespace {

template <ir::Libm f, class T> void loop(void* out, const void* x, const void* y, int64_t n) {
  constexpr bool two = f == ir::Libm::pow || f == ir::Libm::atan2 || f == ir::Libm::fmod;
  for (int64_t i = 0; i < n; ++i) {
    const ir::Val<T> a{static_cast<const T*>(x)[i]};
    if constexpr (two) static_cast<T*>(out)[i] = ir::libm<f>(a, ir::Val<T>{static_cast<const T*>(y)[i]}).v;
    else static_cast<T*>(out)[i] = ir::libm<f>(a).v;
  }
}

template <size_t... f> Runtime make_runtime(std::index_sequence<f...>) {
  Runtime r;
  r.library = {loop<static_cast<ir::Libm>(f), double>...};
  r.fmod_single = loop<ir::Libm::fmod, float>;
  return r;
}

}  // namespace

const Runtime& runtime_functions() {
  static const Runtime r = make_runtime(std::make_index_sequence<std::size(ir::libm_names)>());
  return r;
}

}  // namespace pg::codegen
