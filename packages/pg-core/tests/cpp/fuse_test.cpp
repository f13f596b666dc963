// Fusion: every step list computes what the graph says (run step by step against the slow evaluator), known
// workloads have the expected number of kernels, random graphs never have circular steps, and the work is
// linear in the size of a graph.

#include <random>

#include "backends/cpu/interpreter/launch.h"
#include "compiler/kernel/lower.h"
#include "compiler/passes/fuse.h"
#include "reference.h"

using namespace pg;

namespace {

std::mt19937 engine{5};

NodeRef input(const Shape& shape, double low = -2, double high = 2) {
  const BufferRef buffer = allocate_items(count_of(shape), 8);
  std::uniform_real_distribution<double> draw(low, high);
  for (int64_t i = 0; i < count_of(shape); ++i) static_cast<double*>(buffer->data)[i] = draw(engine);
  return buffer_node(buffer, {shape, DType::float64});
}
NodeRef spread(const NodeRef& reduced, const Shape& like, int64_t axis) {
  Ints axes;
  for (int64_t d = 0; d < static_cast<int64_t>(like.size()); ++d)
    if (d != axis) axes.push_back(d);
  return broadcast(reduced, like, axes);
}
NodeRef total(const NodeRef& x, const Ints& axes) { return reduce(reduce_sum_op, x, axes); }
NodeRef softmax(const NodeRef& x, int64_t axis) {
  const NodeRef e = unary(exp_op, x - spread(reduce(reduce_max_op, x, {axis}), x->shape, axis));
  return e / spread(total(e, {axis}), x->shape, axis);
}

struct Counts {
  int kernels = 0, calls = 0, aliases = 0;
};

/// Runs the steps and compares the outputs; counts steps by kind. Calls get their value from the slow
/// evaluator.
Counts check(const char* name, const std::vector<NodeRef>& outputs, double tolerance = 1e-10) {
  const int before = check_failures;
  std::vector<NodeRef> captures;
  const Graph graph = flatten({}, outputs, 0, captures);
  const std::vector<Step> steps = fuse(graph);
  Counts counts;
  std::vector<std::vector<double>> memory(graph.size());
  std::vector<void*> at(graph.size(), nullptr);
  for (size_t i = 0; i < captures.size(); ++i) at[graph.inputs[i]] = captures[i]->buffer.load()->data;
  std::string text;
  for (const Step& s : steps) {
    if (s.kind == Step::Kind::alias) {
      ++counts.aliases;
      CHECK(at[s.source]);
      at[s.record] = at[s.source];
      continue;
    }
    if (s.kind == Step::Kind::call) {
      ++counts.calls;
      CHECK(graph[s.record].op == &dot_general_op);
      // a (m, k) @ b (k, n)
      const auto &a = graph[graph[s.record].inputs[0]].type.shape,
                 &b = graph[graph[s.record].inputs[1]].type.shape;
      const double *x = static_cast<const double*>(at[graph[s.record].inputs[0]]),
                   *y = static_cast<const double*>(at[graph[s.record].inputs[1]]);
      CHECK(x && y);
      std::vector<double> out(static_cast<size_t>(a[0] * b[1]), 0);
      for (int64_t i = 0; i < a[0]; ++i)
        for (int64_t k = 0; k < a[1]; ++k)
          for (int64_t j = 0; j < b[1]; ++j)
            out[static_cast<size_t>(i * b[1] + j)] += x[i * a[1] + k] * y[k * b[1] + j];
      memory[s.record] = std::move(out);
      at[s.record] = memory[s.record].data();
      continue;
    }
    ++counts.kernels;
    const Kernel kernel = lower(graph, s.group);
    verify(kernel);
    text += to_string(kernel);
    const LaunchPlan plan = compile_kernel(kernel);
    std::vector<void*> buffers;
    for (Id in : s.group.inputs) {
      CHECK(at[in]);
      buffers.push_back(at[in]);
    }
    for (Id out : s.group.outputs) {
      CHECK(!at[out]);
      memory[out].assign(static_cast<size_t>(count_of(graph[out].type.shape)) + 1, NAN);
      at[out] = memory[out].data();
      buffers.push_back(at[out]);
    }
    CHECK(run(plan, buffers.data()).ok);
  }
  const std::vector<reference::Value> want = reference::evaluate(outputs);
  for (size_t o = 0; o < outputs.size(); ++o) {
    CHECK(at[graph.outputs[o]]);
    for (size_t i = 0; i < want[o].data.size(); ++i) {
      const double a = static_cast<const double*>(at[graph.outputs[o]])[i], b = want[o].data[i];
      if (!(std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b)))) {
        std::fprintf(stderr, "%s: output %zu, element %zu: %.17g instead of %.17g\n", name, o, i, a, b);
        CHECK(!"equal");
        break;
      }
    }
  }
  if (check_failures != before)
    std::fprintf(stderr, "%s\n%s\n%s\n", name, to_string(graph).c_str(), text.c_str());
  return counts;
}

