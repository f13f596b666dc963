#include "ir/scalar.h"

#include <bit>
#include <sstream>

#include "ir/complex.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"

namespace pg::ir {
namespace {

constexpr std::string_view names[] = {
    "input",       "literal",     "add",     "sub",       "mul",  "div",        "quotient",
    "rest",        "fma",         "scale",   "neg",       "abs",  "floor",      "ceil",
    "trunc",       "rint",        "sqrt",    "and",       "or",   "xor",        "not",
    "shift_left",  "shift_right", "equal",   "not_equal", "less", "less_equal", "select",
    "select_rare", "convert",     "bitcast", "libm",      "pair", "real",       "imag"};

uint64_t hash_of(const Value& v) {
  uint64_t h = hash_mix(static_cast<uint64_t>(v.op) << 16 | static_cast<uint64_t>(v.dtype) << 8 | v.arity,
                        static_cast<uint64_t>(v.bits));
  for (const int32_t arg : v.args) h = hash_mix(h, static_cast<uint64_t>(static_cast<int64_t>(arg)));
  return h;
}

Sym same(ScalarOp op, Sym a) { return a.builder->value(op, a.dtype, {a}); }

Sym same(ScalarOp op, Sym a, Sym b) {
  PG_INVARIANT(a.dtype == b.dtype, "scalar IR: operands of different dtypes");
  return a.builder->value(op, a.dtype, {a, b});
}

Sym compare(ScalarOp op, Sym a, Sym b) {
  PG_INVARIANT(a.dtype == b.dtype, "scalar IR: operands of different dtypes");
  return a.builder->value(op, DType::bool_, {a, b});
}

int64_t wrapped(DType dtype, int64_t value) {
  const int unused = 64 - static_cast<int>(size_of(dtype)) * 8;
  if (is_bool(dtype)) return value != 0;
  const uint64_t top = static_cast<uint64_t>(value) << unused;
  return is_unsigned(dtype) ? static_cast<int64_t>(top >> unused) : static_cast<int64_t>(top) >> unused;
}

}  // namespace

std::string_view name_of(ScalarOp op) { return names[static_cast<int>(op)]; }

Sym Builder::intern(const Value& value) {
  const uint64_t hash = hash_of(value);
  const auto [first, last] = found_.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (values_[it->second] == value) return {this, it->second, value.dtype};
  const auto id = static_cast<int32_t>(values_.size());
  values_.push_back(value);
  found_.emplace(hash, id);
  return {this, id, value.dtype};
}

Sym Builder::input(DType dtype) {
  Value value{ScalarOp::input, dtype};
  value.bits = inputs_++;
  return intern(value);
}

Sym Builder::literal(DType dtype, int64_t bits) {
  Value value{ScalarOp::literal, dtype};
  value.bits = bits;
  return intern(value);
}

Sym Builder::value(ScalarOp op, DType dtype, std::initializer_list<Sym> args, int64_t bits) {
  Value value{op, dtype};
  value.bits = bits;
  for (const Sym arg : args) {
    PG_INVARIANT(arg.builder == this, "scalar IR: operand of another builder");
    value.args[value.arity++] = arg.id;
  }
  return intern(value);
}

std::string Builder::print() const {
  std::ostringstream out;
  for (size_t i = 0; i < values_.size(); ++i) {
    const Value& v = values_[i];
    out << '%' << i << ':' << short_name_of(v.dtype) << " = " << name_of(v.op);
    if (v.op == ScalarOp::libm) out << '.' << libm_names[v.bits];
    if (v.op == ScalarOp::input) out << ' ' << v.bits;
    if (v.op == ScalarOp::literal) {
      if (is_float(v.dtype)) {
        std::ostringstream number;
        number.precision(v.dtype == DType::float64 ? 17 : 9);
        number << std::bit_cast<double>(v.bits);
        out << ' ' << number.str();
      } else {
        out << ' ' << v.bits;
      }
    }
    for (int k = 0; k < v.arity; ++k) out << " %" << v.args[k];
    out << '\n';
  }
  return out.str();
}

Sym literal_like(Sym x, double value) {
  if (is_complex(x.dtype)) return pair(literal_like(real_part(x), value), literal_like(real_part(x), 0.0));
  if (!is_inexact(x.dtype)) return literal_like(x, static_cast<int64_t>(value));
  const double rounded = x.dtype == DType::float64 ? value : static_cast<double>(static_cast<float>(value));
  return x.builder->literal(x.dtype, std::bit_cast<int64_t>(rounded));
}

Sym literal_like(Sym x, int64_t value) {
  if (is_inexact(x.dtype)) return literal_like(x, static_cast<double>(value));
  return x.builder->literal(x.dtype, wrapped(x.dtype, value));
}

Sym operator+(Sym a, Sym b) { return is_complex(a.dtype) ? parts::add(a, b) : same(ScalarOp::add, a, b); }
Sym operator-(Sym a, Sym b) {
  return is_complex(a.dtype) ? parts::subtract(a, b) : same(ScalarOp::sub, a, b);
}
Sym operator*(Sym a, Sym b) {
  return is_complex(a.dtype) ? parts::multiply(a, b) : same(ScalarOp::mul, a, b);
}
Sym operator/(Sym a, Sym b) { return is_complex(a.dtype) ? parts::divide(a, b) : same(ScalarOp::div, a, b); }
Sym quotient(Sym a, Sym b) { return same(ScalarOp::quotient, a, b); }
Sym rest(Sym a, Sym b) { return same(ScalarOp::rest, a, b); }
Sym operator-(Sym a) { return is_complex(a.dtype) ? parts::negate(a) : same(ScalarOp::neg, a); }
Sym operator&(Sym a, Sym b) { return same(ScalarOp::bit_and, a, b); }
Sym operator|(Sym a, Sym b) { return same(ScalarOp::bit_or, a, b); }
Sym operator^(Sym a, Sym b) { return same(ScalarOp::bit_xor, a, b); }
Sym operator~(Sym a) { return same(ScalarOp::bit_not, a); }
Sym operator<<(Sym a, Sym b) { return same(ScalarOp::shift_left, a, b); }
Sym operator>>(Sym a, Sym b) { return same(ScalarOp::shift_right, a, b); }
Sym operator==(Sym a, Sym b) {
  return is_complex(a.dtype) ? parts::equal(a, b) : compare(ScalarOp::equal, a, b);
}
Sym operator!=(Sym a, Sym b) {
  return is_complex(a.dtype) ? parts::not_equal(a, b) : compare(ScalarOp::not_equal, a, b);
}
Sym operator<(Sym a, Sym b) { return compare(ScalarOp::less, a, b); }
Sym operator<=(Sym a, Sym b) { return compare(ScalarOp::less_equal, a, b); }
Sym fma(Sym a, Sym b, Sym c) { return a.builder->value(ScalarOp::fma, a.dtype, {a, b, c}); }
Sym scale(Sym x, Sym n) {
  PG_INVARIANT(x.dtype == DType::float32 && n.dtype == DType::int32, "scalar IR: scale takes (f32, i32)");
  return x.builder->value(ScalarOp::scale, x.dtype, {x, n});
}
Sym abs(Sym x) { return same(ScalarOp::abs, x); }
Sym floor(Sym x) { return same(ScalarOp::floor, x); }
Sym ceil(Sym x) { return same(ScalarOp::ceil, x); }
Sym trunc(Sym x) { return same(ScalarOp::trunc, x); }
Sym rint(Sym x) { return same(ScalarOp::rint, x); }
Sym sqrt(Sym x) { return same(ScalarOp::sqrt, x); }

Sym select(Sym condition, Sym x, Sym y) {
  PG_INVARIANT(is_bool(condition.dtype) && x.dtype == y.dtype, "scalar IR: select takes (bool, x, y)");
  if (is_complex(x.dtype))
    return pair(select(condition, real_part(x), real_part(y)), select(condition, imag_part(x), imag_part(y)));
  return x.builder->value(ScalarOp::select, x.dtype, {condition, x, y});
}

Sym select_rare(Sym condition, Sym x, Sym y) {
  PG_INVARIANT(is_bool(condition.dtype) && x.dtype == y.dtype, "scalar IR: select takes (bool, x, y)");
  return x.builder->value(ScalarOp::select_rare, x.dtype, {condition, x, y});
}

Sym convert(Sym x, DType dtype) {
  if (is_complex(x.dtype) && x.dtype != dtype)
    return pair(convert(real_part(x), real_type(dtype)), convert(imag_part(x), real_type(dtype)));
  return x.dtype == dtype ? x : x.builder->value(ScalarOp::convert, dtype, {x});
}

Sym bitcast(Sym x, DType dtype) {
  PG_INVARIANT(size_of(x.dtype) == size_of(dtype), "scalar IR: bitcast changes the width");
  return x.dtype == dtype ? x : x.builder->value(ScalarOp::bitcast, dtype, {x});
}

Sym libm(Libm f, std::initializer_list<Sym> args) {
  const Sym x = *args.begin();
  return x.builder->value(ScalarOp::libm, x.dtype, args, static_cast<int64_t>(f));
}

Sym pair(Sym re, Sym im) {
  PG_INVARIANT(re.dtype == im.dtype && is_float(re.dtype), "scalar IR: a pair takes two floats");
  return re.builder->value(ScalarOp::pair, complex_type(re.dtype), {re, im});
}

namespace {

// The part of a pair is what it was made of, so that values which never meet memory need no pairs.
Sym part(ScalarOp op, Sym z) {
  PG_INVARIANT(is_complex(z.dtype), "scalar IR: only complex values have parts");
  const Value& made = z.builder->values()[static_cast<size_t>(z.id)];
  const DType dtype = real_type(z.dtype);
  if (made.op == ScalarOp::pair) return {z.builder, made.args[op == ScalarOp::real ? 0 : 1], dtype};
  return z.builder->value(op, dtype, {z});
}

}  // namespace

Sym real_part(Sym z) { return part(ScalarOp::real, z); }
Sym imag_part(Sym z) { return part(ScalarOp::imag, z); }

Sym bits(Sym x) { return bitcast(x, x.dtype == DType::float64 ? DType::int64 : DType::int32); }
Sym from_bits(Sym x) { return bitcast(x, x.dtype == DType::int64 ? DType::float64 : DType::float32); }
Sym lowest_like(Sym x) { return literal_like(x, static_cast<int64_t>(uint64_t{1} << (width_of(x) - 1))); }

}  // namespace pg::ir
