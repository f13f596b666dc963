// Records that run along one axis in order: cumulative operations and sorting.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

// ---- cumulative: attrs are axis, reverse
// ---------------------------------------------------------------------------------

Aval infer_along_axis(const char* what, bool numbers, std::span<const Aval> in, const Attrs& attrs) {
  require(attrs[0] >= 0 && attrs[0] < static_cast<int64_t>(in[0].shape.size()), ErrorKind::index, [&] {
    return concat(what, ": axis ", attrs[0], " is out of range for shape ", to_string(in[0].shape),
                  in[0].shape.empty() ? "; reshape to (1,) first" : "");
  });
  require(!numbers || !is_bool(in[0].dtype), ErrorKind::dtype,
          [&] { return concat(what, ": does not take bool; cast with .astype(pg.int64)"); });
  return in[0];
}
Aval infer_cumulative(std::span<const Aval> in, const Attrs& attrs) {
  return infer_along_axis("cumulative", true, in, attrs);
}

size_t axis_of(const Attrs& attrs) { return static_cast<size_t>(attrs[0]); }
bool is_reverse(const Attrs& attrs) { return attrs[1] != 0; }

/// x moved `by` places along an axis, away from where accumulation starts; `fill` enters there.
NodeRef shifted(const NodeRef& x, size_t axis, int64_t by, bool reverse, double fill) {
  const size_t rank = x->shape.size();
  Ints low = zeros(rank), high = zeros(rank);
  (reverse ? high : low)[axis] = by;
  (reverse ? low : high)[axis] = -by;
  return pad(x, full_node(fill, {{}, x->dtype, false, x->device}), low, high, zeros(rank));
}

NodeRef transpose_cumsum(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return cumulative(cumulative_sum_op, ct, args.attrs[0], !is_reverse(args.attrs));
}

// dz[i] = x[i] dz[i-1] + t[i] z[i-1], solved by doubling: after step s, h[i] holds the terms of the last 2s
// places and `reach[i]` the product over them. Nothing divides, so zeros are right at any order.
NodeRef jvp_cumprod(const RuleArgs& args, std::span<const NodeRef> t) {
  const size_t axis = axis_of(args.attrs);
  const bool reverse = is_reverse(args.attrs);
  const int64_t n = args.z->shape[axis];
  if (n == 0) return nullptr;
  NodeRef h = t[0] * shifted(args.z, axis, 1, reverse, 1.0);
  NodeRef reach = args.x[0];
  for (int64_t s = 1; s < n; s *= 2) {
    h = h + reach * shifted(h, axis, s, reverse, 0.0);
    if (2 * s < n) reach = reach * shifted(reach, axis, s, reverse, 0.0);
  }
  return h;
}

// The tangent comes from the element that holds the running extremum, the latest one met among equals.
NodeRef jvp_cumulative_extremum(const RuleArgs& args, std::span<const NodeRef> t) {
  const NodeRef& x = args.x[0];
  const bool reverse = is_reverse(args.attrs);
  const int64_t axis = args.attrs[0], n = x->shape[axis];
  const NodeRef place = iota(x->shape, axis, DType::int64, x->device);
  const NodeRef hit = binary(or_op, binary(equal_op, x, args.z), unary(isnan_op, x));
  const NodeRef holder =
      reverse ? cumulative(cumulative_min_op, where(hit, place, static_cast<double>(n - 1)), axis, true)
              : cumulative(cumulative_max_op, where(hit, place, 0.0), axis, false);
  return take_along(t[0], holder, axis);
}

NodeRef simplify_cumulative(std::span<const NodeRef> x, const Attrs& attrs) {
  const bool single =
      attrs[0] >= 0 && attrs[0] < static_cast<int64_t>(x[0]->shape.size()) && x[0]->shape[attrs[0]] == 1;
  return single && !is_bool(x[0]->dtype) ? x[0] : nullptr;
}

std::string show_cumulative(const Attrs& a) { return concat("axis=", a[0], a[1] ? ", reverse" : ""); }

// ---- sorting: attrs are axis, descending; of argsort also the extent of the result along the axis
// ---------------------------------------------------------------------------------

Aval infer_sort(std::span<const Aval> in, const Attrs& attrs) {
  return infer_along_axis("sort", false, in, attrs);
}
Aval infer_argsort(std::span<const Aval> in, const Attrs& attrs) {
  Aval out = infer_along_axis("argsort", false, in, attrs);
  int64_t& extent = out.shape[axis_of(attrs)];
  require(attrs[2] >= 0 && attrs[2] <= extent, ErrorKind::value,
          [&] { return concat("argsort: ", attrs[2], " of ", extent, " places"); });
  extent = attrs[2];
  out.dtype = DType::int64;
  out.weak = false;
  return out;
}

NodeRef jvp_sort(const RuleArgs& args, std::span<const NodeRef> t) {
  Attrs attrs = args.attrs;
  attrs.push_back(args.z->shape[axis_of(attrs)]);
  return take_along(t[0], make(argsort_op, {args.x[0]}, attrs), attrs[0]);
}

std::string show_sort(const Attrs& a) { return concat("axis=", a[0], a[1] ? ", descending" : ""); }
std::string show_argsort(const Attrs& a) { return concat(show_sort(a), ", count=", a[2]); }

}  // namespace

const Op& cumulative_sum_op = define({.name = "cumulative_sum",
                                      .doc = "Running sum along an axis.",
                                      .infer = infer_cumulative,
                                      .lower = Call{},
                                      .facts = {linear()},
                                      .transpose = transpose_cumsum,
                                      .batch = batch_along_axis,
                                      .simplify = simplify_cumulative,
                                      .show = show_cumulative});

const Op& cumulative_prod_op = define({.name = "cumulative_prod",
                                       .doc = "Running product along an axis.",
                                       .infer = infer_cumulative,
                                       .lower = Call{},
                                       .facts = {by_jvp()},
                                       .jvp = jvp_cumprod,
                                       .batch = batch_along_axis,
                                       .simplify = simplify_cumulative,
                                       .show = show_cumulative});

namespace {

const Op& running_extremum(const char* name, const char* doc) {
  return define({.name = name,
                 .doc = doc,
                 .infer = infer_cumulative,
                 .lower = Call{},
                 .facts = {by_jvp()},
                 .jvp = jvp_cumulative_extremum,
                 .batch = batch_along_axis,
                 .simplify = simplify_cumulative,
                 .show = show_cumulative});
}

}  // namespace

const Op& cumulative_max_op = running_extremum("cumulative_max", "Running maximum along an axis; NaN stays.");
const Op& cumulative_min_op = running_extremum("cumulative_min", "Running minimum along an axis; NaN stays.");

const Op& sort_op = define({.name = "sort",
                            .doc = "Elements in order along an axis; stable, NaN last.",
                            .infer = infer_sort,
                            .lower = Call{},
                            .facts = {by_jvp()},
                            .jvp = jvp_sort,
                            .batch = batch_along_axis,
                            .show = show_sort});

const Op& argsort_op =
    define({.name = "argsort",
            .doc = "The first of the indices that put the elements in order along an axis; stable, NaN last.",
            .infer = infer_argsort,
            .lower = Call{},
            .facts = {no_derivative()},
            .batch = batch_along_axis,
            .show = show_argsort});

}  // namespace pg
