// Reductions over a set of axes, which are dropped from the result.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

Aval infer_reduction(const char* what, bool logical, bool ordered, std::span<const Aval> in,
                     const Attrs& attrs) {
  const Ints axes = rest(attrs);
  const Shape& shape = in[0].shape;
  for (size_t i = 0; i < axes.size(); ++i)
    require(axes[i] >= 0 && axes[i] < static_cast<int64_t>(shape.size()) && (i == 0 || axes[i] > axes[i - 1]),
            ErrorKind::index, [&] {
              return concat(what, ": axes ", to_string(axes), " must ascend and lie in the shape ",
                            to_string(shape));
            });
  require(logical == is_bool(in[0].dtype), ErrorKind::dtype, [&] {
    return logical ? concat(what, ": reduces bool, got ", name_of(in[0].dtype), "; compare with 0 first")
                   : concat(what, ": does not reduce bool; cast with .astype(pg.int64), or use any / all");
  });
  require(!ordered || !is_complex(in[0].dtype), ErrorKind::dtype, [&] {
    return concat(what, ": ", name_of(in[0].dtype), " has no order; reduce pg.abs(x) or pg.real(x)");
  });
  Aval out{{}, in[0].dtype, in[0].weak, in[0].device};
  for (int64_t axis : other_axes(axes, shape.size())) out.shape.push_back(shape[axis]);
  if (ordered)
    for (int64_t axis : axes)
      require(shape[axis] > 0, ErrorKind::value, [&] {
        return concat(what, ": axis ", axis, " of shape ", to_string(shape), " is empty and has no ", what,
                      "; pass a non-empty tensor");
      });
  return out;
}

// One element is its own sum, product and extremum.
NodeRef simplify_reduction(std::span<const NodeRef> x, const Attrs& attrs) {
  Shape kept = x[0]->shape;
  for (size_t i = attrs.size(); i-- > 0;) {
    if (attrs[i] < 0 || attrs[i] >= static_cast<int64_t>(kept.size()) || kept[attrs[i]] != 1) return nullptr;
    kept.erase(attrs[i]);
  }
  return reshape(x[0], kept);
}

Ints kept_axes(const NodeRef& x, const Attrs& attrs) { return other_axes(rest(attrs), x->shape.size()); }

NodeRef transpose_sum(const NodeRef& ct, const RuleArgs& args, const Aval& type, int) {
  return broadcast(ct, type.shape, other_axes(rest(args.attrs), type.shape.size()));
}

// Ties share the derivative evenly.
NodeRef jvp_extremum(const RuleArgs& args, std::span<const NodeRef> t) {
  const NodeRef& x = args.x[0];
  const Ints axes = rest(args.attrs);
  const NodeRef hit = binary(equal_op, x, broadcast(args.z, x->shape, kept_axes(x, args.attrs)));
  return reduce(reduce_sum_op, where(hit, t[0], 0.0), axes) /
         reduce(reduce_sum_op, astype(hit, x->dtype), axes);
}

// The product by halves: pairs (value, tangent) are multiplied until one is left. It never divides, so zeros
// are right at any order.
NodeRef jvp_prod(const RuleArgs& args, std::span<const NodeRef> t) {
  const Ints axes = rest(args.attrs);
  const Shape& full = args.x[0]->shape;
  Ints order = other_axes(axes, full.size());
  const size_t kept = order.size();
  int64_t n = 1;
  for (int64_t axis : axes) {
    order.push_back(axis);
    n *= full[axis];
  }
  Shape shape = args.z->shape;
  shape.push_back(n);
  if (n == 0) return nullptr;
  NodeRef value = reshape(permute(args.x[0], order), shape), tangent = reshape(permute(t[0], order), shape);
  const auto section = [&](const NodeRef& v, int64_t start, int64_t stop) {
    Ints from(kept + 1, 0), to = v->shape;
    from[kept] = start;
    to[kept] = stop;
    return slice(v, from, to, ones(kept + 1));
  };
  while (n > 1) {
    const int64_t half = n / 2;
    const NodeRef a = section(value, 0, half), b = section(value, half, 2 * half);
    NodeRef product = a * b;
    NodeRef rate = section(tangent, 0, half) * b + a * section(tangent, half, 2 * half);
    if (n % 2) {
      const Attrs last{static_cast<int64_t>(kept)};
      product = make(concat_op, {product, section(value, n - 1, n)}, last);
      rate = make(concat_op, {rate, section(tangent, n - 1, n)}, last);
    }
    value = product;
    tangent = rate;
    n = half + n % 2;
  }
  return reshape(tangent, args.z->shape);
}

Batched batch_reduction(const BatchArgs& args) {
  return {make(args.op, {args.x[0].node}, words(shifted(rest(args.attrs)))), true};
}

std::string show_axes(const Attrs& attrs) { return field("axes", rest(attrs)); }

}  // namespace

const Op& reduce_sum_op =
    define({.name = "reduce_sum",
            .doc = "Sum over axes.",
            .infer = [](std::span<const Aval> in,
                        const Attrs& a) { return infer_reduction("sum", false, false, in, a); },
            .lower = Reduction{Combine::sum},
            .facts = {linear()},
            .joint = true,
            .transpose = transpose_sum,
            .batch = batch_reduction,
            .simplify = simplify_reduction,
            .show = show_axes});

const Op& reduce_prod_op =
    define({.name = "reduce_prod",
            .doc = "Product over axes.",
            .infer = [](std::span<const Aval> in,
                        const Attrs& a) { return infer_reduction("prod", false, false, in, a); },
            .lower = Reduction{Combine::prod},
            .facts = {by_jvp()},
            .jvp = jvp_prod,
            .batch = batch_reduction,
            .simplify = simplify_reduction,
            .show = show_axes});

const Op& reduce_max_op =
    define({.name = "reduce_max",
            .doc = "Largest element over axes; NaN wins.",
            .infer = [](std::span<const Aval> in,
                        const Attrs& a) { return infer_reduction("max", false, true, in, a); },
            .lower = Reduction{Combine::max},
            .facts = {by_jvp()},
            .jvp = jvp_extremum,
            .batch = batch_reduction,
            .simplify = simplify_reduction,
            .show = show_axes});

const Op& reduce_min_op =
    define({.name = "reduce_min",
            .doc = "Smallest element over axes; NaN wins.",
            .infer = [](std::span<const Aval> in,
                        const Attrs& a) { return infer_reduction("min", false, true, in, a); },
            .lower = Reduction{Combine::min},
            .facts = {by_jvp()},
            .jvp = jvp_extremum,
            .batch = batch_reduction,
            .simplify = simplify_reduction,
            .show = show_axes});

const Op& reduce_all_op =
    define({.name = "reduce_all",
            .doc = "Are all elements true over axes?",
            .infer = [](std::span<const Aval> in,
                        const Attrs& a) { return infer_reduction("all", true, false, in, a); },
            .lower = Reduction{Combine::all},
            .facts = {no_derivative()},
            .batch = batch_reduction,
            .simplify = simplify_reduction,
            .show = show_axes});

const Op& reduce_any_op =
    define({.name = "reduce_any",
            .doc = "Is any element true over axes?",
            .infer = [](std::span<const Aval> in,
                        const Attrs& a) { return infer_reduction("any", true, false, in, a); },
            .lower = Reduction{Combine::any},
            .facts = {no_derivative()},
            .batch = batch_reduction,
            .simplify = simplify_reduction,
            .show = show_axes});

}  // namespace pg
