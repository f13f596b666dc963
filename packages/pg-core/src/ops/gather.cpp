// Reading and writing rows of the leading axis: gather and scatter. Rows count from 0; composites turn
// negative rows into positive ones.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

const char* name_of_mode(int64_t mode) {
  switch (static_cast<IndexMode>(mode)) {
  case IndexMode::raise: return "raise";
  case IndexMode::clip: return "clip";
  case IndexMode::drop: return "drop";
  }
  return "?";
}
const char* name_of_scatter(int64_t mode) {
  switch (static_cast<ScatterMode>(mode)) {
  case ScatterMode::set: return "set";
  case ScatterMode::add: return "add";
  case ScatterMode::mul: return "mul";
  case ScatterMode::min: return "min";
  case ScatterMode::max: return "max";
  }
  return "?";
}

ScatterMode scatter_mode(const Attrs& attrs) { return static_cast<ScatterMode>(attrs[0]); }
IndexMode index_mode(const Attrs& attrs) { return static_cast<IndexMode>(attrs.back()); }

Shape shape_of_rows(const Shape& rows, const Shape& table) {
  Shape out = rows;
  for (size_t i = 1; i < table.size(); ++i) out.push_back(table[i]);
  return out;
}

Aval infer_gather(std::span<const Aval> in, const Attrs& attrs) {
  integer_dtype("gather", in[1]);
  require(!in[0].shape.empty(), ErrorKind::shape,
          "gather: the table is 0-d and has no rows; give it an axis with reshape");
  const Shape shape = shape_of_rows(in[1].shape, in[0].shape);
  require(in[0].shape[0] > 0 || index_mode(attrs) == IndexMode::drop || count_of(in[1].shape) == 0,
          ErrorKind::index, [&] {
            return concat("gather: the table of shape ", to_string(in[0].shape),
                          " has no rows to read; pass a non-empty table");
          });
  return {shape, in[0].dtype, in[0].weak, in[0].device};
}

NodeRef transpose_gather(const NodeRef& ct, const RuleArgs& args, const Aval& type, int) {
  return scatter(zeros_like({type.shape, ct->dtype, false, ct->device}), args.x[1], ct, ScatterMode::add,
                 index_mode(args.attrs));
}

Aval infer_scatter(std::span<const Aval> in, const Attrs& attrs) {
  integer_dtype("scatter", in[1]);
  require(in[0].dtype == in[2].dtype, ErrorKind::dtype, [&] {
    return concat("scatter: updates are ", name_of(in[2].dtype), " but the base is ", name_of(in[0].dtype),
                  "; cast the updates");
  });
  const ScatterMode how = scatter_mode(attrs);
  require(in[0].dtype != DType::bool_ || (how != ScatterMode::add && how != ScatterMode::mul),
          ErrorKind::dtype, "scatter: bools are not added or multiplied; use max for or, min for and");
  require(!in[0].shape.empty(), ErrorKind::shape,
          "scatter: the base is 0-d and has no rows; give it an axis with reshape");
  const Shape needed = shape_of_rows(in[1].shape, in[0].shape);
  require(in[2].shape == needed, ErrorKind::shape, [&] {
    return concat("scatter: updates have shape ", to_string(in[2].shape), " but rows ",
                  to_string(in[1].shape), " of a base ", to_string(in[0].shape), " need ", to_string(needed),
                  "; broadcast the updates");
  });
  require(in[0].shape[0] > 0 || index_mode(attrs) == IndexMode::drop || count_of(in[1].shape) == 0,
          ErrorKind::index, [&] {
            return concat("scatter: the base of shape ", to_string(in[0].shape), " has no rows to write");
          });
  return {in[0].shape, in[0].dtype, in[0].weak && in[2].weak, in[0].device};
}

// The rule depends on the mode: set and add are linear in base and updates together, the others are not.
Fact fact_of_scatter(const Attrs& attrs, size_t i) {
  if (i == 1) return no_derivative();
  const ScatterMode mode = scatter_mode(attrs);
  return mode == ScatterMode::set || mode == ScatterMode::add ? linear() : by_jvp();
}

