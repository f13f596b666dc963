#pragma once
// Forward derivatives: every node between the stand-ins and the outputs becomes (value, tangent). A null
// tangent is zero.

#include "graph/node.h"

namespace pg {

struct Derivative {
  std::vector<NodeRef> primals;   // the outputs on the real inputs
  std::vector<NodeRef> tangents;  // null: zero; always null for integers and bool
};

/// The tangent of z = op(x) for the tangents t of its operands; null is zero. The only reader of derivative
/// facts in forward mode. Raises NotImplementedError if a rule is missing.
NodeRef derivative(const Op& op, std::span<const NodeRef> x, const NodeRef& z, const Attrs& attrs,
                   std::span<const NodeRef> t);

/// The derivative of `outputs` by `stand_ins` (aliases made at the start of a trace), at `inputs`, in the
/// direction of `tangents`.
Derivative differentiate(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                         std::span<const NodeRef> inputs, std::span<const NodeRef> tangents);

}  // namespace pg
