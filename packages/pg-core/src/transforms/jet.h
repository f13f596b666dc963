#pragma once
// Taylor mode: every node between the stand-ins and the outputs becomes its Taylor coefficients along a
// curve.

#include "graph/node.h"

namespace pg {

/// Coefficients c0 ... c_order of the outputs, when input i follows the curve sum_k coefficients[i][k] s^k.
/// Null is zero, both ways, but for c0 of the inputs. No op has a rule for it: z' = jvp(x, x') gives
/// coefficient k of z from coefficient k - 1 of the derivative. At most c * order^2 nodes. Call while the
/// trace of the stand-ins is open.
std::vector<std::vector<NodeRef>> jet(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                                      std::span<const std::vector<NodeRef>> coefficients, int order);

}  // namespace pg
