#pragma once

#include "graph/graph.h"

namespace pg {

/// Rough cost of one element in simple operations: 1 for an addition, about 20 for an exponential, 0 for
/// views.
int element_cost(const Op& op, std::span<const DType> in, const Attrs& attrs);
int element_cost(const Graph& graph, Id id);

}  // namespace pg
