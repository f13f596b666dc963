// Lowering and the interpreter: groups made of one whole graph each, against the slow evaluator, at odd
// sizes, sizes that divide exactly, and extents 0 and 1.

#include <limits>
#include <random>

#include "backends/cpu/interpreter/launch.h"
#include "compiler/kernel/lower.h"
#include "graph/graph.h"
#include "reference.h"
#include "runtime/threads.h"

using namespace pg;

namespace {

std::mt19937 engine{3};

NodeRef input(const Shape& shape, double low = -2, double high = 2) {
  const BufferRef buffer = allocate_items(count_of(shape), 8);
  std::uniform_real_distribution<double> draw(low, high);
  for (int64_t i = 0; i < count_of(shape); ++i) static_cast<double*>(buffer->data)[i] = draw(engine);
  return buffer_node(buffer, {shape, DType::float64});
}
NodeRef integers(const Shape& shape, int64_t low, int64_t high) {
  const BufferRef buffer = allocate_items(count_of(shape), 8);
  for (int64_t i = 0; i < count_of(shape); ++i)
    static_cast<int64_t*>(buffer->data)[i] =
        low + static_cast<int64_t>(engine() % static_cast<uint64_t>(high - low));
  return buffer_node(buffer, {shape, DType::int64});
}
NodeRef f32(const NodeRef& x) { return astype(x, DType::float32); }
NodeRef f64(const NodeRef& x) { return astype(x, DType::float64); }
NodeRef full(double v, const Shape& shape) { return full_node(v, Aval{shape, DType::float64}); }

struct Ran {
  std::string text;
  LaunchStatus status;
  std::vector<std::vector<std::byte>> outputs;
};

Group whole(const Graph& graph) {
  Group group;
  group.inputs = graph.inputs;
  for (Id id = 0; id < graph.size(); ++id)
    if (graph[id].op != &param_op) group.nodes.push_back(id);
  group.outputs = graph.outputs;
  return group;
}

Ran launch(const std::vector<NodeRef>& outputs, const Target& target = {}) {
  std::vector<NodeRef> captures;
  const Graph graph = flatten({}, outputs, 0, captures);
  const Kernel kernel = lower(graph, whole(graph), target);
  verify(kernel);
  Ran out;
  out.text = to_string(kernel);
  const LaunchPlan plan = compile_kernel(kernel);
  std::vector<void*> buffers;
  for (const NodeRef& c : captures) buffers.push_back(c->buffer.load()->data);
  for (const NodeRef& o : outputs)
    out.outputs.emplace_back(static_cast<size_t>(count_of(o->shape) * size_of(o->dtype)) + 64,
                             std::byte{0x5a});
  for (auto& o : out.outputs) buffers.push_back(o.data());
  out.status = run(plan, buffers.data());
  for (auto& o : out.outputs)  // nothing was written past the end
    for (size_t i = o.size() - 64; i < o.size(); ++i) CHECK(o[i] == std::byte{0x5a});
  return out;
}

double element(const std::vector<std::byte>& data, DType dtype, size_t i) {
  switch (dtype) {
  case DType::float64: return reinterpret_cast<const double*>(data.data())[i];
  case DType::float32: return static_cast<double>(reinterpret_cast<const float*>(data.data())[i]);
  case DType::int64: return static_cast<double>(reinterpret_cast<const int64_t*>(data.data())[i]);
  case DType::bool_: return static_cast<double>(reinterpret_cast<const uint8_t*>(data.data())[i]);
  default: CHECK(!"dtype of this test"); return 0;
  }
}

void same(const char* name, const std::vector<NodeRef>& outputs, double tolerance = 1e-12,
          const Target& target = {}) {
  const int before = check_failures;
  std::string text;
  try {
    const Ran ran = launch(outputs, target);
    text = ran.text;
    CHECK(ran.status.ok);
    const std::vector<reference::Value> want = reference::evaluate(outputs);
    for (size_t o = 0; o < outputs.size(); ++o)
      for (size_t i = 0; i < want[o].data.size(); ++i) {
        const double a = element(ran.outputs[o], outputs[o]->dtype, i), b = want[o].data[i];
        const bool ok = (std::isnan(a) && std::isnan(b)) || a == b ||
                        std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b));
        if (!ok) {
          std::fprintf(stderr, "%s: output %zu, element %zu: %.17g instead of %.17g\n", name, o, i, a, b);
          CHECK(ok);
          break;
        }
      }
  } catch (const Error& e) {
    std::fprintf(stderr, "%s: %s\n", name, e.what());
    CHECK(!"raised");
  }
  if (check_failures != before) std::fprintf(stderr, "%s\n", text.c_str());
}

