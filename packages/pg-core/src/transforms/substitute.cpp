#include "transforms/substitute.h"

#include "graph/walk.h"
#include "support/error.h"

namespace pg {
// Only a node of the same op takes the value: construction may have simplified to a literal or to an input,
// which keep their own identity.
void share_value(const Node& from, Node& to) {
  Buffer* buffer = from.buffer.load(std::memory_order_acquire);
  if (!buffer || to.op != from.op || to.evaluated() || to.in_flight) return;
  Ref<Buffer> kept = Ref<Buffer>::share(buffer);
  Buffer* none = nullptr;
  if (to.buffer.compare_exchange_strong(none, kept.get(), std::memory_order_acq_rel)) kept.detach();
}

NodeRef rebuild(const Node& original, std::span<const NodeRef> inputs) {
  if (original.op == &alias_op) return inputs[0];
  NodeRef copy = make(*original.op, inputs, original.attrs);
  if (copy->op == original.op && copy->refs.load() <= 2)
    copy->where = original.where;  // fresh: ours and the trace's table
  share_value(original, *copy);
  return copy;
}

std::vector<NodeRef> substitute(std::span<const NodeRef> outputs, std::span<const NodeRef> from,
                                std::span<const NodeRef> to) {
  PG_INVARIANT(from.size() == to.size());
  const Dependents between = dependents(outputs, from);
  std::vector<NodeRef> env(to.begin(), to.end());
  env.resize(between.size());
  const auto mapped = [&](Node* node) {
    const uint32_t at = between.index.find(node);
    return at == NodeIndex::none ? NodeRef::share(node) : env[at];
  };
  std::vector<NodeRef> inputs;
  for (size_t i = 0; i < between.nodes.size(); ++i) {
    inputs.clear();
    for (Node* input : between.nodes[i]->inputs) inputs.push_back(mapped(input));
    env[between.first + i] = rebuild(*between.nodes[i], inputs);
  }
  std::vector<NodeRef> out;
  for (const NodeRef& output : outputs) out.push_back(mapped(output.get()));
  return out;
}

}  // namespace pg
