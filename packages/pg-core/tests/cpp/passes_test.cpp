// Every pass on a small program: the text before and after stands in tests/golden. Passes are linear: they
// look twice as often at twice as many records. And the rules that no function of the package asks for.

#include "compiler/passes/fuse.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/rules.h"
#include "compiler/passes/segments.h"
#include "compiler/print.h"
#include "compiler/rewrites.h"
#include "golden.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "runtime/pool.h"

using namespace pg;

namespace {

NodeRef input(const Shape& shape, DType dtype = DType::float32) {
  return buffer_node(allocate_items(count_of(shape), size_of(dtype)), {shape, dtype});
}
Graph graph_of(const std::vector<NodeRef>& outputs) {
  std::vector<NodeRef> captures;
  return flatten({}, outputs, 0, captures);
}

void golden(const std::string& pass, const Graph& before, const Graph& after) {
  verify(after);
  compare_golden("pass_" + pass + ".txt",
                 concat("before:\n", to_string(before), "after:\n", to_string(after)));
}

// exp(x) * (1 + y) on a body, as a custom rule holds one.
Graph with_body() {
  GraphBuilder body;
  const Id x = body.param({{4}, DType::float32});
  const Id y = body.add(exp_op, {x}, {});
  const PayloadRef closed = intern(body.finish({y}));
  GraphBuilder out;
  const Id a = out.param({{4}, DType::float32});
  const Id called = out.add(custom_vjp_op, {a}, {closed->id, closed->id, closed->id, 0});
  const Id picked = out.add(pick_op, {called}, {0, static_cast<int64_t>(DType::float32), 0, 4});
  return out.finish({out.add(add_op, {picked, a}, {})});
}

// A scan whose first carry is the sum of its second, which counts; of its results the second of the xs is
// read.
Graph with_loop() {
  GraphBuilder body;
  const Id constant = body.param({{4}, DType::float32}), unread = body.param({{4}, DType::float32});
  const Id total = body.param({{4}, DType::float32}), counted = body.param({{4}, DType::float32});
  const Id x = body.param({{4}, DType::float32}), y = body.param({{4}, DType::float32});
  const PayloadRef closed =
      intern(body.finish({body.add(add_op, {total, counted}, {}), body.add(add_op, {counted, constant}, {}),
                          body.add(mul_op, {counted, x}, {}), body.add(mul_op, {unread, y}, {})}));
  GraphBuilder out;
  SmallVector<Id, 3> operands;
  for (int i = 0; i < 4; ++i) operands.push_back(out.param({{4}, DType::float32}));
  for (int i = 0; i < 2; ++i) operands.push_back(out.param({{9, 4}, DType::float32}));
  const Id scanned = out.add(scan_op, operands, Scan(closed->id, 9, false, 2, 2).attrs());
  return out.finish({out.add(pick_op, {scanned}, {2, static_cast<int64_t>(DType::float32), 0, 9, 4})});
}

class HypotForNorm final : public UserRewrite {
 public:
  HypotForNorm() : at_4_(at({4})) {}
  const std::string& name() const override { return name_; }
  const Graph& example() const override { return *at_4_.pattern->graph; }
  std::optional<RewriteAt> at(std::span<const Aval> types) const override {
    if (types[0].shape != types[1].shape) return std::nullopt;
    return at(types[0].shape);
  }

