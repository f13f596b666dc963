// Reshape, permute, broadcast, slice, pad: what has no effect, what composes, what views of literals are.

#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {
namespace {

using namespace rules;

bool keeps_type(const Match& m) { return same_type(m.operand().type, m.type()); }
bool keeps_order(const Match& m) { return counts_up(m.root.attrs); }
bool of_literal(const Match& m) { return m.operand().op == &full_op; }
std::optional<Id> refilled(const Match& m) {
  return m.full(m.operand().attrs[0], m.type().shape, m.type().dtype);
}
/// The operand of the operand.
Id below(const Match& m) { return m.operand().inputs[0]; }

/// The axes with more than one entry, or none.
Ints wide_axes(const Shape& shape) {
  Ints out;
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) out.push_back(static_cast<int64_t>(i));
  return out;
}
Shape extents_at(const Shape& shape, const Ints& axes) {
  Shape out;
  for (const int64_t axis : axes) out.push_back(shape[static_cast<size_t>(axis)]);
  return out;
}
/// Do the shapes differ in axes of extent 1 only?
bool by_ones(const Shape& a, const Shape& b) {
  return extents_at(a, wide_axes(a)) == extents_at(b, wide_axes(b));
}

// ---- reshape

std::optional<Id> reshape_again(const Match& m) { return m.make(reshape_op, {below(m)}, m.root.attrs); }

bool reshape_by_ones(const Match& m) { return by_ones(m.operand().type.shape, m.type().shape); }
std::optional<Id> broadcast_reshaped(const Match& m) {
  const Graph::Record from = m.operand();
  const Shape shape = m.out[below(m)].type.shape;
  const Ints axes = broadcast_axes(from), wide = wide_axes(shape);
  const Ints before = wide_axes(from.type.shape), after = wide_axes(m.type().shape);
  Ints places;
  for (const int64_t axis : wide)
    for (size_t i = 0; i < before.size(); ++i)
      if (before[i] == axes[static_cast<size_t>(axis)]) places.push_back(after[i]);
  return m.broadcast(m.reshape(below(m), extents_at(shape, wide)), m.type().shape, places);
}

// ---- permute

std::optional<Id> permute_again(const Match& m) {
  const Graph::Record inner = m.operand();
  Attrs axes;
  for (const int64_t axis : m.root.attrs) axes.push_back(inner.attrs[static_cast<size_t>(axis)]);
  return m.make(permute_op, {inner.inputs[0]}, std::move(axes));
}

bool moves_ones_only(const Match& m) {
  Ints seen;
  for (const int64_t axis : m.root.attrs)
    if (m.operand().type.shape[static_cast<size_t>(axis)] != 1) seen.push_back(axis);
  return std::is_sorted(seen.begin(), seen.end());
}
std::optional<Id> permute_as_reshape(const Match& m) { return m.reshape(m.root.inputs[0], m.type().shape); }

std::optional<Id> broadcast_permuted(const Match& m) {
  const Graph::Record from = m.operand();
  const Ints axes = broadcast_axes(from);
  Ints order, places;  // of the operand's axes, as they stand in the result
  for (size_t place = 0; place < m.root.attrs.size(); ++place)
    for (size_t i = 0; i < axes.size(); ++i)
      if (axes[i] == m.root.attrs[place]) {
        order.push_back(static_cast<int64_t>(i));
        places.push_back(static_cast<int64_t>(place));
      }
  const Id x = m.make(permute_op, {from.inputs[0]}, Attrs(order.begin(), order.end()));
  return m.broadcast(x, m.type().shape, places);
}

// ---- broadcast

std::optional<Id> broadcast_again(const Match& m) {
  const Graph::Record inner = m.operand();
  const Ints outer = broadcast_axes(m.root);
  Ints axes;
  for (const int64_t axis : broadcast_axes(inner)) axes.push_back(outer[static_cast<size_t>(axis)]);
  return m.broadcast(inner.inputs[0], m.type().shape, axes);
}
bool adds_ones_only(const Match& m) { return by_ones(m.operand().type.shape, m.type().shape); }
std::optional<Id> broadcast_as_reshape(const Match& m) { return m.reshape(m.root.inputs[0], m.type().shape); }

// ---- slice

bool whole_slice(const Match& m) {
  for (size_t i = 0; i < m.type().shape.size(); ++i)
    if (extent(m.operand().type, i) != extent(m.type(), i) ||
        (extent(m.type(), i) > 1 && span_of(m.root, i).step != 1))
      return false;
  return true;
}

std::optional<Id> slice_again(const Match& m) {
  const Graph::Record inner = m.operand();
  Attrs attrs;
  for (size_t i = 0; i < m.type().shape.size(); ++i) {
    const Span outer = span_of(m.root, i), under = span_of(inner, i);
    push_span(attrs, {under.start + outer.start * under.step, outer.step * under.step, outer.count});
  }
  return m.make(slice_op, {inner.inputs[0]}, std::move(attrs));
}

// The axes that the broadcast adds are the same at every index.
std::optional<Id> broadcast_sliced(const Match& m) {
  const Graph::Record from = m.operand();
  const Ints axes = broadcast_axes(from);
  Attrs attrs;
  for (const int64_t axis : axes) push_span(attrs, span_of(m.root, static_cast<size_t>(axis)));
  const Id x = m.make(slice_op, {from.inputs[0]}, std::move(attrs));
  return m.broadcast(x, m.type().shape, axes);
}

