// Sums, products, signs, rounding, order.
#include "ops/elementwise.h"
#include "ops/structural.h"

namespace pg {
namespace {

using ir::complex_math::Rsqrt;
using ir::complex_math::Sqrt;

NodeRef half_where_equal(const RuleArgs& a, const NodeRef& when_true_strictly) {
  // Ties of maximum and minimum share the derivative evenly.
  const NodeRef &x = a.x[0], &y = a.x[1];
  return where(make(equal_op, {x, y}), 0.5, where(when_true_strictly, 1.0, fill_like(0.0, x)));
}
/// x / |(x, y)|, and 0 at the origin.
NodeRef share_of_length(const RuleArgs& a, int i) {
  const NodeRef origin = make(equal_op, {a.z, fill_like(0.0, a.z)});
  return where(origin, 0.0, a.x[i]) / where(origin, 1.0, a.z);
}
NodeRef smaller(const RuleArgs& a, int i) { return make(less_op, {a.x[i], a.x[1 - i]}); }

// ---- exact identities
bool neutral_in_sum(const NodeRef& x) { return is_full_of(x, is_inexact(x->dtype) ? -0.0 : 0.0); }

NodeRef simplify_neg(std::span<const NodeRef> x, const Attrs&) {
  return structural::pending(x[0], neg_op) ? x[0]->input(0) : NodeRef();
}
NodeRef simplify_add(std::span<const NodeRef> x, const Attrs&) {
  if (neutral_in_sum(x[1])) return same_type(x[0], x);
  if (neutral_in_sum(x[0])) return same_type(x[1], x);
  return nullptr;
}
NodeRef simplify_sub(std::span<const NodeRef> x, const Attrs&) {
  if (is_full_of(x[1], 0.0)) return same_type(x[0], x);
  const NodeRef y = neutral_in_sum(x[0]) ? same_type(x[1], x) : nullptr;
  return y ? -y : nullptr;
}
NodeRef simplify_mul(std::span<const NodeRef> x, const Attrs&) {
  if (is_full_of(x[1], 1.0)) return same_type(x[0], x);
  if (is_full_of(x[0], 1.0)) return same_type(x[1], x);
  return nullptr;
}
NodeRef simplify_div(std::span<const NodeRef> x, const Attrs&) {
  return is_full_of(x[1], 1.0) ? same_type(x[0], x) : nullptr;
}
NodeRef simplify_order(std::span<const NodeRef> x, const Attrs&) { return x[0] == x[1] ? x[0] : nullptr; }

// ---- transposes
NodeRef pass_on(const NodeRef& ct, const RuleArgs&, const Aval&, int) { return ct; }
NodeRef negated(const NodeRef& ct, const RuleArgs&, const Aval&, int) { return -ct; }
NodeRef negated_for_second(const NodeRef& ct, const RuleArgs&, const Aval&, int i) {
  return i == 0 ? ct : -ct;
}
NodeRef times_other(const NodeRef& ct, const RuleArgs& a, const Aval&, int i) { return ct * a.x[1 - i]; }
NodeRef over_second(const NodeRef& ct, const RuleArgs& a, const Aval&, int) { return ct / a.x[1]; }

}  // namespace

const Op& neg_op =
    elementwise<1>("neg", "-x; integers wrap.", sign_free_numbers_and_complex, [](auto x) { return -x; },
                   {linear()}, {.transpose = negated, .simplify = simplify_neg});

const Op& abs_op = elementwise<1>("abs", "|x|; the smallest integer wraps to itself.", numbers,
                                  [](auto x) { return abs(x); },
                                  {partial([](const RuleArgs& a) { return unary(sign_op, a.x[0]); })});

const Op& sign_op = elementwise<1>(
    "sign", "-1, 0 or 1 by the sign of x; NaN stays.", numbers,
    [](auto x) {
      return by_kind(
          x, [](auto v) { return select(v > 0, 1, select(v < 0, -1, select(v == 0, 0, v))); },
          [](auto v) {
            return by_sign(
                v, [](auto s) { return select(s > 0, 1, select(s < 0, like(s, -1), like(s, 0))); },
                [](auto u) { return select(u != 0, like(u, 1), like(u, 0)); });
          });
    },
    {no_derivative()});

const Op& floor_op = elementwise<1>("floor", "The largest integer not above x.", floats,
                                    [](auto x) { return floor(x); }, {no_derivative()});
const Op& ceil_op = elementwise<1>("ceil", "The smallest integer not below x.", floats,
                                   [](auto x) { return ceil(x); }, {no_derivative()});
const Op& trunc_op = elementwise<1>("trunc", "x without its fraction.", floats,
                                    [](auto x) { return trunc(x); }, {no_derivative()});
const Op& round_op = elementwise<1>("round", "The nearest integer, halves to even.", floats,
                                    [](auto x) { return rint(x); }, {no_derivative()});

const Op& sqrt_op = elementwise<1>(
    "sqrt", "The square root; NaN below zero, cut there for complex numbers.", floats_and_complex,
    [](auto x) { return ir::continued<Sqrt>([](auto v) { return sqrt(v); }, x); },
    {partial([](const RuleArgs& a) { return 0.5 * unary(recip_op, a.z); })});
const Op& rsqrt_op =
    elementwise<1>("rsqrt", "1 / sqrt(x).", floats_and_complex,
                   [](auto x) { return ir::continued<Rsqrt>([](auto v) { return rsqrt(v); }, x); },
                   {partial([](const RuleArgs& a) { return -0.5 * (a.z * a.z * a.z); })});
const Op& recip_op = elementwise<1>("recip", "1 / x.", floats_and_complex, [](auto x) { return 1 / x; },
                                    {partial([](const RuleArgs& a) { return -(a.z * a.z); })});

const Op& add_op = elementwise<2>("add", "x + y; integers wrap.", sign_free_numbers_and_complex,
                                  [](auto x, auto y) { return x + y; }, {linear(), linear()},
                                  {.joint = true, .transpose = pass_on, .simplify = simplify_add});

const Op& sub_op = elementwise<2>("sub", "x - y; integers wrap.", sign_free_numbers_and_complex,
                                  [](auto x, auto y) { return x - y; }, {linear(), linear()},
                                  {.joint = true, .transpose = negated_for_second, .simplify = simplify_sub});

const Op& mul_op = elementwise<2>("mul", "x * y; integers wrap.", sign_free_numbers_and_complex,
                                  [](auto x, auto y) { return x * y; }, {linear(), linear()},
                                  {.transpose = times_other, .simplify = simplify_mul});

const Op& div_op =
    elementwise<2>("div", "x / y.", floats_and_complex, [](auto x, auto y) { return x / y; },
                   {linear(), partial([](const RuleArgs& a) { return -(a.z * unary(recip_op, a.x[1])); })},
                   {.transpose = over_second, .simplify = simplify_div});

const Op& maximum_op =
    elementwise<2>("maximum", "The larger of x and y; NaN if either is NaN.", everything,
                   [](auto x, auto y) { return maximum(x, y); },
                   {partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 1)); }),
                    partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 0)); })},
                   {.simplify = simplify_order});
const Op& minimum_op =
    elementwise<2>("minimum", "The smaller of x and y; NaN if either is NaN.", everything,
                   [](auto x, auto y) { return minimum(x, y); },
                   {partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 0)); }),
                    partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 1)); })},
                   {.simplify = simplify_order});

const Op& hypot_op =
    elementwise<2>("hypot", "The length of the vector (x, y), without overflow; infinite where x or y is.",
                   floats, [](auto x, auto y) { return hypot(x, y); },
                   {partial([](const RuleArgs& a) { return share_of_length(a, 0); }),
                    partial([](const RuleArgs& a) { return share_of_length(a, 1); })});

const Op& copysign_op = elementwise<2>(
    "copysign", "|x| with the sign of y.", floats, [](auto x, auto y) { return copysign(x, y); },
    {partial([](const RuleArgs& a) {
       return unary(sign_op, a.x[0]) * binary(copysign_op, fill_like(1.0, a.x[0]), a.x[1]);
     }),
     no_derivative()});

}  // namespace pg
