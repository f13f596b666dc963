// Sums, products, divisions, order, rounding.

#include <bit>
#include <cmath>
#include <limits>

#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {
namespace {

using namespace rules;

/// The exponent of an integer literal that is a power of two and positive in its dtype.
std::optional<int> power_of_two(const Graph::Record& r) {
  if (!is_int(r.type.dtype)) return std::nullopt;
  const auto value = static_cast<uint64_t>(r.attrs[0]);
  const int bits = static_cast<int>(size_of(r.type.dtype)) * 8;
  if (!std::has_single_bit(value)) return std::nullopt;
  const int exponent = std::countr_zero(value);
  return exponent < bits - 1 ? std::optional(exponent) : std::nullopt;
}

std::optional<Id> by_shift(const Match& m, const Op& op) {
  const std::optional<int> exponent = power_of_two(m['k']);
  if (!exponent) return std::nullopt;
  return m.make(op, {m.id('x'), m.number(*exponent)});
}
std::optional<Id> multiply_by_shift(const Match& m) { return by_shift(m, shift_left_op); }
std::optional<Id> divide_by_shift(const Match& m) { return by_shift(m, shift_right_op); }
std::optional<Id> remainder_by_mask(const Match& m) {
  const std::optional<int> exponent = power_of_two(m['k']);
  if (!exponent) return std::nullopt;
  return m.make(and_op, {m.id('x'), m.number(static_cast<double>((uint64_t{1} << *exponent) - 1))});
}
// A double holds the mask exactly up to here.
bool small_integer(const Match& m) {
  const std::optional<int> exponent = power_of_two(m['k']);
  return exponent && *exponent <= 52;
}

// x / 2^k and x * 2^-k round the same real number; the factor must be a number of the dtype that is not
// rounded itself.
std::optional<Id> divide_by_power(const Match& m) {
  const double by = bits_as_double(m['k'].attrs[0]);
  int exponent;
  if (!std::isfinite(by) || std::abs(std::frexp(by, &exponent)) != 0.5) return std::nullopt;
  const int most = m.type().dtype == DType::float64 ? 1000 : m.type().dtype == DType::float16 ? 14 : 120;
  if (std::abs(exponent) > most) return std::nullopt;
  return m.make(mul_op, {m.id('x'), m.number(1 / by)});
}

bool is_integral(const Match& m) {
  const Graph::Record x = m['x'];
  if (x.op == &floor_op || x.op == &ceil_op || x.op == &trunc_op || x.op == &round_op) return true;
  return x.op == &astype_op && !is_inexact(m.out[x.inputs[0]].type.dtype);
}

// Literals that no number of the dtype is below or above.
bool is_bound(const Graph::Record& r, bool upper) {
  if (r.op != &full_op) return false;
  const DType dtype = r.type.dtype;
  const double infinity = std::numeric_limits<double>::infinity();
  if (is_float(dtype)) return bits_as_double(r.attrs[0]) == (upper ? infinity : -infinity);
  if (is_bool(dtype)) return r.attrs[0] == upper;
  if (!is_int(dtype)) return false;
  const int bits = static_cast<int>(size_of(dtype)) * 8;
  if (!is_signed_int(dtype)) return upper ? is_ones(r) : r.attrs[0] == 0;
  const int64_t most = static_cast<int64_t>((uint64_t{1} << (bits - 1)) - 1);
  return r.attrs[0] == (upper ? most : -most - 1);
}
std::optional<Id> unless_bound(const Match& m, bool upper) {
  for (size_t i = 0; i < 2; ++i)
    if (is_bound(m.operand(i), upper)) return m.root.inputs[1 - i];
  return std::nullopt;
}
std::optional<Id> maximum_with_least(const Match& m) { return unless_bound(m, false); }
std::optional<Id> minimum_with_most(const Match& m) { return unless_bound(m, true); }

constexpr Rule table[] = {
    {"x + -0", "add(x, -0)", real, "x"},
    {"x - 0", "sub(x, 0)", real, "x"},
    {"x - x", "sub(x, x)", integer, "0"},
    {"x + -y", "add(x, neg(y))", integer, "sub(x, y)"},
    {"x - -y", "sub(x, neg(y))", integer, "add(x, y)"},
    {"-(x - y)", "neg(sub(x, y))", integer, "sub(y, x)"},
    {"--x", "neg(neg(x))", nullptr, "x"},
    {"|-x|", "abs(neg(x))", nullptr, "abs(x)"},
    {"||x||", "abs(abs(x))", nullptr, "abs(x)"},
    {"sign of sign", "sign(sign(x))", nullptr, "sign(x)"},
    {"x * 1", "mul(x, 1)", real, "x"},
    {"x * 0", "mul(x, 0)", integer, "0"},
    {"-x * -y", "mul(neg(x), neg(y))", integer, "mul(x, y)"},
    {"x / 1", "div(x, 1)", real, "x"},
    {"x // 1", "floor_divide(x, 1)", integer, "x"},
    {"x % 1", "remainder(x, 1)", integer, "0"},
    {"x ** 1", "pow(x, 1)", real, "x"},
    {"floor of an integer", "floor(x)", is_integral, "x"},
    {"ceil of an integer", "ceil(x)", is_integral, "x"},
    {"trunc of an integer", "trunc(x)", is_integral, "x"},
    {"round of an integer", "round(x)", is_integral, "x"},
    {"max(x, x)", "maximum(x, x)", nullptr, "x"},
    {"min(x, x)", "minimum(x, x)", nullptr, "x"},
    {"max(x, max(x, y))", "maximum(x, maximum(x, y))", nullptr, "maximum(x, y)"},
    {"min(x, min(x, y))", "minimum(x, minimum(x, y))", nullptr, "minimum(x, y)"},
    {"max(max(x, y), y)", "maximum(maximum(x, y), y)", nullptr, "maximum(x, y)"},
    {"min(min(x, y), y)", "minimum(minimum(x, y), y)", nullptr, "minimum(x, y)"},
    {"max(x, min(x, y))", "maximum(x, minimum(x, y))", whole, "x"},
    {"min(x, max(x, y))", "minimum(x, maximum(x, y))", whole, "x"},
    {"max with the least", "maximum", nullptr, maximum_with_least},
    {"min with the most", "minimum", nullptr, minimum_with_most},
};

// The same numbers by cheaper ops.
constexpr Rule cheaper[] = {
    {"x * 2^k", "mul(x, k)", integer, multiply_by_shift},
    {"x / 2^k", "div(x, k)", inexact, divide_by_power},
    {"x // 2^k", "floor_divide(x, k)", integer, divide_by_shift},
    {"x % 2^k", "remainder(x, k)", small_integer, remainder_by_mask},
};

}  // namespace

std::span<const Rule> arithmetic_rules() { return table; }
std::span<const Rule> strength_rules() { return cheaper; }

}  // namespace pg
