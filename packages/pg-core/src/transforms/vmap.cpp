#include "transforms/vmap.h"

#include <unordered_map>

#include "graph/location.h"
#include "ops/structural.h"
#include "transforms/substitute.h"

namespace pg {
namespace {

Batched apply(const Node& node, std::span<const Batched> x, int64_t size) {
  if (node.op == &alias_op) return x[0];
  const LocationScope line(node.where);
  const Aval type = node.aval();
  const BatchArgs args{*node.op, x, node.attrs, type, size};
  Batched out;
  if (node.op->elementwise()) out = structural::batch_leading(args);
  else {
    require(node.op->batch != nullptr, ErrorKind::not_implemented, [&] {
      return concat("vmap: ", node.op->name,
                    " has no batching rule; call it outside of the mapped function, or write it with other "
                    "operations");
    });
    out = node.op->batch(args);
  }
  const Shape expected = out.batched ? structural::behind(size, node.shape) : node.shape;
  PG_INVARIANT(out.node->shape == expected && out.node->dtype == node.dtype,
               "the batching rule of " + node.op->name);
  return out;
}

}  // namespace

std::vector<Batched> batch(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                           std::span<const NodeRef> values, int64_t size) {
  PG_INVARIANT(roots.size() == values.size());
  std::unordered_map<const Node*, Batched> env;
  for (size_t i = 0; i < roots.size(); ++i) env.emplace(roots[i].get(), Batched{values[i], true});
  const auto mapped = [&](Node* node) {
    const auto found = env.find(node);
    return found == env.end() ? Batched{NodeRef::share(node), false} : found->second;
  };
  std::vector<Batched> x;
  std::vector<NodeRef> plain;
  for (Node* node : dependents(outputs, roots)) {
    x.clear();
    bool any = false;
    for (Node* input : node->inputs) {
      x.push_back(mapped(input));
      any = any || x.back().batched;
    }
    if (any) {
      env.insert_or_assign(node, apply(*node, x, size));
      continue;
    }
    plain.clear();
    for (const Batched& one : x) plain.push_back(one.node);
    env.insert_or_assign(node, Batched{rebuild(*node, plain), false});
  }
  std::vector<Batched> out;
  for (const NodeRef& output : outputs) out.push_back(mapped(output.get()));
  return out;
}

}  // namespace pg
