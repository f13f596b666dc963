#include "transforms/bodies.h"

#include "graph/walk.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "transforms/jvp.h"
#include "transforms/transpose.h"

namespace pg {
namespace {

std::vector<int64_t> key_of(const PayloadRef& body, const Flags& a, const Flags& b) {
  std::vector<int64_t> key{body->id};
  key.insert(key.end(), a.begin(), a.end());
  key.insert(key.end(), b.begin(), b.end());
  return key;
}

}  // namespace

NodeRef BodyBuilder::param(const Aval& type) {
  made_.push_back(param_node(type, static_cast<int64_t>(made_.size())));
  return made_.back();
}

std::vector<NodeRef> BodyBuilder::params(std::span<const Aval> types) {
  std::vector<NodeRef> out;
  for (const Aval& type : types) out.push_back(param(type));
  return out;
}

PayloadRef BodyBuilder::close(std::span<const NodeRef> params, std::span<const NodeRef> outputs) const {
  Closed closed = pg::close(params, outputs, trace_.start());
  PG_INVARIANT(closed.captures.empty(), "a body made of bodies reads something else");
  return std::move(closed.body);
}

std::vector<Aval> input_types(const Graph& graph) {
  std::vector<Aval> out;
  for (const Id id : graph.inputs) out.push_back(graph[id].type);
  return out;
}

PayloadRef body_at(const Node& node, size_t i) {
  PG_INVARIANT(node.payloads && i < node.payloads->items.size(), node.op->name);
  return node.payloads->items[i];
}

PayloadRef only(const PayloadRef& body, const Flags& keep) {
  if (std::find(keep.begin(), keep.end(), false) == keep.end()) return body;
  BodyBuilder builder;
  const std::vector<NodeRef> outs = instantiate(*body->graph, builder.params(input_types(*body->graph)));
  std::vector<NodeRef> kept;
  for (size_t i = 0; i < outs.size(); ++i)
    if (keep[i]) kept.push_back(outs[i]);
  return builder.close(kept);
}

PayloadRef transpose_body(const PayloadRef& body, const Flags& linear, const Flags& given) {
  std::vector<int64_t> key = key_of(body, linear, given);
  if (const auto found = transposed_bodies().find(key)) return *found;
  PayloadRef made;
  {
    const Graph& graph = *body->graph;
    BodyBuilder builder;
    const std::vector<NodeRef> inputs = builder.params(input_types(graph));
    const std::vector<NodeRef> outs = instantiate(graph, inputs);
    std::vector<NodeRef> params, roots, outputs, cts;
    for (size_t i = 0; i < inputs.size(); ++i) (linear[i] ? roots : params).push_back(inputs[i]);
    for (size_t i = 0; i < outs.size(); ++i) {
      if (!given[i]) continue;
      outputs.push_back(outs[i]);
      cts.push_back(builder.param(outs[i]->aval()));
      params.push_back(cts.back());
    }
    std::vector<NodeRef> found = transpose(outputs, cts, roots);
    for (size_t i = 0; i < found.size(); ++i)
      if (!found[i]) found[i] = zeros_like(roots[i]->aval());
    made = builder.close(params, found);
  }
  transposed_bodies().enter(std::move(key), body, made);
  return made;
}

Flags moved_outputs(const PayloadRef& body, const Flags& moving) {
  const Graph& graph = *body->graph;
  BodyBuilder builder;
  const std::vector<NodeRef> x = builder.params(input_types(graph));
  std::vector<NodeRef> t;
  for (size_t i = 0; i < x.size(); ++i)
    t.push_back(moving[i] && is_inexact(x[i]->dtype) ? builder.param(x[i]->aval()) : NodeRef());
  const Derivative d = differentiate(instantiate(graph, x), x, x, t);
  Flags out;
  for (const NodeRef& tangent : d.tangents) out.push_back(tangent != nullptr);
  return out;
}

LinearBody linearize_body(const PayloadRef& body, const Flags& moving, const Flags& want) {
  const Graph& graph = *body->graph;
  BodyBuilder builder;
  const std::vector<NodeRef> x = builder.params(input_types(graph));
  std::vector<NodeRef> t(x.size()), roots;
  for (size_t i = 0; i < x.size(); ++i)
    if (moving[i]) roots.push_back(t[i] = builder.param(x[i]->aval()));
  Derivative d = differentiate(instantiate(graph, x), x, x, t, Form::split);
  std::vector<NodeRef> tangents;
  for (size_t i = 0; i < want.size(); ++i)
    if (want[i]) tangents.push_back(d.tangents[i] ? d.tangents[i] : zeros_like(d.primals[i]->aval()));

  const Dependents inside = dependents(tangents, roots);
  // What depends on no input is made again inside, not kept.
  std::vector<NodeRef> all = d.primals;
  all.insert(all.end(), tangents.begin(), tangents.end());
  const Dependents varying = dependents(all, x);

  LinearBody out;
  NodeIndex read;
  std::vector<NodeRef> residuals;
  for (const Node* node : inside.nodes)
    for (Node* input : node->inputs)
      if (read.enter(input, 0) && !inside.index.contains(input) && varying.contains(input))
        residuals.push_back(NodeRef::share(input));
  std::vector<NodeRef> params;
  for (size_t i = 0; i < x.size(); ++i)
    if (read.contains(x[i].get())) {
      out.used.push_back(i);
      params.push_back(x[i]);
    }
  params.insert(params.end(), residuals.begin(), residuals.end());
  params.insert(params.end(), roots.begin(), roots.end());
  out.residuals = residuals.size();
  std::vector<NodeRef> primals = d.primals;
  primals.insert(primals.end(), residuals.begin(), residuals.end());
  out.primal = builder.close(x, primals);
  out.linear = builder.close(params, tangents);
  return out;
}

Memo<PayloadRef>& transposed_bodies() {
  static auto* made = new Memo<PayloadRef>;  // threads may outlive static destruction
  return *made;
}

}  // namespace pg
