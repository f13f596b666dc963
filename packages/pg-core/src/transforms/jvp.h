#pragma once
// Forward derivatives: every node between the stand-ins and the outputs becomes (value, tangent). A null
// tangent is zero.

#include "graph/node.h"

namespace pg {

struct Derivative {
  std::vector<NodeRef> primals;   // the outputs on the real inputs
  std::vector<NodeRef> tangents;  // null: zero; always null for integers and bool
};

/// Records that hold bodies keep value and tangent in one node (a scan then stores no steps), or apart, so
/// that the tangents can be transposed.
enum class Form : uint8_t { joint, split };

/// The tangent of z = op(x) for the tangents t of its operands; null is zero. The only reader of derivative
/// facts in forward mode. Raises NotImplementedError if a rule is missing.
NodeRef derivative(const Op& op, std::span<const NodeRef> x, const NodeRef& z, const Attrs& attrs,
                   std::span<const NodeRef> t);

/// The derivative of `outputs` by `stand_ins` (aliases made at the start of a trace), at `inputs`, in the
/// direction of `tangents`.
Derivative differentiate(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                         std::span<const NodeRef> inputs, std::span<const NodeRef> tangents,
                         Form form = Form::joint);

/// The results of a node that has several, at x, in the direction of t, of which one at least is not zero.
Derivative differentiate_results(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t,
                                 Form form);

}  // namespace pg
