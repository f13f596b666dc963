#pragma once
// Traversals: never recursive, linear in what they reach. Inside a trace serial order is topological order.

#include "graph/node_index.h"

namespace pg {

/// Nodes reachable from `outputs` with serial >= oldest, in topological order.
std::vector<Node*> reachable(std::span<const NodeRef> outputs, uint64_t oldest);

/// What lies between roots and outputs.
struct Dependents {
  std::vector<Node*> nodes;  // those that depend on a root, without the roots, in topological order
  NodeIndex index;           // a root's number is its place, nodes[i] has first + i, all others have none
  size_t first = 0;

  size_t size() const { return first + nodes.size(); }  // of a list with an entry for every number
  bool contains(const Node* node) const {               // is it one of `nodes`?
    const uint32_t at = index.find(node);
    return at != NodeIndex::none && at >= first;
  }
};
Dependents dependents(std::span<const NodeRef> outputs, std::span<const NodeRef> roots);

}  // namespace pg
