#include "transforms/transpose.h"

#include <algorithm>
#include <unordered_map>

#include "graph/location.h"
#include "graph/walk.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {

std::vector<NodeRef> transpose(std::span<const NodeRef> outputs, std::span<const NodeRef> cotangents,
                               std::span<const NodeRef> roots) {
  PG_INVARIANT(outputs.size() == cotangents.size());
  const Dependents between = dependents(outputs, roots);
  std::vector<NodeRef> total(between.size());  // null until a cotangent arrives
  const auto give = [&](const Node* node, NodeRef ct) {
    const uint32_t at = between.index.find(node);
    if (!ct || at == NodeIndex::none) return;
    total[at] = total[at] ? total[at] + ct : std::move(ct);
  };

  std::unordered_map<const Node*, std::vector<NodeRef>>
      several;  // of nodes whose results are picked one by one

  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i]) give(outputs[i].get(), cotangents[i]);

  std::vector<NodeRef> x;
  std::vector<int> live;
  for (size_t at = between.nodes.size(); at-- > 0;) {
    const Node& node = *between.nodes[at];
    if (const auto picked = several.find(&node); picked != several.end()) {
      std::vector<bool> linear;
      for (Node* input : node.inputs) linear.push_back(between.index.contains(input));
      std::vector<NodeRef> parts = transpose_results(node, linear, picked->second);
      several.erase(picked);
      for (size_t i = 0; i < parts.size(); ++i) {
        PG_INVARIANT(!parts[i] || (parts[i]->shape == node.inputs[i]->shape &&
                                   parts[i]->dtype == node.inputs[i]->dtype),
                     "the transpose of " + node.op->name);
        if (linear[i]) give(node.inputs[i], std::move(parts[i]));
      }
      continue;
    }
    const NodeRef ct = std::exchange(total[between.first + at], NodeRef());
    if (!ct) continue;
    const Op& op = *node.op;
    if (&op == &pick_op) {
      std::vector<NodeRef>& parts = several[node.inputs[0]];
      const size_t index = static_cast<size_t>(node.attrs[0]);
      parts.resize(std::max(parts.size(), index + 1));
      parts[index] = parts[index] ? parts[index] + ct : ct;
      continue;
    }
    x.clear();
    live.clear();
    bool linear = true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      x.push_back(node.input(i));
      if (!between.index.contains(node.inputs[i])) continue;
      live.push_back(static_cast<int>(i));
      linear = linear && op.fact(i, node.attrs).kind == FactKind::linear;
    }
    require(linear && (op.joint || live.size() == 1), ErrorKind::type, [&] {
      return concat(op.name,
                    ": cannot be transposed, because it is not linear in the values being transposed");
    });
    PG_INVARIANT(op.transpose, op.name);
    const LocationScope line(node.where);
    const RuleArgs args{x, NodeRef(), node.attrs};
    for (int i : live) {
      const Aval type = x[i]->aval();
      NodeRef part = op.transpose(ct, args, type, i);
      PG_INVARIANT(!part || (part->shape == type.shape && part->dtype == type.dtype),
                   "the transpose of " + op.name);
      give(node.inputs[i], std::move(part));
    }
  }

  std::vector<NodeRef> out;
  for (const NodeRef& root : roots) out.push_back(total[between.index.find(root.get())]);
  return out;
}

}  // namespace pg
