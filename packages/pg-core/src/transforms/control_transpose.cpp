// Reverse mode through records that hold bodies: the record of the transposed bodies.

#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "transforms/bodies.h"
#include "transforms/transpose.h"

namespace pg {
namespace {

Flags given(std::span<const NodeRef> cts) {
  Flags out;
  for (const NodeRef& ct : cts) out.push_back(ct != nullptr);
  return out;
}

std::vector<NodeRef> present(std::span<const NodeRef> cts) {
  std::vector<NodeRef> out;
  for (const NodeRef& ct : cts)
    if (ct) out.push_back(ct);
  return out;
}

void append(std::vector<NodeRef>& to, std::span<const NodeRef> from) {
  to.insert(to.end(), from.begin(), from.end());
}

std::vector<NodeRef> inputs_of(const Node& node, const Flags& linear, bool wanted) {
  std::vector<NodeRef> out;
  for (size_t i = 0; i < linear.size(); ++i)
    if (linear[i] == wanted) out.push_back(node.input(i));
  return out;
}

// Results in the places of the linear operands.
std::vector<NodeRef> placed(const Flags& linear, std::span<const NodeRef> found) {
  std::vector<NodeRef> out;
  size_t next = 0;
  for (const bool l : linear) out.push_back(l ? found[next++] : NodeRef());
  return out;
}

std::vector<NodeRef> transpose_call(const Node& node, const Flags& linear, std::span<const NodeRef> cts) {
  const PayloadRef body = transpose_body(body_at(node, 0), linear, given(cts));
  std::vector<NodeRef> operands = inputs_of(node, linear, false);
  append(operands, present(cts));
  return placed(linear, results_of(make(call_op, operands, {body->id, node.attrs[1]})));
}

[[noreturn]] void not_linear(const Node& node, const char* why) {
  fail(ErrorKind::type, concat(node.op->name, ": cannot be transposed, because ", why));
}

std::vector<NodeRef> transpose_cond(const Node& node, const Flags& linear, std::span<const NodeRef> cts) {
  if (linear[0]) not_linear(node, "its branch depends on the values being transposed");
  const Flags operands(linear.begin() + 1, linear.end());
  std::vector<PayloadRef> held;
  Attrs attrs;
  for (size_t b = 0; b < node.attrs.size(); ++b) {
    held.push_back(transpose_body(body_at(node, b), operands, given(cts)));
    attrs.push_back(held.back()->id);
  }
  std::vector<NodeRef> inputs = inputs_of(node, linear, false);
  append(inputs, present(cts));
  return placed(linear, results_of(make(cond_op, inputs, attrs)));
}

bool is_zero(const NodeRef& x) { return is_full_of(x, 0.0) || is_full_of(x, -0.0); }

// Backwards through the steps: the carry is the sums of the cotangents of linear constants, then those of the
// carry; xs are the fixed ones and the cotangents of ys. Ys that nobody asked about are left out.
std::vector<NodeRef> transpose_scan(const Node& node, const Flags& given_linear,
                                    std::span<const NodeRef> cts) {
  const Scan scan(node.attrs);
  const size_t c = scan.constants, k = scan.carries;
  Flags linear = given_linear;
  for (size_t i = c; i < c + k; ++i) {
    // A tangent that starts at a literal zero is linear by its role, though no edge says so.
    if (!linear[i] && !is_zero(node.input(i))) not_linear(node, "not all of its carry is linear");
    linear[i] = true;
  }
  Flags asked = given(cts);
  for (size_t i = 0; i < k; ++i) asked[i] = true;
  const PayloadRef back = transpose_body(body_at(node, 0), linear, asked);

  const auto count = [&](size_t from, size_t to, bool wanted) {
    size_t n = 0;
    for (size_t i = from; i < to; ++i) n += linear[i] == wanted;
    return n;
  };
  const size_t fixed_constants = count(0, c, false), linear_constants = count(0, c, true),
               fixed_rows = count(c + k, linear.size(), false);
  // back: fixed constants, fixed rows, ct carry, ct ys -> ct linear constants, ct carry, ct linear rows
  PayloadRef body;
  {
    BodyBuilder builder;
    const std::vector<NodeRef> params = builder.params(input_types(*back->graph));
    const std::span<const NodeRef> p(params);
    std::vector<NodeRef> outs = instantiate(*back->graph, params);
    std::vector<NodeRef> sums;
    for (size_t i = 0; i < linear_constants; ++i) {
      sums.push_back(builder.param(outs[i]->aval()));
      outs[i] = sums[i] + outs[i];
    }
    std::vector<NodeRef> ordered;
    append(ordered, p.first(fixed_constants));
    append(ordered, sums);
    append(ordered, p.subspan(fixed_constants + fixed_rows, k));
    append(ordered, p.subspan(fixed_constants, fixed_rows));
    append(ordered, p.subspan(fixed_constants + fixed_rows + k));
    body = builder.close(ordered, outs);
  }
  std::vector<NodeRef> operands, rows;
  for (size_t i = 0; i < c; ++i)
    if (!linear[i]) operands.push_back(node.input(i));
  for (size_t i = 0; i < c; ++i)
    if (linear[i]) operands.push_back(zeros_like(node.inputs[i]->aval()));
  for (size_t i = 0; i < k; ++i)
    operands.push_back(i < cts.size() && cts[i] ? cts[i] : zeros_like(node.inputs[c + i]->aval()));
  for (size_t i = c + k; i < linear.size(); ++i)
    if (!linear[i]) operands.push_back(node.input(i));
  for (size_t i = k; i < cts.size(); ++i)
    if (cts[i]) operands.push_back(cts[i]);
  const Scan made{body->id, scan.length, !scan.reverse, fixed_constants, linear_constants + k};
  std::vector<NodeRef> out = placed(linear, results_of(make(scan_op, operands, made.attrs())));
  for (size_t i = 0; i < out.size(); ++i)
    if (!given_linear[i]) out[i] = nullptr;
  return out;
}

std::vector<NodeRef> transpose_opaque(const Node& node, std::span<const NodeRef> cts) {
  const Graph& backward = *body_at(node, 0)->graph;
  const size_t residuals = node.inputs.size() - backward.outputs.size();
  std::vector<NodeRef> operands;
  for (size_t i = 0; i < residuals; ++i) operands.push_back(node.input(i));
  const std::vector<Aval> types = input_types(backward);
  for (size_t i = residuals; i < types.size(); ++i)
    operands.push_back(cts[i - residuals] ? cts[i - residuals] : zeros_like(types[i]));
  std::vector<NodeRef> out(residuals);
  for (NodeRef& one : instantiate(backward, operands)) out.push_back(std::move(one));
  return out;
}

}  // namespace

std::vector<NodeRef> transpose_results(const Node& node, const std::vector<bool>& linear,
                                       std::span<const NodeRef> cts) {
  std::vector<NodeRef> all(cts.begin(), cts.end());
  std::vector<Aval> in;
  for (const Node* input : node.inputs) in.push_back(input->aval());
  all.resize(node.op->outputs(in, node.attrs).size());
  if (node.op == &call_op) return transpose_call(node, linear, all);
  if (node.op == &cond_op) return transpose_cond(node, linear, all);
  if (node.op == &scan_op) return transpose_scan(node, linear, all);
  if (node.op == &opaque_linear_op) return transpose_opaque(node, all);
  if (node.op == &while_op)
    fail(ErrorKind::type,
         "while_loop: reverse mode needs the number of steps, which is not known, so the steps cannot be "
         "stored. Give it max_steps=, use scan or fori_loop with a fixed length, or use forward mode (jvp, "
         "jacfwd)");
  not_linear(node, "it is not linear in the values being transposed");
}

}  // namespace pg
