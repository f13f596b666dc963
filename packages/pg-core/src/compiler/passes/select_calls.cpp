#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
#include "ops/ops.h"

namespace pg {

Graph select_calls(const Graph& graph) {
  GraphBuilder out;
  return rebuilt(graph, out, [&](Graph::Record record, Id) {
    if (record.op != &dot_general_op) return out.add(std::move(record));
    // attrs: |a|, |b|, |c|, labels of a, b, c. Reading a permuted operand in place: label i of the result of
    // the permute belongs to axis axes[i] of its operand.
    size_t at = 3;
    for (size_t side = 0; side < 2; ++side) {
      const size_t rank = static_cast<size_t>(record.attrs[side]);
      const Graph::Record& x = out[record.inputs[side]];
      if (x.op == &permute_op) {
        const Attrs labels(record.attrs.begin() + at, record.attrs.begin() + at + rank);
        for (size_t i = 0; i < rank; ++i) record.attrs[at + static_cast<size_t>(x.attrs[i])] = labels[i];
        record.inputs[side] = x.inputs[0];
      }
      at += rank;
    }
    return out.add(std::move(record));
  });
}

}  // namespace pg
