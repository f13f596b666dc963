// Exponentials, logarithms and what is made of them.
#include <numbers>

#include "ops/elementwise.h"

namespace pg {
namespace {

NodeRef square(const NodeRef& x) { return x * x; }
constexpr double two_over_sqrt_pi = 2 * std::numbers::inv_sqrtpi;

}  // namespace

const Op& exp_op = elementwise<1>(floats, [](auto x) { return exp(x); },
                                  {.name = "exp", .doc = "e to the power x.", .facts = {partial([](const RuleArgs& a) { return a.z; })}});
const Op& exp2_op = elementwise<1>(floats, [](auto x) { return exp2(x); },
                                   {.name = "exp2",
                                    .doc = "2 to the power x.",
                                    .facts = {partial([](const RuleArgs& a) { return a.z * std::numbers::ln2; })}});
const Op& expm1_op = elementwise<1>(floats, [](auto x) { return expm1(x); },
                                    {.name = "expm1",
                                     .doc = "exp(x) - 1, accurate near zero.",
                                     .facts = {partial([](const RuleArgs& a) { return a.z + 1.0; })}});

const Op& log_op = elementwise<1>(floats, [](auto x) { return log(x); },
                                  {.name = "log",
                                   .doc = "The natural logarithm.",
                                   .facts = {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]); })}});
const Op& log2_op = elementwise<1>(floats, [](auto x) { return log2(x); },
                                   {.name = "log2",
                                    .doc = "The logarithm to base 2, exact at powers of two.",
                                    .facts = {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]) * std::numbers::log2e; })}});
const Op& log10_op =
    elementwise<1>(floats, [](auto x) { return log10(x); },
                   {.name = "log10",
                    .doc = "The logarithm to base 10, exact at powers of ten.",
                    .facts = {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]) * std::numbers::log10e; })}});
const Op& log1p_op = elementwise<1>(floats, [](auto x) { return log1p(x); },
                                    {.name = "log1p",
                                     .doc = "log(1 + x), accurate near zero.",
                                     .facts = {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0] + 1.0); })}});

const Op& sigmoid_op = elementwise<1>(floats, [](auto x) { return sigmoid(x); },
                                      {.name = "sigmoid",
                                       .doc = "1 / (1 + exp(-x)), accurate in both tails.",
                                       // Not z * (1 - z): that is 0 for x = 40.
                                       .facts = {partial([](const RuleArgs& a) { return a.z * unary(sigmoid_op, -a.x[0]); })}});
const Op& tanh_op = elementwise<1>(floats, [](auto x) { return tanh(x); },
                                   {.name = "tanh",
                                    .doc = "The hyperbolic tangent.",
                                    .facts = {partial([](const RuleArgs& a) { return 1.0 - a.z * a.z; })}});
const Op& sinh_op = elementwise<1>(floats, [](auto x) { return ir::detail::through_double<ir::Libm::sinh>(x); },
                                   {.name = "sinh",
                                    .doc = "The hyperbolic sine.",
                                    .facts = {partial([](const RuleArgs& a) { return unary(cosh_op, a.x[0]); })}});
const Op& cosh_op = elementwise<1>(floats, [](auto x) { return ir::detail::through_double<ir::Libm::cosh>(x); },
                                   {.name = "cosh",
                                    .doc = "The hyperbolic cosine.",
                                    .facts = {partial([](const RuleArgs& a) { return unary(sinh_op, a.x[0]); })}});
const Op& asinh_op =
    elementwise<1>(floats, [](auto x) { return ir::detail::through_double<ir::Libm::asinh>(x); },
                   {.name = "asinh",
                    .doc = "The inverse hyperbolic sine.",
                    .facts = {partial([](const RuleArgs& a) { return unary(rsqrt_op, square(a.x[0]) + 1.0); })}});
const Op& acosh_op = elementwise<1>(
    floats, [](auto x) { return ir::detail::through_double<ir::Libm::acosh>(x); },
    {.name = "acosh",
     .doc = "The inverse hyperbolic cosine; NaN below one.",
     .facts = {partial([](const RuleArgs& a) { return unary(rsqrt_op, a.x[0] - 1.0) * unary(rsqrt_op, a.x[0] + 1.0); })}});
const Op& atanh_op = elementwise<1>(
    floats, [](auto x) { return ir::detail::through_double<ir::Libm::atanh>(x); },
    {.name = "atanh",
     .doc = "The inverse hyperbolic tangent.",
     .facts = {partial([](const RuleArgs& a) { return unary(recip_op, (1.0 - a.x[0]) * (a.x[0] + 1.0)); })}});

const Op& erf_op =
    elementwise<1>(floats, [](auto x) { return erf(x); },
                   {.name = "erf",
                    .doc = "The error function.",
                    .facts = {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * two_over_sqrt_pi; })}});
const Op& erfc_op =
    elementwise<1>(floats, [](auto x) { return ir::detail::through_double<ir::Libm::erfc>(x); },
                   {.name = "erfc",
                    .doc = "1 - erf(x), accurate in the upper tail.",
                    .facts = {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * -two_over_sqrt_pi; })}});

}  // namespace pg
