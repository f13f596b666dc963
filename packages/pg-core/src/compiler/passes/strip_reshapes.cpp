#include "compiler/passes/passes.h"
#include "ops/ops.h"

namespace pg {

Graph strip_reshapes(const Graph& graph) {
  Graph out = graph;
  for (Id& id : out.outputs)
    while (out[id].op == &reshape_op) id = out[id].inputs[0];
  return out;
}

}  // namespace pg
