// Comparisons, classification, choice.
#include "ops/elementwise.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {

using ir::complex_math::finite;
using ir::complex_math::infinite;

const Op& equal_op =
    elementwise<2>("equal", "x == y.", sign_free_everything, [](auto x, auto y) { return x == y; },
                   {no_derivative(), no_derivative()});
const Op& not_equal_op =
    elementwise<2>("not_equal", "x != y.", sign_free_everything, [](auto x, auto y) { return x != y; },
                   {no_derivative(), no_derivative()});
const Op& less_op = elementwise<2>("less", "x < y.", everything, [](auto x, auto y) { return x < y; },
                                   {no_derivative(), no_derivative()});
const Op& less_equal_op =
    elementwise<2>("less_equal", "x <= y.", everything, [](auto x, auto y) { return x <= y; },
                   {no_derivative(), no_derivative()});

const Op& isnan_op = elementwise<1>("isnan", "Is x NaN?", floats_and_complex, [](auto x) { return x != x; },
                                    {no_derivative()});
const Op& isinf_op =
    elementwise<1>("isinf", "Is x, or a part of it, an infinity?", floats_and_complex,
                   [](auto x) {
                     return by_field(
                         x, [](auto v) { return infinite(v); },
                         [](auto z) { return infinite(real_part(z)) | infinite(imag_part(z)); });
                   },
                   {no_derivative()});
const Op& isfinite_op =
    elementwise<1>("isfinite", "Is x neither infinite nor NaN?", floats_and_complex,
                   [](auto x) {
                     return by_field(
                         x, [](auto v) { return finite(v); },
                         [](auto z) { return finite(real_part(z)) & finite(imag_part(z)); });
                   },
                   {no_derivative()});
const Op& signbit_op = elementwise<1>("signbit", "Is the sign bit set (also of -0 and NaN)?", floats,
                                      [](auto x) { return signbit(x); }, {no_derivative()});

// ---- where: (bool, T, T). Only bits move, so one loop per width does.
namespace {

struct Choose {
  template <class C, class X> PG_INLINE X operator()(C c, X x, X y) const { return select(c, x, y); }
};

template <class T> ir::BlockFn choose_loop() { return ir::Clones<ir::Map<Choose, bool, T, T>>::pick(); }

ir::Sym emit_where(std::span<const ir::Sym> in, std::span<const int64_t>) {
  return ir::select(in[0], in[1], in[2]);
}

ir::BlockFn block_where(std::span<const DType> in, DType, std::span<const int64_t>) {
  switch (size_of(compute_type(in[1]))) {
  case 1: return choose_loop<uint8_t>();
  case 2: return choose_loop<uint16_t>();
  case 4: return choose_loop<uint32_t>();
  case 16: return choose_loop<Complex128>();
  default: return choose_loop<uint64_t>();
  }
}

Aval infer_where(std::span<const Aval> in, const Attrs&) {
  detail::check_shapes("where", in);
  require(is_bool(in[0].dtype), ErrorKind::dtype, [&] {
    return concat("where: the condition is ", name_of(in[0].dtype),
                  ", but it must be bool; compare it, as in x != 0");
  });
  require(in[1].dtype == in[2].dtype, ErrorKind::dtype, [&] {
    return concat("where: the branches are ", name_of(in[1].dtype), " and ", name_of(in[2].dtype),
                  ", but the op takes one dtype; convert one of them with astype()");
  });
  return {in[0].shape, in[1].dtype, in[1].weak && in[2].weak, in[0].device};
}

NodeRef simplify_where(std::span<const NodeRef> x, const Attrs&) {
  const std::span<const NodeRef> branches = x.subspan(1);
  if (x[1] == x[2]) return x[1];
  if (is_full_of(x[0], 1.0)) return same_type(x[1], branches);
  if (is_full_of(x[0], 0.0)) return same_type(x[2], branches);
  return nullptr;
}

NodeRef transpose_where(const NodeRef& ct, const RuleArgs& a, const Aval&, int i) {
  return i == 1 ? where(a.x[0], ct, 0.0) : where(a.x[0], 0.0, ct);
}

const Op& define_where() {
  Op op;
  op.name = "where";
  op.doc = "x where the condition holds, y elsewhere.";
  op.arity = 3;
  op.infer = infer_where;
  op.lower = Elementwise{emit_where, block_where};
  op.facts = {no_derivative(), linear(), linear()};
  op.joint = true;
  op.transpose = transpose_where;
  op.simplify = simplify_where;
  return define(std::move(op));
}

}  // namespace

const Op& where_op = define_where();

}  // namespace pg