NodeRef keep(const NodeRef& reduced, const Shape& like, int64_t axis) {  // the reduced value at every element
  Ints axes;
  for (int64_t d = 0; d < static_cast<int64_t>(like.size()); ++d)
    if (d != axis) axes.push_back(d);
  return broadcast(reduced, like, axes);
}

NodeRef softmax(const NodeRef& x, int64_t axis) {
  const NodeRef e = unary(exp_op, x - keep(reduce(reduce_max_op, x, {axis}), x->shape, axis));
  return e / keep(reduce(reduce_sum_op, e, {axis}), x->shape, axis);
}

const Shape matrices[] = {{1, 1},    {1, 7},    {7, 1},    {3, 5},    {16, 64},   {70, 101},
                          {64, 128}, {5, 1003}, {1003, 5}, {2, 3000}, {33, 1024}, {150, 300}};

void maps() {
  for (int64_t n : {0, 1, 7, 64, 1000, 1024, 1025, 40000}) {
    const NodeRef x = input({n}), y = input({n});
    same("add", {x + y});
    same("two outputs", {x * y - x, where(binary(less_op, x, y), x, y), binary(less_op, x, y)});
    same("float32", {f32(x) * f32(y) + 1.5}, 1e-6);
    same("reverse", {slice(x, {n - 1}, {-1}, {-1}) + y});
    same("count", {iota({n}, 0, DType::float64, {}) * x, iota({n}, 0, DType::int64, {})});
    same("fill", {full(2.5, {n})});
  }
  same("scalars", {input({}) * input({}) + 3.0});
  for (const Shape& s : matrices) {
    const int64_t m = s[0], n = s[1];
    const NodeRef x = input(s), y = input({n, m}), row = input({n}), column = input({m});
    same("transpose add", {permute(y, {1, 0}) + x});
    same("both transposed", {permute(y, {1, 0}) + permute(y * 2.0, {1, 0})});
    same("broadcast", {x * broadcast(row, s, {1}) + broadcast(column, s, {0})});
    same("outer", {broadcast(row, s, {1}) * broadcast(column, s, {0})});
    same("rank 0 operand", {x * broadcast(input({}), s, {})});
    same("reshape", {reshape(x, {n, m}) + y, reshape(x, {m * n}) * 2.0});
    same("pad", {pad(x * 2.0, full(1.5, {}), {1, 2}, {0, 3}, {0, 0})});
    same("pad of input", {pad(x, input({}), {0, 1}, {2, 0}, {0, 0}) + 1.0});
    same("dilated", {pad(x, full(0, {}), {0, 1}, {1, 0}, {1, 2})});
    same("crop", {pad(pad(x, full(3, {}), {2, 2}, {2, 2}, {0, 0}), full(4, {}), {-1, 1}, {1, -1}, {0, 0})});
    same("strided", {slice(x, {m / 2, 0}, {m, n}, {1, 2}) * 2.0});
    same("flip", {slice(x, {0, n - 1}, {m, -1}, {1, -1}) + x});
    same("concat", {make(concat_op, {x, x * 2.0, x}, {1})});
    same("concat 0", {make(concat_op, {x, x * 2.0}, {0})});
    same("concat inside", {make(concat_op, {x, x * 2.0}, {1}) + 1.0});
    same("heads",
         {permute(reshape(pad(x, full(0, {}), {0, 0}, {0, (4 - n % 4) % 4}, {0, 0}), {m, 4, (n + 3) / 4}),
                  {1, 0, 2})});
    same("counted", {x + iota(s, 1, DType::float64, {}) * iota(s, 0, DType::float64, {})});
    const NodeRef p = pad(x, full(0, {}), {1, 1}, {1, 1}, {0, 0});
    const auto at = [&](int64_t i, int64_t j) { return slice(p, {i, j}, {i + m, j + n}, {1, 1}); };
    same("stencil", {at(0, 1) + at(2, 1) + at(1, 0) + at(1, 2) - at(1, 1) * 4.0});
  }
  for (const Shape& s : {Shape{2, 3, 4}, Shape{5, 3, 49}, Shape{1, 20, 100}, Shape{30, 100, 3},
                         Shape{2, 40, 70}, Shape{0, 3, 4}, Shape{3, 0, 4}}) {
    const NodeRef x = input(s);
    same("channel", {x * broadcast(input({s[1]}), s, {1}) + broadcast(input({s[2]}), s, {2})});
    same("permuted", {permute(x, {2, 0, 1}) * 2.0});
    same("swap", {permute(x, {1, 0, 2}) + 1.0});
    same("swap of the last", {permute(x, {0, 2, 1}) * input({s[0], s[2], s[1]})});
  }
}

