#pragma once
// The cut: from wanted nodes down to values, written as the words of a program key while walking.
//
// Leaf: kind, dtype, weakness, device, rank, extents. Run-time number: the same, never its value. Interior
// node: op, operand numbers, attributes; its type follows from these. Outputs at the end. Addresses, serials
// and values never enter.

#include <vector>

#include "engine/run.h"

namespace pg::engine {

/// Scratch of one evaluation; reused, so that a small one allocates nothing.
struct Cut {
  std::vector<uint64_t> key;
  std::vector<Node*> order;       // numbered in visiting order, leaves too
  std::vector<uint32_t> leaves;   // numbers of leaves, in order: the program's inputs
  std::vector<uint32_t> outputs;  // numbers of outputs, in order
  std::vector<Node*> results;     // the nodes of the outputs
  std::vector<Input> inputs;      // the memory of the leaves
  std::vector<uint64_t> numbers;  // the values of the run-time numbers among them
  std::vector<std::pair<Node*, uint32_t>> stack;
  uint64_t rewrites = 0;       // the set of user patterns, the last word of the key unless it is 0
  const Node* busy = nullptr;  // after a cut that failed: what another evaluation computes

  void clear();
};

/// Walks from the roots (pending nodes). Returns false when a node on the way is being evaluated by another
/// thread; the cut is then empty. Call under the graph lock. Raises TraceError when a placeholder is met.
bool cut(std::span<Node* const> roots, Cut& out);

/// The graph that a key stands for. A record's `where.offset` is the number of its node in the cut (code
/// stays null), so that failures of a shared program can name the line of the node at hand.
Graph decode(std::span<const uint64_t> key);

}  // namespace pg::engine
