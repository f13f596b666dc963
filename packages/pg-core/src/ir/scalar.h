#pragma once
// The scalar IR: straight-line typed arithmetic that an elementwise op states once.
//
// A record's generic lambda runs over this vocabulary: with Sym it builds values here (printing, LLVM IR,
// CUDA C), with Val<T> (native.h) it becomes machine code in the block loops. Both must mean the same to the
// last bit (tests/cpp/test_scalar.cpp).

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "ir/vocabulary.h"
#include "types/dtype.h"

namespace pg::ir {

class Builder;

/// A symbolic value inside a Builder.
struct Sym {
  Builder* builder = nullptr;
  int32_t id = -1;
  DType dtype = DType::float32;
};

/// Builds the op's arithmetic over symbolic operands. Operands of float16 and bfloat16 are accepted: they are
/// computed in float32 and the result is converted back.
using Emit = Sym (*)(std::span<const Sym> in, std::span<const int64_t> attrs);

/// Meaning of the operations. Operands have the result's dtype unless said otherwise. Integers are two's
/// complement and wrap; floats follow IEEE 754 with one rounding (to nearest even) each, subnormals kept. No
/// operation is undefined for any value.
enum class ScalarOp : uint8_t {
  input,    // bits: position of the operand
  literal,  // bits: the value; floats of every width as double bits, integers sign- or zero-extended, bool 0
            // or 1
  add,
  sub,
  mul,
  div,       // floats only
  quotient,  // integers: truncating; x / 0 = 0, minimum / -1 wraps
  rest,      // integers: sign of the dividend; x rest 0 = 0, minimum rest -1 = 0
  fma,       // floats: x * y + z rounded once
  scale,     // float32 x, int32 n, |n| <= 250: x * 2^n rounded once, for |x| from 2^-51 to 2^51
  neg,
  abs,  // floats: the sign bit alone; integers wrap
  floor,
  ceil,
  trunc,
  rint,
  sqrt,  // floats; rint rounds half to even
  bit_and,
  bit_or,
  bit_xor,
  bit_not,  // integers and bool
  shift_left,
  shift_right,  // integers; an amount outside 0 .. width-1 gives 0 (shift_right of signed: the sign)
  equal,
  not_equal,
  less,
  less_equal,   // bool result; false with NaN except not_equal
  select,       // (bool, x, y)
  select_rare,  // the same; the condition is seldom true and x costly: a dialect may compute x only where a
                // lane needs it
  convert,  // any to any: integers wrap; float to integer truncates, saturates, NaN gives 0; to bool: x != 0;
            // to float: one rounding
  bitcast,  // same width
  libm,     // bits: Libm
  pair,     // a complex number of two floats; with real, imag, input and select all that complex values
            // meet: their arithmetic is spelled out on the parts (complex.h)
  real,
  imag
};
std::string_view name_of(ScalarOp op);

struct Value {
  ScalarOp op = ScalarOp::input;
  DType dtype = DType::float32;
  uint8_t arity = 0;
  int32_t args[3] = {-1, -1, -1};
  int64_t bits = 0;
  friend bool operator==(const Value&, const Value&) = default;
};

/// A list of values in order of definition. Equal values are one value.
class Builder {
 public:
  Builder() = default;
  Builder(const Builder&) = delete;
  Sym input(DType dtype);  // the next operand
  Sym literal(DType dtype, int64_t bits);
  Sym value(ScalarOp op, DType dtype, std::initializer_list<Sym> args, int64_t bits = 0);
  const std::vector<Value>& values() const { return values_; }
  std::string print() const;  // one line per value: "%2:f32 = mul %0 %1"