void gathers() {
  for (const Shape& s : {Shape{5, 3}, Shape{40, 70}, Shape{7, 1}, Shape{300, 1024}}) {
    const NodeRef table = input(s);
    for (int64_t n : {1, 9, 2000}) {
      const NodeRef rows = integers({n}, 0, s[0]), wild = integers({n}, -3, s[0] + 3);
      same("gather", {make(gather_op, {table, rows}, {0}) * 2.0});
      same("clip", {make(gather_op, {table, wild}, {1})});
      same("drop", {make(gather_op, {table * 3.0, wild}, {2})});
      same("take", {make(gather_op, {reshape(table, {s[0] * s[1]}), rows}, {0}) + 1.0});
      same("int32 rows", {make(gather_op, {table, astype(rows, DType::int32)}, {0})});
      same("two axes of rows", {make(gather_op, {table, reshape(rows, {1, n, 1})}, {0})});
      same("sum of rows", {reduce(reduce_sum_op, make(gather_op, {table, rows}, {0}), {0})}, 1e-11);
    }
    const NodeRef bad = astype(iota({s[0] + 1}, 0, DType::int64, {}), DType::int32);
    const Ran ran = launch({make(gather_op, {table, bad}, {0})});
    CHECK(!ran.status.ok && ran.status.index == s[0] && ran.status.extent == s[0]);
  }
  same("no rows to read", {make(gather_op, {input({0, 3}), integers({4}, 0, 5)}, {2})});
}

