#include "compiler/passes/cuts.h"

#include "ops/ops.h"
#include "support/error.h"

namespace pg {
namespace {

constexpr int64_t inner = -1;  // no axis of the result: reduced, or each element reads several along it

/// Which axis of the result every axis of an operand is; axes of the result that cannot be cut at all.
struct AxisMap {
  Ints to;
  Ints fixed;
};

std::span<const int64_t> labels_of(const Attrs& attrs, size_t side) {
  size_t at = 3;
  for (size_t i = 0; i < side; ++i) at += static_cast<size_t>(attrs[i]);
  return {attrs.data() + at, static_cast<size_t>(attrs[side])};
}
int64_t find(std::span<const int64_t> labels, int64_t label) {
  const auto at = std::find(labels.begin(), labels.end(), label);
  return at == labels.end() ? -1 : at - labels.begin();
}

// Nothing for records that this file does not know.
std::optional<AxisMap> axes_of(const Graph& graph, const Graph::Record& r, size_t i) {
  const Shape& shape = graph[r.inputs[i]].type.shape;
  const int64_t rank = static_cast<int64_t>(shape.size());
  AxisMap out{Ints(shape.size(), inner), {}};
  const auto same = [&](int64_t count) {
    for (int64_t axis = 0; axis < count; ++axis) out.to[axis] = axis;
  };
  if (r.op->elementwise()) {
    same(rank);
  } else if (r.op == &permute_op) {
    for (int64_t axis = 0; axis < rank; ++axis) out.to[r.attrs[axis]] = axis;
  } else if (r.op == &broadcast_op) {
    for (int64_t axis = 0; axis < rank; ++axis)
      out.to[axis] = r.attrs[1 + static_cast<size_t>(r.attrs[0]) + axis];
  } else if (r.op->as<Reduction>()) {
    for (int64_t axis = 0, kept = 0; axis < rank; ++axis)
      if (std::find(r.attrs.begin(), r.attrs.end(), axis) == r.attrs.end()) out.to[axis] = kept++;
  } else if (r.op == &dot_general_op) {
    const auto own = labels_of(r.attrs, i), result = labels_of(r.attrs, 2);
    for (int64_t axis = 0; axis < rank; ++axis) out.to[axis] = find(result, own[axis]);
  } else if (r.op == &slice_op || r.op == &pad_op) {
    if (r.op == &pad_op && i == 1) return out;
    for (int64_t axis = 0; axis < rank; ++axis) {
      const int64_t *words = &r.attrs[3 * axis], extent = shape[axis];
      const bool untouched = r.op == &slice_op ? words[0] == 0 && words[1] == extent && words[2] == 1
                                               : words[0] == 0 && words[1] == 0 && words[2] == 0;
      if (untouched) out.to[axis] = axis;
      else out.fixed.push_back(axis);
    }
  } else if (r.op == &concat_op) {
    same(rank);
    out.to[r.attrs[0]] = inner;
    out.fixed.push_back(r.attrs[0]);
  } else {
    return std::nullopt;
  }
  return out;
}

// A reshape keeps the order of elements, so axes fall into groups of equal products. Along a group, strips
// are cut from its slowest axes: all of them in full but the last. `from` has the cut; gives that of `to`.
std::optional<Cut> cut_through_reshape(const Shape& from, const Shape& to, const Cut& cut,
                                       const Ints& counts) {
  Cut out(cut.size(), whole);
  size_t i = 0, k = 0;
  while (i < from.size() || k < to.size()) {
    const size_t first_i = i, first_k = k;
    int64_t left = 1, right = 1;
    if (i < from.size()) left = from[i++];
    if (k < to.size()) right = to[k++];
    while (left != right) {
      if (left < right) left *= from[i++];
      else right *= to[k++];
    }
    // Directions in the order in which they cut the group.
    std::vector<size_t> directions;
    bool complete = true;  // is everything before cut into single elements?
    for (size_t axis = first_i; axis < i; ++axis) {
      int64_t rest = from[axis];
      for (size_t d = 0; d < cut.size(); ++d) {
        if (cut[d] != static_cast<int64_t>(axis)) continue;
        if (!complete || (!directions.empty() && d < directions.back())) return std::nullopt;
        directions.push_back(d);
        rest /= counts[d];
      }
      complete = complete && rest == 1;
    }
    size_t next = 0;
    for (size_t axis = first_k; axis < k && next < directions.size(); ++axis) {
      int64_t rest = to[axis];
      while (next < directions.size() && rest > 1) {
        const int64_t count = counts[directions[next]];
        if (rest % count != 0) return std::nullopt;
        out[directions[next++]] = static_cast<int64_t>(axis);
        rest /= count;
      }
    }
    if (next < directions.size()) return std::nullopt;
  }
  return out;
}

// Do the counts divide the extents?
bool divides(const Shape& shape, const Cut& cut, const Ints& counts) {
  Shape rest = shape;
  for (size_t d = 0; d < cut.size(); ++d) {
    if (cut[d] < 0) continue;
    int64_t& extent = rest[static_cast<size_t>(cut[d])];
    if (extent % counts[d] != 0) return false;
    extent /= counts[d];
  }
  return true;
}

bool sums(const Graph::Record& r) {
  return (r.op == &dot_general_op || r.op == &reduce_sum_op) &&
         (r.type.dtype == DType::float32 || r.type.dtype == DType::float64);
}

}  // namespace

std::optional<Cut> cut_of_operand(const Graph& graph, Id id, size_t i, const Cut& result,
                                  const Ints& counts) {
  const Graph::Record& r = graph[id];
  const Shape& shape = graph[r.inputs[i]].type.shape;
  if (r.op == &reshape_op) return cut_through_reshape(r.type.shape, shape, result, counts);
  const std::optional<AxisMap> axes = axes_of(graph, r, i);
  if (!axes) return std::nullopt;
  Cut out(result.size(), whole);
  for (size_t d = 0; d < result.size(); ++d) {
    const int64_t axis = result[d];
    if (is_summed(axis)) {
      if (!sums(r)) return std::nullopt;
      const int64_t first = -2 - axis;
      out[d] = i == 0 ? first : find(labels_of(r.attrs, 1), labels_of(r.attrs, 0)[first]);
    } else if (axis >= 0) {
      if (find(axes->fixed, axis) >= 0) return std::nullopt;
      out[d] = find(axes->to, axis);
    }
  }
  return divides(shape, out, counts) ? std::optional(out) : std::nullopt;
}

std::optional<Cut> cut_of_result(const Graph& graph, Id id, size_t i, const Cut& operand,
                                 const Ints& counts) {
  const Graph::Record& r = graph[id];
  const Shape& shape = graph[r.inputs[i]].type.shape;
  for (const int64_t axis : operand)
    if (is_summed(axis)) return std::nullopt;
  if (r.op == &reshape_op) return cut_through_reshape(shape, r.type.shape, operand, counts);
  const std::optional<AxisMap> axes = axes_of(graph, r, i);
  if (!axes) return std::nullopt;
  Cut out(operand.size(), whole);
  for (size_t d = 0; d < operand.size(); ++d) {
    if (operand[d] == whole) continue;
    out[d] = axes->to[operand[d]];
    if (out[d] != inner) continue;
    if (!sums(r)) return std::nullopt;
    const int64_t first =
        i == 0 ? operand[d] : find(labels_of(r.attrs, 0), labels_of(r.attrs, 1)[operand[d]]);
    out[d] = summed_over(first);
  }
  return divides(r.type.shape, out, counts) ? std::optional(out) : std::nullopt;
}

Id add_on_strip(const Graph& graph, Id id, const Cut& cut, const Ints& counts,
                const SmallVector<Id, 3>& operands, std::span<const Id> numbers, GraphBuilder& body) {
  Graph::Record r = graph[id];
  r.inputs = operands;
  r.type.shape = shape_of_strip(r.type.shape, cut, counts);
  const Shape& shape = r.type.shape;
  if (r.op == &reshape_op) r.attrs.assign(shape.begin(), shape.end());
  if (r.op == &broadcast_op) std::copy(shape.begin(), shape.end(), r.attrs.begin() + 1);
  if (r.op == &slice_op)
    for (size_t d = 0; d < cut.size(); ++d)
      if (cut[d] >= 0) r.attrs[3 * static_cast<size_t>(cut[d]) + 1] = shape[static_cast<size_t>(cut[d])];
  if (r.op != &iota_op) return body.add(std::move(r));

  // Counts from where the strip begins, in whole numbers: sums of rounded ones would round twice.
  const Aval type = r.type, number{{}, DType::int64, false, type.device};
  const int64_t axis = r.attrs[3];
  Id start = 0;
  bool any = false;
  int64_t step = type.shape[static_cast<size_t>(axis)];
  for (size_t d = cut.size(); d-- > 0;) {
    if (cut[d] != axis) continue;
    const Id each = body.add(Graph::Record{&full_op, {}, {step}, number, {}});
    const Id part = body.add(mul_op, {numbers[d], each}, {});
    start = any ? body.add(add_op, {start, part}, {}) : part;
    any = true;
    step *= counts[d];
  }
  std::copy(type.shape.begin(), type.shape.end(), r.attrs.begin() + 4);
  if (!any) return body.add(std::move(r));
  r.attrs[0] = static_cast<int64_t>(DType::int64);
  r.type.dtype = DType::int64;
  const Id local = body.add(std::move(r));
  Attrs spread{static_cast<int64_t>(type.shape.size())};
  for (const int64_t n : type.shape) spread.push_back(n);
  const Id counted = body.add(add_op, {local, body.add(broadcast_op, {start}, std::move(spread))}, {});
  if (type.dtype == DType::int64) return counted;
  return body.add(Graph::Record{&astype_op, {counted}, {static_cast<int64_t>(type.dtype)}, type, {}});
}

}  // namespace pg
