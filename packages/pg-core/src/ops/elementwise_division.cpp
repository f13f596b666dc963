// Division with remainder, powers.
#include "ops/elementwise.h"

namespace pg {
namespace {

/// y x^(y-1), with exponent 0 guarded: x^0 has derivative 0 at 0 too, to every order.
NodeRef by_base(const RuleArgs& a) {
  const NodeRef &x = a.x[0], &y = a.x[1];
  const NodeRef constant = make(equal_op, {y, fill_like(0.0, y)});
  return where(constant, 0.0, y * binary(pow_op, x, where(constant, 1.0, y - 1.0)));
}

/// z log x, with the argument of log guarded: 0 where x^y is 0 or has no (real) logarithm.
NodeRef by_exponent(const RuleArgs& a) {
  const NodeRef& x = a.x[0];
  const NodeRef positive = make(is_complex(x->dtype) ? not_equal_op : less_op, {fill_like(0.0, x), x});
  return a.z * unary(log_op, where(positive, x, 1.0));
}

NodeRef first_power(std::span<const NodeRef> x, const Attrs&) {
  return is_full_of(x[1], 1.0) ? same_type(x[0], x) : nullptr;
}

}  // namespace

const Op& floor_divide_op =
    elementwise<2>("floor_divide", "x // y, rounded down; an integer divided by 0 gives 0.", numbers,
                   ir::FloorDivide{}, {no_derivative(), no_derivative()});
const Op& remainder_op = elementwise<2>(
    "remainder", "x % y, with the sign of y; an integer modulo 0 gives 0.", numbers, ir::Remainder{},
    {partial([](const RuleArgs& a) { return fill_like(1.0, a.x[0]); }),
     partial([](const RuleArgs& a) { return -binary(floor_divide_op, a.x[0], a.x[1]); })});
const Op& fmod_op = elementwise<2>(
    "fmod", "The remainder of the truncated division, with the sign of x; an integer modulo 0 gives 0.",
    numbers, ir::Fmod{},
    {partial([](const RuleArgs& a) { return fill_like(1.0, a.x[0]); }),
     partial([](const RuleArgs& a) { return -unary(trunc_op, a.x[0] / a.x[1]); })});

const Op& pow_op = elementwise<2>(
    "pow", "x to the power y. Integers wrap; a negative power of an integer is 0, except for 1 and -1.",
    numbers_and_complex,
    [](auto x, auto y) {
      return ir::continued<ir::complex_math::Pow>([](auto a, auto b) { return pow(a, b); }, x, y);
    },
    {partial(by_base), partial(by_exponent)}, {.simplify = first_power});

}  // namespace pg
