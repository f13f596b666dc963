#include "transforms/precision.h"

#include "graph/location.h"
#include "ops/ops.h"
#include "transforms/bodies.h"

namespace pg {
namespace {

NodeRef product(const Graph::Record& r, std::span<const NodeRef> operands, DType low) {
  std::vector<NodeRef> narrow;
  for (const NodeRef& x : operands) narrow.push_back(astype(x, low));
  return astype(make(*r.op, narrow, r.attrs), DType::float32);
}

std::vector<NodeRef> lowered(const Graph& graph, std::span<const NodeRef> inputs, DType low) {
  std::vector<NodeRef> nodes(graph.size()), operands;
  for (size_t i = 0; i < inputs.size(); ++i) nodes[graph.inputs[i]] = inputs[i];
  for (Id id = 0; id < graph.size(); ++id) {
    const Graph::Record& r = graph[id];
    if (r.op == &param_op) continue;
    if (r.op == &full_op) {
      nodes[id] = full_node(r.attrs[0], r.type);
      continue;
    }
    if (r.op == &alias_op) {
      nodes[id] = nodes[r.inputs[0]];
      continue;
    }
    const LocationScope line(r.where);
    operands.clear();
    bool single = is_product(*r.op);
    for (const Id input : r.inputs) {
      operands.push_back(nodes[input]);
      single = single && operands.back()->dtype == DType::float32;
    }
    if (single) {
      nodes[id] = product(r, operands, low);
      continue;
    }
    Attrs attrs = r.attrs;
    std::vector<PayloadRef> held;  // until the node holds them
    if (r.payloads)
      for (size_t i = 0; i < r.payloads->items.size(); ++i)
        if (r.payloads->items[i]->graph) {
          held.push_back(lower_products(r.payloads->items[i], low));
          attrs[i] = held.back()->id;
        }
    nodes[id] = make(*r.op, operands, std::move(attrs));
  }
  std::vector<NodeRef> out;
  for (const Id id : graph.outputs) out.push_back(nodes[id]);
  return out;
}

}  // namespace

bool is_product(const Op& op) {
  return op.as<Call>() && !op.joint && op.facts.size() == 2 && op.facts[0].kind == FactKind::linear &&
         op.facts[1].kind == FactKind::linear;
}

PayloadRef lower_products(const PayloadRef& body, DType low) {
  const std::vector<int64_t> key{body->id, static_cast<int64_t>(low)};
  if (const auto found = lowered_bodies().find(key)) return *found;
  PayloadRef made;
  {
    BodyBuilder builder;
    made = builder.close(lowered(*body->graph, builder.params(input_types(*body->graph)), low));
  }
  lowered_bodies().enter(key, body, made);
  return made;
}

Memo<PayloadRef>& lowered_bodies() {
  static auto* made = new Memo<PayloadRef>;  // threads may outlive static destruction
  return *made;
}

}  // namespace pg
