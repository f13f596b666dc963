// Exponentials, logarithms and what is made of them.
#include <numbers>

#include "ops/elementwise.h"

namespace pg {
namespace {

using ir::continued;
using ir::Libm;
using ir::detail::through_double;
namespace on_complex = ir::complex_math;

NodeRef square(const NodeRef& x) { return x * x; }
constexpr double two_over_sqrt_pi = 2 * std::numbers::inv_sqrtpi;

}  // namespace

const Op& exp_op =
    elementwise<1>("exp", "e to the power x.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Exp>([](auto v) { return exp(v); }, x); },
                   {partial([](const RuleArgs& a) { return a.z; })});
const Op& exp2_op =
    elementwise<1>("exp2", "2 to the power x.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Exp2>([](auto v) { return exp2(v); }, x); },
                   {partial([](const RuleArgs& a) { return a.z * std::numbers::ln2; })});
const Op& expm1_op =
    elementwise<1>("expm1", "exp(x) - 1, accurate near zero.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Expm1>([](auto v) { return expm1(v); }, x); },
                   {partial([](const RuleArgs& a) { return a.z + 1.0; })});

const Op& log_op =
    elementwise<1>("log", "The natural logarithm.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Log>([](auto v) { return log(v); }, x); },
                   {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]); })});
const Op& log2_op = elementwise<1>(
    "log2", "The logarithm to base 2, exact at powers of two.", floats_and_complex,
    [](auto x) { return continued<on_complex::Log2>([](auto v) { return log2(v); }, x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]) * std::numbers::log2e; })});
const Op& log10_op = elementwise<1>(
    "log10", "The logarithm to base 10, exact at powers of ten.", floats_and_complex,
    [](auto x) { return continued<on_complex::Log10>([](auto v) { return log10(v); }, x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0]) * std::numbers::log10e; })});
const Op& log1p_op =
    elementwise<1>("log1p", "log(1 + x), accurate near zero.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Log1p>([](auto v) { return log1p(v); }, x); },
                   {partial([](const RuleArgs& a) { return unary(recip_op, a.x[0] + 1.0); })});

const Op& sigmoid_op = elementwise<1>(
    "sigmoid", "1 / (1 + exp(-x)), accurate in both tails.", floats, [](auto x) { return sigmoid(x); },
    // Not z * (1 - z): that is 0 for x = 40.
    {partial([](const RuleArgs& a) { return a.z * unary(sigmoid_op, -a.x[0]); })});
const Op& tanh_op =
    elementwise<1>("tanh", "The hyperbolic tangent.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Tanh>([](auto v) { return tanh(v); }, x); },
                   {partial([](const RuleArgs& a) { return 1.0 - a.z * a.z; })});
const Op& sinh_op = elementwise<1>("sinh", "The hyperbolic sine.", floats_and_complex,
                                   [](auto x) {
                                     return continued<on_complex::Sinh>(
                                         [](auto v) { return through_double<Libm::sinh>(v); }, x);
                                   },
                                   {partial([](const RuleArgs& a) { return unary(cosh_op, a.x[0]); })});
const Op& cosh_op = elementwise<1>("cosh", "The hyperbolic cosine.", floats_and_complex,
                                   [](auto x) {
                                     return continued<on_complex::Cosh>(
                                         [](auto v) { return through_double<Libm::cosh>(v); }, x);
                                   },
                                   {partial([](const RuleArgs& a) { return unary(sinh_op, a.x[0]); })});
const Op& asinh_op = elementwise<1>(
    "asinh", "The inverse hyperbolic sine.", floats_and_complex,
    [](auto x) {
      return continued<on_complex::Asinh>([](auto v) { return through_double<Libm::asinh>(v); }, x);
    },
    {partial([](const RuleArgs& a) { return unary(rsqrt_op, square(a.x[0]) + 1.0); })});
const Op& acosh_op = elementwise<1>(
    "acosh", "The inverse hyperbolic cosine; NaN below one.", floats_and_complex,
    [](auto x) {
      return continued<on_complex::Acosh>([](auto v) { return through_double<Libm::acosh>(v); }, x);
    },
    {partial(
        [](const RuleArgs& a) { return unary(rsqrt_op, a.x[0] - 1.0) * unary(rsqrt_op, a.x[0] + 1.0); })});
const Op& atanh_op = elementwise<1>(
    "atanh", "The inverse hyperbolic tangent.", floats_and_complex,
    [](auto x) {
      return continued<on_complex::Atanh>([](auto v) { return through_double<Libm::atanh>(v); }, x);
    },
    {partial([](const RuleArgs& a) { return unary(recip_op, (1.0 - a.x[0]) * (a.x[0] + 1.0)); })});

const Op& erf_op = elementwise<1>(
    "erf", "The error function.", floats, [](auto x) { return erf(x); },
    {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * two_over_sqrt_pi; })});
const Op& erfc_op = elementwise<1>(
    "erfc", "1 - erf(x), accurate in the upper tail.", floats,
    [](auto x) { return through_double<Libm::erfc>(x); },
    {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * -two_over_sqrt_pi; })});

}  // namespace pg
