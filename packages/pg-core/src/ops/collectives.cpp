// What examples of one vmap know of each other. An axis is a node: the placeholder that holds each example's
// index. So what depends on an axis is found by edges, and other transforms pass these records by.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

Aval infer_psum(std::span<const Aval> in, const Attrs&) {
  integer_dtype("psum", in[1]);
  return in[0];
}

// attrs: how many examples the axis has
Aval infer_all_gather(std::span<const Aval> in, const Attrs& attrs) {
  integer_dtype("all_gather", in[1]);
  Aval out = in[0];
  out.shape = behind(attrs[0], in[0].shape);
  return out;
}

NodeRef transpose_psum(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return make(psum_op, {ct, args.x[1]});
}

// Example b gave row b to all of them.
NodeRef transpose_all_gather(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return gather(make(psum_op, {ct, args.x[1]}), args.x[1], IndexMode::clip);
}

// The axis itself is batched in its own vmap only; there the result is the same for all examples.
Batched batch_psum(const BatchArgs& args) {
  const auto& [x, batched] = args.x[0];
  if (!args.x[1].batched) return {make(psum_op, {x, args.x[1].node}), batched};
  if (batched) return {reduce(reduce_sum_op, x, {0}), false};
  return {x * static_cast<double>(args.size), false};
}

Batched batch_all_gather(const BatchArgs& args) {
  const auto& [x, batched] = args.x[0];
  if (args.x[1].batched) return {batched ? x : repeated(x, args.size), false};
  return {move_axis(make(all_gather_op, {x, args.x[1].node}, args.attrs), 1, 0), true};
}

}  // namespace

const Op& psum_op = define({.name = "psum",
                            .doc = "(x, axis): the sum of x over the examples of an axis.",
                            .arity = 2,
                            .infer = infer_psum,
                            .lower = Call{},
                            .facts = {linear(), no_derivative()},
                            .transpose = transpose_psum,
                            .batch = batch_psum});

const Op& all_gather_op = define({.name = "all_gather",
                                  .doc = "(x, axis): x of every example of an axis, along a new first axis.",
                                  .arity = 2,
                                  .infer = infer_all_gather,
                                  .lower = Call{},
                                  .facts = {linear(), no_derivative()},
                                  .transpose = transpose_all_gather,
                                  .batch = batch_all_gather,
                                  .show = [](const Attrs& a) { return concat("size=", a[0]); }});

}  // namespace pg
