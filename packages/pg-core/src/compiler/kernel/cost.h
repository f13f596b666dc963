#pragma once

#include "compiler/kernel/kernel.h"
#include "graph/graph.h"

namespace pg {

/// Rough cost of one element in simple operations: 1 for an addition, about 20 for an exponential, 0 for
/// views.
int element_cost(const Op& op, std::span<const DType> in, const Attrs& attrs);
int element_cost(const Graph& graph, Id id);

/// Rough cost of a body for one lane, with the steps of its loops; at least one per statement, in units of
/// about 0.1 ns.
int64_t lane_cost(const std::vector<Statement>& statements);

}  // namespace pg
