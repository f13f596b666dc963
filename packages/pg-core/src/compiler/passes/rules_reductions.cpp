// Reductions and products over axes that have one entry, or the same entry many times.

#include "compiler/passes/rules.h"
#include "ops/ops.h"
#include "support/error.h"

namespace pg {
namespace {

using namespace rules;

const Reduction& kind(const Match& m) { return *m.root.op->as<Reduction>(); }
bool contains(const Attrs& axes, size_t axis) {
  return std::find(axes.begin(), axes.end(), static_cast<int64_t>(axis)) != axes.end();
}
bool ordered(Combine c) { return c != Combine::sum && c != Combine::prod; }

std::optional<Id> reduce_of_ones(const Match& m) {
  for (const int64_t axis : m.root.attrs)
    if (extent(m.operand().type, static_cast<size_t>(axis)) != 1) return std::nullopt;
  return m.reshape(m.root.inputs[0], m.type().shape);
}

/// How many entries the axes have together; one per entry of the result.
int64_t repeats(const Shape& shape, const Ints& axes) {
  int64_t out = 1;
  for (const int64_t axis : axes) out *= shape[static_cast<size_t>(axis)];
  return out;
}

// A sum of floats depends on how often it rounds; sums of integers do not.
bool repeatable(const Match& m) {
  return ordered(kind(m).combine) || (kind(m).combine == Combine::sum && is_int(m.type().dtype));
}

std::optional<Id> reduce_of_literal(const Match& m) {
  const Graph::Record x = m.operand();
  const int64_t n = repeats(x.type.shape, Ints(m.root.attrs.begin(), m.root.attrs.end()));
  if (n == 0) return std::nullopt;
  int64_t bits = x.attrs[0];
  if (!ordered(kind(m).combine))
    bits = static_cast<int64_t>(static_cast<uint64_t>(bits) * static_cast<uint64_t>(n));
  const Id once = m.full(x.attrs[0], m.type().shape, m.type().dtype);
  if (bits == x.attrs[0]) return once;
  return m.make(mul_op, {once, m.full(wrapped(n, m.type().dtype), m.type().shape, m.type().dtype)});
}

// Along the axes that the broadcast adds every entry is the same.
std::optional<Id> reduce_of_broadcast(const Match& m) {
  const Graph::Record from = m.operand();
  const Ints axes = broadcast_axes(from);
  Ints added;
  for (const int64_t axis : m.root.attrs)
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) added.push_back(axis);
  const int64_t n = repeats(from.type.shape, added);
  if (added.empty() || n == 0) return std::nullopt;
  Attrs left;   // the operand's axes that are reduced all the same
  Ints places;  // of its other axes in the result
  for (size_t i = 0; i < axes.size(); ++i) {
    if (contains(m.root.attrs, static_cast<size_t>(axes[i]))) {
      left.push_back(static_cast<int64_t>(i));
      continue;
    }
    int64_t place = axes[i];
    for (const int64_t axis : m.root.attrs) place -= axis < axes[i];
    places.push_back(place);
  }
  Id x = from.inputs[0];
  if (!left.empty()) x = m.make(*m.root.op, {x}, std::move(left));
  if (kind(m).combine == Combine::sum) {
    const Aval type = m.out[x].type;
    x = m.make(mul_op, {x, m.full(wrapped(n, type.dtype), type.shape, type.dtype)});
  }
  return m.broadcast(x, m.type().shape, places);
}

// In which order whole numbers are added does not show.
std::optional<Id> reduce_again(const Match& m) {
  const Graph::Record inner = m.operand();
  if (inner.op != m.root.op || is_inexact(m.type().dtype)) return std::nullopt;
  Attrs axes;
  int64_t kept = 0;  // axes of the inner result met so far
  for (size_t i = 0; i < m.out[inner.inputs[0]].type.shape.size(); ++i)
    if (contains(inner.attrs, i) || contains(m.root.attrs, static_cast<size_t>(kept++)))
      axes.push_back(static_cast<int64_t>(i));
  return m.make(*m.root.op, {inner.inputs[0]}, std::move(axes));
}

bool of_literal(const Match& m) { return m.operand().op == &full_op; }

// ---- products without a sum

bool sums_nothing(const Match& m) {
  const Graph::Record a = m.operand(0);
  if (is_bool(a.type.dtype) || is_complex(a.type.dtype)) return false;
  const size_t na = static_cast<size_t>(m.root.attrs[0]), nb = static_cast<size_t>(m.root.attrs[1]);
  const Attrs result(m.root.attrs.begin() + 3 + static_cast<std::ptrdiff_t>(na + nb), m.root.attrs.end());
  for (size_t i = 0; i < na; ++i)
    if (!contains(result, static_cast<size_t>(m.root.attrs[3 + i])) && extent(a.type, i) != 1) return false;
  return true;
}

std::optional<Id> dot_as_product(const Match& m) {
  const Attrs& words = m.root.attrs;
  const size_t na = static_cast<size_t>(words[0]), nb = static_cast<size_t>(words[1]),
               nc = static_cast<size_t>(words[2]);
  const auto aligned = [&](Id x, size_t first, size_t rank) {
    const Shape shape = m.out[x].type.shape;
    Attrs order;
    Shape extents;
    Ints places;
    for (size_t c = 0; c < nc; ++c)
      for (size_t i = 0; i < rank; ++i)
        if (words[first + i] == words[3 + na + nb + c]) {
          order.push_back(static_cast<int64_t>(i));
          extents.push_back(shape[i]);
          places.push_back(static_cast<int64_t>(c));
        }
    for (size_t i = 0; i < rank; ++i)
      if (!contains(order, i)) order.push_back(static_cast<int64_t>(i));
    return m.broadcast(m.reshape(m.make(permute_op, {x}, std::move(order)), extents), m.type().shape, places);
  };
  const Id a = aligned(m.root.inputs[0], 3, na), b = aligned(m.root.inputs[1], 3 + na, nb);
  return m.make(mul_op, {a, b});
}

constexpr Rule table[] = {
    {"sum of one", "reduce_sum(x)", nullptr, reduce_of_ones},
    {"maximum of one", "reduce_max(x)", nullptr, reduce_of_ones},
    {"minimum of one", "reduce_min(x)", nullptr, reduce_of_ones},
    {"all of one", "reduce_all(x)", nullptr, reduce_of_ones},
    {"any of one", "reduce_any(x)", nullptr, reduce_of_ones},
    {"sum of a literal", "reduce_sum(k)", repeatable, reduce_of_literal},
    {"maximum of a literal", "reduce_max(k)", repeatable, reduce_of_literal},
    {"minimum of a literal", "reduce_min(k)", repeatable, reduce_of_literal},
    {"all of a literal", "reduce_all(k)", repeatable, reduce_of_literal},
    {"any of a literal", "reduce_any(k)", repeatable, reduce_of_literal},
    {"sum of broadcast", "reduce_sum(broadcast)", repeatable, reduce_of_broadcast},
    {"maximum of broadcast", "reduce_max(broadcast)", repeatable, reduce_of_broadcast},
    {"minimum of broadcast", "reduce_min(broadcast)", repeatable, reduce_of_broadcast},
    {"all of broadcast", "reduce_all(broadcast)", repeatable, reduce_of_broadcast},
    {"any of broadcast", "reduce_any(broadcast)", repeatable, reduce_of_broadcast},
    {"sum of sum", "reduce_sum(reduce_sum)", nullptr, reduce_again},
    {"product of product", "reduce_prod(reduce_prod)", nullptr, reduce_again},
    {"maximum of maximum", "reduce_max(reduce_max)", nullptr, reduce_again},
    {"minimum of minimum", "reduce_min(reduce_min)", nullptr, reduce_again},
    {"all of all", "reduce_all(reduce_all)", nullptr, reduce_again},
    {"any of any", "reduce_any(reduce_any)", nullptr, reduce_again},
    {"running maximum of a literal", "cumulative_max(x)", of_literal, "x"},
    {"running minimum of a literal", "cumulative_min(x)", of_literal, "x"},
    {"dot without a sum", "dot_general", sums_nothing, dot_as_product},
};

}  // namespace

std::span<const Rule> reduction_rules() { return table; }

}  // namespace pg
