#include "transforms/vmap.h"

#include <unordered_map>

#include "graph/location.h"
#include "graph/walk.h"
#include "ops/structural.h"
#include "transforms/lift.h"
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

std::vector<Batched> run(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                         std::span<const Batched> values, int64_t size);

// What records that hold bodies see of this transform: state 1 is a value with a batch axis.
class VmapLift final : public Lift {
 public:
  explicit VmapLift(int64_t size) : size_(size) {}
  std::vector<int64_t> key() const override { return {2, size_}; }
  int64_t lanes() const override { return size_; }
  std::vector<Aval> types(const Aval& type, State state) const override {
    Aval out = type;
    if (state) out.shape.insert(0, size_);
    return {out};
  }
  Lifted coerce(const Lifted& value, State state) const override {
    if (!state || value.state) return value;
    const NodeRef& x = value.nodes[0];
    return {1, {broadcast(x, structural::behind(size_, x->shape), structural::count_up(x->shape.size(), 1))}};
  }
  Lifted slot(const Lifted& value) const override {
    if (!value.state) return value;
    Ints axes = structural::count_up(value.nodes[0]->shape.size());
    std::swap(axes[0], axes[1]);
    return {1, {permute(value.nodes[0], axes)}};
  }
  std::vector<Lifted> run(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                          std::span<const Lifted> values) override {
    std::vector<Batched> given;
    for (const Lifted& v : values) given.push_back({v.nodes[0], v.state != 0});
    std::vector<Lifted> out;
    for (const Batched& one : pg::run(outputs, roots, given, size_))
      out.push_back({one.batched ? State{1} : State{0}, {one.node}});
    return out;
  }

 private:
  int64_t size_;
};

std::vector<Batched> results(const Node& node, std::span<const Batched> x, int64_t size) {
  std::vector<Lifted> values;
  for (const Batched& one : x) values.push_back({one.batched ? State{1} : State{0}, {one.node}});
  VmapLift lift(size);
  std::vector<Batched> out;
  for (const Lifted& v : lift_results(lift, node, values)) out.push_back({v.nodes[0], v.state != 0});
  return out;
}

std::vector<Batched> run(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                         std::span<const Batched> values, int64_t size) {
  PG_INVARIANT(roots.size() == values.size());
  const Dependents between = dependents(outputs, roots);
  std::vector<Batched> env(values.begin(), values.end());
  env.resize(between.size());
  std::unordered_map<const Node*, std::vector<Batched>> several;  // of nodes whose results are picked
  const auto mapped = [&](Node* node) {
    const uint32_t at = between.index.find(node);
    return at == NodeIndex::none ? Batched{NodeRef::share(node), false} : env[at];
  };
  std::vector<Batched> x;
  std::vector<NodeRef> plain;
  for (size_t i = 0; i < between.nodes.size(); ++i) {
    Node* node = between.nodes[i];
    Batched& found = env[between.first + i];
    if (node->op == &pick_op) {
      found = several.at(node->inputs[0])[static_cast<size_t>(node->attrs[0])];
      continue;
    }
    x.clear();
    plain.clear();
    bool any = false;
    for (Node* input : node->inputs) {
      x.push_back(mapped(input));
      plain.push_back(x.back().node);
      any = any || x.back().batched;
    }
    if (node->op->several()) {
      if (any) several[node] = results(*node, x, size);
      else
        for (const NodeRef& one : results_of(rebuild(*node, plain))) several[node].push_back({one, false});
    } else {
      found = any ? apply(*node, x, size) : Batched{rebuild(*node, plain), false};
    }
  }
  std::vector<Batched> out;
  for (const NodeRef& output : outputs) out.push_back(mapped(output.get()));
  return out;
}

}  // namespace

std::vector<Batched> batch(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                           std::span<const NodeRef> values, int64_t size) {
  std::vector<Batched> given;
  for (const NodeRef& value : values) given.push_back({value, true});
  return run(outputs, roots, given, size);
}

}  // namespace pg
