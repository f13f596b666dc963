// Functions that are written in other ops, and whose derivative is stated instead of found: the first operand
// is the value as those ops compute it, the second what the rule is about. The compiler sees the value only,
// and differentiation the rule only, which may read the value (transforms.md 5.2): so a softmax keeps its
// result and nothing else for its backward, and a normalisation its result and one number per row.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

// attrs: the rule, then the axes that it sums over.
enum class Rule : int64_t { softmax, log_softmax, logsumexp, softplus, inverse_root, standardised, scaled };

Rule rule_of(const Attrs& attrs) { return static_cast<Rule>(attrs[0]); }

const char* name_of_rule(const Attrs& attrs) {
  switch (rule_of(attrs)) {
  case Rule::softmax: return "softmax";
  case Rule::log_softmax: return "log_softmax";
  case Rule::logsumexp: return "logsumexp";
  case Rule::softplus: return "softplus";
  case Rule::inverse_root: return "inverse_root";
  case Rule::standardised: return "standardised";
  case Rule::scaled: return "scaled";
  }
  return "?";
}

Aval infer_stated(std::span<const Aval> in, const Attrs& attrs) {
  same_dtype("stated", in);
  float_dtype("stated", in[0]);
  const Rule rule = rule_of(attrs);
  const size_t operands = rule == Rule::standardised || rule == Rule::scaled ? 3 : 2;
  require(in.size() == operands, ErrorKind::value,
          [&] { return concat("stated: ", name_of_rule(attrs), " takes ", operands, " operands"); });
  return in[0];
}

NodeRef jvp_stated(const RuleArgs& args, std::span<const NodeRef> tangents) {
  const NodeRef &z = args.z, &x = args.x[1], &t = tangents[1];
  const Ints axes = rest(args.attrs, 1), kept = other_axes(axes, x->shape.size());
  double count = 1;
  for (int64_t axis : axes) count *= static_cast<double>(x->shape[axis]);
  const auto sum = [&](const NodeRef& v) { return reduce(reduce_sum_op, v, axes); };
  const auto along = [&](const NodeRef& row) {  // one number per row, with or without axes of extent 1
    Shape extents;
    for (int64_t axis : kept) extents.push_back(x->shape[axis]);
    return broadcast(reshape(row, extents), x->shape, kept);
  };
  // What is taken away is negated as one number per row, so that its transpose negates no whole array.
  const auto less_sum = [&](const NodeRef& v) { return along(sum(v) * -1.0); };
  const auto less_mean = [&](const NodeRef& v) { return along(sum(v) * (-1 / count)); };
  switch (rule_of(args.attrs)) {
  case Rule::softmax: return z * (t + less_sum(z * t));
  case Rule::log_softmax: return t + less_sum(unary(exp_op, z) * t);
  case Rule::logsumexp: {
    const NodeRef safe = where(unary(isfinite_op, z), z, 0.0);  // -inf - -inf is no weight
    return reshape(sum(unary(exp_op, x - along(safe)) * t), z->shape);
  }
  case Rule::softplus: return unary(sigmoid_op, x) * t;
  // (mean(x^2) + eps)^(-1/2), one number per row
  case Rule::inverse_root: return z * z * z * (-1 / count) * reshape(sum(x * t), z->shape);
  // (x - mean(x)) * s and x * s, where s = args.x[2] is such a number of x - mean(x) and of x
  case Rule::standardised: return along(args.x[2]) * (t + less_mean(t) + z * less_mean(z * t));
  case Rule::scaled: return along(args.x[2]) * (t + z * less_mean(z * t));
  }
  return nullptr;
}

Batched batch_stated(const BatchArgs& args) {
  std::vector<NodeRef> x;
  for (size_t i = 0; i < args.x.size(); ++i) x.push_back(full(args, i));
  Attrs attrs = args.attrs;
  for (size_t i = 1; i < attrs.size(); ++i) ++attrs[i];
  return {make(args.op, x, std::move(attrs)), true};
}

}  // namespace

const Op& stated_op = define(
    {.name = "stated",
     .doc = "(value, x, ...): the value, whose derivative by x is that of a named function of x over axes.",
     .arity = -1,
     .infer = infer_stated,
     .lower = Identity{},
     // By the second operand alone: what else the rule reads is a constant for it.
     .facts = {no_derivative(), by_jvp(), no_derivative()},
     .jvp = jvp_stated,
     .batch = batch_stated,
     .show = [](const Attrs& a) { return concat(name_of_rule(a), ", ", field("axes", rest(a, 1))); }});

}  // namespace pg
