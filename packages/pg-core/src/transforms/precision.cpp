#include "transforms/precision.h"

#include "ops/ops.h"
#include "transforms/bodies.h"

namespace pg {
namespace {

NodeRef lowered(const Graph::Record& r, std::span<const NodeRef> operands, DType low) {
  bool single = is_product(*r.op);
  for (const NodeRef& x : operands) single = single && x->dtype == DType::float32;
  if (single) {
    std::vector<NodeRef> narrow;
    for (const NodeRef& x : operands) narrow.push_back(astype(x, low));
    return astype(make(*r.op, narrow, r.attrs), DType::float32);
  }
  Attrs attrs = r.attrs;
  std::vector<PayloadRef> held;  // until the node holds them
  if (r.payloads)
    for (size_t i = 0; i < r.payloads->items.size(); ++i)
      if (r.payloads->items[i]->graph) {
        held.push_back(lower_products(r.payloads->items[i], low));
        attrs[i] = held.back()->id;
      }
  return make(*r.op, operands, std::move(attrs));
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
    made = builder.close(
        instantiate(*body->graph, builder.params(input_types(*body->graph)),
                    [&](const Graph::Record& r, std::span<const NodeRef> x) { return lowered(r, x, low); }));
  }
  lowered_bodies().enter(key, body, made);
  return made;
}

Memo<PayloadRef>& lowered_bodies() {
  static auto* made = new Memo<PayloadRef>;  // threads may outlive static destruction
  return *made;
}

}  // namespace pg
