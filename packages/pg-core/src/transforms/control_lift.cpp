// The rules of control flow for every forward transform: bodies are lifted, carries settle on the least state
// that a step reproduces.

#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "transforms/bodies.h"
#include "transforms/lift.h"
#include "transforms/memo.h"
#include "transforms/precision.h"

namespace pg {
namespace {

using States = std::vector<State>;

Memo<LiftedBody>& lifted_bodies() {
  static auto* made = new Memo<LiftedBody>;  // threads may outlive static destruction
  return *made;
}

States states_of(std::span<const Lifted> values) {
  States out;
  for (const Lifted& v : values) out.push_back(v.state);
  return out;
}

std::vector<NodeRef> nodes_of(std::span<const Lifted> values) {
  std::vector<NodeRef> out;
  for (const Lifted& v : values) out.insert(out.end(), v.nodes.begin(), v.nodes.end());
  return out;
}

// The other way: `nodes` taken apart by states.
std::vector<Lifted> bundles(const Lift& lift, std::span<const State> states, std::span<const NodeRef> nodes) {
  std::vector<Lifted> out;
  size_t at = 0;
  for (const State state : states) {
    const size_t width = lift.types({{}, DType::float32}, state).size();
    PG_INVARIANT(at + width <= nodes.size(), "a lifted body has other results");
    out.push_back({state, {nodes.begin() + at, nodes.begin() + at + width}});
    at += width;
  }
  PG_INVARIANT(at == nodes.size(), "a lifted body has other results");
  return out;
}

States join(std::span<const State> a, std::span<const State> b) {
  States out;
  for (size_t i = 0; i < a.size(); ++i) out.push_back(a[i] | b[i]);
  return out;
}

States concatenated(std::initializer_list<std::span<const State>> parts) {
  States out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

std::vector<Lifted> apply(const Lift& lift, const Op& op, std::span<const NodeRef> operands, Attrs attrs,
                          std::span<const State> states) {
  return bundles(lift, states, results_of(make(op, operands, std::move(attrs))));
}

// The least carry states that contain the initial ones and that a step reproduces.
template <class Step> States settle(States carry, Step&& step) {
  for (;;) {
    States after = join(carry, step(carry));
    if (after == carry) return carry;
    carry = std::move(after);
  }
}

std::vector<Lifted> coerced(const Lift& lift, std::span<const Lifted> values, std::span<const State> states) {
  std::vector<Lifted> out;
  for (size_t i = 0; i < values.size(); ++i) out.push_back(lift.coerce(values[i], states[i]));
  return out;
}

// p has one value per example, a and b have whole values.
NodeRef select(const NodeRef& p, const NodeRef& a, const NodeRef& b) {
  return where(broadcast(p, a->shape, {0}), a, b);
}

std::vector<Lifted> lift_call(Lift& lift, const Node& node, std::span<const Lifted> x) {
  const LiftedBody body = lift_body(lift, body_at(node, 0), states_of(x));
  return apply(lift, call_op, nodes_of(x), {body.body->id, node.attrs[1]}, body.outputs);
}

// Examples disagree about the branch: all run, and each example takes its own.
std::vector<Lifted> select_branch(Lift& lift, const Node& node, const NodeRef& which,
                                  std::span<const Lifted> operands) {
  const size_t branches = node.attrs.size();
  std::vector<Lifted> out;
  for (size_t b = 0; b < branches; ++b) {
    const PayloadRef body = body_at(node, b);
    const States every(body->graph->outputs.size(), 1);
    const LiftedBody lifted = lift_body(lift, body, states_of(operands), every);
    std::vector<Lifted> found =
        bundles(lift, lifted.outputs, instantiate(*lifted.body->graph, nodes_of(operands)));
    if (b == 0) {
      out = std::move(found);
      continue;
    }
    const NodeRef mine = is_bool(which->dtype)
                             ? which
                             : binary(less_equal_op, fill_like(static_cast<double>(b), which), which);
    for (size_t i = 0; i < out.size(); ++i)
      out[i].nodes[0] = select(mine, found[i].nodes[0], out[i].nodes[0]);
  }
  return out;
}

std::vector<Lifted> lift_cond(Lift& lift, const Node& node, std::span<const Lifted> x) {
  const std::span<const Lifted> operands = x.subspan(1);
  if (lift.lanes() && x[0].state) return select_branch(lift, node, x[0].nodes[0], operands);
  States both;
  for (size_t b = 0; b < node.attrs.size(); ++b) {
    const States mine = lift_body(lift, body_at(node, b), states_of(operands)).outputs;
    both = b ? join(both, mine) : mine;
  }
  std::vector<NodeRef> inputs{x[0].nodes[0]};
  for (NodeRef& one : nodes_of(operands)) inputs.push_back(std::move(one));
  Attrs attrs;
  std::vector<PayloadRef> held;
  for (size_t b = 0; b < node.attrs.size(); ++b) {
    held.push_back(lift_body(lift, body_at(node, b), states_of(operands), both).body);
    attrs.push_back(held.back()->id);
  }
  return apply(lift, cond_op, inputs, attrs, both);
}

std::vector<Lifted> lift_scan(Lift& lift, const Node& node, std::span<const Lifted> x) {
  const Scan scan(node.attrs);
  const size_t c = scan.constants, k = scan.carries;
  const PayloadRef body = body_at(node, 0);
  std::vector<Lifted> slices;
  for (const Lifted& value : x.subspan(c + k)) slices.push_back(lift.slot(value));
  const States constants = states_of(x.first(c)), rows = states_of(slices);
  const auto outputs = [&](const States& carry) {
    return lift_body(lift, body, concatenated({constants, carry, rows})).outputs;
  };
  const States carry = settle(states_of(x.subspan(c, k)), [&](const States& now) {
    States after = outputs(now);
    after.resize(k);
    return after;
  });
  States want = outputs(carry);
  std::copy(carry.begin(), carry.end(), want.begin());
  const LiftedBody lifted = lift_body(lift, body, concatenated({constants, carry, rows}), want);

  std::vector<NodeRef> operands = nodes_of(x.first(c));
  const size_t constant_nodes = operands.size();
  for (NodeRef& one : nodes_of(coerced(lift, x.subspan(c, k), carry))) operands.push_back(std::move(one));
  const size_t carry_nodes = operands.size() - constant_nodes;
  for (NodeRef& one : nodes_of(slices)) operands.push_back(std::move(one));
  const Scan made{lifted.body->id, scan.length, scan.reverse, constant_nodes, carry_nodes};
  std::vector<Lifted> out = apply(lift, scan_op, operands, made.attrs(), want);
  for (size_t i = k; i < out.size(); ++i) out[i] = lift.slot(out[i]);
  return out;
}

std::vector<Lifted> lift_while(Lift& lift, const Node& node, std::span<const Lifted> x) {
  const size_t c = static_cast<size_t>(node.attrs[2]);
  const PayloadRef test = body_at(node, 0), step = body_at(node, 1);
  const States constants = states_of(x.first(c));
  const auto settled = [&](States from) {
    return settle(std::move(from), [&](const States& now) {
      return lift_body(lift, step, concatenated({constants, now})).outputs;
    });
  };
  States carry = settled(states_of(x.subspan(c)));
  States all = concatenated({constants, carry});
  const bool apart = lift.lanes() && lift_body(lift, test, all).outputs[0];
  if (apart) {  // it runs while any example does; the others keep what they have
    carry.assign(carry.size(), 1);
    all = concatenated({constants, carry});
  }
  PayloadRef test_body = lift_body(lift, test, all).body;
  PayloadRef step_body = lift_body(lift, step, all, carry).body;
  std::vector<NodeRef> operands = nodes_of(x.first(c));
  const size_t constant_nodes = operands.size();
  for (NodeRef& one : nodes_of(coerced(lift, x.subspan(c), carry))) operands.push_back(std::move(one));
  if (apart) {
    const std::vector<Aval> types = input_types(*step_body->graph);
    PayloadRef frozen, any;
    {
      BodyBuilder builder;
      const std::vector<NodeRef> inputs = builder.params(types);
      const NodeRef running = instantiate(*test_body->graph, inputs)[0];
      std::vector<NodeRef> next = instantiate(*step_body->graph, inputs);
      for (size_t i = 0; i < next.size(); ++i) next[i] = select(running, next[i], inputs[constant_nodes + i]);
      frozen = builder.close(next);
    }
    {
      BodyBuilder builder;
      const std::vector<NodeRef> inputs = builder.params(types);
      const NodeRef running = instantiate(*test_body->graph, inputs)[0];
      const std::vector<NodeRef> result{reduce(reduce_any_op, running, {0})};
      any = builder.close(result);
    }
    test_body = std::move(any);
    step_body = std::move(frozen);
  }
  return apply(lift, while_op, operands, {test_body->id, step_body->id, static_cast<int64_t>(constant_nodes)},
               carry);
}

// Only vmap has something to say about custom rules: they become rules of the batched function.
std::vector<Lifted> lift_custom(Lift& lift, const Node& node, std::span<const Lifted> x) {
  require(lift.lanes() != 0, ErrorKind::not_implemented, [&] {
    return concat(node.op->name, ": this transform does not go through rules that are stated by hand");
  });
  std::vector<PayloadRef> held;
  Attrs attrs;
  for (const PayloadRef& body : node.payloads->items) {
    const States in(body->graph->inputs.size(), 1), out(body->graph->outputs.size(), 1);
    held.push_back(lift_body(lift, body, in, out).body);
    attrs.push_back(held.back()->id);
  }
  if (node.attrs.size() > attrs.size()) attrs.push_back(node.attrs.back());  // how many operands are captures
  const States every(x.size(), 1);
  const NodeRef made = make(*node.op, nodes_of(coerced(lift, x, every)), std::move(attrs));
  const std::vector<NodeRef> results = results_of(made);
  return bundles(lift, States(results.size(), 1), results);
}

// A function of the host takes all examples at once if it says so, else one after the other.
std::vector<Lifted> lift_host(Lift& lift, const Node& node, std::span<const Lifted> x) {
  require(lift.lanes() != 0, ErrorKind::not_implemented, [&] {
    return concat("host_call: ", node.op->show(node.attrs),
                  " is a function of the host, which has no derivative; give it one with pg.custom_vjp or "
                  "pg.custom_jvp, or wrap its arguments in stop_gradient");
  });
  HostCall host(node.attrs);
  const States every(x.size(), 1), results(host.results.size(), 1);
  if (host.vectorized) {
    for (Aval& type : host.results) type.shape.insert(0, lift.lanes());
    return apply(lift, host_op, nodes_of(coerced(lift, x, every)), host.attrs(), results);
  }
  PayloadRef body;
  std::vector<NodeRef> constants, rows;
  {
    BodyBuilder builder;
    std::vector<NodeRef> inputs, params[2];
    for (size_t i = 0; i < x.size(); ++i) {
      Aval type = x[i].nodes[0]->aval();
      if (x[i].state) type.shape.erase(0);
      inputs.push_back(builder.param(type));
      params[x[i].state ? 1 : 0].push_back(inputs[i]);
    }
    params[0].insert(params[0].end(), params[1].begin(), params[1].end());
    body = builder.close(params[0], results_of(make(host_op, inputs, node.attrs)));
  }
  for (const Lifted& value : x) (value.state ? rows : constants).push_back(value.nodes[0]);
  const Scan scan{body->id, lift.lanes(), false, constants.size(), 0};
  constants.insert(constants.end(), rows.begin(), rows.end());
  return apply(lift, scan_op, constants, scan.attrs(), results);
}

}  // namespace

std::vector<Lifted> lift_results(Lift& lift, const Node& node, std::span<const Lifted> x) {
  if (node.op == &call_op) return lift_call(lift, node, x);
  if (node.op == &cond_op) return lift_cond(lift, node, x);
  if (node.op == &scan_op) return lift_scan(lift, node, x);
  if (node.op == &while_op) return lift_while(lift, node, x);
  if (node.op == &host_op) return lift_host(lift, node, x);
  return lift_custom(lift, node, x);
}

LiftedBody lift_body(Lift& lift, const PayloadRef& body, std::span<const State> states,
                     std::span<const State> want) {
  const Graph& graph = *body->graph;
  PG_INVARIANT(states.size() == graph.inputs.size(), "a body has another number of inputs");
  std::vector<int64_t> key = lift.key();
  key.push_back(body->id);
  for (const State s : states) key.push_back(static_cast<int64_t>(s));
  for (const State s : want) key.push_back(static_cast<int64_t>(s));
  if (const auto found = lifted_bodies().find(key)) return *found;
  LiftedBody out;
  {
    BodyBuilder builder;
    std::vector<NodeRef> roots, params;
    std::vector<Lifted> values;
    for (size_t i = 0; i < states.size(); ++i) {
      const Aval& type = graph[graph.inputs[i]].type;
      roots.push_back(builder.param(type));
      values.push_back({states[i], builder.params(lift.types(type, states[i]))});
      params.insert(params.end(), values[i].nodes.begin(), values[i].nodes.end());
    }
    std::vector<Lifted> outs = lift.run(instantiate(graph, roots), roots, values);
    for (size_t i = 0; i < want.size(); ++i) outs[i] = lift.coerce(outs[i], want[i]);
    out.body = builder.close(params, nodes_of(outs));
    out.outputs = states_of(outs);
  }
  lifted_bodies().enter(std::move(key), body, out);
  return out;
}

void forget_bodies() {
  lifted_bodies().clear();
  transposed_bodies().clear();
  lowered_bodies().clear();
}

}  // namespace pg