void reductions() {
  for (const Shape& s : matrices) {
    const NodeRef x = input(s);
    for (int64_t axis : {0, 1}) {
      for (const Op* op : {&reduce_sum_op, &reduce_max_op, &reduce_min_op, &reduce_prod_op})
        same(op->name.c_str(), {reduce(*op, x * 0.5 + 1.0, {axis})}, 1e-11);
      same("any, all", {reduce(reduce_any_op, binary(less_op, full(1.99, s), x), {axis}),
                        reduce(reduce_all_op, binary(less_op, x, full(1.9, s)), {axis})});
      same("float32 sum", {reduce(reduce_sum_op, f32(x), {axis}) * 3.0}, 1e-5);
      same("int sum", {reduce(reduce_sum_op, integers(s, -100, 100), {axis})}, 0);
      same("softmax", {softmax(x, axis)});
      same("float32 softmax", {softmax(f32(x), axis)}, 1e-6);
      const double n = static_cast<double>(s[axis]);
      const NodeRef mean = reduce(reduce_sum_op, x, {axis}) * (1 / n);
      const NodeRef c = x - keep(mean, s, axis);
      const NodeRef variance = reduce(reduce_sum_op, c * c, {axis}) * (1 / n);
      const NodeRef rstd = unary(recip_op, unary(exp_op, variance) + 1e-5);
      same("normalise", {c * keep(rstd, s, axis), mean, rstd});
      same("mean kept", {reshape(mean, axis ? Shape{s[0], 1} : Shape{1, s[1]}) + 1.0});
      same("reduced transpose", {reduce(reduce_sum_op, permute(x, {1, 0}) + 1.0, {axis})});
      same("sum of outer",
           {reduce(reduce_sum_op,
                   unary(exp_op, broadcast(input({s[1]}), s, {1}) - broadcast(input({s[0]}), s, {0})),
                   {axis})});
    }
    same("full sum", {reduce(reduce_sum_op, x * x, {0, 1}), reduce(reduce_max_op, x, {0, 1}) + 1.0}, 1e-11);
  }
  for (const Shape& s : {Shape{6, 20, 100}, Shape{30, 5, 12}, Shape{4, 3, 500}, Shape{100, 7, 1}}) {
    const NodeRef x = input(s), y = input({s[0], s[2], s[1]});
    same("seed", {reduce(reduce_sum_op, (permute(x, {0, 2, 1}) + 2.0) + y, {2}) * 3.0});
    same("middle", {reduce(reduce_sum_op, x, {1}), reduce(reduce_max_op, x, {1})});
    same("outer axes", {reduce(reduce_sum_op, x * x, {0, 2})}, 1e-11);
    same("batch normalisation",
         {(x -
           broadcast(reduce(reduce_sum_op, x, {0, 2}) * (1.0 / static_cast<double>(s[0] * s[2])), s, {1})) *
          2.0});
    same("leading", {reduce(reduce_sum_op, x, {0})});
  }
  for (const Shape& s : {Shape{6, 5, 4, 4}, Shape{64, 12, 4, 4}, Shape{9, 33, 2, 5}, Shape{16, 3, 8, 8}}) {
    const NodeRef x = input(s);
    const double n = static_cast<double>(s[0] * s[2] * s[3]);
    const NodeRef mean = reduce(reduce_sum_op, x, {0, 2, 3}) * (1 / n), c = x - broadcast(mean, s, {1});
    const NodeRef scale = unary(exp_op, reduce(reduce_sum_op, c * c, {0, 2, 3}) * (1 / n));
    same("channels",
         {c * broadcast(scale * input({s[1]}), s, {1}) + broadcast(input({s[1]}), s, {1}), mean, scale});
    same("random channels",
         {x * iota(s, 3, DType::float64, {}) + reshape(iota({count_of(s)}, 0, DType::float64, {}), s)});
  }
  // Axes of one element among the reduced and the kept ones, between others.
  for (const Shape& s : {Shape{1, 2, 5, 5}, Shape{2, 1, 1, 3}, Shape{3, 1, 4, 1}, Shape{1, 1, 1, 1}})
    for (int axes = 1; axes < 16; ++axes) {
      Ints reduced;
      Shape ones = s;
      for (int64_t d = 0; d < 4; ++d)
        if (axes >> d & 1) {
          reduced.push_back(d);
          ones[static_cast<size_t>(d)] = 1;
        }
      const NodeRef x = input(s);
      const NodeRef total = reshape(reduce(reduce_sum_op, x, reduced), ones);
      same("ones", {x - broadcast_to(total, s), total * 2.0}, 1e-11);
    }
  // Split into parts.
  for (const Shape& s :
       {Shape{1, 300000}, Shape{300001, 1}, Shape{20000, 33}, Shape{3, 100003}, Shape{50000, 3}}) {
    const NodeRef x = input(s);
    for (int64_t axis : {0, 1})
      same("parts", {reduce(reduce_sum_op, x, {axis}), reduce(reduce_max_op, x * 2.0, {axis}) + 1.0}, 1e-10);
    same("all parts", {reduce(reduce_sum_op, f32(x), {0, 1}) * 2.0}, 1e-6);
  }
  // No elements.
  const NodeRef none = input({0, 3});
  same("empty columns", {reduce(reduce_sum_op, none, {0}) + 1.0, reduce(reduce_prod_op, none, {0})});
  same("empty rows", {reduce(reduce_sum_op, none, {1})});
  same("empty softmax", {softmax(none, 1)});
  same("empty all",
       {reduce(reduce_sum_op, none, {0, 1}), reduce(reduce_all_op, binary(less_op, none, none), {0, 1})});
}

