#pragma once

#include "graph/graph.h"

namespace pg {

/// Rough cost of one element of a record in simple operations: 1 for an addition, about 20 for an
/// exponential, 0 for views.
int element_cost(const Graph& graph, Id id);

}  // namespace pg
