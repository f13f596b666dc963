// Views: reshape, permute, broadcast, slice, pad. Each says where an element of its result lies in its
// operand; all are linear.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

// ---- reshape
// -------------------------------------------------------------------------------------------------------------

Aval infer_reshape(std::span<const Aval> in, const Attrs& attrs) {
  const Shape shape = rest(attrs);
  for (int64_t n : shape)
    require(n >= 0, ErrorKind::shape, [&] {
      return concat("reshape: ", to_string(shape),
                    " holds a negative extent; one -1 is inferred by the reshape function only");
    });
  require(count_of(shape) == count_of(in[0].shape), ErrorKind::shape, [&] {
    return concat("reshape: a tensor of shape ", to_string(in[0].shape), " has ", count_of(in[0].shape),
                  " elements, but shape ", to_string(shape), " needs ", count_of(shape),
                  "; the numbers of elements must be equal");
  });
  return {shape, in[0].dtype, in[0].weak, in[0].device};
}

ViewIndex map_reshape(const Aval& in, const Aval& out, const Attrs&, std::span<const ir::Expr> index) {
  return {ir::unflatten(ir::flatten(index, out.shape), in.shape), {}};
}

NodeRef transpose_reshape(const NodeRef& ct, const RuleArgs&, const Aval& type, int) {
  return reshape(ct, type.shape);
}

NodeRef simplify_reshape(std::span<const NodeRef> x, const Attrs& attrs) {
  const Shape shape = rest(attrs);
  if (x[0]->shape == shape) return x[0];
  if (count_of(x[0]->shape) == count_of(shape))
    if (NodeRef filled = refilled(x[0], shape)) return filled;
  if (pending(x[0], reshape_op)) return make(reshape_op, {x[0]->input(0)}, attrs);
  return nullptr;
}

// ---- permute
// -------------------------------------------------------------------------------------------------------------

Ints inverse(const Ints& axes) {
  Ints out(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) out[axes[i]] = static_cast<int64_t>(i);
  return out;
}

Aval infer_permute(std::span<const Aval> in, const Attrs& attrs) {
  const Ints axes = rest(attrs);
  Ints sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  require(axes.size() == in[0].shape.size() && is_count_up(sorted), ErrorKind::shape, [&] {
    return concat("permute: axes ", to_string(axes), " do not name each of the ", in[0].shape.size(),
                  " axes of shape ", to_string(in[0].shape), " once");
  });
  Aval out = in[0];
  for (size_t i = 0; i < axes.size(); ++i) out.shape[i] = in[0].shape[axes[i]];
  return out;
}

ViewIndex map_permute(const Aval&, const Aval&, const Attrs& attrs, std::span<const ir::Expr> index) {
  ViewIndex out;
  out.source.resize(index.size());
  for (size_t i = 0; i < index.size(); ++i) out.source[attrs[i]] = index[i];
  return out;
}

NodeRef transpose_permute(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return permute(ct, inverse(rest(args.attrs)));
}

NodeRef simplify_permute(std::span<const NodeRef> x, const Attrs& attrs) {
  const Ints axes = rest(attrs);
  if (axes.size() != x[0]->shape.size()) return nullptr;  // infer explains
  if (is_count_up(axes)) return x[0];
  if (std::any_of(axes.begin(), axes.end(),
                  [&](int64_t a) { return a < 0 || a >= static_cast<int64_t>(axes.size()); }))
    return nullptr;
  if (x[0]->op == &full_op || x[0]->op == &number_op) {
    Shape shape;
    for (int64_t a : axes) shape.push_back(x[0]->shape[a]);
    return refilled(x[0], shape);
  }
  if (!pending(x[0], permute_op)) return nullptr;
  Ints composed;
  for (int64_t a : axes) composed.push_back(x[0]->attrs[a]);
  return permute(x[0]->input(0), composed);
}

// ---- broadcast
// -----------------------------------------------------------------------------------------------------------

Shape broadcast_shape(const Attrs& attrs) { return part(attrs, 1, static_cast<size_t>(attrs[0])); }
Ints broadcast_axes(const Attrs& attrs) { return rest(attrs, 1 + static_cast<size_t>(attrs[0])); }

