// Node-level helpers over the structural records; see ops.h.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

Attrs triples(const char* what, const Ints& a, const Ints& b, const Ints& c) {
  require(a.size() == b.size() && a.size() == c.size(), ErrorKind::value, [&] {
    return concat(what, ": lists of ", a.size(), ", ", b.size(), " and ", c.size(),
                  " amounts given; give one of each per axis");
  });
  Attrs out;
  out.reserve(3 * a.size());
  for (size_t i = 0; i < a.size(); ++i)
    for (int64_t v : {a[i], b[i], c[i]}) out.push_back(v);
  return out;
}

}  // namespace

NodeRef reshape(const NodeRef& x, const Shape& shape) {
  Shape full = shape;
  const auto hole = std::find(full.begin(), full.end(), -1);
  if (hole != full.end()) {  // one extent is inferred from the others
    *hole = 1;
    const int64_t others = count_of(full), all = count_of(x->shape);
    require(others != 0 && all % others == 0 && std::find(full.begin(), full.end(), -1) == full.end(),
            ErrorKind::shape, [&] {
              return concat("reshape: a tensor of shape ", to_string(x->shape), " cannot take shape ",
                            to_string(shape), "; one extent may be -1 and the others must divide ", all);
            });
    *hole = all / others;
  }
  return make(reshape_op, {x}, words(full));
}

NodeRef permute(const NodeRef& x, const Ints& axes) { return make(permute_op, {x}, words(axes)); }

NodeRef broadcast(const NodeRef& x, const Shape& shape, const Ints& axes) {
  Attrs attrs{static_cast<int64_t>(shape.size())};
  attrs.reserve(1 + shape.size() + axes.size());
  for (int64_t n : shape) attrs.push_back(n);
  for (int64_t a : axes) attrs.push_back(a);
  return make(broadcast_op, {x}, std::move(attrs));
}

// Axes of extent 1 that grow are dropped first, so that `broadcast` only ever adds axes.
NodeRef broadcast_to(const NodeRef& x, const Shape& shape) {
  if (x->shape == shape) return x;
  bool fits = x->shape.size() <= shape.size();
  Shape kept;
  Ints axes;
  const size_t lead = fits ? shape.size() - x->shape.size() : 0;
  for (size_t i = 0; fits && i < x->shape.size(); ++i) {
    const int64_t n = x->shape[i];
    fits = n == 1 || n == shape[lead + i];
    if (n != shape[lead + i]) continue;
    kept.push_back(n);
    axes.push_back(static_cast<int64_t>(lead + i));
  }
  require(fits, ErrorKind::shape, [&] {
    return concat("broadcast_to: shape ", to_string(x->shape), " does not broadcast to ", to_string(shape),
                  "; counted from the right, extents must be equal or 1");
  });
  return broadcast(reshape(x, kept), shape, axes);
}

NodeRef slice(const NodeRef& x, const Ints& start, const Ints& stop, const Ints& step) {
  Attrs attrs = triples("slice", start, stop, step);
  for (size_t i = 0; i < attrs.size(); i += 3) {  // equal slices get equal words
    int64_t &from = attrs[i], &to = attrs[i + 1], &by = attrs[i + 2];
    if (by == 0) continue;  // infer explains
    const int64_t distance = by > 0 ? to - from : from - to, stride = by > 0 ? by : -by;
    const int64_t count = distance <= 0 ? 0 : (distance + stride - 1) / stride;
    if (count == 0) from = to = 0;
    if (count <= 1) by = 1;
    if (count >= 1) to = from + (count - 1) * by + (by > 0 ? 1 : -1);
  }
  return make(slice_op, {x}, std::move(attrs));
}

NodeRef flip(const NodeRef& x, const Ints& axes) {
  const size_t rank = x->shape.size();
  Ints start = zeros(rank), stop = x->shape, step = ones(rank);
  for (int64_t axis : axes) {
    const size_t a = static_cast<size_t>(normalize_axis(axis, static_cast<int64_t>(rank), "flip"));
    start[a] = x->shape[a] - 1;
    stop[a] = -1;
    step[a] = -1;
  }
  return slice(x, start, stop, step);
}

NodeRef pad(const NodeRef& x, const NodeRef& value, const Ints& low, const Ints& high, const Ints& interior) {
  return make(pad_op, {x, value}, triples("pad", low, high, interior));
}

NodeRef reduce(const Op& op, const NodeRef& x, const Ints& axes) {
  Ints sorted;
  for (int64_t axis : axes)
    sorted.push_back(normalize_axis(axis, static_cast<int64_t>(x->shape.size()), op.name.c_str()));
  std::sort(sorted.begin(), sorted.end());
  return make(op, {x}, words(sorted));
}

NodeRef iota(const Shape& shape, int64_t axis, DType dtype, Device device) {
  Attrs attrs{static_cast<int64_t>(dtype), static_cast<int64_t>(device.kind), device.index, axis};
  for (int64_t n : shape) attrs.push_back(n);
  return make(iota_op, {}, std::move(attrs));
}

NodeRef gather(const NodeRef& table, const NodeRef& rows, IndexMode mode) {
  return make(gather_op, {table, rows}, {static_cast<int64_t>(mode)});
}

NodeRef scatter(const NodeRef& base, const NodeRef& rows, const NodeRef& updates, ScatterMode mode,
                IndexMode index_mode) {
  return make(scatter_op, {base, rows, updates},
              {static_cast<int64_t>(mode), static_cast<int64_t>(index_mode)});
}

NodeRef take_along(const NodeRef& x, const NodeRef& index, int64_t axis) {
  const int64_t rank = static_cast<int64_t>(x->shape.size());
  axis = normalize_axis(axis, rank, "take_along_axis");
  Shape needed = x->shape;
  if (index->shape.size() == needed.size()) needed[axis] = index->shape[axis];
  require(index->shape == needed, ErrorKind::shape, [&] {
    return concat("take_along_axis: indices have shape ", to_string(index->shape), " but a tensor of shape ",
                  to_string(x->shape), " needs equal extents on all axes except ", axis,
                  "; broadcast the indices");
  });
  integer_dtype("take_along_axis", index->aval());
  const Ints strides = strides_of(x->shape);
  NodeRef flat = astype(index, DType::int64);
  if (strides[axis] != 1) flat = flat * static_cast<double>(strides[axis]);
  for (int64_t a = 0; a < rank; ++a) {
    if (a == axis || index->shape[a] == 1) continue;
    const NodeRef place = iota(index->shape, a, DType::int64, index->device);
    flat = flat + (strides[a] == 1 ? place : place * static_cast<double>(strides[a]));
  }
  return gather(reshape(x, {count_of(x->shape)}), flat, IndexMode::clip);
}

NodeRef cumulative(const Op& op, const NodeRef& x, int64_t axis, bool reverse) {
  axis = normalize_axis(axis, static_cast<int64_t>(x->shape.size()), op.name.c_str());
  return make(op, {x}, {axis, static_cast<int64_t>(reverse)});
}

}  // namespace pg
