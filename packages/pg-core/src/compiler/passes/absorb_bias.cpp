#include <optional>

#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
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

  // On which side of the sum does the convolution stand that takes the other side as its bias?
  const auto side_of_conv = [&](const Graph::Record& sum) -> std::optional<size_t> {
    if (sum.op != &add_op || sum.type.dtype != DType::float32) return {};
    for (const size_t side : {0u, 1u}) {
      const Id conv = sum.inputs[side];
      if (graph[conv].op == &conv_op && graph[conv].inputs.size() == 2 && uses[conv] == 1 &&
          graph[conv].type.shape == sum.type.shape && is_bias(graph, sum.inputs[1 - side], graph[conv]))
        return side;
    }
    return {};
  };

  GraphBuilder out;
  return rebuilt(graph, out, [&](Graph::Record record, Id id) {
    const std::optional<size_t> side = side_of_conv(graph[id]);
    if (!side) return out.add(std::move(record));
    Graph::Record conv = out[record.inputs[*side]];
    conv.inputs.push_back(out[record.inputs[1 - *side]].inputs[0]);
    return out.add(std::move(conv));
  });
}

}  // namespace pg