Aval infer_broadcast(std::span<const Aval> in, const Attrs& attrs) {
  const Shape shape = broadcast_shape(attrs);
  const Ints axes = broadcast_axes(attrs);
  const Shape& from = in[0].shape;
  bool ok = axes.size() == from.size();
  for (size_t i = 0; ok && i < axes.size(); ++i)
    ok = axes[i] >= 0 && axes[i] < static_cast<int64_t>(shape.size()) && (i == 0 || axes[i] > axes[i - 1]) &&
         from[i] == shape[axes[i]];
  require(ok, ErrorKind::shape, [&] {
    return concat("broadcast: shape ", to_string(from), " does not fit ", to_string(shape), " at axes ",
                  to_string(axes),
                  "; axes must ascend and extents must be equal there (use broadcast_to for NumPy's rule)");
  });
  count_of(shape);  // overflow is an error here, not at evaluation
  return {shape, in[0].dtype, in[0].weak, in[0].device};
}

ViewIndex map_broadcast(const Aval&, const Aval&, const Attrs& attrs, std::span<const ir::Expr> index) {
  ViewIndex out;
  for (int64_t axis : broadcast_axes(attrs)) out.source.push_back(index[axis]);
  return out;
}

NodeRef transpose_broadcast(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return reduce(reduce_sum_op, ct, other_axes(broadcast_axes(args.attrs), ct->shape.size()));
}

NodeRef simplify_broadcast(std::span<const NodeRef> x, const Attrs& attrs) {
  const Shape shape = broadcast_shape(attrs);
  const Ints axes = broadcast_axes(attrs);
  if (axes.size() != x[0]->shape.size()) return nullptr;
  if (x[0]->shape == shape && is_count_up(axes)) return x[0];
  for (size_t i = 0; i < axes.size(); ++i)
    if (axes[i] < 0 || axes[i] >= static_cast<int64_t>(shape.size()) || shape[axes[i]] != x[0]->shape[i])
      return nullptr;
  if (NodeRef filled = refilled(x[0], shape)) return filled;
  if (!pending(x[0], broadcast_op)) return nullptr;
  Ints composed;
  for (int64_t inner : broadcast_axes(x[0]->attrs)) composed.push_back(axes[inner]);
  return broadcast(x[0]->input(0), shape, composed);
}

// ---- slice
// ---------------------------------------------------------------------------------------------------------------

struct Span {
  int64_t start, stop, step;
  int64_t count() const {
    const int64_t distance = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
    return distance <= 0 ? 0 : (distance + stride - 1) / stride;
  }
  int64_t last() const { return start + (count() - 1) * step; }
};
Span span_of(const Attrs& attrs, size_t axis) {
  return {attrs[3 * axis], attrs[3 * axis + 1], attrs[3 * axis + 2]};
}

Aval infer_slice(std::span<const Aval> in, const Attrs& attrs) {
  Aval out = in[0];
  require(attrs.size() == 3 * out.shape.size(), ErrorKind::shape, [&] {
    return concat("slice: ", attrs.size() / 3, " ranges given for a tensor of shape ", to_string(in[0].shape),
                  "; give one per axis");
  });
  for (size_t i = 0; i < out.shape.size(); ++i) {
    require(attrs[3 * i + 2] != 0, ErrorKind::value,
            [&] { return concat("slice: the step of axis ", i, " is 0; use any other step"); });
    const Span s = span_of(attrs, i);
    const int64_t n = in[0].shape[i];
    require(s.count() == 0 || (s.start >= 0 && s.start < n && s.last() >= 0 && s.last() < n),
            ErrorKind::index, [&] {
              return concat("slice: range ", s.start, ":", s.stop, ":", s.step, " leaves axis ", i,
                            " of extent ", n);
            });
    out.shape[i] = s.count();
  }
  return out;
}

ViewIndex map_slice(const Aval&, const Aval&, const Attrs& attrs, std::span<const ir::Expr> index) {
  ViewIndex out;
  for (size_t i = 0; i < index.size(); ++i) {
    const Span s = span_of(attrs, i);
    out.source.push_back(index[i] * s.step + ir::expr(s.start));
  }
  return out;
}

// Elements go back to their places by an interior pad; a descending range is turned round first.
NodeRef transpose_slice(const NodeRef& ct, const RuleArgs& args, const Aval& type, int) {
  const size_t rank = type.shape.size();
  Ints low(rank), high(rank), interior(rank), start(rank), stop(rank), step(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Span s = span_of(args.attrs, i);
    const int64_t m = ct->shape[i], n = type.shape[i];
    const bool down = s.step < 0;
    start[i] = down ? m - 1 : 0;
    stop[i] = down ? -1 : m;
    step[i] = down ? -1 : 1;
    if (m == 0) {
      high[i] = n;
    } else {
      low[i] = down ? s.last() : s.start;
      high[i] = n - 1 - (down ? s.start : s.last());
      interior[i] = m == 1 ? 0 : (down ? -s.step : s.step) - 1;
    }
  }
  return pad(slice(ct, start, stop, step), zeros_like({{}, ct->dtype, false, ct->device}), low, high,
             interior);
}