void numerics() {
  // 1e8 * 0.1 in float32, and NaN in maxima wherever it stands.
  const NodeRef tenth = full_node(0.1, Aval{{100000000}, DType::float32});
  const Ran sum = launch({reduce(reduce_sum_op, tenth, {0})});
  CHECK_NEAR(element(sum.outputs[0], DType::float32, 0) / 1e7, 1.0, 1e-6);
  for (int64_t n : {3, 70, 5000})
    for (int64_t bad : {int64_t{0}, n / 2, n - 1}) {
      const NodeRef x = input({n, 2});
      static_cast<double*>(x->buffer.load()->data)[bad * 2] = NAN;
      const Ran ran = launch({reduce(reduce_max_op, x, {0}), reduce(reduce_min_op, f32(x), {0})});
      CHECK(std::isnan(element(ran.outputs[0], DType::float64, 0)) &&
            !std::isnan(element(ran.outputs[0], DType::float64, 1)));
      CHECK(std::isnan(element(ran.outputs[1], DType::float32, 0)));
    }
  // Integer sums wrap; 16-bit floats round after every op and add up in float32 or wider.
  const NodeRef big = full_node(int64_t{100}, Aval{{1000}, DType::int8});
  const Ran wrapped = launch({astype(reduce(reduce_sum_op, big, {0}), DType::int64)});
  CHECK(element(wrapped.outputs[0], DType::int64, 0) == static_cast<double>(static_cast<int8_t>(100000)));
  for (DType half : {DType::float16, DType::bfloat16}) {
    const NodeRef x = input({37, 130});
    const NodeRef h = astype(f32(x), half);
    same("half", {f64(h * h + h)}, half == DType::float16 ? 4e-3 : 4e-2);
    same("half sum", {f64(reduce(reduce_sum_op, h * h, {1}))}, half == DType::float16 ? 4e-3 : 2e-2);
    same("half softmax", {f64(softmax(h, 1))}, 1e-2);
    const NodeRef ones =
        full_node(1.0, Aval{{30000}, half});  // in its own dtype the sum would stop at 2048 or 256
    CHECK_NEAR(element(launch({f64(reduce(reduce_sum_op, ones, {0}))}).outputs[0], DType::float64, 0), 30000,
               half == DType::float16 ? 8 : 64);
  }
}

// Results do not depend on the number of threads.
void threads() {
  const NodeRef x = f32(input({70, 5003})), y = f32(input({300001}));
  const std::vector<NodeRef> work[] = {
      {softmax(x, 1)}, {reduce(reduce_sum_op, x, {0})}, {reduce(reduce_sum_op, y, {0})}, {x * x}};
  for (const auto& outputs : work) {
    set_num_threads(1);
    const Ran one = launch(outputs);
    set_num_threads(3);
    CHECK(launch(outputs).outputs == one.outputs);
  }
  set_num_threads(0);
}

void sharing() {
  const auto pairs = [](const std::vector<NodeRef>& outputs) {
    std::vector<NodeRef> captures;
    const Graph graph = flatten({}, outputs, 0, captures);
    return compile_kernel(lower(graph, whole(graph))).in_place;
  };
  const NodeRef x = input({8, 300}), y = input({8, 300}), g = input({300});
  CHECK(pairs({x + y}).size() == 2);
  CHECK(pairs({permute(x, {1, 0}) * 2.0}).empty());
  CHECK((pairs({x * broadcast(g, {8, 300}, {1})}) == std::vector<std::pair<int, int>>{{0, 0}}));
  CHECK(pairs({softmax(x, 1)}).size() == 1);
  // The first output is written before the second has read x.
  const auto two = pairs({x * 2.0, unary(exp_op, x)});
  CHECK((two == std::vector<std::pair<int, int>>{{1, 0}}));
}

}  // namespace

int main() {
  const OpenTrace trace(false);  // the slow evaluator orders nodes by their serials
  maps();
  gathers();
  reductions();
  numerics();
  threads();
  sharing();
  return finish("kernel");
}
