// Exponentials, logarithms and what is made of them.
#include <limits>
#include <numbers>

#include "ops/double_lanes.h"
#include "ops/elementwise.h"

namespace pg {
namespace {

using double_lanes::through_lanes;
using ir::continued;
using ir::Libm;
using ir::detail::through_double;
namespace on_complex = ir::complex_math;

NodeRef square(const NodeRef& x) { return x * x; }
// ---- hyperbolic functions of float32. Beyond 100 both sinh and cosh are infinite, and e^100 is not.

template <class X> PG_INLINE X clamped(X a) { return ir::select(a > 100.0, 100.0, a); }
template <class X> PG_INLINE X with_sign(X r, X x) { return ir::select(x < 0.0, -r, r); }

struct Sinh {
  template <class X> PG_INLINE auto operator()(X x) const {
    return double_lanes::lanes_or(
        [](auto v) {
          const auto a = ir::abs(v), e = double_lanes::exp(clamped(a)), s = v * v;
          const auto near =
              v * double_lanes::horner(s, 1.0000000000459723, 0.16666666430251179, 0.0083333525927872538,
                                       0.00019835812457561332, 2.8185239268740257e-06);
          return ir::select(a < 1.0, near, with_sign((e - 1.0 / e) * 0.5, v));
        },
        [](auto v) { return ir::wide::sinh(v); }, x);
  }
};
struct Cosh {
  template <class X> PG_INLINE auto operator()(X x) const {
    return double_lanes::lanes_or(
        [](auto v) {
          const auto e = double_lanes::exp(clamped(ir::abs(v)));
          return (e + 1.0 / e) * 0.5;
        },
        [](auto v) { return ir::wide::cosh(v); }, x);
  }
};
constexpr double finite = 1e39;  // above all of float32
struct Asinh {
  template <class X> PG_INLINE auto operator()(X x) const {
    return through_lanes<Libm::asinh>(
        [](auto v) {
          const auto a = ir::abs(v);
          const auto far = with_sign(double_lanes::log(a + ir::sqrt(a * a + 1.0)), v);
          const auto near = v * (1.0 - v * v * (1.0 / 6.0));
          return ir::select(a < 1e-4, near, ir::select(a < finite, far, v));
        },
        x);
  }
};
struct Acosh {
  template <class X> PG_INLINE auto operator()(X x) const {
    return through_lanes<Libm::acosh>(
        [](auto v) {
          const auto r = double_lanes::log(v + ir::sqrt((v - 1.0) * (v + 1.0)));
          return ir::select(v >= 1.0, ir::select(v < finite, r, v), std::numeric_limits<double>::quiet_NaN());
        },
        x);
  }
};
struct Atanh {
  template <class X> PG_INLINE auto operator()(X x) const {
    return through_lanes<Libm::atanh>(
        [](auto v) {
          const auto a = ir::abs(v);
          const auto far = with_sign(double_lanes::log((1.0 + a) / (1.0 - a)) * 0.5, v);
          const auto near = v + v * (v * v) * (1.0 / 3.0);
          const auto inside = ir::select(a < 1e-4, near, far);
          const auto pole = v / (a - 1.0);  // of 1 an infinity with its sign
          return ir::select(a < 1.0, inside,
                            ir::select(a > 1.0, std::numeric_limits<double>::quiet_NaN(), pole));
        },
        x);
  }
};

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
                                   [](auto x) { return continued<on_complex::Sinh>(Sinh{}, x); },
                                   {partial([](const RuleArgs& a) { return unary(cosh_op, a.x[0]); })});
const Op& cosh_op = elementwise<1>("cosh", "The hyperbolic cosine.", floats_and_complex,
                                   [](auto x) { return continued<on_complex::Cosh>(Cosh{}, x); },
                                   {partial([](const RuleArgs& a) { return unary(sinh_op, a.x[0]); })});
const Op& asinh_op =
    elementwise<1>("asinh", "The inverse hyperbolic sine.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Asinh>(Asinh{}, x); },
                   {partial([](const RuleArgs& a) { return unary(rsqrt_op, square(a.x[0]) + 1.0); })});
const Op& acosh_op = elementwise<1>(
    "acosh", "The inverse hyperbolic cosine; NaN below one.", floats_and_complex,
    [](auto x) { return continued<on_complex::Acosh>(Acosh{}, x); }, {partial([](const RuleArgs& a) {
      return unary(rsqrt_op, a.x[0] - 1.0) * unary(rsqrt_op, a.x[0] + 1.0);
    })});
const Op& atanh_op = elementwise<1>(
    "atanh", "The inverse hyperbolic tangent.", floats_and_complex,
    [](auto x) { return continued<on_complex::Atanh>(Atanh{}, x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, (1.0 - a.x[0]) * (a.x[0] + 1.0)); })});

const Op& erf_op = elementwise<1>(
    "erf", "The error function.", floats, [](auto x) { return erf(x); },
    {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * two_over_sqrt_pi; })});
const Op& erfc_op = elementwise<1>(
    "erfc", "1 - erf(x), accurate in the upper tail.", floats,
    [](auto x) { return through_double<Libm::erfc>(x); },
    {partial([](const RuleArgs& a) { return unary(exp_op, -square(a.x[0])) * -two_over_sqrt_pi; })});

}  // namespace pg