#define CHECK_KERNELS(number, ...)                                                                           \
  do {                                                                                                       \
    const Counts counts_ = check(__VA_ARGS__);                                                               \
    if (counts_.kernels != (number))                                                                         \
      std::fprintf(stderr, "%d kernels instead of %d: ", counts_.kernels, number);                           \
    CHECK(counts_.kernels == (number));                                                                      \
  } while (0)

NodeRef matmul(const NodeRef& a, const NodeRef& b) {
  return make(dot_general_op, {a, b}, {2, 2, 2, 0, 1, 1, 2, 0, 2});
}

void workloads() {
  const Shape s{40, 130};
  const NodeRef x = input(s), y = input(s), g = input({130}), b = input({130});
  CHECK_KERNELS(1, "chain", {unary(exp_op, x * y + 1.0) * x});
  CHECK_KERNELS(1, "two outputs", {x * y, x * y + x});
  CHECK_KERNELS(1, "siblings", {x * y, x + 2.0});
  CHECK_KERNELS(1, "softmax", {softmax(x, 1)});
  CHECK_KERNELS(1, "softmax over columns", {softmax(x, 0)});
  CHECK_KERNELS(1, "short softmax", {softmax(input({50, 7}), 1)});
  const NodeRef mean = total(x, {1}) * (1.0 / 130), c = x - spread(mean, s, 1);
  const NodeRef rstd = unary(recip_op, unary(exp_op, total(c * c, {1}) * (1.0 / 130) + 1e-5));
  const NodeRef xh = c * spread(rstd, s, 1);
  CHECK_KERNELS(1, "layer norm", {xh * broadcast(g, s, {1}) + broadcast(b, s, {1}), mean, rstd});
  const NodeRef dg = y * broadcast(g, s, {1});
  const NodeRef dx = (dg - spread(total(dg, {1}) * (1.0 / 130), s, 1) -
                      xh * spread(total(dg * xh, {1}) * (1.0 / 130), s, 1)) *
                     spread(rstd, s, 1);
  CHECK_KERNELS(2, "layer norm backward", {dx, total(y * xh, {0}), total(y, {0})});
  CHECK_KERNELS(1, "two reductions of one input", {total(x, {1}), reduce(reduce_max_op, x, {1})});
  CHECK_KERNELS(1, "epilogue", {total(x, {1}) * 2.0 + 1.0});
  CHECK_KERNELS(1, "loss", {total(unary(exp_op, x) * y, {0, 1}) * 0.5});
  CHECK_KERNELS(2, "rows, then all", {total(unary(log_op, total(unary(exp_op, x), {1})), {0})});
  CHECK_KERNELS(1, "seed",
                {total((permute(input({30, 20, 10}), {0, 2, 1}) + 2.0) + input({30, 10, 20}), {2}) * 3.0});
  CHECK_KERNELS(1, "concat", {make(concat_op, {x * 2.0, y + 1.0}, {0})});
  const NodeRef h = matmul(x, permute(y, {1, 0}));
  CHECK_KERNELS(2, "matmul", {unary(tanh_op, h) + 1.0});  // the transposed operand is copied
  CHECK_KERNELS(2, "matmul with prologue", {matmul(x * 2.0, input({130, 8})) + 1.0});
  const NodeRef dear = unary(exp_op, x);
  CHECK_KERNELS(2, "dear value in two domains", {permute(dear, {1, 0}) * 2.0, total(dear, {0}) * 2.0});
  const Counts renamed = check("reshape of an output", {reshape(x * 2.0, {130, 40}), reshape(x, {5200})});
  CHECK(renamed.kernels == 1 && renamed.aliases == 2);
  check("output twice", {x * 2.0, x * 2.0});
  check("output is an input", {x, x + 1.0});
  check("no elements", {input({0, 4}) * 2.0, total(input({0, 4}), {0}) + 1.0, softmax(input({0, 4}), 1)});
  const NodeRef t = unary(exp_op, g);
  check("broadcast of a dear value", {x * broadcast(t, s, {1})});
  check("gather of a dear value", {make(gather_op, {dear, iota({90}, 0, DType::int64, {})}, {1}) * 2.0});
  const NodeRef wide = input({3, 70000});
  check("few long rows", {softmax(wide, 1), total(wide * wide, {1})});
}