// A range without the margin, or with none of the elements.
std::optional<Id> pad_sliced(const Match& m) {
  const Graph::Record from = m.operand();
  const Shape shape = m.out[from.inputs[0]].type.shape;
  Attrs attrs;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Span s = span_of(m.root, i);
    const int64_t low = from.attrs[3 * i], interior = from.attrs[3 * i + 2];
    if (interior || s.count == 0) return std::nullopt;
    const int64_t first = std::min(s.start, s.last()) - low, last = std::max(s.start, s.last()) - low;
    if (first >= shape[i] || last < 0) return m.broadcast(from.inputs[1], m.type().shape, {});
    if (first < 0 || last >= shape[i]) return std::nullopt;
    push_span(attrs, {s.start - low, s.step, s.count});
  }
  return m.make(slice_op, {from.inputs[0]}, std::move(attrs));
}

// It counts along one axis only.
std::optional<Id> iota_sliced(const Match& m) {
  const Graph::Record from = m.operand();
  const auto axis = static_cast<size_t>(from.attrs[3]);
  const Span s = span_of(m.root, axis);
  if (s.start != 0 || s.step != 1) return std::nullopt;
  Attrs attrs(from.attrs.begin(), from.attrs.begin() + 4);
  for (const int64_t n : m.type().shape) attrs.push_back(n);
  return m.make(iota_op, {}, std::move(attrs));
}
bool single_count(const Match& m) { return m.type().shape[static_cast<size_t>(m.root.attrs[3])] == 1; }
std::optional<Id> zero_count(const Match& m) { return m.number(0); }

// ---- pad

bool no_margin(const Match& m) {
  for (size_t i = 0; i < m.type().shape.size(); ++i) {
    const bool interior = m.root.attrs[3 * i + 2] && extent(m.operand().type, i) > 1;
    if (m.root.attrs[3 * i] || m.root.attrs[3 * i + 1] || interior) return false;
  }
  return true;
}
bool of_its_value(const Match& m) {
  const Graph::Record x = m.operand(0), value = m.operand(1);
  return x.op == &full_op && value.op == &full_op && x.attrs == value.attrs;
}

bool crops_only(const Match& m) {
  for (size_t i = 0; i < m.type().shape.size(); ++i)
    if (m.root.attrs[3 * i] > 0 || m.root.attrs[3 * i + 1] > 0 || m.root.attrs[3 * i + 2]) return false;
  return true;
}
std::optional<Id> pad_as_slice(const Match& m) {
  Attrs attrs;
  for (size_t i = 0; i < m.type().shape.size(); ++i)
    push_span(attrs, {-m.root.attrs[3 * i], 1, extent(m.type(), i)});
  return m.make(slice_op, {m.root.inputs[0]}, std::move(attrs));
}

std::optional<Id> pad_again(const Match& m) {
  const Graph::Record inner = m.operand();
  if (inner.op != &pad_op || inner.inputs[1] != m.root.inputs[1]) return std::nullopt;
  Attrs attrs;
  for (size_t i = 0; i < m.root.attrs.size(); ++i) {
    const int64_t under = inner.attrs[i], over = m.root.attrs[i];
    if (i % 3 == 2 ? under || over : under < 0 && over > 0) return std::nullopt;
    attrs.push_back(under + over);
  }
  return m.make(pad_op, {inner.inputs[0], m.root.inputs[1]}, std::move(attrs));
}

constexpr Rule table[] = {
    {"reshape without effect", "reshape(x)", keeps_type, "x"},
    {"reshape of a literal", "reshape(x)", of_literal, refilled},
    {"reshape of reshape", "reshape(reshape)", nullptr, reshape_again},
    {"reshape of broadcast", "reshape(broadcast)", reshape_by_ones, broadcast_reshaped},
    {"permute without effect", "permute(x)", keeps_order, "x"},
    {"permute of a literal", "permute(x)", of_literal, refilled},
    {"permute of permute", "permute(permute)", nullptr, permute_again},
    {"permute of broadcast", "permute(broadcast)", nullptr, broadcast_permuted},
    {"permute of ones", "permute(x)", moves_ones_only, permute_as_reshape},
    {"broadcast without effect", "broadcast(x)", keeps_type, "x"},
    {"broadcast of a literal", "broadcast(x)", of_literal, refilled},
    {"broadcast of broadcast", "broadcast(broadcast)", nullptr, broadcast_again},
    {"broadcast to ones", "broadcast(x)", adds_ones_only, broadcast_as_reshape},
    {"slice without effect", "slice(x)", whole_slice, "x"},
    {"slice of a literal", "slice(x)", of_literal, refilled},
    {"slice of slice", "slice(slice)", nullptr, slice_again},
    {"slice of broadcast", "slice(broadcast)", nullptr, broadcast_sliced},
    {"slice of pad", "slice(pad)", nullptr, pad_sliced},
    {"slice of iota", "slice(iota)", nullptr, iota_sliced},
    {"iota of one", "iota", single_count, zero_count},
    {"pad without effect", "pad", no_margin, [](const Match& m) { return std::optional(m.root.inputs[0]); }},
    {"pad of its value", "pad", of_its_value, refilled},
    {"pad that crops", "pad", crops_only, pad_as_slice},
    {"pad of pad", "pad", nullptr, pad_again},
};

}  // namespace

std::span<const Rule> view_rules() { return table; }

}  // namespace pg