 private:
  Sym intern(const Value& value);
  std::vector<Value> values_;
  std::unordered_multimap<uint64_t, int32_t> found_;
  int64_t inputs_ = 0;
};

// ---- the vocabulary
// ----------------------------------------------------------------------------------------------------

Sym literal_like(Sym x, double value);   // rounded to x's dtype
Sym literal_like(Sym x, int64_t value);  // wrapped to x's dtype
template <Number N> Sym like(Sym x, N value) {
  if constexpr (std::is_floating_point_v<N>) return literal_like(x, static_cast<double>(value));
  else return literal_like(x, static_cast<int64_t>(value));
}

Sym operator+(Sym a, Sym b);
Sym operator-(Sym a, Sym b);
Sym operator*(Sym a, Sym b);
Sym operator/(Sym a, Sym b);
Sym quotient(Sym a, Sym b);
Sym rest(Sym a, Sym b);
Sym operator-(Sym a);
Sym operator&(Sym a, Sym b);
Sym operator|(Sym a, Sym b);
Sym operator^(Sym a, Sym b);
Sym operator~(Sym a);
Sym operator<<(Sym a, Sym b);
Sym operator>>(Sym a, Sym b);
Sym operator==(Sym a, Sym b);
Sym operator!=(Sym a, Sym b);
Sym operator<(Sym a, Sym b);
Sym operator<=(Sym a, Sym b);
inline Sym operator>(Sym a, Sym b) { return b < a; }
inline Sym operator>=(Sym a, Sym b) { return b <= a; }
Sym fma(Sym a, Sym b, Sym c);
Sym scale(Sym x, Sym n);
Sym abs(Sym x);
Sym floor(Sym x);
Sym ceil(Sym x);
Sym trunc(Sym x);
Sym rint(Sym x);
Sym sqrt(Sym x);
Sym select(Sym condition, Sym x, Sym y);
Sym select_rare(Sym condition, Sym x, Sym y);
Sym convert(Sym x, DType dtype);
Sym bitcast(Sym x, DType dtype);
Sym libm(Libm f, std::initializer_list<Sym> args);
Sym bits(Sym x);         // float -> signed integer of its width
Sym from_bits(Sym x);    // back
Sym lowest_like(Sym x);  // the smallest value of a signed integer dtype: its sign bit
Sym pair(Sym re, Sym im);
Sym real_part(Sym z);
Sym imag_part(Sym z);

template <class To> Sym convert(Sym x) { return convert(x, dtype_of<To>); }
template <class To> Sym bitcast(Sym x) { return bitcast(x, dtype_of<To>); }
template <Libm f, class... Args> Sym libm(Sym x, Args... rest) { return libm(f, {x, rest...}); }

#define PG_WITH_NUMBER(op)                                                                                   \
  template <Number N> Sym operator op(Sym a, N b) { return a op like(a, b); }                                \
  template <Number N> Sym operator op(N a, Sym b) { return like(b, a) op b; }
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
template <Number N> Sym select(Sym condition, Sym x, N y) { return select(condition, x, like(x, y)); }
template <Number N> Sym select(Sym condition, N x, Sym y) { return select(condition, like(y, x), y); }
template <Number N> Sym fma(Sym a, N b, Sym c) { return fma(a, like(a, b), c); }
template <Number N> Sym fma(Sym a, Sym b, N c) { return fma(a, b, like(a, c)); }
template <Number N, Number M> Sym fma(Sym a, N b, M c) { return fma(a, like(a, b), like(a, c)); }

/// Arithmetic that differs by kind of dtype; with native types only the branch taken is compiled (so the
/// branches must get what they use as arguments: by_kind(x, on_float, on_int, y) calls on_float(x, y)).
template <class OnFloat, class OnInt, class... Rest>
Sym by_kind(Sym x, OnFloat on_float, OnInt on_int, Rest... rest) {
  return is_float(x.dtype) ? on_float(x, rest...) : on_int(x, rest...);
}
template <class OnReal, class OnComplex, class... Rest>
Sym by_field(Sym x, OnReal on_real, OnComplex on_complex, Rest... rest) {
  return is_complex(x.dtype) ? on_complex(x, rest...) : on_real(x, rest...);
}
template <class OnSigned, class OnUnsigned, class... Rest>
Sym by_sign(Sym x, OnSigned on_signed, OnUnsigned on_unsigned, Rest... rest) {
  return is_unsigned(x.dtype) ? on_unsigned(x, rest...) : on_signed(x, rest...);
}
template <class OnSingle, class OnDouble, class... Rest>
Sym by_width(Sym x, OnSingle on_single, OnDouble on_double, Rest... rest) {
  return x.dtype == DType::float64 ? on_double(x, rest...) : on_single(x, rest...);
}
template <class OnBool, class OnInt, class... Rest>
Sym by_bool(Sym x, OnBool on_bool, OnInt on_other, Rest... rest) {
  return is_bool(x.dtype) ? on_bool(x, rest...) : on_other(x, rest...);
}
/// For leaving loops early: with native types whether x is zero, here never.
inline bool known_zero(Sym) { return false; }
inline int width_of(Sym x) { return static_cast<int>(size_of(x.dtype)) * 8; }

}  // namespace pg::ir
