// Exponentials, logarithms and what is made of them.
#include <numbers>

#include "ops/elementwise.h"

namespace pg {
namespace {

using ir::Libm;
using ir::detail::through_double;

NodeRef square(const NodeRef& x) { return x * x; }
constexpr double two_over_sqrt_pi = 2 * std::numbers::inv_sqrtpi;

}  // namespace

const Op& exp_op = elementwise<1>("exp", "e to the power x.", floats, [](auto x) { return exp(x); },
                                  {partial([](const RuleArgs& a) { return a.z; })});
const Op& exp2_op = elementwise<1>("exp2", "2 to the power x.", floats, [](auto x) { return exp2(x); },
                                   {partial([](const RuleArgs& a) { return a.z * std::numbers::ln2; })});
const Op& expm1_op =
    elementwise<1>("expm1", "exp(x) - 1, accurate near zero.", floats, [](auto x) { return expm1(x); },
                   {partial([](const RuleArgs& a) { return a.z + 1.0; })});

const Op& log_op = elementwise<1>("log", "The natural logarithm.", floats, [](auto x) { return log(x); },
                                  {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]); })});
const Op& log2_op = elementwise<1>(
    "log2", "The logarithm to base 2, exact at powers of two.", floats, [](auto x) { return log2(x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]) * std::numbers::log2e; })});
const Op& log10_op = elementwise<1>(
    "log10", "The logarithm to base 10, exact at powers of ten.", floats, [](auto x) { return log10(x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]) * std::numbers::log10e; })});
const Op& log1p_op =
    elementwise<1>("log1p", "log(1 + x), accurate near zero.", floats, [](auto x) { return log1p(x); },
                   {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0] + 1.0); })});

const Op& sigmoid_op = elementwise<1>(
    "sigmoid", "1 / (1 + exp(-x)), accurate in both tails.", floats, [](auto x) { return sigmoid(x); },
    // Not z * (1 - z): that is 0 for x = 40.
    {partial([](const RuleArgs& a) { return a.z * unary(sigmoid_op, -a.x[0]); })});
const Op& tanh_op = elementwise<1>("tanh", "The hyperbolic tangent.", floats, [](auto x) { return tanh(x); },
                                   {partial([](const RuleArgs& a) { return 1.0 - a.z * a.z; })});
const Op& sinh_op = elementwise<1>("sinh", "The hyperbolic sine.", floats,
                                   [](auto x) { return through_double<Libm::sinh>(x); },
                                   {partial([](const RuleArgs& a) { return unary(cosh_op, a.x[0]); })});
const Op& cosh_op = elementwise<1>("cosh", "The hyperbolic cosine.", floats,
                                   [](auto x) { return through_double<Libm::cosh>(x); },
                                   {partial([](const RuleArgs& a) { return unary(sinh_op, a.x[0]); })});
const Op& asinh_op = elementwise<1>(
    "asinh", "The inverse hyperbolic sine.", floats, [](auto x) { return through_double<Libm::asinh>(x); },
    {partial([](const RuleArgs& a) { return unary(rsqrt_op, square(a.x[0]) + 1.0); })});
const Op& acosh_op =
    elementwise<1>("acosh", "The inverse hyperbolic cosine; NaN below one.", floats,
                   [](auto x) { return through_double<Libm::acosh>(x); }, {partial([](const RuleArgs& a) {
                     return unary(rsqrt_op, a.x[0] - 1.0) * unary(rsqrt_op, a.x[0] + 1.0);
                   })});
const Op& atanh_op = elementwise<1>(
    "atanh", "The inverse hyperbolic tangent.", floats, [](auto x) { return through_double<Libm::atanh>(x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, (1.0 - a.x[0]) * (a.x[0] + 1.0)); })});

const Op& erf_op = elementwise<1>(
    "erf", "The error function.", floats, [](auto x) { return erf(x); },
    {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * two_over_sqrt_pi; })});
const Op& erfc_op = elementwise<1>(
    "erfc", "1 - erf(x), accurate in the upper tail.", floats,
    [](auto x) { return through_double<Libm::erfc>(x); },
    {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * -two_over_sqrt_pi; })});

}  // namespace pg