/// Which updates of a `set` survive: of several with one row the last does. Bool, in the shape of the
/// updates.
NodeRef winners(const NodeRef& base, const NodeRef& rows, const NodeRef& updates, IndexMode mode) {
  const int64_t count = count_of(rows->shape);
  const NodeRef order = reshape(iota({count}, 0, DType::int64, rows->device), rows->shape);
  const NodeRef nobody = full_node(int64_t{-1}, {{base->shape[0]}, DType::int64, false, rows->device});
  const NodeRef last = gather(scatter(nobody, rows, order, ScatterMode::set, mode), rows, mode);
  const Ints axes = count_up(rows->shape.size());
  return broadcast(binary(equal_op, last, order), updates->shape, axes);
}

NodeRef transpose_scatter(const NodeRef& ct, const RuleArgs& args, const Aval&, int i) {
  const NodeRef &rows = args.x[1], &updates = args.x[2];
  const IndexMode mode = index_mode(args.attrs);
  const bool set = scatter_mode(args.attrs) == ScatterMode::set;
  if (i == 0) {
    if (!set) return ct;
    return scatter(ct, rows, zeros_like({updates->shape, ct->dtype, false, ct->device}), ScatterMode::set,
                   mode);
  }
  const NodeRef read = gather(ct, rows, mode);
  if (!set || count_of(rows->shape) <= 1) return read;
  return where(winners(ct, rows, updates, mode), read, 0.0);
}

/// x with its rows `by` places further down; `fill` enters at the top.
NodeRef moved_down(const NodeRef& x, int64_t by, double fill) {
  Ints low = zeros(x->shape.size()), high = low;
  low[0] = by;
  high[0] = -by;
  return pad(x, full_node(fill, {{}, x->dtype, false, x->device}), low, high, zeros(x->shape.size()));
}

/// The tangent of the product of the updates of each row of the base, given theirs. Updates are put in the
/// order of their rows; then, by doubling, place i gets the product of the last 2s updates with its row and
/// that product's tangent. Nothing divides, so zeros are right at any order.
NodeRef product_tangent(const NodeRef& base, const NodeRef& rows, const NodeRef& updates, const NodeRef& t,
                        IndexMode mode) {
  const int64_t m = count_of(rows->shape), n = base->shape[0];
  NodeRef flat = astype(reshape(rows, {m}), DType::int64);
  if (mode == IndexMode::clip)
    flat = binary(minimum_op, binary(maximum_op, flat, fill_like(0, flat)), fill_like(double(n - 1), flat));
  const NodeRef order = make(argsort_op, {flat}, {0, 0, m});
  const auto sorted = [&](const NodeRef& x) {
    Shape shape{m};
    for (size_t i = 1; i < base->shape.size(); ++i) shape.push_back(base->shape[i]);
    return gather(reshape(x, shape), order, IndexMode::raise);
  };
  const NodeRef row = gather(flat, order, IndexMode::raise);
  NodeRef product = sorted(updates), rate = sorted(t);
  for (int64_t s = 1; s < m; s *= 2) {
    const NodeRef same = broadcast(binary(equal_op, row, moved_down(row, s, -1)), product->shape, {0});
    // Before the first row stands -1, which is no row of the base: there a product would be dropped anyway.
    const NodeRef above = where(same, moved_down(product, s, 1), 1.0);
    rate = rate * above + where(same, product, 0.0) * moved_down(rate, s, 0);
    product = product * above;
  }
  return scatter(fill_like(0.0, base), row, rate, ScatterMode::set, mode);  // the last of each row stays
}

// min and max: whoever equals the result shares the derivative.
NodeRef jvp_scatter(const RuleArgs& args, std::span<const NodeRef> t) {
  const NodeRef &base = args.x[0], &rows = args.x[1], &updates = args.x[2];
  const IndexMode index = index_mode(args.attrs);
  const ScatterMode mode = scatter_mode(args.attrs);
  if (mode == ScatterMode::mul) {
    NodeRef rate =
        t[0] ? t[0] * scatter(fill_like(1.0, base), rows, updates, ScatterMode::mul, index) : nullptr;
    if (!t[2] || count_of(rows->shape) == 0) return rate;
    const NodeRef other = base * product_tangent(base, rows, updates, t[2], index);
    return rate ? rate + other : other;
  }
  const NodeRef base_hit = binary(equal_op, base, args.z);
  const NodeRef hit = binary(equal_op, gather(args.z, rows, index), updates);
  const NodeRef count =
      scatter(astype(base_hit, base->dtype), rows, astype(hit, base->dtype), ScatterMode::add, index);
  NodeRef rate = t[0] ? where(base_hit, t[0], 0.0) : fill_like(0.0, base);
  if (t[2]) rate = scatter(rate, rows, where(hit, t[2], 0.0), ScatterMode::add, index);
  return rate / count;
}

