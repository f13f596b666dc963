// Special functions: the normal distribution and the activations made of it, the gamma family.
#include <cmath>
#include <numbers>

#include "ir/special.h"
#include "ops/elementwise.h"
#include "support/error.h"

namespace pg {
namespace {

NodeRef square(const NodeRef& x) { return x * x; }
/// The density of the standard normal distribution.
NodeRef density(const NodeRef& x) {
  return unary(exp_op, -0.5 * square(x)) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

/// d digamma: zeta(2, x), below 0 by reflection with the argument of each branch kept where it is defined.
NodeRef trigamma(const RuleArgs& a) {
  const NodeRef &x = a.x[0], zero = fill_like(0.0, x);
  const NodeRef mirrored = make(less_op, {x, zero});
  const NodeRef inside = where(mirrored, x, -0.5);
  const NodeRef off = inside - unary(round_op, inside);
  const NodeRef cosecant = unary(recip_op, unary(sin_op, off * std::numbers::pi)) * std::numbers::pi;
  const NodeRef here = where(mirrored, 1.0 - x, x);
  const NodeRef value = binary(zeta_op, fill_like(2.0, x), here);
  return where(mirrored, square(cosecant) - value, value);
}

NodeRef by_exponent(const RuleArgs&) {
  fail(ErrorKind::not_implemented,
       "zeta: no derivative by the exponent s; wrap it in stop_gradient if it is meant to be a constant");
}

NodeRef sigmoid(const NodeRef& x) { return unary(sigmoid_op, x); }

}  // namespace

const Op& erfinv_op =
    elementwise<1>("erfinv", "The inverse of the error function; NaN outside -1 .. 1.", floats,
                   [](auto x) { return erfinv(x); }, {partial([](const RuleArgs& a) {
                     return unary(exp_op, square(a.z)) * (0.5 / std::numbers::inv_sqrtpi);
                   })});

const Op& ndtr_op = elementwise<1>("ndtr", "The probability that a standard normal number is below x.",
                                   floats, [](auto x) { return ndtr(x); },
                                   {partial([](const RuleArgs& a) { return density(a.x[0]); })});
const Op& gelu_op = elementwise<1>(
    "gelu", "x times the probability that a standard normal number is below it.", floats,
    [](auto x) __attribute__((always_inline)) { return gelu(x); },
    {partial([](const RuleArgs& a) { return unary(ndtr_op, a.x[0]) + a.x[0] * density(a.x[0]); })});
const Op& gelu_tanh_op =
    elementwise<1>("gelu_tanh", "gelu with a tanh in place of the error function.", floats,
                   [](auto x) { return gelu_tanh(x); }, {partial([](const RuleArgs& a) {
                     const double line = std::sqrt(8 * std::numbers::inv_pi), cube = line * 0.044715;
                     const NodeRef &x = a.x[0], s = square(x), w = x * (s * cube + line);
                     return sigmoid(w) + a.z * sigmoid(-w) * (s * (3 * cube) + line);
                   })});
const Op& silu_op =
    elementwise<1>("silu", "x times its sigmoid.", floats, [](auto x) { return silu(x); },
                   {partial([](const RuleArgs& a) { return sigmoid(a.x[0]) + a.z * sigmoid(-a.x[0]); })});

const Op& lgamma_op = elementwise<1>("lgamma", "The logarithm of the absolute value of the gamma function.",
                                     floats, [](auto x) { return lgamma(x); },
                                     {partial([](const RuleArgs& a) { return unary(digamma_op, a.x[0]); })});
const Op& digamma_op = elementwise<1>("digamma", "The derivative of log gamma; NaN at the negative integers.",
                                      floats, [](auto x) { return digamma(x); }, {partial(trigamma)});
const Op& zeta_op = elementwise<2>(
    "zeta", "Hurwitz' zeta function, the sum of (q + k)^-s over k = 0, 1, ...; NaN for s < 1 or q < 0.",
    floats, [](auto s, auto q) { return zeta(s, q); },
    {partial(by_exponent),
     partial([](const RuleArgs& a) { return -(a.x[0] * binary(zeta_op, a.x[0] + 1.0, a.x[1])); })});

}  // namespace pg
