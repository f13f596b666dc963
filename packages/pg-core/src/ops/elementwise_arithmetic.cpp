// Sums, products, signs, rounding, order.
#include "ops/elementwise.h"
#include "ops/structural.h"

namespace pg {
namespace {

NodeRef half_where_equal(const RuleArgs& a, const NodeRef& when_true_strictly) {
  // Ties of maximum and minimum share the derivative evenly.
  const NodeRef &x = a.x[0], &y = a.x[1];
  return where(make(equal_op, {x, y}), 0.5, where(when_true_strictly, 1.0, fill_like(0.0, x)));
}
NodeRef smaller(const RuleArgs& a, int i) { return make(less_op, {a.x[i], a.x[1 - i]}); }

NodeRef negate_cotangent_of_second(const NodeRef& ct, const RuleArgs&, const Aval&, int i) { return i == 0 ? ct : -ct; }
NodeRef times_other(const NodeRef& ct, const RuleArgs& a, const Aval&, int i) { return ct * a.x[1 - i]; }

bool neutral_in_sum(const NodeRef& x) { return is_full_of(x, is_float(x->dtype) ? -0.0 : 0.0); }

}  // namespace

const Op& neg_op = elementwise<1>(sign_free_numbers, [](auto x) { return -x; },
                                  {.name = "neg",
                                   .doc = "-x; integers wrap.",
                                   .facts = {linear()},
                                   .transpose = [](const NodeRef& ct, const RuleArgs&, const Aval&, int) { return -ct; },
                                   .simplify = [](std::span<const NodeRef> x, const Attrs&) {
                                     return structural::pending(x[0], neg_op) ? x[0]->input(0) : NodeRef();
                                   }});

const Op& abs_op = elementwise<1>(numbers, [](auto x) { return abs(x); },
                                  {.name = "abs",
                                   .doc = "|x|; the smallest integer wraps to itself.",
                                   .facts = {partial([](const RuleArgs& a) { return unary(sign_op, a.x[0]); })}});

const Op& sign_op = elementwise<1>(
    numbers,
    [](auto x) {
      return by_kind(
          x, [](auto v) { return select(v > 0, 1, select(v < 0, -1, select(v == 0, 0, v))); },
          [](auto v) {
            return by_sign(
                v, [](auto s) { return select(s > 0, 1, select(s < 0, like(s, -1), like(s, 0))); },
                [](auto u) { return select(u != 0, like(u, 1), like(u, 0)); });
          });
    },
    {.name = "sign", .doc = "-1, 0 or 1 by the sign of x; NaN stays.", .facts = {no_derivative()}});

const Op& floor_op = elementwise<1>(floats, [](auto x) { return floor(x); },
                                    {.name = "floor", .doc = "The largest integer not above x.", .facts = {no_derivative()}});
const Op& ceil_op = elementwise<1>(floats, [](auto x) { return ceil(x); },
                                   {.name = "ceil", .doc = "The smallest integer not below x.", .facts = {no_derivative()}});
const Op& trunc_op = elementwise<1>(floats, [](auto x) { return trunc(x); },
                                    {.name = "trunc", .doc = "x without its fraction.", .facts = {no_derivative()}});
const Op& round_op = elementwise<1>(floats, [](auto x) { return rint(x); },
                                    {.name = "round", .doc = "The nearest integer, halves to even.", .facts = {no_derivative()}});

const Op& sqrt_op = elementwise<1>(floats, [](auto x) { return sqrt(x); },
                                   {.name = "sqrt",
                                    .doc = "The square root; NaN below zero.",
                                    .facts = {partial([](const RuleArgs& a) { return 0.5 * unary(recip_op, a.z); })}});
const Op& rsqrt_op = elementwise<1>(floats, [](auto x) { return 1 / sqrt(x); },
                                    {.name = "rsqrt",
                                     .doc = "1 / sqrt(x).",
                                     .facts = {partial([](const RuleArgs& a) { return -0.5 * (a.z * a.z * a.z); })}});
const Op& recip_op = elementwise<1>(floats, [](auto x) { return 1 / x; },
                                    {.name = "recip",
                                     .doc = "1 / x.",
                                     .facts = {partial([](const RuleArgs& a) { return -(a.z * a.z); })}});

const Op& add_op = elementwise<2>(
    sign_free_numbers, [](auto x, auto y) { return x + y; },
    {.name = "add",
     .doc = "x + y; integers wrap.",
     .facts = {linear(), linear()},
     .joint = true,
     .transpose = [](const NodeRef& ct, const RuleArgs&, const Aval&, int) { return ct; },
     .simplify =
         [](std::span<const NodeRef> x, const Attrs&) {
           if (neutral_in_sum(x[1])) return same_type(x[0], x);
           if (neutral_in_sum(x[0])) return same_type(x[1], x);
           return NodeRef();
         }});

const Op& sub_op = elementwise<2>(
    sign_free_numbers, [](auto x, auto y) { return x - y; },
    {.name = "sub",
     .doc = "x - y; integers wrap.",
     .facts = {linear(), linear()},
     .joint = true,
     .transpose = negate_cotangent_of_second,
     .simplify =
         [](std::span<const NodeRef> x, const Attrs&) {
           if (is_full_of(x[1], 0.0)) return same_type(x[0], x);
           if (neutral_in_sum(x[0]))
             if (const NodeRef y = same_type(x[1], x)) return -y;
           return NodeRef();
         }});

const Op& mul_op = elementwise<2>(sign_free_numbers, [](auto x, auto y) { return x * y; },
                                  {.name = "mul",
                                   .doc = "x * y; integers wrap.",
                                   .facts = {linear(), linear()},
                                   .transpose = times_other,
                                   .simplify = [](std::span<const NodeRef> x, const Attrs&) {
                                     if (is_full_of(x[1], 1.0)) return same_type(x[0], x);
                                     if (is_full_of(x[0], 1.0)) return same_type(x[1], x);
                                     return NodeRef();
                                   }});

const Op& div_op = elementwise<2>(
    floats, [](auto x, auto y) { return x / y; },
    {.name = "div",
     .doc = "x / y.",
     .facts = {linear(), partial([](const RuleArgs& a) { return -(a.z * unary(recip_op, a.x[1])); })},
     .transpose = [](const NodeRef& ct, const RuleArgs& a, const Aval&, int) { return ct / a.x[1]; },
     .simplify = [](std::span<const NodeRef> x, const Attrs&) { return is_full_of(x[1], 1.0) ? same_type(x[0], x) : NodeRef(); }});

const Op& maximum_op =
    elementwise<2>(everything, [](auto x, auto y) { return maximum(x, y); },
                   {.name = "maximum",
                    .doc = "The larger of x and y; NaN if either is NaN.",
                    .facts = {partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 1)); }),
                              partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 0)); })},
                    .simplify = [](std::span<const NodeRef> x, const Attrs&) { return x[0] == x[1] ? x[0] : NodeRef(); }});
const Op& minimum_op =
    elementwise<2>(everything, [](auto x, auto y) { return minimum(x, y); },
                   {.name = "minimum",
                    .doc = "The smaller of x and y; NaN if either is NaN.",
                    .facts = {partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 0)); }),
                              partial([](const RuleArgs& a) { return half_where_equal(a, smaller(a, 1)); })},
                    .simplify = [](std::span<const NodeRef> x, const Attrs&) { return x[0] == x[1] ? x[0] : NodeRef(); }});

const Op& copysign_op = elementwise<2>(floats, [](auto x, auto y) { return copysign(x, y); },
                                       {.name = "copysign",
                                        .doc = "|x| with the sign of y.",
                                        .facts = {partial([](const RuleArgs& a) {
                                                    return unary(sign_op, a.x[0]) * binary(copysign_op, fill_like(1.0, a.x[0]), a.x[1]);
                                                  }),
                                                  no_derivative()}});

}  // namespace pg
