#include "transforms/jvp.h"

#include <algorithm>
#include <unordered_map>

#include "graph/location.h"
#include "graph/walk.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "transforms/substitute.h"

namespace pg {
namespace {

void accumulate(NodeRef& total, NodeRef term) {
  if (!term) return;
  total = total ? total + term : std::move(term);
}

[[noreturn]] void no_rule(const Op& op) {
  fail(ErrorKind::not_implemented,
       concat(op.name, ": this operation has no derivative rule; wrap its operand in stop_gradient if it is "
                       "meant to be a constant, or "
                       "write it with other operations"));
}

}  // namespace

NodeRef derivative(const Op& op, std::span<const NodeRef> x, const NodeRef& z, const Attrs& attrs,
                   std::span<const NodeRef> t) {
  if (!is_inexact(z->dtype)) return nullptr;
  bool any = false, any_linear = false, any_jvp = false;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!t[i]) continue;
    const FactKind kind = op.fact(i, attrs).kind;
    any = true;
    any_linear = any_linear || kind == FactKind::linear;
    any_jvp = any_jvp || kind == FactKind::jvp;
  }
  if (!any) return nullptr;
  if (op.facts.empty() && !op.fact_of) no_rule(op);

  const RuleArgs args{x, z, attrs};
  NodeRef total;
  if (any_linear && op.joint) {  // linear in these operands together: all take their tangents at once
    std::vector<NodeRef> operands(x.begin(), x.end());
    for (size_t i = 0; i < x.size(); ++i)
      if (op.fact(i, attrs).kind == FactKind::linear)
        operands[i] = t[i] ? t[i] : negative_zeros_like(x[i]->aval());
    accumulate(total, make(op, operands, attrs));
  } else if (any_linear) {  // linear in each: one term per operand
    std::vector<NodeRef> operands(x.begin(), x.end());
    for (size_t i = 0; i < x.size(); ++i) {
      if (!t[i] || op.fact(i, attrs).kind != FactKind::linear) continue;
      operands[i] = t[i];
      accumulate(total, make(op, operands, attrs));
      operands[i] = x[i];
    }
  }
  if (any_jvp) {
    PG_INVARIANT(op.jvp, op.name);
    accumulate(total, op.jvp(args, t));
  }
  for (size_t i = 0; i < x.size(); ++i) {
    if (!t[i]) continue;
    const Fact fact = op.fact(i, attrs);
    if (fact.kind == FactKind::partial) accumulate(total, t[i] * fact.partial(args));
  }
  PG_INVARIANT(!total || (total->shape == z->shape && total->dtype == z->dtype),
               "the derivative rule of " + op.name);
  return total;
}

Derivative differentiate(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                         std::span<const NodeRef> inputs, std::span<const NodeRef> tangents, Form form) {
  PG_INVARIANT(stand_ins.size() == inputs.size() && stand_ins.size() == tangents.size());
  struct Pair {
    NodeRef value, tangent;
  };
  const Dependents between = dependents(outputs, stand_ins);
  std::vector<Pair> env(between.size());
  for (size_t i = 0; i < stand_ins.size(); ++i)
    env[i] = {inputs[i], is_inexact(inputs[i]->dtype) ? tangents[i] : NodeRef()};

  std::unordered_map<const Node*, Derivative> several;  // of nodes whose results are picked one by one
  std::vector<NodeRef> x, t;
  for (size_t i = 0; i < between.nodes.size(); ++i) {
    Node* node = between.nodes[i];
    Pair& found = env[between.first + i];
    if (node->op == &pick_op) {
      const Derivative& results = several.at(node->inputs[0]);
      const size_t index = static_cast<size_t>(node->attrs[0]);
      share_value(*node, *results.primals[index]);
      found = {results.primals[index], results.tangents[index]};
      continue;
    }
    x.clear();
    t.clear();
    for (Node* input : node->inputs) {
      const uint32_t at = between.index.find(input);
      x.push_back(at == NodeIndex::none ? NodeRef::share(input) : env[at].value);
      t.push_back(at == NodeIndex::none ? NodeRef() : env[at].tangent);
    }
    const LocationScope line(node->where);
    if (node->op->several()) {
      Derivative& results = several[node];
      const bool moving = std::any_of(t.begin(), t.end(), [](const NodeRef& one) { return one != nullptr; });
      if (moving) results = differentiate_results(*node, x, t, form);
      else results.primals = results_of(rebuild(*node, x));
      results.tangents.resize(results.primals.size());
      continue;
    }
    found.value = rebuild(*node, x);
    found.tangent = node->op == &alias_op ? t[0] : derivative(*node->op, x, found.value, node->attrs, t);
  }

  Derivative out;
  for (const NodeRef& output : outputs) {
    const uint32_t at = between.index.find(output.get());
    out.primals.push_back(at == NodeIndex::none ? output : env[at].value);
    out.tangents.push_back(at == NodeIndex::none ? NodeRef() : env[at].tangent);
  }
  return out;
}

}  // namespace pg
