// Sines and their inverses.
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

/// A function with a straight-line form for ordinary numbers and a costly one for large arguments
/// (ir/math.h).
template <class F> struct Rare : F {
  template <class X> static PG_INLINE auto rare(X x) { return ir::beyond_sine(x); }
};

template <class F, class OnComplex> struct RareRecord {
  static ir::Sym emit(std::span<const ir::Sym> in, std::span<const int64_t>) {
    if (is_complex(in[0].dtype)) return on_complex::call<OnComplex>(in[0]);
    const ir::Sym x = ir::convert(in[0], compute_type(in[0].dtype));
    // No float16 is beyond the straight-line form's range, but bfloat16 is.
    const ir::Sym z = ir::select_rare(ir::beyond_sine(x), F::slow(x), F::fast(x));
    return ir::convert(z, in[0].dtype);
  }
  struct Continued {
    template <class T> PG_INLINE auto operator()(ir::Val<T> z) const {
      return on_complex::call<OnComplex>(z);
    }
  };
  static ir::BlockFn block(std::span<const DType> in, DType, std::span<const int64_t>) {
    if (in[0] == DType::float64) return ir::Clones<ir::MapRare<Rare<F>, double>>::pick();
    if (in[0] == DType::complex64) return ir::Clones<ir::Map<Continued, Complex64>>::pick();
    if (in[0] == DType::complex128) return ir::Clones<ir::Map<Continued, Complex128>>::pick();
    return is_float(in[0]) ? ir::Clones<ir::MapRare<Rare<F>, float>>::pick() : nullptr;
  }
  static inline const char* name = nullptr;
  static Aval infer(std::span<const Aval> in, const Attrs&) {
    constexpr uint32_t accepts =
        detail::accepted(false, {DType::float32, DType::float64, DType::complex64, DType::complex128});
    return detail::infer_same(name, accepts, false, in);
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

struct Tangent {
  template <class X> static PG_INLINE X fast(X x) {
    return through_lanes<Libm::tan>([](auto v) { return double_lanes::tan(v); }, x);
  }
  template <class X> static PG_INLINE X slow(X x) { return through_double<Libm::tan>(x); }
};
struct Atan {
  template <class X> PG_INLINE auto operator()(X x) const {
    return through_lanes<Libm::atan>([](auto v) { return double_lanes::atan(v); }, x);
  }
};
struct Asin {
  template <class X> PG_INLINE auto operator()(X x) const {
    return through_lanes<Libm::asin>(
        [](auto v) { return double_lanes::atan(v / ir::sqrt((1.0 - v) * (1.0 + v))); }, x);
  }
};
struct Acos {
  template <class X> PG_INLINE auto operator()(X x) const {
    return through_lanes<Libm::acos>(
        [](auto v) { return double_lanes::atan(ir::sqrt((1.0 - v) / (1.0 + v))) * 2.0; }, x);
  }
};
struct Atan2 {
  template <class X> PG_INLINE auto operator()(X y, X x) const {
    return ir::by_width(
        y,
        [](auto b, auto a) {
          const auto width = ir::abs(ir::convert<double>(a)), height = ir::abs(ir::convert<double>(b));
          const auto steep = height > width;
          const auto less = ir::select(steep, width, height), more = ir::select(steep, height, width);
          // Two zeros or two infinities have no quotient.
          const auto equal = ir::select(more == 0.0, more, ir::like(more, 1.0));
          const auto r = double_lanes::atan_inner(ir::select(less == more, equal, less / more));
          const auto upright = ir::select(steep, std::numbers::pi / 2 - r, r);
          const auto angle = ir::select(ir::signbit(a), std::numbers::pi - upright, upright);
          return ir::copysign(ir::convert<float>(angle), b);
        },
        [](auto b, auto a) { return ir::libm<Libm::atan2>(b, a); }, x);
  }
};

}  // namespace

const Op& sin_op = RareRecord<ir::Sine, on_complex::Sin>::define_as(
    "sin", "The sine.", {partial([](const RuleArgs& a) { return unary(cos_op, a.x[0]); })});
const Op& cos_op = RareRecord<ir::Cosine, on_complex::Cos>::define_as(
    "cos", "The cosine.", {partial([](const RuleArgs& a) { return -unary(sin_op, a.x[0]); })});
const Op& tan_op = RareRecord<Tangent, on_complex::Tan>::define_as(
    "tan", "The tangent.", {partial([](const RuleArgs& a) { return a.z * a.z + 1.0; })});
const Op& asin_op =
    elementwise<1>("asin", "The inverse sine; NaN outside -1 .. 1.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Asin>(Asin{}, x); },
                   {partial([](const RuleArgs& a) { return unary(rsqrt_op, 1.0 - square(a.x[0])); })});
const Op& acos_op =
    elementwise<1>("acos", "The inverse cosine; NaN outside -1 .. 1.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Acos>(Acos{}, x); },
                   {partial([](const RuleArgs& a) { return -unary(rsqrt_op, 1.0 - square(a.x[0])); })});
const Op& atan_op =
    elementwise<1>("atan", "The inverse tangent.", floats_and_complex,
                   [](auto x) { return continued<on_complex::Atan>(Atan{}, x); },
                   {partial([](const RuleArgs& a) { return unary(recip_op, square(a.x[0]) + 1.0); })});
const Op& atan2_op = elementwise<2>(
    "atan2", "The angle of the point (x, y), called as atan2(y, x).", floats,
    [](auto y, auto x) { return Atan2{}(y, x); },
    {partial([](const RuleArgs& a) { return a.x[1] * unary(recip_op, square(a.x[0]) + square(a.x[1])); }),
     partial(
         [](const RuleArgs& a) { return -(a.x[0] * unary(recip_op, square(a.x[0]) + square(a.x[1]))); })});

}  // namespace pg
