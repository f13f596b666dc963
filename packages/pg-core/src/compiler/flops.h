#pragma once
// How much a library call computes.

#include "graph/graph.h"

namespace pg {

/// Additions and multiplications of a product or convolution; a rough measure of any other call.
double flops_of(const Graph& graph, const Graph::Record& r);

}  // namespace pg
