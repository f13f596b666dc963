#include "graph/walk.h"

#include <algorithm>
#include <limits>

namespace pg {

std::vector<Node*> reachable(std::span<const NodeRef> outputs, uint64_t oldest) {
  NodeIndex seen;
  std::vector<Node*> found, out;
  const auto visit = [&](Node* node) {
    if (node->serial >= oldest && seen.enter(node, found.size())) found.push_back(node);
  };
  for (const NodeRef& output : outputs)
    if (output) visit(output.get());
  for (size_t i = 0; i < found.size(); ++i)
    for (Node* input : found[i]->inputs) visit(input);
  out.reserve(found.size());
  for (Node* node : found)
    if (!node->serial) out.push_back(node);
  for (const uint32_t at : seen.by_serial()) out.push_back(found[at]);
  return out;
}

Dependents dependents(std::span<const NodeRef> outputs, std::span<const NodeRef> roots) {
  Dependents out;
  out.first = roots.size();
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  for (size_t i = 0; i < roots.size(); ++i) {
    oldest = std::min(oldest, roots[i]->serial);
    out.index.enter(roots[i].get(), i);
  }
  if (roots.empty()) return out;
  for (Node* node : reachable(outputs, oldest))
    if (!out.index.contains(node) &&
        std::any_of(node->inputs.begin(), node->inputs.end(),
                    [&](const Node* input) { return out.index.contains(input); })) {
      out.index.enter(node, out.size());
      out.nodes.push_back(node);
    }
  return out;
}

}  // namespace pg
