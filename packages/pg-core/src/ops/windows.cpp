// Sliding windows over the trailing spatial axes (pooling) and the records of their derivatives.
//
// attrs: spatial rank s, window[s], strides[s], low[s], high[s], dilation[s]; window_sum_grad adds the
// extents in[s] of the axes that it restores. All axes before the last s are independent. Margins count as
// the neutral element: nothing is read there.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

struct Sliding {
  size_t rank;
  Ints window, strides, low, high, dilation, restored;
};

Sliding sliding_of(const Attrs& attrs) {
  const size_t s = static_cast<size_t>(attrs[0]);
  return {s,
          part(attrs, 1, s),
          part(attrs, 1 + s, s),
          part(attrs, 1 + 2 * s, s),
          part(attrs, 1 + 3 * s, s),
          part(attrs, 1 + 4 * s, s),
          rest(attrs, 1 + 5 * s)};
}

std::string show_sliding(const Attrs& attrs) {
  const Sliding w = sliding_of(attrs);
  std::string out = concat(field("window", w.window), ", ", field("strides", w.strides));
  if (w.low != zeros(w.rank) || w.high != zeros(w.rank))
    out += concat(", ", field("low", w.low), ", ", field("high", w.high));
  if (w.dilation != ones(w.rank)) out += ", " + field("dilation", w.dilation);
  return out;
}

/// The shape that windows over `shape` give.
Shape slide(const char* what, const Sliding& w, const Shape& shape) {
  require(w.rank >= 1 && shape.size() >= w.rank, ErrorKind::shape, [&] {
    return concat(what, ": ", w.rank, " window axes do not fit a tensor of shape ", to_string(shape),
                  "; windows slide over the last axes");
  });
  Shape out = shape;
  const size_t lead = shape.size() - w.rank;
  for (size_t i = 0; i < w.rank; ++i) {
    require(w.window[i] >= 1 && w.strides[i] >= 1 && w.dilation[i] >= 1 && w.low[i] >= 0 && w.high[i] >= 0,
            ErrorKind::value, [&] {
              return concat(what, ": window ", to_string(w.window), ", strides ", to_string(w.strides),
                            " and dilation ", to_string(w.dilation),
                            " must be at least 1, margins at least 0");
            });
    const int64_t span = (w.window[i] - 1) * w.dilation[i] + 1,
                  padded = shape[lead + i] + w.low[i] + w.high[i];
    require(padded >= span, ErrorKind::shape, [&] {
      return concat(what, ": a window of span ", span, " does not fit the padded extent ", padded,
                    " of spatial axis ", i, " in shape ", to_string(shape),
                    "; use a smaller window or more padding");
    });
    out[lead + i] = (padded - span) / w.strides[i] + 1;
  }
  return out;
}

Aval infer_window(std::span<const Aval> in, const Attrs& attrs) {
  require(!is_bool(in[0].dtype), ErrorKind::dtype,
          "reduce_window: does not reduce bool; cast with .astype(...)");
  return {slide("reduce_window", sliding_of(attrs), in[0].shape), in[0].dtype, in[0].weak, in[0].device};
}

Aval infer_sum_grad(std::span<const Aval> in, const Attrs& attrs) {
  const Sliding w = sliding_of(attrs);
  Aval out = in[0];
  PG_INVARIANT(w.restored.size() == w.rank && out.shape.size() >= w.rank);
  for (size_t i = 0; i < w.rank; ++i) out.shape[out.shape.size() - w.rank + i] = w.restored[i];
  const Shape needed = slide("window_sum_grad", w, out.shape);
  require(needed == in[0].shape, ErrorKind::shape, [&] {
    return concat("window_sum_grad: the cotangent has shape ", to_string(in[0].shape),
                  " but the windows give ", to_string(needed));
  });
  return out;
}

Aval infer_max_grad(std::span<const Aval> in, const Attrs& attrs) {
  same_dtype("window_max_grad", in);
  const Shape needed = slide("window_max_grad", sliding_of(attrs), in[0].shape);
  require(needed == in[1].shape, ErrorKind::shape, [&] {
    return concat("window_max_grad: the cotangent has shape ", to_string(in[1].shape),
                  " but the windows give ", to_string(needed));
  });
  return {in[0].shape, in[1].dtype, in[1].weak, in[0].device};
}