 private:
  static RewriteAt at(const Shape& shape) {
    const auto closed = [&](auto&& make) {
      GraphBuilder out;
      const Aval type{shape, DType::float32};
      const Id x = out.param(type), y = out.param(type);
      const Id made = make(out, x, y);
      return intern(out.finish({made}));
    };
    return {closed([](GraphBuilder& out, Id x, Id y) {
              return out.add(
                  sqrt_op, {out.add(add_op, {out.add(mul_op, {x, x}, {}), out.add(mul_op, {y, y}, {})}, {})},
                  {});
            }),
            closed([](GraphBuilder& out, Id x, Id y) { return out.add(hypot_op, {x, y}, {}); })};
  }
  std::string name_ = "norm";
  RewriteAt at_4_;
};

NodeRef norm(const NodeRef& x, const NodeRef& y) { return unary(sqrt_op, x * x + y * y); }

void goldens() {
  const Graph inlined = with_body();
  golden("inline", inlined, inline_bodies(inlined));

  const NodeRef x = input({2, 3}), y = input({2, 3}), row = input({3});
  const auto hidden = [](const NodeRef& n) { return make(stop_gradient_op, {n}); };
  const NodeRef one = hidden(fill_like(2.0, x)) - 1.0;
  const Graph simple = graph_of(
      {permute(hidden(permute(x, {1, 0})), {1, 0}) * one + unary(exp_op, broadcast(row, {2, 3}, {1})),
       x - y});
  golden("simplify", simple, simplify(simple));

  RewriteSet set{1, {std::make_shared<const HypotForNorm>()}};
  std::vector<RuleUse> uses;
  const NodeRef z = input({2, 3});
  const Graph norms = graph_of({norm(norm(x, y), z)});
  golden("rewrite", norms, rewrite(norms, set, &uses));
  CHECK(uses.size() == 1 && uses[0].name == "norm" && uses[0].times == 2);

  const Graph product = graph_of({dot_general(permute(x, {1, 0}), y, {0, 1}, {1, 2}, {0, 2})});
  golden("select_calls", product, remove_dead(select_calls(product)));

  const NodeRef w = input({3, 5}), bias = input({5});
  const auto times_w = [&](const NodeRef& left) { return dot_general(left, w, {0, 1}, {1, 2}, {0, 2}); };
  const NodeRef repeated = broadcast(bias, {2, 5}, {1}), added = input({2, 5});
  // A bias and an array are added on the way; what a kernel reads is not.
  const Graph sums = graph_of(
      {times_w(x) + repeated, added + times_w(y), unary(tanh_op, times_w(unary(sin_op, x)) + repeated)});
  golden("absorb_addends", sums, remove_dead(absorb_addends(sums)));

  const Graph views = graph_of({reshape(x + y, {6}), reshape(x, {3, 2})});
  golden("strip_reshapes", views, strip_reshapes(views));

  const Graph loop = with_loop();
  golden("unused_results", loop, remove_dead(unused_results(loop)));

  Graph dead = graph_of({x + y, unary(tanh_op, x * y)});
  dead.outputs.pop_back();
  golden("remove_dead", dead, remove_dead(dead));

  const NodeRef square = input({4, 4});
  const Graph steps = graph_of({reduce(
      reduce_sum_op, unary(tanh_op, dot_general(square, square, {0, 1}, {1, 2}, {0, 2})) * 2.0, {1})});
  compare_golden("pass_fuse.txt",
                 concat("before:\n", to_string(steps), "after:\n", steps_text(steps, fuse(steps))));

  const NodeRef rate = input({});
  const auto updated = [&](const Shape& shape) {
    return input(shape) - broadcast(rate * 2.0, shape, {}) * input(shape);
  };
  const Graph optimizer = graph_of({updated({10}), reshape(updated({7, 9}), {63}), updated({0, 4}),
                                    unary(exp_op, input({5})), unary(sin_op, input({5}))});
  const std::vector<Step> fused = fuse(optimizer);
  compare_golden("pass_segments.txt", concat("before:\n", steps_text(optimizer, fused), "after:\n",
                                             steps_text(optimizer, segments(optimizer, fused))));
}

// n updates of arrays of different lengths, and what makes some of them.
Graph updates(int n) {
  std::vector<NodeRef> outputs;
  for (int i = 0; i < n; ++i) {
    const NodeRef x = input({3 + i, 2});
    outputs.push_back(x - (i % 2 ? x : unary(exp_op, x)) * 0.5);
  }
  return graph_of(outputs);
}

// A chain in which every kind of rule has work, n times over.
Graph chain(int n) {
  const NodeRef x = input({4, 4}), row = input({4});
  NodeRef z = x;
  for (int i = 0; i < n; ++i) {
    z = permute(make(stop_gradient_op, {permute(z, {1, 0})}), {1, 0});
    z = z + unary(sin_op, broadcast(row + static_cast<double>(i), {4, 4}, {1}));
    z = norm(z, x);
    z = make(concat_op, {slice(z, {0, 0}, {2, 4}, {1, 1}), slice(z, {2, 0}, {4, 4}, {1, 1})}, {0});
  }
  return graph_of({z});
}

void linear_passes() {
  RewriteSet set{1, {std::make_shared<const HypotForNorm>()}};
  const auto looked = [&](int n) {
    int64_t simplified = 0, rewritten = 0, fused = 0, read = 0;
    const Graph graph = chain(n);
    const Graph plain = remove_dead(simplify(graph, nullptr, &simplified));
    rewrite(plain, set, nullptr, &rewritten);
    fuse(plain, &fused);
    const Graph optimizer = updates(n);
    const std::vector<Step> joined = segments(optimizer, fuse(optimizer), &read);
    CHECK(joined.size() == 2);
    return std::vector<int64_t>{simplified, rewritten, fused, static_cast<int64_t>(graph.size()), read};
  };
  const std::vector<int64_t> once = looked(100), twice = looked(200), four = looked(400);
  for (size_t i = 0; i < once.size(); ++i) {
    const double first = static_cast<double>(twice[i] - once[i]),
                 second = static_cast<double>(four[i] - twice[i]);
    CHECK(first > 0 && second < 2.2 * first);
  }
  CHECK(once[0] < 8 * once[3] && once[1] < 8 * once[3]);
}

// A join that grows by one piece at a time, and slices of it, are not gone through again and again.
void bounded() {
  const auto looked = [](int n) {
    NodeRef z = input({2, 4});
    std::vector<NodeRef> outputs;
    for (int i = 0; i < n; ++i) {
      z = make(concat_op, {z, input({1, 4})}, {0});
      outputs.push_back(slice(z, {1, 0}, {2 + i, 4}, {1, 1}));
    }
    int64_t out = 0;
    simplify(graph_of(outputs), nullptr, &out);
    return out;
  };
  CHECK(static_cast<double>(looked(800)) < 2.5 * static_cast<double>(looked(400)));
}

// What functions drop themselves: the compiler still meets it when a rule makes it.
void rare_rules() {
  const auto applied = [](const Op& op, const Attrs& attrs, const char* name, bool vanishes) {
    GraphBuilder b;
    const Id x = b.param({{3, 4}, DType::float32});
    SmallVector<Id, 3> inputs{x};
    if (&op == &pad_op) inputs.push_back(b.param({{}, DType::float32}));
    const Graph graph = b.finish({b.add(op, inputs, attrs)});
    std::vector<RuleUse> uses;
    const Graph out = simplify(graph, &uses);
    verify(out);
    CHECK(!uses.empty() && uses[0].name == name);
    CHECK((out.outputs[0] == out.inputs[0]) == vanishes);
  };
  applied(alias_op, {}, "identity", true);
  applied(broadcast_op, {2, 3, 4, 0, 1}, "broadcast without effect", true);
  applied(pad_op, {0, 0, 0, 0, 0, 0}, "pad without effect", true);
  applied(pad_op, {-1, 0, 0, 0, -2, 0}, "pad that crops", false);
}

}  // namespace

int main() {
  goldens();
  linear_passes();
  bounded();
  rare_rules();
  return finish("passes");
}
