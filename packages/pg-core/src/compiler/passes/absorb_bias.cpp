#include "compiler/passes/passes.h"
#include "ops/ops.h"

namespace pg {
namespace {

// Does `id` repeat one number per output channel over the result of a convolution?
bool is_bias(const Graph& graph, Id id, const Graph::Record& conv) {
  const Graph::Record& r = graph[id];
  if (r.op != &broadcast_op) return false;
  const int64_t rank = static_cast<int64_t>(conv.type.shape.size()),
                channels = conv.attrs[0] < 0 ? rank - 1 : 1;
  // attrs: rank, shape, axes of the operand in the result
  return graph[r.inputs[0]].type.shape.size() == 1 && r.attrs.back() == channels;
}

}  // namespace

Graph absorb_bias(const Graph& graph) {
  std::vector<int> uses(graph.size(), 0);
  for (const Graph::Record& r : graph.nodes)
    for (const Id input : r.inputs) ++uses[input];
  for (const Id id : graph.outputs) ++uses[id];

  // By the record of the sum: the convolution and the broadcast that it absorbs.
  const auto absorbed = [&](Id id) -> std::pair<Id, Id> {
    const Graph::Record& sum = graph[id];
    if (sum.op != &add_op || sum.type.dtype != DType::float32) return {id, id};
    for (const size_t side : {0u, 1u}) {
      const Id conv = sum.inputs[side], other = sum.inputs[1 - side];
      if (graph[conv].op == &conv_op && graph[conv].inputs.size() == 2 && uses[conv] == 1 &&
          graph[conv].type.shape == sum.type.shape && is_bias(graph, other, graph[conv]))
        return {conv, graph[other].inputs[0]};
    }
    return {id, id};
  };

  GraphBuilder out;
  std::vector<Id> renamed(graph.size(), 0);
  for (const Id id : graph.inputs) renamed[id] = out.param(graph[id].type);
  for (Id id = 0; id < graph.size(); ++id) {
    if (graph[id].op == &param_op) continue;
    const auto [conv, bias] = absorbed(id);
    Graph::Record record = graph[conv];
    if (conv != id) record.inputs.push_back(bias);
    for (Id& input : record.inputs) input = renamed[input];
    renamed[id] = out.add(std::move(record));
  }
  std::vector<Id> outputs;
  for (const Id id : graph.outputs) outputs.push_back(renamed[id]);
  return out.finish(std::move(outputs));
}

}  // namespace pg