// ---- batching: with rows for every example the tables of all examples become one, and rows count on

/// Rows of the joined table. A row out of range must stay so: it would read or write the next example's
/// table.
NodeRef joined_rows(const NodeRef& rows, int64_t size, int64_t length, IndexMode mode) {
  NodeRef row = rows;
  if (row->dtype == DType::uint64) row = binary(minimum_op, row, fill_like(0x1p62, row));
  row = astype(row, DType::int64);
  const NodeRef first = iota(row->shape, 0, DType::int64, row->device) * static_cast<double>(length);
  const NodeRef zero = fill_like(0.0, row);
  if (mode == IndexMode::clip)
    return binary(maximum_op, binary(minimum_op, row, fill_like(static_cast<double>(length - 1), row)),
                  zero) +
           first;
  const NodeRef below = binary(less_op, row, zero);
  const NodeRef beyond = binary(less_equal_op, fill_like(static_cast<double>(length), row), row);
  const NodeRef outside = mode == IndexMode::drop
                              ? fill_like(-1.0, row)
                              : where(below, row, row + static_cast<double>((size - 1) * length));
  return where(binary(or_op, below, beyond), outside, row + first);
}

NodeRef joined(const NodeRef& tables) {
  Shape shape(tables->shape.begin() + 1, tables->shape.end());
  shape[0] *= tables->shape[0];
  return reshape(tables, shape);
}

Batched batch_gather(const BatchArgs& args) {
  const NodeRef &table = args.x[0].node, &rows = args.x[1].node;
  const IndexMode mode = index_mode(args.attrs);
  if (!args.x[0].batched) return {gather(table, rows, mode), true};
  if (!args.x[1].batched)
    return {move_axis(gather(move_axis(table, 0, 1), rows, mode), rows->shape.size(), 0), true};
  return {gather(joined(table), joined_rows(rows, args.size, table->shape[1], mode), mode), true};
}

Batched batch_scatter(const BatchArgs& args) {
  const NodeRef base = full(args, 0), updates = full(args, 2);
  const NodeRef& rows = args.x[1].node;
  const ScatterMode mode = scatter_mode(args.attrs);
  const IndexMode index = index_mode(args.attrs);
  if (!args.x[1].batched)
    return {move_axis(
                scatter(move_axis(base, 0, 1), rows, move_axis(updates, 0, rows->shape.size()), mode, index),
                1, 0),
            true};
  const NodeRef flat =
      scatter(joined(base), joined_rows(rows, args.size, base->shape[1], index), updates, mode, index);
  return {reshape(flat, base->shape), true};
}

}  // namespace

const Op& gather_op = define({.name = "gather",
                              .doc = "Rows of a table: result[i..., j...] = table[rows[i...], j...].",
                              .arity = 2,
                              .infer = infer_gather,
                              .lower = Gather{},
                              .facts = {linear(), no_derivative()},
                              .transpose = transpose_gather,
                              .batch = batch_gather,
                              .show = [](const Attrs& a) { return concat("mode=", name_of_mode(a[0])); }});

const Op& scatter_op = define(
    {.name = "scatter",
     .doc = "The base with updates written to, or combined into, rows; equal rows are met in order.",
     .arity = 3,
     .infer = infer_scatter,
     .lower = Call{},
     .facts = {linear(), no_derivative(), linear()},
     .fact_of = fact_of_scatter,
     .joint = true,
     .transpose = transpose_scatter,
     .jvp = jvp_scatter,
     .batch = batch_scatter,
     .show = [](const Attrs& a) { return concat(name_of_scatter(a[0]), ", mode=", name_of_mode(a[1])); }});

}  // namespace pg
