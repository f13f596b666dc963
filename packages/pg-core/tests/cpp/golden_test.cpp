// The printed kernels of known workloads, as they stand in tests/golden. A change of the schedule shows as a
// difference there.

#include "backends/cpu/codegen/generate.h"
#include "compiler/kernel/lower.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/passes.h"
#include "golden.h"
#include "ops/ops.h"
#include "runtime/pool.h"

using namespace pg;

namespace {

NodeRef input(const Shape& shape, DType dtype = DType::float32) {
  return buffer_node(allocate_items(count_of(shape), size_of(dtype)), {shape, dtype});
}
NodeRef spread(const NodeRef& reduced, const Shape& like, int64_t axis) {
  Ints axes;
  for (int64_t d = 0; d < static_cast<int64_t>(like.size()); ++d)
    if (d != axis) axes.push_back(d);
  return broadcast(reduced, like, axes);
}
NodeRef total(const NodeRef& x, const Ints& axes) { return reduce(reduce_sum_op, x, axes); }

void golden(const std::string& name, const std::vector<NodeRef>& outputs) {
  std::vector<NodeRef> captures;
  const Graph graph = flatten({}, outputs, 0, captures);
  std::string text;
  for (const Step& s : fuse(graph)) {
    CHECK(s.kind == Step::Kind::kernel);
    text += to_string(lower(graph, s.group));
  }
  compare_golden(name + ".txt", text);
}

// The text that goes to LLVM, for vectors of eight: they are shorter.
void golden_ir(const std::string& name, const std::vector<NodeRef>& outputs) {
  std::vector<NodeRef> captures;
  const Graph graph = flatten({}, outputs, 0, captures);
  std::string text;
  for (const Step& s : fuse(graph)) text += codegen::kernel_ir(lower(graph, s.group), 8);
  compare_golden(name + ".ll", text);
}

// The graph after neighbouring steps were put together to strips, with what one strip computes.
void golden_strips(const std::string& name, const std::vector<NodeRef>& outputs) {
  std::vector<NodeRef> captures;
  const Graph graph = strips(flatten({}, outputs, 0, captures));
  verify(graph);
  compare_golden(name + ".txt", to_string(graph));
}

NodeRef softmax_of(const NodeRef& x) {
  const int64_t last = static_cast<int64_t>(x->shape.size()) - 1;
  const NodeRef e = unary(exp_op, x - spread(reduce(reduce_max_op, x, {last}), x->shape, last));
  return e / spread(total(e, {last}), x->shape, last);
}

}  // namespace

int main() {
  const NodeRef v = input({100}), m = input({9, 70});
  golden_ir("scale_shift", {v * 2.0 + 1.0});
  golden_ir("row_sum", {total(m, {1})});
  golden_ir("column_maximum", {reduce(reduce_max_op, m, {0})});
  golden_ir("half_product", {input({64}, DType::bfloat16) * input({64}, DType::bfloat16)});
  // Attention with a causal mask: queries are cut, keys are not; the mask counts from where a strip begins.
  const NodeRef q = input({4, 1024, 16}), k = input({4, 1024, 16}), values = input({4, 1024, 8});
  const NodeRef scores = dot_general(q, k, {0, 1, 3}, {0, 2, 3}, {0, 1, 2});
  const NodeRef seen =
      binary(less_equal_op, iota({1024, 1024}, 1, DType::int32, {}), iota({1024, 1024}, 0, DType::int32, {}));
  const NodeRef weights = softmax_of(where(broadcast(seen, scores->shape, {1, 2}), scores, -1e30));
  golden_strips("strips_attention", {dot_general(weights, values, {0, 1, 2}, {0, 2, 3}, {0, 1, 3})});
  // Two products with a kernel between them, and a product that sums over rows, strip by strip.
  const NodeRef rows = input({8, 1024, 16}), first = input({16, 1024}), second = input({1024, 16});
  const NodeRef hidden = unary(tanh_op, dot_general(rows, first, {0, 1, 2}, {2, 3}, {0, 1, 3}));
  golden_strips("strips_rows", {dot_general(hidden, second, {0, 1, 2}, {2, 3}, {0, 1, 3}),
                                dot_general(rows, hidden, {0, 1, 2}, {0, 1, 3}, {0, 2, 3})});
  // Too small to pay.
  golden_strips("strips_none",
                {dot_general(unary(exp_op, input({64, 64})), input({64, 64}), {0, 1}, {1, 2}, {0, 2})});
  golden("seed",
         {total((permute(input({1000, 20, 100}), {0, 2, 1}) + 2.0) + input({1000, 100, 20}), {2}) * 3.0});
  const Shape s{37, 1003};
  const NodeRef x = input(s), g = input({1003});
  const NodeRef e = unary(exp_op, x - spread(reduce(reduce_max_op, x, {1}), s, 1));
  golden("softmax", {e / spread(total(e, {1}), s, 1)});
  const NodeRef mean = total(x, {1}) * (1.0 / 1003), c = x - spread(mean, s, 1);
  const NodeRef rstd = unary(rsqrt_op, total(c * c, {1}) * (1.0 / 1003) + 1e-5);
  golden("layer_norm", {c * spread(rstd, s, 1) * broadcast(g, s, {1}), mean, rstd});
  golden("column_sum", {total(input({8192, 1024}), {0})});
  golden("sum_of_squares", {total(x * x, {0, 1}), total(input({1 << 20}), {0}) * 2.0});
  golden("transpose_add", {permute(input({1003, 37}), {1, 0}) + x});
  const NodeRef p = pad(x, full_node(0.0, Aval{{}, DType::float32}), {0, 1}, {0, 1}, {0, 0});
  const auto at = [&](int64_t j) { return slice(p, {0, j}, {37, j + 1003}, {1, 1}); };
  golden("stencil", {at(0) + at(2) - at(1) * 2.0});
  golden("concat", {make(concat_op, {x, x * 2.0}, {1})});
  golden("rows_of_table", {make(gather_op, {input({500, 64}), input({200}, DType::int32)}, {0}) * 2.0});
  golden("short_rows", {input({5000, 10}) + broadcast(input({10}), {5000, 10}, {1})});
  return finish("golden");
}
