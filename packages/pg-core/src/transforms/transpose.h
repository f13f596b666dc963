#pragma once
// The reverse pass over nodes that depend linearly on their roots.

#include "graph/node.h"

namespace pg {

/// Cotangents of `roots`, given those of `outputs`, which depend linearly on them. Null is zero, both ways;
/// branches without a cotangent cost nothing, and a cotangent is freed as soon as it is used. A node that is
/// not linear raises TypeError.
std::vector<NodeRef> transpose(std::span<const NodeRef> outputs, std::span<const NodeRef> cotangents,
                               std::span<const NodeRef> roots);

}  // namespace pg
