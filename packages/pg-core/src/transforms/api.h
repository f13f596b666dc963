#pragma once
// Transforms as the bindings use them. A function is differentiated in four steps: open a trace, make a
// stand-in (alias_node) for each input, call the function on the stand-ins, then hand its outputs to one of
// these. Nesting needs nothing more, because every trace has its own stand-ins and everything else is a plain
// node.

#include "graph/node.h"
#include "transforms/jet.h"
#include "transforms/jvp.h"
#include "transforms/vmap.h"

namespace pg {

/// The value of a function and its linear part at one point, ready to be pulled back any number of times,
/// also after the trace.
struct Linearized {
  std::vector<NodeRef> primals;  // outputs on the real inputs
  std::vector<NodeRef>
      tangents;  // per output; null when it does not depend on the inputs, or is not floating point
  std::vector<NodeRef> params;  // per input: what the tangents are linear in; null for integers and bool
};

/// Call while the trace of the stand-ins is open.
Linearized vjp_linearize(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                         std::span<const NodeRef> inputs);

/// Cotangent of each input, given one per output (null: zero). Null results are zero, or belong to integer
/// inputs. Raises ShapeError or DTypeError if a cotangent does not have its output's type.
std::vector<NodeRef> pull(const Linearized& f, std::span<const NodeRef> cotangents);

/// Tangent of each output, given one per input (null: zero). Null results are zero. Raises ShapeError or
/// DTypeError if a tangent does not have its input's type.
std::vector<NodeRef> push(const Linearized& f, std::span<const NodeRef> tangents);

/// The same for `size` tangents of each input at once, along a new first axis.
std::vector<Batched> push_many(const Linearized& f, std::span<const NodeRef> tangents, int64_t size);

/// Value and tangent of each output (null: zero). Tangents of integer inputs are ignored; others must have
/// their input's type.
Derivative jvp(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
               std::span<const NodeRef> inputs, std::span<const NodeRef> tangents);

}  // namespace pg
