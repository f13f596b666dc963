#pragma once
// The reverse pass over nodes that depend linearly on their roots.

#include "graph/node.h"

namespace pg {

/// Cotangents of `roots`, given those of `outputs`, which depend linearly on them. Null is zero, both ways;
/// branches without a cotangent cost nothing, and a cotangent is freed as soon as it is used. A node that is
/// not linear raises TypeError.
std::vector<NodeRef> transpose(std::span<const NodeRef> outputs, std::span<const NodeRef> cotangents,
                               std::span<const NodeRef> roots);

/// The same for a node that has several results: `linear` says which operands are being transposed, `cts` has
/// one cotangent per result (null: zero). One per operand comes back; null for the others, or zero.
std::vector<NodeRef> transpose_results(const Node& node, const std::vector<bool>& linear,
                                       std::span<const NodeRef> cts);

}  // namespace pg
