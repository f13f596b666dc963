// Concatenations, sums of pads, gathers.

#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {
namespace {

using namespace rules;

constexpr size_t most_operands = 64;  // of one concat that takes in others: a chain of them stays linear

size_t axis_of(const Graph::Record& concat) { return static_cast<size_t>(concat.attrs[0]); }

std::optional<Id> concat_of_one(const Match& m) {
  return m.root.inputs.size() == 1 ? std::optional(m.root.inputs[0]) : std::nullopt;
}

std::optional<Id> concat_of_literal(const Match& m) {
  const Graph::Record first = m.operand();
  if (first.op != &full_op) return std::nullopt;
  for (const Id id : m.root.inputs)
    if (m.out[id].op != &full_op || m.out[id].attrs != first.attrs) return std::nullopt;
  return m.full(first.attrs[0], m.type().shape, m.type().dtype);
}

std::optional<Id> without_empty(const Match& m) {
  SmallVector<Id, 3> kept;
  for (const Id id : m.root.inputs)
    if (extent(m.out[id].type, axis_of(m.root)) > 0) kept.push_back(id);
  if (kept.size() == m.root.inputs.size() || kept.empty()) return std::nullopt;
  return m.make(concat_op, std::move(kept), m.root.attrs);
}

std::optional<Id> concat_flat(const Match& m) {
  SmallVector<Id, 3> all;
  for (const Id id : m.root.inputs) {
    const Graph::Record& x = m.out[id];
    if (x.op == &concat_op && x.attrs == m.root.attrs)
      for (const Id piece : x.inputs) all.push_back(piece);
    else all.push_back(id);
  }
  if (all.size() == m.root.inputs.size() || all.size() > most_operands) return std::nullopt;
  return m.make(concat_op, std::move(all), m.root.attrs);
}

// Two slices of one tensor, the second of which goes on where the first ends.
std::optional<Attrs> joined(const Match& m, Id a, Id b, size_t axis) {
  const Graph::Record &x = m.out[a], &y = m.out[b];
  if (x.op != &slice_op || y.op != &slice_op || x.inputs[0] != y.inputs[0]) return std::nullopt;
  Attrs attrs;
  for (size_t i = 0; i < x.type.shape.size(); ++i) {
    const Span s = span_of(x, i), t = span_of(y, i);
    if (i != axis) {
      if (s.start != t.start || s.step != t.step || s.count != t.count) return std::nullopt;
      push_span(attrs, s);
      continue;
    }
    if (s.count == 0 || t.count == 0) return std::nullopt;
    // One entry has any step.
    const int64_t step = s.count > 1 ? s.step : t.count > 1 ? t.step : t.start - s.start;
    if (step == 0 || (t.count > 1 && t.step != step) || t.start != s.last() + step) return std::nullopt;
    push_span(attrs, {s.start, step, s.count + t.count});
  }
  return attrs;
}

std::optional<Id> join_slices(const Match& m) {
  std::vector<Id> kept;
  const SmallVector<Id, 3> pieces = m.root.inputs;
  for (const Id id : pieces) {
    if (!kept.empty())
      if (std::optional<Attrs> attrs = joined(m, kept.back(), id, axis_of(m.root))) {
        kept.back() = m.make(slice_op, {m.out[id].inputs[0]}, std::move(*attrs));
        continue;
      }
    kept.push_back(id);
  }
  if (kept.size() == pieces.size()) return std::nullopt;
  return m.make(concat_op, SmallVector<Id, 3>(kept.begin(), kept.end()), m.root.attrs);
}

// The pieces that a range reaches, each cut to it.
std::optional<Id> concat_sliced(const Match& m) {
  const Graph::Record from = m.operand();
  const size_t axis = axis_of(from);
  const Span s = span_of(m.root, axis);
  if (s.count == 0) return std::nullopt;
  const int64_t low = std::min(s.start, s.last()), high = std::max(s.start, s.last());
  SmallVector<Id, 3> reached;
  int64_t at = 0, first = 0;
  for (const Id id : from.inputs) {
    const int64_t n = extent(m.out[id].type, axis);
    if (at <= high && at + n > low) {
      if (reached.empty()) first = at;
      reached.push_back(id);
    }
    at += n;
  }
  if (reached.size() == from.inputs.size()) return std::nullopt;
  Attrs attrs;
  for (size_t i = 0; i < m.type().shape.size(); ++i) {
    Span cut = span_of(m.root, i);
    if (i == axis) cut.start -= first;
    push_span(attrs, cut);
  }
  const Id rest = reached.size() == 1 ? reached[0] : m.make(concat_op, std::move(reached), from.attrs);
  return m.make(slice_op, {rest}, std::move(attrs));
}

// Every piece is then written where it belongs, in the order that suits it.
std::optional<Id> concat_permuted(const Match& m) {
  constexpr size_t most_pieces = 8;
  const Graph::Record from = m.operand();
  if (from.inputs.size() > most_pieces) return std::nullopt;
  SmallVector<Id, 3> pieces;
  for (const Id id : from.inputs) pieces.push_back(m.make(permute_op, {id}, m.root.attrs));
  const auto axis = std::find(m.root.attrs.begin(), m.root.attrs.end(), static_cast<int64_t>(axis_of(from)));
  return m.make(concat_op, std::move(pieces), {axis - m.root.attrs.begin()});
}

// ---- sums of pads, which is what the gradients of slices are

// A value with zeros before and behind it along one axis.
struct Padded {
  Id value;
  Id zero;
  size_t axis;
  int64_t start, stop;
};

std::optional<Padded> padded(const Match& m, Id id) {
  const Graph::Record& r = m.out[id];
  if (r.op != &pad_op || m.out[r.inputs[1]].op != &full_op || m.out[r.inputs[1]].attrs[0] != 0)
    return std::nullopt;
  std::optional<size_t> axis;
  for (size_t i = 0; i < r.type.shape.size(); ++i) {
    const int64_t low = r.attrs[3 * i], high = r.attrs[3 * i + 1];
    if (low == 0 && high == 0 && r.attrs[3 * i + 2] == 0) continue;
    if (axis || low < 0 || high < 0 || r.attrs[3 * i + 2] != 0) return std::nullopt;
    axis = i;
  }
  if (!axis) return std::nullopt;
  const int64_t start = r.attrs[3 * *axis];
  return Padded{r.inputs[0], r.inputs[1], *axis, start, start + extent(m.out[r.inputs[0]].type, *axis)};
}

// x + 0 for floats, as the sum has it: -0 becomes 0. Once is enough.
Id plus_zero(const Match& m, Id id) {
  const auto done = [&](Id x) {
    const Graph::Record& r = m.out[x];
    return r.op == &add_op && std::any_of(r.inputs.begin(), r.inputs.end(), [&](Id in) {
             return m.out[in].op == &full_op && m.out[in].attrs[0] == 0;
           });
  };
  const Graph::Record r = m.out[id];
  if (!is_float(r.type.dtype) || done(id)) return id;
  if (r.op == &concat_op && std::all_of(r.inputs.begin(), r.inputs.end(), done)) return id;
  return m.make(add_op, {id, m.full(0, r.type.shape, r.type.dtype)});
}

// Pads whose values follow one another are one pad of their concatenation, in whichever order they are added.
std::optional<Id> sum_of_pads(const Match& m) {
  constexpr size_t most_pads = 16;
  if (m.operand(0).op != &pad_op && m.operand(1).op != &pad_op) return std::nullopt;
  std::vector<Padded> pads;
  std::vector<Id> stack(m.root.inputs.begin(), m.root.inputs.end());
  while (!stack.empty()) {
    const Id id = stack.back();
    stack.pop_back();
    if (const auto p = padded(m, id)) {
      pads.push_back(*p);
    } else {
      const Graph::Record& r = m.out[id];
      if (r.op != &add_op || pads.size() + stack.size() + 2 > most_pads) return std::nullopt;
      stack.insert(stack.end(), r.inputs.begin(), r.inputs.end());
    }
  }
  std::sort(pads.begin(), pads.end(), [](const Padded& a, const Padded& b) { return a.start < b.start; });
  SmallVector<Id, 3> values;
  for (size_t i = 0; i < pads.size(); ++i) {
    if (pads[i].axis != pads[0].axis || (i && pads[i].start != pads[i - 1].stop)) return std::nullopt;
    values.push_back(plus_zero(m, pads[i].value));
  }
  const int64_t axis = static_cast<int64_t>(pads[0].axis);
  const Id joined = m.make(concat_op, std::move(values), {axis});
  Attrs margins(3 * m.type().shape.size(), 0);
  margins[3 * pads[0].axis] = pads[0].start;
  margins[3 * pads[0].axis + 1] = extent(m.type(), pads[0].axis) - pads.back().stop;
  return m.make(pad_op, {joined, pads[0].zero}, std::move(margins));
}

// ---- gather: rows that are known need no table of them

std::optional<Id> rows_of_table(const Match& m, const Span& rows) {
  const Graph::Record table = m.operand(0);
  Attrs attrs;
  push_span(attrs, rows);
  for (size_t i = 1; i < table.type.shape.size(); ++i) push_span(attrs, {0, 1, extent(table.type, i)});
  return m.make(slice_op, {m.root.inputs[0]}, std::move(attrs));
}

std::optional<Id> gather_of_progression(const Match& m) {
  const Graph::Record rows = m.operand(1);
  if (rows.type.shape.size() != 1) return std::nullopt;
  const auto p = progression(rows, m.out.records());
  if (!p || p->step == 0 || p->low() < 0 || p->high() >= extent(m.operand(0).type, 0)) return std::nullopt;
  return rows_of_table(m, {p->first, p->step, p->count});
}

std::optional<Id> gather_of_literal(const Match& m) {
  const Graph::Record table = m.operand(0), rows = m.operand(1);
  if (rows.op != &full_op || rows.attrs[0] < 0 || rows.attrs[0] >= extent(table.type, 0)) return std::nullopt;
  const std::optional<Id> row = rows_of_table(m, {rows.attrs[0], 1, 1});
  const Shape shape(table.type.shape.begin() + 1, table.type.shape.end());
  Ints axes;
  for (size_t i = 0; i < shape.size(); ++i) axes.push_back(static_cast<int64_t>(rows.type.shape.size() + i));
  return m.broadcast(m.reshape(*row, shape), m.type().shape, axes);
}

constexpr Rule table[] = {
    {"concat of one", "concat", nullptr, concat_of_one},
    {"concat of a literal", "concat", nullptr, concat_of_literal},
    {"concat with nothing", "concat", nullptr, without_empty},
    {"concat of concat", "concat", nullptr, concat_flat},
    {"concat of neighbours", "concat", nullptr, join_slices},
    {"slice of concat", "slice(concat)", nullptr, concat_sliced},
    {"permute of concat", "permute(concat)", nullptr, concat_permuted},
    {"sum of pads", "add", real, sum_of_pads},
    {"gather of a progression", "gather", nullptr, gather_of_progression},
    {"gather of one row", "gather", nullptr, gather_of_literal},
};

}  // namespace

std::span<const Rule> join_rules() { return table; }

}  // namespace pg