Aval infer_max_pick(std::span<const Aval> in, const Attrs& attrs) {
  require(in[0].shape == in[1].shape, ErrorKind::shape, [&] {
    return concat("window_max_pick: operands have shapes ", to_string(in[0].shape), " and ",
                  to_string(in[1].shape), "; they must be equal");
  });
  same_dtype("window_max_pick", in);
  return {slide("window_max_pick", sliding_of(attrs), in[0].shape), in[1].dtype, in[1].weak, in[0].device};
}

NodeRef transpose_window_sum(const NodeRef& ct, const RuleArgs& args, const Aval& type, int) {
  Attrs attrs = args.attrs;
  const size_t s = static_cast<size_t>(attrs[0]), lead = type.shape.size() - s;
  for (size_t i = 0; i < s; ++i) attrs.push_back(type.shape[lead + i]);
  return make(window_sum_grad_op, {ct}, std::move(attrs));
}

NodeRef transpose_sum_grad(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  const size_t s = static_cast<size_t>(args.attrs[0]);
  return make(reduce_window_sum_op, {ct}, Attrs(args.attrs.begin(), args.attrs.begin() + 1 + 5 * s));
}

NodeRef jvp_window_max(const RuleArgs& args, std::span<const NodeRef> t) {
  return make(window_max_pick_op, {args.x[0], t[0]}, args.attrs);
}
NodeRef transpose_max_pick(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return make(window_max_grad_op, {args.x[0], ct}, args.attrs);
}
NodeRef transpose_max_grad(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return make(window_max_pick_op, {args.x[0], ct}, args.attrs);
}

}  // namespace

const Op& reduce_window_max_op = define({.name = "reduce_window_max",
                                         .doc = "Largest element of each window.",
                                         .infer = infer_window,
                                         .lower = Call{},
                                         .facts = {by_jvp()},
                                         .jvp = jvp_window_max,
                                         .batch = batch_leading,
                                         .show = show_sliding});

const Op& reduce_window_sum_op = define({.name = "reduce_window_sum",
                                         .doc = "Sum of each window.",
                                         .infer = infer_window,
                                         .lower = Call{},
                                         .facts = {linear()},
                                         .transpose = transpose_window_sum,
                                         .batch = batch_leading,
                                         .show = show_sliding});

const Op& window_sum_grad_op =
    define({.name = "window_sum_grad",
            .doc = "Each element receives the sum of the cotangents of the windows that hold it.",
            .infer = infer_sum_grad,
            .lower = Call{},
            .facts = {linear()},
            .transpose = transpose_sum_grad,
            .batch = batch_leading,
            .show = show_sliding});

// Where the maximum lies is piecewise constant in x, so the derivative by x itself is zero.
const Op& window_max_grad_op =
    define({.name = "window_max_grad",
            .doc = "(x, ct): the first maximum of each window of x receives the window's cotangent.",
            .arity = 2,
            .infer = infer_max_grad,
            .lower = Call{},
            .facts = {no_derivative(), linear()},
            .transpose = transpose_max_grad,
            .batch = batch_leading,
            .show = show_sliding});

const Op& window_max_pick_op =
    define({.name = "window_max_pick",
            .doc = "(x, t): the element of t where x has the first maximum of each window.",
            .arity = 2,
            .infer = infer_max_pick,
            .lower = Call{},
            .facts = {no_derivative(), linear()},
            .transpose = transpose_max_pick,
            .batch = batch_leading,
            .show = show_sliding});

NodeRef reduce_window(const Op& op, const NodeRef& x, const Ints& window, const Ints& strides,
                      const Ints& low, const Ints& high, const Ints& dilation) {
  const size_t s = window.size();
  require(strides.size() == s && low.size() == s && high.size() == s && dilation.size() == s,
          ErrorKind::value, [&] {
            return concat("reduce_window: window ", to_string(window), " has ", s,
                          " axes; strides, margins and dilation must have as many");
          });
  Attrs attrs{static_cast<int64_t>(s)};
  for (const Ints* list : {&window, &strides, &low, &high, &dilation})
    for (int64_t v : *list) attrs.push_back(v);
  return make(op, {x}, std::move(attrs));
}

}  // namespace pg
