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

// min and max: whoever equals the result shares the derivative. mul: the base only; a rule for repeated rows
// would need divisions.
NodeRef jvp_scatter(const RuleArgs& args, std::span<const NodeRef> t) {
  const NodeRef &base = args.x[0], &rows = args.x[1], &updates = args.x[2];
  const IndexMode index = index_mode(args.attrs);
  const ScatterMode mode = scatter_mode(args.attrs);
  if (mode == ScatterMode::mul) {
    require(!t[2], ErrorKind::not_implemented,
            "scatter: mode mul has no derivative with respect to the updates; gather the rows, multiply, and "
            "scatter with mode set");
    return t[0] * scatter(fill_like(1.0, base), rows, updates, ScatterMode::mul, index);
  }
  const NodeRef base_hit = binary(equal_op, base, args.z);
  const NodeRef hit = binary(equal_op, gather(args.z, rows, index), updates);
  const NodeRef count =
      scatter(astype(base_hit, base->dtype), rows, astype(hit, base->dtype), ScatterMode::add, index);
  NodeRef rate = t[0] ? where(base_hit, t[0], 0.0) : fill_like(0.0, base);
  if (t[2]) rate = scatter(rate, rows, where(hit, t[2], 0.0), ScatterMode::add, index);
  return rate / count;
}

}  // namespace

const Op& gather_op = define({.name = "gather",
                              .doc = "Rows of a table: result[i..., j...] = table[rows[i...], j...].",
                              .arity = 2,
                              .infer = infer_gather,
                              .lower = Gather{},
                              .facts = {linear(), no_derivative()},
                              .transpose = transpose_gather,
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
     .show = [](const Attrs& a) { return concat(name_of_scatter(a[0]), ", mode=", name_of_mode(a[1])); }});

}  // namespace pg