NodeRef simplify_slice(std::span<const NodeRef> x, const Attrs& attrs) {
  const Shape& shape = x[0]->shape;
  if (attrs.size() != 3 * shape.size()) return nullptr;
  bool whole = true;
  Shape result = shape;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Span s = span_of(attrs, i);
    if (s.step == 0 || s.start < 0 || s.start > shape[i]) return nullptr;
    result[i] = s.count();
    if (result[i] > 0 && (s.start >= shape[i] || s.last() < 0 || s.last() >= shape[i])) return nullptr;
    whole = whole && result[i] == shape[i] && (s.step == 1 || shape[i] <= 1);
  }
  if (whole) return x[0];
  return refilled(x[0], result);
}

std::string show_slice(const Attrs& attrs) {
  std::vector<std::string> spans;
  for (size_t i = 0; i < attrs.size() / 3; ++i) {
    const Span s = span_of(attrs, i);
    spans.push_back(concat(s.start, ":", s.stop, s.step == 1 ? "" : concat(":", s.step)));
  }
  return "[" + join(spans) + "]";
}

// ---- pad
// -----------------------------------------------------------------------------------------------------------------

struct Margin {
  int64_t low, high, interior;
};
Margin margin_of(const Attrs& attrs, size_t axis) {
  return {attrs[3 * axis], attrs[3 * axis + 1], attrs[3 * axis + 2]};
}

Aval infer_pad(std::span<const Aval> in, const Attrs& attrs) {
  same_dtype("pad", in);
  require(in[1].shape.empty(), ErrorKind::shape, [&] {
    return concat("pad: the fill value has shape ", to_string(in[1].shape), " but must be a single number");
  });
  Aval out = in[0];
  out.weak = in[0].weak && in[1].weak;
  require(attrs.size() == 3 * out.shape.size(), ErrorKind::shape, [&] {
    return concat("pad: ", attrs.size() / 3, " margins given for a tensor of shape ", to_string(in[0].shape),
                  "; give one per axis");
  });
  for (size_t i = 0; i < out.shape.size(); ++i) {
    const Margin m = margin_of(attrs, i);
    const int64_t n = in[0].shape[i];
    require(m.interior >= 0, ErrorKind::value,
            [&] { return concat("pad: interior amount ", m.interior, " of axis ", i, " is negative"); });
    out.shape[i] = n + (n > 0 ? (n - 1) * m.interior : 0) + m.low + m.high;
    require(out.shape[i] >= 0, ErrorKind::shape, [&] {
      return concat("pad: amounts (", m.low, ", ", m.high, ") crop more than axis ", i, " of extent ", n,
                    " has");
    });
  }
  return out;
}

ViewIndex map_pad(const Aval& in, const Aval&, const Attrs& attrs, std::span<const ir::Expr> index) {
  ViewIndex out;
  for (size_t i = 0; i < index.size(); ++i) {
    const Margin m = margin_of(attrs, i);
    const int64_t n = in.shape[i], pitch = m.interior + 1;
    const ir::Expr e = index[i] + ir::expr(-m.low);
    out.conditions.push_back({e, 0, n > 0 ? (n - 1) * pitch + 1 : 0});
    if (pitch > 1) out.conditions.push_back({ir::mod(e, pitch), 0, 1});
    out.source.push_back(pitch > 1 ? ir::div(e, pitch) : e);
  }
  return out;
}

/// True where a pad of x yields its fill value.
NodeRef margin_mask(const NodeRef& x, const Attrs& attrs) {
  const NodeRef inside = full_node(int64_t{0}, {x->shape, DType::bool_, false, x->device});
  const NodeRef outside = full_node(int64_t{1}, {{}, DType::bool_, false, x->device});
  return make(pad_op, {inside, outside}, attrs);
}

NodeRef transpose_pad(const NodeRef& ct, const RuleArgs& args, const Aval& type, int i) {
  const size_t rank = ct->shape.size();
  const NodeRef& x = args.x[0];
  if (i == 1)  // the fill value: everything that no element of x covers
    return reduce(reduce_sum_op, where(margin_mask(x, args.attrs), ct, 0.0), count_up(rank));
  Ints low(rank), high(rank), step(rank);
  for (size_t a = 0; a < rank; ++a) {
    const Margin m = margin_of(args.attrs, a);
    low[a] = -m.low;
    high[a] = -m.high;
    step[a] = type.shape[a] > 1 ? m.interior + 1 : 1;
  }
  const NodeRef zero = zeros_like({{}, ct->dtype, false, ct->device});
  const NodeRef kept = pad(ct, zero, low, high, zeros(rank));
  return slice(kept, zeros(rank), kept->shape, step);
}

