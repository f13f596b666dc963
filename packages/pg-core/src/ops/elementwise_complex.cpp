// Complex numbers and their parts. All four are linear over the reals, and so are their transposes under the
// pairing Re(ct * t), which is JAX's: the gradient of a real function of x + iy is df/dx - i df/dy.
#include "ops/elementwise.h"
#include "ops/structural.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

struct Pair {
  template <class X> PG_INLINE auto operator()(X re, X im) const { return pair(re, im); }
};
struct Real {
  template <class Z> PG_INLINE auto operator()(Z z) const { return real_part(z); }
};
struct Imag {
  template <class Z> PG_INLINE auto operator()(Z z) const { return imag_part(z); }
};
struct Conjugate {
  template <class Z> PG_INLINE auto operator()(Z z) const { return pair(real_part(z), -imag_part(z)); }
};

/// Loops for parts of float32 and float64: over the parts, or over complex numbers.
template <class F> struct OfParts {
  static ir::Sym emit(std::span<const ir::Sym> in, std::span<const int64_t>) { return F{}(in[0], in[1]); }
  static ir::BlockFn block(std::span<const DType> in, DType, std::span<const int64_t>) {
    if (in[0] == DType::float32) return ir::Clones<ir::Map<F, float, float>>::pick();
    return in[0] == DType::float64 ? ir::Clones<ir::Map<F, double, double>>::pick() : nullptr;
  }
};
template <class F> struct OfComplex {
  static ir::Sym emit(std::span<const ir::Sym> in, std::span<const int64_t>) { return F{}(in[0]); }
  static ir::BlockFn block(std::span<const DType> in, DType, std::span<const int64_t>) {
    if (in[0] == DType::complex64) return ir::Clones<ir::Map<F, Complex64>>::pick();
    return in[0] == DType::complex128 ? ir::Clones<ir::Map<F, Complex128>>::pick() : nullptr;
  }
};

Aval infer_complex(std::span<const Aval> in, const Attrs&) {
  constexpr uint32_t accepts =
      1u << static_cast<int>(DType::float32) | 1u << static_cast<int>(DType::float64);
  Aval out = detail::infer_same("complex", accepts, false, in);
  out.dtype = complex_type(out.dtype);
  return out;
}

Aval infer_complex_operand(const char* name, const Aval& in, DType out) {
  require(is_complex(in.dtype), ErrorKind::dtype, [&] {
    return concat(name, ": takes complex64 or complex128, got ", name_of(in.dtype),
                  "; make complex numbers with pg.complex(re, im)");
  });
  return {in.shape, out, in.weak, in.device};
}

/// Operand i of a pending `complex`, when it has the type its part would have.
NodeRef part_of(const NodeRef& z, size_t i) {
  if (!structural::pending(z, complex_op)) return nullptr;
  const NodeRef part = z->input(i);
  return part->weak == z->weak ? part : nullptr;
}

NodeRef simplify_complex(std::span<const NodeRef> x, const Attrs&) {
  if (!structural::pending(x[0], real_op) || !structural::pending(x[1], imag_op)) return nullptr;
  return x[0]->inputs[0] == x[1]->inputs[0] ? x[0]->input(0) : nullptr;
}

}  // namespace

const Op& complex_op = define({
    .name = "complex",
    .doc = "The complex number re + i im.",
    .arity = 2,
    .infer = infer_complex,
    .lower = Elementwise{OfParts<Pair>::emit, OfParts<Pair>::block},
    .facts = {linear(), linear()},
    .joint = true,
    .transpose = [](const NodeRef& ct, const RuleArgs&, const Aval&,
                    int i) { return i == 0 ? unary(real_op, ct) : -unary(imag_op, ct); },
    .simplify = simplify_complex,
});

const Op& real_op = define({
    .name = "real",
    .doc = "The real part of a complex number.",
    .infer = [](std::span<const Aval> in,
                const Attrs&) { return infer_complex_operand("real", in[0], real_type(in[0].dtype)); },
    .lower = Elementwise{OfComplex<Real>::emit, OfComplex<Real>::block},
    .facts = {linear()},
    .transpose = [](const NodeRef& ct, const RuleArgs&, const Aval&,
                    int) { return binary(complex_op, ct, fill_like(0.0, ct)); },
    .simplify = [](std::span<const NodeRef> x, const Attrs&) { return part_of(x[0], 0); },
});

const Op& imag_op = define({
    .name = "imag",
    .doc = "The imaginary part of a complex number.",
    .infer = [](std::span<const Aval> in,
                const Attrs&) { return infer_complex_operand("imag", in[0], real_type(in[0].dtype)); },
    .lower = Elementwise{OfComplex<Imag>::emit, OfComplex<Imag>::block},
    .facts = {linear()},
    .transpose = [](const NodeRef& ct, const RuleArgs&, const Aval&,
                    int) { return binary(complex_op, fill_like(0.0, ct), -ct); },
    .simplify = [](std::span<const NodeRef> x, const Attrs&) { return part_of(x[0], 1); },
});

const Op& conj_op = define({
    .name = "conj",
    .doc = "The complex conjugate.",
    .infer = [](std::span<const Aval> in,
                const Attrs&) { return infer_complex_operand("conj", in[0], in[0].dtype); },
    .lower = Elementwise{OfComplex<Conjugate>::emit, OfComplex<Conjugate>::block},
    .facts = {linear()},
    .transpose = [](const NodeRef& ct, const RuleArgs&, const Aval&, int) { return unary(conj_op, ct); },
    .simplify = [](std::span<const NodeRef> x,
                   const Attrs&) { return structural::pending(x[0], conj_op) ? x[0]->input(0) : NodeRef(); },
});

}  // namespace pg
