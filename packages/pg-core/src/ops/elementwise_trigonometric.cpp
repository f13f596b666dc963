// Sines and their inverses.
#include "ops/elementwise.h"

namespace pg {
namespace {

using ir::Libm;
using ir::detail::through_double;

/// A function with a straight-line form for ordinary float32 and a costly one for large arguments
/// (ir/math.h).
template <class F> struct Rare : F {
  template <class X> static PG_INLINE auto rare(X x) { return ir::beyond_sine(x); }
};

template <class F> struct RareRecord {
  static ir::Sym emit(std::span<const ir::Sym> in, std::span<const int64_t>) {
    const ir::Sym x = ir::convert(in[0], compute_type(in[0].dtype));
    if (x.dtype == DType::float64) return F::fast(x);
    // No float16 is beyond the straight-line form's range, but bfloat16 is.
    const ir::Sym z = ir::select_rare(ir::beyond_sine(x), F::slow(x), F::fast(x));
    return ir::convert(z, in[0].dtype);
  }
  struct Double {
    PG_INLINE auto operator()(ir::Val<double> x) const { return F::fast(x); }
  };
  static ir::BlockFn block(std::span<const DType> in, DType, std::span<const int64_t>) {
    if (in[0] == DType::float64) return ir::Clones<ir::Map<Double, double>>::pick();
    return is_float(in[0]) ? ir::Clones<ir::MapRare<Rare<F>, float>>::pick() : nullptr;
  }
  static inline const char* name = nullptr;
  static Aval infer(std::span<const Aval> in, const Attrs&) {
    return detail::infer_same(name, detail::accepted(false, {DType::float32, DType::float64}), false, in);
  }
  static const Op& define_as(const char* op_name, const char* doc, std::vector<Fact> facts) {
    name = op_name;
    Op op = detail::op_of(op_name, doc, 1, std::move(facts));
    op.infer = infer;
    op.lower = Elementwise{emit, block};
    return define(std::move(op));
  }
};

NodeRef square(const NodeRef& x) { return x * x; }

}  // namespace

const Op& sin_op = RareRecord<ir::Sine>::define_as(
    "sin", "The sine.", {partial([](const RuleArgs& a) { return unary(cos_op, a.x[0]); })});
const Op& cos_op = RareRecord<ir::Cosine>::define_as(
    "cos", "The cosine.", {partial([](const RuleArgs& a) { return -unary(sin_op, a.x[0]); })});
const Op& tan_op =
    elementwise<1>("tan", "The tangent.", floats, [](auto x) { return through_double<Libm::tan>(x); },
                   {partial([](const RuleArgs& a) { return a.z * a.z + 1.0; })});
const Op& asin_op =
    elementwise<1>("asin", "The inverse sine; NaN outside -1 .. 1.", floats,
                   [](auto x) { return through_double<Libm::asin>(x); },
                   {partial([](const RuleArgs& a) { return unary(rsqrt_op, 1.0 - square(a.x[0])); })});
const Op& acos_op =
    elementwise<1>("acos", "The inverse cosine; NaN outside -1 .. 1.", floats,
                   [](auto x) { return through_double<Libm::acos>(x); },
                   {partial([](const RuleArgs& a) { return -unary(rsqrt_op, 1.0 - square(a.x[0])); })});
const Op& atan_op = elementwise<1>(
    "atan", "The inverse tangent.", floats, [](auto x) { return through_double<Libm::atan>(x); },
    {partial([](const RuleArgs& a) { return unary(recip_op, square(a.x[0]) + 1.0); })});
const Op& atan2_op = elementwise<2>(
    "atan2", "The angle of the point (x, y), called as atan2(y, x).", floats,
    [](auto y, auto x) { return through_double<Libm::atan2>(y, x); },
    {partial([](const RuleArgs& a) { return a.x[1] * unary(recip_op, square(a.x[0]) + square(a.x[1])); }),
     partial(
         [](const RuleArgs& a) { return -(a.x[0] * unary(recip_op, square(a.x[0]) + square(a.x[1]))); })});

}  // namespace pg
