#pragma once
// Rebuilding nodes on other inputs.

#include "graph/node.h"

namespace pg {

/// `outputs` with every node of `from` replaced by the node of `to` at the same place. Linear in the nodes
/// between; never recursive.
std::vector<NodeRef> substitute(std::span<const NodeRef> outputs, std::span<const NodeRef> from,
                                std::span<const NodeRef> to);

/// `original` on other operands: the same op, attributes, place in the user's code and, if it was read
/// already, value. A stand-in of a finished trace is its operand.
NodeRef rebuild(const Node& original, std::span<const NodeRef> inputs);

/// What an `if` has read during the trace is not computed again: `to` takes the value of `from`, of which it
/// is a copy.
void share_value(const Node& from, Node& to);

}  // namespace pg