// Values that leave a group in the middle and come back through a call.
void no_circles() {
  const NodeRef x = input({12, 12});
  const NodeRef a = unary(exp_op, x), b = matmul(a, a), c = a + b;
  check("around a call", {c, a});
  const NodeRef s = softmax(x, 1), t = softmax(permute(s, {1, 0}), 1), u = s + t;
  check("around a group", {u, s});
  const NodeRef r = total(a, {1}), q = total(a, {0});
  check("crossed", {spread(r, a->shape, 1) * spread(q, a->shape, 0) + a, r});
}

NodeRef random_node(std::vector<NodeRef>& pool) {
  const auto pick = [&] { return pool[pool.size() - 1 - engine() % std::min<size_t>(pool.size(), 8)]; };
  const NodeRef a = pick(), b = pick();
  const Shape s = a->shape;
  switch (engine() % 12) {
  case 0: return unary(tanh_op, a);
  case 1: return a * 0.5;
  case 2: return permute(a, {1, 0});
  case 3: return softmax(a, static_cast<int64_t>(engine() % 2));
  case 4: return spread(total(a, {1}) * 0.1, s, 1);
  case 5: return spread(reduce(reduce_max_op, a, {0}), s, 0);
  case 6: return matmul(a, b) * 0.1;
  case 7: return slice(a, {0, s[1] - 1}, {s[0], -1}, {1, -1});
  case 8:
    return make(concat_op, {slice(a, {0, 0}, {s[0], 2}, {1, 1}), slice(b, {0, 2}, {s[0], s[1]}, {1, 1})},
                {1});
  case 9:
    return pad(slice(a, {1, 0}, {s[0], s[1]}, {1, 1}), full_node(0.5, {{}, DType::float64}), {1, 0}, {0, 0},
               {0, 0});
  default: return a + b;
  }
}

void random_graphs() {
  for (int round = 0; round < 150; ++round) {
    const int64_t n = 1 + static_cast<int64_t>(engine() % 9) + 2;
    std::vector<NodeRef> pool{input({n, n}), input({n, n})};
    const size_t size = 3 + engine() % 30;
    for (size_t i = 0; i < size; ++i) pool.push_back(random_node(pool));
    std::vector<NodeRef> outputs{pool.back()};
    for (size_t i = engine() % 4; i-- > 0;) outputs.push_back(pool[engine() % pool.size()]);
    check("random", outputs, 1e-7);
  }
}

void long_graphs() {
  const auto looked = [](size_t length) {
    NodeRef x = input({10}), y = x;
    for (size_t i = 0; i < length; ++i) y = i % 100 == 99 ? unary(exp_op, y) : y * x;
    std::vector<NodeRef> captures;
    const Graph graph = flatten({}, std::vector<NodeRef>{y}, 0, captures);
    int64_t out = 0;
    const std::vector<Step> steps = fuse(graph, &out);
    CHECK(steps.size() >= length / 400 && steps.size() <= length / 300 + 2);
    return out;
  };
  CHECK(looked(100000) < 22 * looked(5000));
}

void many_operands() {
  const auto looked = [](size_t count) {
    std::vector<NodeRef> parts;
    for (size_t i = 0; i < count; ++i) parts.push_back(input({1 + static_cast<int64_t>(i % 3), 2}) * 2.0);
    const NodeRef joined = make(concat_op, parts, {0});
    if (count < 100) check("many operands", {joined});
    std::vector<NodeRef> captures;
    const Graph graph = flatten({}, std::vector<NodeRef>{joined}, 0, captures);
    int64_t out = 0;
    fuse(graph, &out);
    return out;
  };
  looked(50);
  CHECK(looked(20000) < 11 * looked(2000));
}

}  // namespace

int main() {
  const OpenTrace trace(false);  // the slow evaluator orders nodes by their serials
  workloads();
  no_circles();
  random_graphs();
  long_graphs();
  many_operands();
  return finish("fuse");
}
