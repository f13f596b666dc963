#pragma once
// Making bodies from bodies: selecting results, linearising, transposing.

#include "graph/graph.h"
#include "transforms/memo.h"

namespace pg {

using Flags = std::vector<bool>;

/// A body in the making: make parameters, build nodes on them, close.
class BodyBuilder {
 public:
  NodeRef param(const Aval& type);
  std::vector<NodeRef> params(std::span<const Aval> types);
  /// Over all parameters, in the order they were made in, or over these.
  PayloadRef close(std::span<const NodeRef> outputs) const { return close(made_, outputs); }
  PayloadRef close(std::span<const NodeRef> params, std::span<const NodeRef> outputs) const;

 private:
  BodyTrace trace_;
  std::vector<NodeRef> made_;
};

std::vector<Aval> input_types(const Graph& graph);

/// The body of the attribute word `i` of a node.
PayloadRef body_at(const Node& node, size_t i);

/// The body with some of its outputs.
PayloadRef only(const PayloadRef& body, const Flags& keep);

/// (fixed inputs, linear inputs) -> outputs becomes (fixed inputs, cotangents of the outputs in `given`) ->
/// cotangents of the linear inputs.
PayloadRef transpose_body(const PayloadRef& body, const Flags& linear, const Flags& given);

/// The derivative of a body in two: primal: x -> (y, residuals), linear: (x used, residuals, tangents) ->
/// tangents of the wanted outputs. Residuals are what the linear part reads of the primal part; inputs and
/// what depends on no input are none.
struct LinearBody {
  PayloadRef primal, linear;
  std::vector<size_t> used;
  size_t residuals = 0;
};
LinearBody linearize_body(const PayloadRef& body, const Flags& moving, const Flags& want);

/// Which outputs of a body have tangents when these inputs do.
Flags moved_outputs(const PayloadRef& body, const Flags& moving);

/// What transpose_body remembers.
Memo<PayloadRef>& transposed_bodies();

}  // namespace pg
