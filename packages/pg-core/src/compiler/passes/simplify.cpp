#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
#include "ops/ops.h"

namespace pg {
namespace {

bool counts_up(const Attrs& words) {
  for (size_t i = 0; i < words.size(); ++i)
    if (words[i] != static_cast<int64_t>(i)) return false;
  return true;
}

bool same_type(const Aval& a, const Aval& b) { return a.shape == b.shape && a.dtype == b.dtype; }

// Rewrites one record whose inputs are already those of the new graph. Returns true when the record is just
// `same`.
struct Rules {
  GraphBuilder& out;

  const Graph::Record& operand(const Graph::Record& r, size_t i = 0) const { return out[r.inputs[i]]; }

  bool vanishes(Graph::Record& r, Id& same) const {
    if (r.inputs.empty()) return false;
    const Graph::Record& x = operand(r);
    const bool no_effect = r.op->as<Identity>() || (r.op == &reshape_op && same_type(x.type, r.type)) ||
                           (r.op == &permute_op && counts_up(r.attrs)) ||
                           (r.op == &broadcast_op && same_type(x.type, r.type)) ||
                           (r.op == &astype_op && x.type.dtype == r.type.dtype);
    if (no_effect) {
      same = r.inputs[0];
      return true;
    }
    // A value filled with one number is that number in any shape.
    if (x.op == &full_op &&
        (r.op == &reshape_op || r.op == &permute_op || r.op == &broadcast_op || r.op == &slice_op)) {
      r.op = &full_op;
      r.attrs = x.attrs;
      r.inputs.clear();
      return false;
    }
    if (r.op == &reshape_op && x.op == &reshape_op) r.inputs[0] = x.inputs[0];
    if (r.op == &permute_op && x.op == &permute_op) {
      for (int64_t& axis : r.attrs) axis = x.attrs[static_cast<size_t>(axis)];
      r.inputs[0] = x.inputs[0];
      if (counts_up(r.attrs)) {
        same = r.inputs[0];
        return true;
      }
    }
    if (r.op == &reshape_op && same_type(operand(r).type, r.type)) {
      same = r.inputs[0];
      return true;
    }
    return false;
  }
};

}  // namespace

Graph simplify(const Graph& graph) {
  return rebuilt(graph, [](Graph::Record record, GraphBuilder& out) {
    Id same = 0;
    if (Rules{out}.vanishes(record, same)) return same;
    return out.add(std::move(record));
  });
}

}  // namespace pg