NodeRef simplify_pad(std::span<const NodeRef> x, const Attrs& attrs) {
  if (attrs.size() != 3 * x[0]->shape.size() || x[0]->dtype != x[1]->dtype || (x[0]->weak && !x[1]->weak))
    return nullptr;
  for (size_t i = 0; i < x[0]->shape.size(); ++i) {
    const Margin m = margin_of(attrs, i);
    if (m.low || m.high || (m.interior && x[0]->shape[i] > 1)) return nullptr;
  }
  return x[0];
}

// ---- batching
// ------------------------------------------------------------------------------------------------------------

Batched batch_reshape(const BatchArgs& args) {
  return {make(reshape_op, {args.x[0].node}, behind({args.size}, args.attrs)), true};
}
Batched batch_permute(const BatchArgs& args) {
  return {permute(args.x[0].node, behind(0, shifted(rest(args.attrs)))), true};
}
Batched batch_broadcast(const BatchArgs& args) {
  return {broadcast(args.x[0].node, behind(args.size, broadcast_shape(args.attrs)),
                    behind(0, shifted(broadcast_axes(args.attrs)))),
          true};
}
Batched batch_slice(const BatchArgs& args) {
  return {make(slice_op, {args.x[0].node}, behind({0, args.size, 1}, args.attrs)), true};
}
Batched batch_pad(const BatchArgs& args) {
  const NodeRef x = full(args, 0);
  const NodeRef& value = args.x[1].node;
  const Attrs attrs = behind({0, 0, 0}, args.attrs);
  if (!args.x[1].batched) return {make(pad_op, {x, value}, attrs), true};
  // One fill value per example: it is chosen where the margin lies.
  const NodeRef padded = make(pad_op, {x, zeros_like({{}, x->dtype, x->weak, x->device})}, attrs);
  return {where(margin_mask(x, attrs), broadcast(value, padded->shape, {0}), padded), true};
}

std::string show_pad(const Attrs& attrs) {
  std::vector<std::string> margins;
  for (size_t i = 0; i < attrs.size() / 3; ++i) {
    const Margin m = margin_of(attrs, i);
    margins.push_back(m.interior ? concat(m.low, ":", m.high, ":", m.interior) : concat(m.low, ":", m.high));
  }
  return "low:high:interior=[" + join(margins) + "]";
}

}  // namespace

const Op& reshape_op = define({.name = "reshape",
                               .doc = "The same elements in row-major order under another shape.",
                               .infer = infer_reshape,
                               .lower = View{map_reshape},
                               .facts = {linear()},
                               .joint = true,
                               .transpose = transpose_reshape,
                               .batch = batch_reshape,
                               .simplify = simplify_reshape,
                               .show = [](const Attrs& a) { return field("shape", rest(a)); }});

const Op& permute_op =
    define({.name = "permute",
            .doc = "Axes in another order: axis i of the result is axis axes[i] of the operand.",
            .infer = infer_permute,
            .lower = View{map_permute},
            .facts = {linear()},
            .joint = true,
            .transpose = transpose_permute,
            .batch = batch_permute,
            .simplify = simplify_permute,
            .show = [](const Attrs& a) { return field("axes", rest(a)); }});

const Op& broadcast_op =
    define({.name = "broadcast",
            .doc = "The operand repeated along new axes; operand axis i is axis axes[i] of the result.",
            .infer = infer_broadcast,
            .lower = View{map_broadcast},
            .facts = {linear()},
            .joint = true,
            .transpose = transpose_broadcast,
            .batch = batch_broadcast,
            .simplify = simplify_broadcast,
            .show = [](const Attrs& a) {
              return field("shape", broadcast_shape(a)) + ", " + field("axes", broadcast_axes(a));
            }});

const Op& slice_op =
    define({.name = "slice",
            .doc = "Every step-th element from start to before stop along each axis; steps may be negative.",
            .infer = infer_slice,
            .lower = View{map_slice},
            .facts = {linear()},
            .joint = true,
            .transpose = transpose_slice,
            .batch = batch_slice,
            .simplify = simplify_slice,
            .show = show_slice});

const Op& pad_op =
    define({.name = "pad",
            .doc = "A margin of one value around and between the elements; negative margins crop.",
            .arity = 2,
            .infer = infer_pad,
            .lower = View{map_pad},
            .facts = {linear(), linear()},
            .joint = true,
            .transpose = transpose_pad,
            .batch = batch_pad,
            .simplify = simplify_pad,
            .show = show_pad});

}  // namespace pg
