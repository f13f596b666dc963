// Forward derivatives of records that hold bodies. Joint: one record computes values and tangents, by the
// rule of all forward transforms. Split: values and tangents are apart, so that the tangents can be
// transposed (transforms.md 3).

#include "graph/walk.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "transforms/bodies.h"
#include "transforms/jvp.h"
#include "transforms/lift.h"
#include "transforms/substitute.h"

namespace pg {
namespace {

class JvpLift final : public Lift {
 public:
  std::vector<int64_t> key() const override { return {1}; }
  std::vector<Aval> types(const Aval& type, State state) const override {
    return state ? std::vector<Aval>{type, type} : std::vector<Aval>{type};
  }
  Lifted coerce(const Lifted& value, State state) const override {
    if (!state || value.state) return value;
    return {1, {value.nodes[0], zeros_like(value.nodes[0]->aval())}};
  }
  std::vector<Lifted> run(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                          std::span<const Lifted> values) override {
    std::vector<NodeRef> x, t;
    for (const Lifted& v : values) {
      x.push_back(v.nodes[0]);
      t.push_back(v.state ? v.nodes[1] : NodeRef());
    }
    const Derivative d = differentiate(outputs, roots, x, t);
    std::vector<Lifted> out;
    for (size_t i = 0; i < outputs.size(); ++i) {
      out.push_back({d.tangents[i] ? State{1} : State{0}, {d.primals[i]}});
      if (d.tangents[i]) out[i].nodes.push_back(d.tangents[i]);
    }
    return out;
  }
};

std::vector<Lifted> bundled(std::span<const NodeRef> x, std::span<const NodeRef> t) {
  std::vector<Lifted> out;
  for (size_t i = 0; i < x.size(); ++i) {
    out.push_back({t[i] ? State{1} : State{0}, {x[i]}});
    if (t[i]) out[i].nodes.push_back(t[i]);
  }
  return out;
}

Derivative taken_apart(std::span<const Lifted> values) {
  Derivative out;
  for (const Lifted& v : values) {
    out.primals.push_back(v.nodes[0]);
    out.tangents.push_back(v.state ? v.nodes[1] : NodeRef());
  }
  return out;
}

Flags moving(std::span<const NodeRef> t) {
  Flags out;
  for (const NodeRef& one : t) out.push_back(one != nullptr);
  return out;
}

std::vector<State> states_of(const Flags& flags) { return {flags.begin(), flags.end()}; }

std::vector<NodeRef> present(std::span<const NodeRef> t) {
  std::vector<NodeRef> out;
  for (const NodeRef& one : t)
    if (one) out.push_back(one);
  return out;
}

void append(std::vector<NodeRef>& to, std::span<const NodeRef> from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Tangents for the outputs that have them.
Derivative joined(std::vector<NodeRef> primals, const Flags& want, std::span<const NodeRef> tangents) {
  Derivative out;
  out.primals = std::move(primals);
  size_t next = 0;
  for (const bool w : want) out.tangents.push_back(w ? tangents[next++] : NodeRef());
  return out;
}

Derivative only_primals(const Node& node, std::span<const NodeRef> x) {
  Derivative out;
  out.primals = results_of(make(*node.op, x, node.attrs));
  out.tangents.resize(out.primals.size());
  return out;
}

bool any(const Flags& flags) { return std::find(flags.begin(), flags.end(), true) != flags.end(); }

bool saveable(const Node& node, Saved saved) {
  if (node.op == &conv_op || node.op == &conv_input_grad_op || node.op == &conv_weight_grad_op) return true;
  if (node.op != &dot_general_op) return false;
  if (saved == Saved::dots) return true;
  // attrs: |a|, |b|, |c|, labels of a, b, c; a batch label is in all three.
  const auto begin = node.attrs.begin() + 3;
  const auto a_end = begin + node.attrs[0], b_end = a_end + node.attrs[1];
  return std::none_of(begin, a_end, [&](int64_t label) {
    return std::find(a_end, b_end, label) != b_end &&
           std::find(b_end, node.attrs.end(), label) != node.attrs.end();
  });
}

// The values are the call unchanged, which also gives what the policy keeps; the tangents are a call of their
// own, which computes the rest of the body again.
Derivative split_call(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t) {
  const Saved saved = static_cast<Saved>(node.attrs[1]);
  const PayloadRef body = body_at(node, 0);
  const Flags mask = moving(t), want = moved_outputs(body, mask);
  if (!any(want)) return only_primals(node, x);
  PayloadRef primal, tangent;
  {
    BodyBuilder builder;
    const std::vector<NodeRef> params = builder.params(input_types(*body->graph));
    std::vector<NodeRef> rates(params.size()), inputs = params;
    for (size_t i = 0; i < params.size(); ++i)
      if (t[i]) inputs.push_back(rates[i] = builder.param(params[i]->aval()));
    const Derivative d = differentiate(instantiate(*body->graph, params), params, params, rates, Form::split);
    std::vector<NodeRef> outs = d.primals, tangents, kept, stand_ins;
    for (size_t i = 0; i < want.size(); ++i)
      if (want[i]) tangents.push_back(d.tangents[i]);
    if (saved != Saved::nothing)
      for (const Dependents between = dependents(d.primals, params); Node * one : between.nodes)
        if (saveable(*one, saved)) {
          kept.push_back(NodeRef::share(one));
          stand_ins.push_back(builder.param(one->aval()));
        }
    append(outs, kept);
    append(inputs, stand_ins);
    primal = builder.close(params, outs);
    tangent = builder.close(inputs, substitute(tangents, kept, stand_ins));
  }
  std::vector<NodeRef> found = results_of(make(call_op, x, {primal->id, node.attrs[1]}));
  std::vector<NodeRef> operands(x.begin(), x.end());
  append(operands, present(t));
  append(operands, std::span(found).subspan(want.size()));
  found.resize(want.size());
  return joined(std::move(found), want, results_of(make(call_op, operands, {tangent->id, node.attrs[1]})));
}

// Every branch stores the residuals of all: zeros in place of those of the others.
Derivative split_cond(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t) {
  const size_t branches = node.attrs.size();
  const std::span<const NodeRef> operands = x.subspan(1), tangents = t.subspan(1);
  const Flags mask = moving(tangents);
  Flags want;
  for (size_t b = 0; b < branches; ++b) {
    const Flags mine = moved_outputs(body_at(node, b), mask);
    want.resize(mine.size());
    for (size_t i = 0; i < mine.size(); ++i) want[i] = want[i] || mine[i];
  }
  if (!any(want)) return only_primals(node, x);

  std::vector<LinearBody> parts;
  std::vector<std::vector<Aval>> kinds;  // of each branch's residuals
  std::vector<bool> used(operands.size(), false);
  for (size_t b = 0; b < branches; ++b) {
    parts.push_back(linearize_body(body_at(node, b), mask, want));
    const std::vector<Aval> types = output_types(*parts[b].primal->graph);
    kinds.emplace_back(types.begin() + static_cast<std::ptrdiff_t>(want.size()), types.end());
    for (const size_t i : parts[b].used) used[i] = true;
  }
  std::vector<PayloadRef> primals, linears;
  for (size_t b = 0; b < branches; ++b) {
    {
      BodyBuilder builder;
      const std::vector<NodeRef> outs =
          instantiate(*parts[b].primal->graph, builder.params(input_types(*parts[b].primal->graph)));
      std::vector<NodeRef> all(outs.begin(), outs.begin() + static_cast<std::ptrdiff_t>(want.size()));
      for (size_t k = 0; k < branches; ++k)
        for (size_t r = 0; r < kinds[k].size(); ++r)
          all.push_back(k == b ? outs[want.size() + r] : zeros_like(kinds[k][r]));
      primals.push_back(builder.close(all));
    }
    BodyBuilder builder;
    std::vector<NodeRef> known(operands.size()), mine, stored;
    for (size_t i = 0; i < operands.size(); ++i)
      if (used[i]) known[i] = builder.param(operands[i]->aval());
    for (size_t k = 0; k < branches; ++k) {
      const std::vector<NodeRef> slots = builder.params(kinds[k]);
      if (k == b) stored = slots;
    }
    for (const size_t i : parts[b].used) mine.push_back(known[i]);
    append(mine, stored);
    for (const NodeRef& one : present(tangents)) mine.push_back(builder.param(one->aval()));
    linears.push_back(builder.close(instantiate(*parts[b].linear->graph, mine)));
  }
  const auto ids = [](const std::vector<PayloadRef>& bodies) {
    Attrs out;
    for (const PayloadRef& body : bodies) out.push_back(body->id);
    return out;
  };
  std::vector<NodeRef> results = results_of(make(cond_op, x, ids(primals)));
  std::vector<NodeRef> inputs{x[0]};
  for (size_t i = 0; i < operands.size(); ++i)
    if (used[i]) inputs.push_back(operands[i]);
  append(inputs, std::span(results).subspan(want.size()));
  append(inputs, present(tangents));
  results.resize(want.size());
  return joined(std::move(results), want, results_of(make(cond_op, inputs, ids(linears))));
}

// One value of the linear scan: what it is in the linear body, what it is outside, where it stands.
struct Slot {
  enum Kind : uint8_t { constant, carry, row } kind;
  NodeRef param, value;
};

Derivative split_scan(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t) {
  const Scan scan(node.attrs);
  const size_t c = scan.constants, k = scan.carries;
  const PayloadRef body = body_at(node, 0);
  Flags mask = moving(t), want;
  for (;;) {  // the least set of moving carries that a step reproduces
    want = moved_outputs(body, mask);
    bool changed = false;
    for (size_t i = 0; i < k; ++i) {
      changed = changed || (want[i] && !mask[c + i]);
      mask[c + i] = mask[c + i] || want[i];
    }
    if (!changed) break;
  }
  for (size_t i = 0; i < k; ++i) want[i] = mask[c + i];
  if (!any(want)) return only_primals(node, x);
  std::vector<NodeRef> tangents(t.begin(), t.end());
  for (size_t i = 0; i < k; ++i)
    if (mask[c + i] && !tangents[c + i]) tangents[c + i] = zeros_like(x[c + i]->aval());

  const LinearBody parts = linearize_body(body, mask, want);
  const size_t results = want.size();
  // Residuals that depend on constants alone are computed once, outside of the loop; a carry that the linear
  // part reads is stored at every step.
  std::vector<size_t> stored_carries;
  for (const size_t u : parts.used)
    if (u >= c && u < c + k) stored_carries.push_back(u);
  Flags invariant(parts.residuals, true);
  PayloadRef primal;
  {
    BodyBuilder builder;
    const std::vector<NodeRef> params = builder.params(input_types(*parts.primal->graph));
    const std::vector<NodeRef> outs = instantiate(*parts.primal->graph, params);
    const std::span<const NodeRef> steps = std::span(params).subspan(c);
    const Dependents varying = dependents(outs, steps);
    for (size_t r = 0; r < parts.residuals; ++r)
      invariant[r] = !varying.index.contains(outs[results + r].get());
    std::vector<NodeRef> kept(outs.begin(), outs.begin() + static_cast<std::ptrdiff_t>(results));
    for (size_t r = 0; r < parts.residuals; ++r)
      if (!invariant[r]) kept.push_back(outs[results + r]);
    for (const size_t u : stored_carries) kept.push_back(params[u]);
    primal = builder.close(params, kept);
  }
  std::vector<NodeRef> hoisted;  // by residual; null: stacked
  {
    std::vector<NodeRef> inputs(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(c));
    std::vector<NodeRef> outs;
    if (any(invariant)) {
      Flags keep(results, false);
      keep.insert(keep.end(), invariant.begin(), invariant.end());
      // They do not read the other inputs.
      const std::vector<Aval> types = input_types(*parts.primal->graph);
      for (size_t i = c; i < types.size(); ++i) inputs.push_back(zeros_like(types[i]));
      outs = instantiate(*only(parts.primal, keep)->graph, inputs);
    }
    size_t next = 0;
    for (size_t r = 0; r < parts.residuals; ++r) hoisted.push_back(invariant[r] ? outs[next++] : NodeRef());
  }

  Scan made = scan;
  made.body = primal->id;
  std::vector<NodeRef> found = results_of(make(scan_op, x, made.attrs()));
  size_t next = results;
  for (NodeRef& residual : hoisted)
    if (!residual) residual = found[next++];
  const std::vector<NodeRef> carried(found.begin() + static_cast<std::ptrdiff_t>(next), found.end());
  found.resize(results);

  std::vector<NodeRef> operands;
  PayloadRef linear;
  size_t counts[3] = {0, 0, 0};
  {
    BodyBuilder builder;
    const std::vector<NodeRef> params = builder.params(input_types(*parts.linear->graph));
    std::vector<Slot> slots;
    for (const size_t u : parts.used) {
      const NodeRef& param = params[slots.size()];
      if (u < c) slots.push_back({Slot::constant, param, x[u]});
      else if (u >= c + k) slots.push_back({Slot::row, param, x[u]});
      else {
        const auto at = std::find(stored_carries.begin(), stored_carries.end(), u) - stored_carries.begin();
        slots.push_back({Slot::row, param, carried[static_cast<size_t>(at)]});
      }
    }
    for (size_t r = 0; r < parts.residuals; ++r)
      slots.push_back({invariant[r] ? Slot::constant : Slot::row, params[slots.size()], hoisted[r]});
    for (size_t i = 0; i < tangents.size(); ++i)
      if (tangents[i])
        slots.push_back({i < c       ? Slot::constant
                         : i < c + k ? Slot::carry
                                     : Slot::row,
                         params[slots.size()], tangents[i]});
    std::vector<NodeRef> ordered;
    for (const Slot::Kind kind : {Slot::constant, Slot::carry, Slot::row})
      for (const Slot& slot : slots)
        if (slot.kind == kind) {
          ordered.push_back(slot.param);
          operands.push_back(slot.value);
          ++counts[kind];
        }
    linear = builder.close(ordered, instantiate(*parts.linear->graph, params));
  }
  const Scan tangent_scan{linear->id, scan.length, scan.reverse, counts[Slot::constant], counts[Slot::carry]};
  return joined(std::move(found), want, results_of(make(scan_op, operands, tangent_scan.attrs())));
}

// The number of steps is not known, so they cannot be stored: the tangents stay those of the joint form,
// which has a derivative and no transpose.
Derivative split_while(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t) {
  JvpLift lift;
  Derivative out = taken_apart(lift_results(lift, node, bundled(x, t)));
  out.primals = results_of(make(while_op, x, node.attrs));
  return out;
}

std::vector<NodeRef> instantiated(std::span<const NodeRef> t, std::span<const NodeRef> x) {
  std::vector<NodeRef> out;
  for (size_t i = 0; i < t.size(); ++i) out.push_back(t[i] ? t[i] : zeros_like(x[i]->aval()));
  return out;
}

// Floats have tangents, whatever a rule says about the rest.
Derivative with_tangents(std::vector<NodeRef> primals, std::span<const NodeRef> tangents) {
  Derivative out;
  for (size_t i = 0; i < primals.size(); ++i)
    out.tangents.push_back(is_inexact(primals[i]->dtype) ? tangents[i] : NodeRef());
  out.primals = std::move(primals);
  return out;
}

// A rule knows nothing about what it reads from outside its arguments.
void check_captures(const Node& node, std::span<const NodeRef> t) {
  for (size_t i = 0; i < static_cast<size_t>(node.attrs.back()); ++i)
    require(!t[i], ErrorKind::type, [&] {
      return concat(node.op->name, ": the function or its rule reads a tensor from outside (",
                    to_string(node.inputs[i]->aval()),
                    ") that is being differentiated; pass it as an argument");
    });
}

Derivative custom_jvp(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t) {
  check_captures(node, t);
  std::vector<NodeRef> results = results_of(make(*node.op, x, node.attrs));
  std::vector<NodeRef> operands(x.begin(), x.end());
  append(operands, results);
  append(operands, instantiated(t, x));
  return with_tangents(std::move(results), instantiate(*body_at(node, 1)->graph, operands));
}

// The linear map whose transpose is `backward`, as nodes.
std::vector<NodeRef> transposed_rule(const PayloadRef& backward, std::span<const NodeRef> residuals,
                                     std::span<const NodeRef> t) {
  const size_t all = backward->graph->inputs.size();
  Flags linear(all, false);
  for (size_t i = residuals.size(); i < all; ++i)
    linear[i] = is_inexact((*backward->graph)[backward->graph->inputs[i]].type.dtype);
  Flags given;
  std::vector<NodeRef> operands(residuals.begin(), residuals.end());
  const std::vector<Aval> outs = output_types(*backward->graph);
  // Cotangents of integer results are inputs that say nothing.
  for (size_t i = residuals.size(); i < all; ++i)
    if (!linear[i]) operands.push_back(zeros_like((*backward->graph)[backward->graph->inputs[i]].type));
  for (size_t i = 0; i < outs.size(); ++i) {
    given.push_back(is_inexact(outs[i].dtype));
    if (given[i]) operands.push_back(t[i]);
  }
  PayloadRef forward;
  try {
    forward = transpose_body(backward, linear, given);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::type) throw;
    fail(ErrorKind::type,
         concat("forward mode through a custom_vjp whose backward rule is not linear in the "
                "cotangent (",
                e.what(), "): state the forward derivative with pg.custom_jvp, or use reverse mode"));
  }
  const std::vector<NodeRef> found = instantiate(*forward->graph, operands);
  std::vector<NodeRef> out;
  size_t next = 0;
  for (size_t i = residuals.size(); i < all; ++i) out.push_back(linear[i] ? found[next++] : NodeRef());
  return out;
}

Derivative custom_vjp(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t, Form form) {
  check_captures(node, t);
  const size_t results = body_at(node, 0)->graph->outputs.size();
  std::vector<NodeRef> both = instantiate(*body_at(node, 1)->graph, x);
  std::vector<NodeRef> residuals(both.begin() + static_cast<std::ptrdiff_t>(results), both.end());
  both.resize(results);
  const std::vector<NodeRef> given = instantiated(t, x);
  const PayloadRef backward = body_at(node, 2);
  if (form == Form::joint) return with_tangents(std::move(both), transposed_rule(backward, residuals, given));
  append(residuals, given);
  return with_tangents(std::move(both), results_of(make(opaque_linear_op, residuals, {backward->id})));
}

// Derived as a body of its own, because its operands may depend on each other.
Derivative opaque(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t) {
  const PayloadRef backward = body_at(node, 0);
  const size_t residuals = x.size() - backward->graph->outputs.size();
  PayloadRef forward;
  {
    BodyBuilder builder;
    std::vector<NodeRef> inputs;
    for (const NodeRef& one : x) inputs.push_back(builder.param(one->aval()));
    const std::span<const NodeRef> all(inputs);
    std::vector<NodeRef> out = transposed_rule(backward, all.first(residuals), all.subspan(residuals));
    const std::vector<Aval> types = input_types(*backward->graph);
    for (size_t i = 0; i < out.size(); ++i)
      if (!out[i]) out[i] = zeros_like(types[residuals + i]);
    forward = builder.close(out);
  }
  JvpLift lift;
  const std::vector<Lifted> values = bundled(x, t);
  const LiftedBody lifted = lift_body(lift, forward, states_of(moving(t)));
  std::vector<NodeRef> operands;
  for (const Lifted& v : values) append(operands, v.nodes);
  const std::vector<NodeRef> found = instantiate(*lifted.body->graph, operands);
  Derivative out;
  size_t next = 0;
  for (const State state : lifted.outputs) {
    out.primals.push_back(found[next++]);
    out.tangents.push_back(state ? found[next++] : NodeRef());
  }
  return out;
}

}  // namespace

Derivative differentiate_results(const Node& node, std::span<const NodeRef> x, std::span<const NodeRef> t,
                                 Form form) {
  if (node.op == &custom_jvp_op) return custom_jvp(node, x, t);
  if (node.op == &custom_vjp_op) return custom_vjp(node, x, t, form);
  if (node.op == &opaque_linear_op) return opaque(node, x, t);
  if (form == Form::split) {
    if (node.op == &call_op) return split_call(node, x, t);
    if (node.op == &cond_op) return split_cond(node, x, t);
    if (node.op == &scan_op) return split_scan(node, x, t);
    if (node.op == &while_op) return split_while(node, x, t);
  }
  JvpLift lift;
  return taken_apart(lift_results(lift, node, bundled(x, t)));
}

}  // namespace pg
