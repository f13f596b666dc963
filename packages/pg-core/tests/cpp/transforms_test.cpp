// The laws of differentiation on every record, against finite differences of a slow evaluator: the
// tangent is the derivative, jvp and vjp are adjoint, and both hold again for the gradient itself, to third
// order.

#include <random>

#include "engine/engine.h"
#include "graph/node_pool.h"
#include "reference.h"
#include "transforms/api.h"

using namespace pg;
using reference::tensor;
using reference::Value;

namespace {

using Nodes = std::vector<NodeRef>;
using Function = std::function<Nodes(const Nodes&)>;

std::mt19937 random_bits(7);

double uniform(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(random_bits);
}
std::vector<double> random_values(const Shape& shape) {
  std::vector<double> out(count_of(shape));
  for (double& v : out) v = uniform(-1, 1);
  return out;
}
NodeRef random_like(const Node& x) { return tensor(x.shape, random_values(x.shape)); }

Nodes stand_ins_of(const Nodes& inputs) {
  Nodes out;
  for (const NodeRef& x : inputs) out.push_back(alias_node(x));
  return out;
}
Derivative push(const Function& f, const Nodes& inputs, const Nodes& tangents) {
  const Nodes stand_ins = stand_ins_of(inputs);
  return jvp(f(stand_ins), stand_ins, inputs, tangents);
}
Linearized linearized(const Function& f, const Nodes& inputs) {
  const Nodes stand_ins = stand_ins_of(inputs);
  return vjp_linearize(f(stand_ins), stand_ins, inputs);
}
Nodes filled(Nodes values, const Nodes& like) {
  for (size_t i = 0; i < values.size(); ++i)
    if (!values[i]) values[i] = zeros_like(like[i]->aval());
  return values;
}
/// x -> cotangents of x, for fixed cotangents of the outputs.
Function gradient_of(const Function& f, const Nodes& cts) {
  return [f, cts](const Nodes& x) { return filled(pull(linearized(f, x), cts), x); };
}
Function grad(const Function& f) {
  return [f](const Nodes& x) {
    const Linearized y = linearized(f, x);
    return filled(pull(y, std::vector{full_node(1.0, y.primals[0]->aval())}), x);
  };
}

double inner(const std::vector<Value>& a, const std::vector<Value>& b) {
  double total = 0;
  for (size_t k = 0; k < a.size(); ++k)
    for (size_t i = 0; i < a[k].data.size(); ++i) total += a[k].data[i] * b[k].data.at(i);
  return total;
}
std::vector<double> numbers(const NodeRef& x) { return reference::evaluate({x})[0].data; }

/// The engine computes what the slow evaluator computes. Last use of these nodes: they are values afterwards.
void engine_agrees(const Nodes& nodes, const std::vector<Value>& expected) {
  std::vector<Node*> roots;
  for (const NodeRef& node : nodes) roots.push_back(node.get());
  engine::evaluate(roots);
  for (size_t k = 0; k < nodes.size(); ++k)
    for (size_t i = 0; i < expected[k].data.size(); ++i) {
      const double found = static_cast<const double*>(nodes[k]->buffer.load()->data)[i],
                   wanted = expected[k].data[i];
      CHECK_NEAR(found, wanted, 1e-12 * (1 + std::abs(wanted)));
    }
}

/// Checks f at these inputs, then its gradient, `order` times in all.
void laws(const char* name, const Function& f, const Nodes& inputs, int order = 3) {
  const int failures = check_failures;
  Nodes tangents, cts;
  for (const NodeRef& x : inputs) tangents.push_back(random_like(*x));
  const Derivative forward = push(f, inputs, tangents);
  for (const NodeRef& y : forward.primals) cts.push_back(random_like(*y));
  const Nodes tangents_out = filled(forward.tangents, forward.primals);
  const std::vector<Value> rate = reference::evaluate(tangents_out);

  const double step = 1e-5;
  std::vector<std::vector<Value>> moved;
  for (const double sign : {1.0, -1.0}) {
    Nodes at;
    for (size_t k = 0; k < inputs.size(); ++k) {
      std::vector<double> v = numbers(inputs[k]);
      const std::vector<double> t = numbers(tangents[k]);
      for (size_t i = 0; i < v.size(); ++i) v[i] += sign * step * t[i];
      at.push_back(tensor(inputs[k]->shape, v));
    }
    moved.push_back(reference::evaluate(f(at)));
  }
  for (size_t k = 0; k < rate.size(); ++k)
    for (size_t i = 0; i < rate[k].data.size(); ++i) {
      const double expected = (moved[0][k].data[i] - moved[1][k].data[i]) / (2 * step);
      CHECK_NEAR(rate[k].data[i], expected, 1e-6 * (1 + std::abs(expected)));
    }

  const Nodes pulled = filled(pull(linearized(f, inputs), cts), inputs);
  const std::vector<Value> back = reference::evaluate(pulled);
  const double left = inner(reference::evaluate(cts), rate),
               right = inner(back, reference::evaluate(tangents));
  CHECK_NEAR(left, right, 1e-9 * (1 + std::abs(left)));
  engine_agrees(tangents_out, rate);
  engine_agrees(pulled, back);
  if (check_failures != failures) std::fprintf(stderr, "  in %s, order left %d\n", name, order);
  if (order > 1) laws(name, gradient_of(f, cts), inputs, order - 1);
}

/// sin keeps linear ops from hiding mistakes at higher order.
void law_of(const char* name, const Function& f, const std::vector<Shape>& shapes) {
  const OpenTrace trace(false);
  Nodes inputs;
  for (const Shape& shape : shapes) inputs.push_back(tensor(shape, random_values(shape)));
  laws(name, f, inputs);
  laws(
      name,
      [&](const Nodes& x) {
        Nodes bent;
        for (const NodeRef& v : x) bent.push_back(unary(sin_op, v));
        Nodes y = f(bent);
        for (NodeRef& v : y) v = v * v;
        return y;
      },
      inputs);
}

// The slow evaluator knows real numbers only.
bool is_of_complex(const Op& op) {
  return op.name == "complex" || op.name == "real" || op.name == "imag" || op.name == "conj";
}

void elementwise() {
  int checked = 0;
  for (const Op* op : all_ops()) {
    const auto stated = [](const Fact& f) { return f.kind != FactKind::none; };
    if (!op->elementwise() || op == &where_op || op == &astype_op || op == &zeta_op || is_of_complex(*op) ||
        !std::any_of(op->facts.begin(), op->facts.end(), stated))
      continue;
    const OpenTrace trace(false);
    Nodes inputs;
    for (int i = 0; i < op->arity; ++i) {
      std::vector<double> values(5);
      for (double& v : values) v = uniform(0.15, 0.85) + (op == &acosh_op ? 1 : 0);
      inputs.push_back(tensor({5}, values));
    }
    laws(op->name.c_str(), [op](const Nodes& x) { return Nodes{make(*op, x)}; }, inputs);
    ++checked;
  }
  CHECK(checked >= 30);
  law_of("zeta",
         [](const Nodes& x) { return Nodes{binary(zeta_op, fill_like(2.5, x[0]), x[0] * x[0] + 0.5)}; },
         {{5}});  // by its first operand it raises
  law_of("where",
         [](const Nodes& x) {
           return Nodes{where(binary(less_op, x[0], x[1]), x[0] * x[1], unary(exp_op, x[1]))};
         },
         {{6}, {6}});

  const OpenTrace trace(false);
  const auto at = [](const Function& f, const std::vector<double>& x) {
    return numbers(grad(f)({tensor({}, {x[0]}), tensor({}, {x[1]})})[0])[0];
  };
  const auto by = [](const Op& op) {
    return Function([&op](const Nodes& x) { return Nodes{binary(op, x[0], x[1])}; });
  };
  CHECK(at(by(maximum_op), {2, 2}) == 0.5 && at(by(minimum_op), {2, 2}) == 0.5);
  CHECK(at(by(pow_op), {0, 0}) == 0 && at(by(pow_op), {0, 1}) == 1 && at(by(pow_op), {0, 2}) == 0);
  const Function power = by(pow_op);
  const Function second = [&](const Nodes& x) { return Nodes{grad(power)(x)[0]}; };
  CHECK(at(second, {0, 0}) == 0 && at(second, {0, 1}) == 0 && at(second, {0, 2}) == 2);
  const Function tail = [](const Nodes& x) { return Nodes{unary(sigmoid_op, x[0])}; };
  CHECK_NEAR(at(tail, {40, 0}) / std::exp(-40), 1, 1e-12);
}

NodeRef zero() { return zeros_like({{}, DType::float64, false, {}}); }
NodeRef rows(const Shape& shape, const std::vector<double>& values) {
  return tensor(shape, values, DType::int64);
}

void views() {
  law_of("reshape", [](const Nodes& x) { return Nodes{reshape(x[0], {3, 2})}; }, {{2, 3}});
  law_of("permute", [](const Nodes& x) { return Nodes{permute(x[0], {2, 0, 1})}; }, {{2, 3, 4}});
  law_of("broadcast", [](const Nodes& x) { return Nodes{broadcast(x[0], {4, 2, 5, 3}, {1, 3})}; }, {{2, 3}});
  law_of("broadcast_to", [](const Nodes& x) { return Nodes{broadcast_to(x[0], {4, 2, 3})}; }, {{2, 1}});
  law_of("slice", [](const Nodes& x) { return Nodes{slice(x[0], {1, 0}, {5, 4}, {2, 3})}; }, {{6, 4}});
  law_of("slice down", [](const Nodes& x) { return Nodes{slice(x[0], {5, 3}, {0, -1}, {-2, -1})}; },
         {{6, 4}});
  law_of("slice of nothing", [](const Nodes& x) { return Nodes{slice(x[0], {2}, {2}, {1})}; }, {{6}});
  law_of("flip", [](const Nodes& x) { return Nodes{flip(x[0], {0})}; }, {{3, 2}});
  law_of("pad", [](const Nodes& x) { return Nodes{pad(x[0], x[1], {1, 2}, {0, 3}, {0, 2})}; }, {{2, 3}, {}});
  law_of("crop", [](const Nodes& x) { return Nodes{pad(x[0], x[1], {-1, 2}, {-1, -3}, {0, 1})}; },
         {{4, 3}, {}});
  law_of("crop after interior", [](const Nodes& x) { return Nodes{pad(x[0], x[1], {-1}, {-2}, {2})}; },
         {{4}, {}});
  law_of("pad of nothing", [](const Nodes& x) { return Nodes{pad(x[0], x[1], {1}, {2}, {1})}; }, {{0}, {}});
  law_of("concat", [](const Nodes& x) { return Nodes{make(concat_op, {x[0], x[1], x[0]}, {1})}; },
         {{2, 3}, {2, 1}});
}

void reductions() {
  law_of("sum", [](const Nodes& x) { return Nodes{reduce(reduce_sum_op, x[0], {2, 0})}; }, {{2, 3, 4}});
  law_of("max", [](const Nodes& x) { return Nodes{reduce(reduce_max_op, x[0], {1})}; }, {{2, 3, 4}});
  law_of("min", [](const Nodes& x) { return Nodes{reduce(reduce_min_op, x[0], {0, 2})}; }, {{2, 3, 4}});
  law_of("prod", [](const Nodes& x) { return Nodes{reduce(reduce_prod_op, x[0], {1})}; }, {{2, 5, 2}});
  law_of("prod of all", [](const Nodes& x) { return Nodes{reduce(reduce_prod_op, x[0], {0, 1})}; }, {{2, 3}});

  const OpenTrace trace(false);
  const Function prod = [](const Nodes& x) { return Nodes{reduce(reduce_prod_op, x[0], {0})}; };
  laws("prod at one zero", prod, {tensor({4}, {2, 0, 3, 4})});
  laws("prod at zeros", prod, {tensor({5}, {2, 0, 3, 0, 4})});
  laws("prod at all zeros", prod, {tensor({3}, {0, 0, 0})});
  const Function cumprod = [](const Nodes& x) {
    return Nodes{cumulative(cumulative_prod_op, x[0], 0, false)};
  };
  laws("cumprod at zeros", cumprod, {tensor({7}, {2, 0, 3, 0, 4, 1, 2})});
  laws("cumprod of zeros", cumprod, {tensor({4}, {0, 0, 0, 0})});

  const auto grad_at = [](const Op& op, std::vector<double> v) {
    const Function f = [&op](const Nodes& x) { return Nodes{reduce(op, x[0], {0})}; };
    return numbers(grad(f)({tensor({static_cast<int64_t>(v.size())}, v)})[0]);
  };
  CHECK((grad_at(reduce_max_op, {1, 3, 3, 2}) == std::vector<double>{0, 0.5, 0.5, 0}));
  CHECK((grad_at(reduce_min_op, {1, 1, 1, 2}) == std::vector<double>{1 / 3., 1 / 3., 1 / 3., 0}));
}

void ordered() {
  for (const bool reverse : {false, true}) {
    law_of("cumsum", [=](const Nodes& x) { return Nodes{cumulative(cumulative_sum_op, x[0], 1, reverse)}; },
           {{2, 5, 2}});
    law_of("cumprod", [=](const Nodes& x) { return Nodes{cumulative(cumulative_prod_op, x[0], 0, reverse)}; },
           {{6, 2}});
    law_of("cummax", [=](const Nodes& x) { return Nodes{cumulative(cumulative_max_op, x[0], 0, reverse)}; },
           {{6, 2}});
    law_of("cummin", [=](const Nodes& x) { return Nodes{cumulative(cumulative_min_op, x[0], 1, reverse)}; },
           {{2, 6}});
    law_of("sort", [=](const Nodes& x) { return Nodes{make(sort_op, {x[0]}, {1, reverse})}; }, {{2, 5, 3}});
  }
  const OpenTrace trace(false);
  const Function f = [](const Nodes& x) {
    return Nodes{reduce(reduce_sum_op, cumulative(cumulative_max_op, x[0], 0, false), {0})};
  };
  CHECK((numbers(grad(f)({tensor({5}, {1, 3, 3, 2, 4})})[0]) ==
         std::vector<double>{1, 1, 2, 0, 1}));  // the latest of equals
}

void gathers() {
  using enum IndexMode;
  law_of("gather", [](const Nodes& x) { return Nodes{gather(x[0], rows({2, 2}, {3, 0, 3, 1}), raise)}; },
         {{4, 3}});
  law_of("gather clip", [](const Nodes& x) { return Nodes{gather(x[0], rows({3}, {9, -2, 1}), clip)}; },
         {{4}});
  law_of("gather drop", [](const Nodes& x) { return Nodes{gather(x[0], rows({3}, {9, -2, 1}), drop)}; },
         {{4, 2}});
  law_of("take_along",
         [](const Nodes& x) { return Nodes{take_along(x[0], rows({2, 2, 2}, {2, 0, 1, 1, 0, 0, 2, 2}), 1)}; },
         {{2, 3, 2}});
  for (const ScatterMode mode : {ScatterMode::set, ScatterMode::add, ScatterMode::min, ScatterMode::max}) {
    law_of("scatter",
           [=](const Nodes& x) { return Nodes{scatter(x[0], rows({3}, {3, 0, 3}), x[1], mode, raise)}; },
           {{4, 2}, {3, 2}});
    law_of("scatter one",
           [=](const Nodes& x) { return Nodes{scatter(x[0], rows({}, {2}), x[1], mode, raise)}; },
           {{4, 2}, {2}});
    law_of("scatter clip",
           [=](const Nodes& x) { return Nodes{scatter(x[0], rows({4}, {9, 3, -1, 1}), x[1], mode, clip)}; },
           {{4}, {4}});
  }
  for (const ScatterMode mode : {ScatterMode::set, ScatterMode::add})
    law_of("scatter drop",
           [=](const Nodes& x) { return Nodes{scatter(x[0], rows({4}, {9, 3, -1, 3}), x[1], mode, drop)}; },
           {{4}, {4}});

  const OpenTrace trace(false);
  const Function mul = [](const Nodes& x) {
    return Nodes{scatter(x[0], rows({3}, {1, 1, 0}), x[1], ScatterMode::mul, raise)};
  };
  laws("scatter mul", mul, {tensor({2}, {1, 2}), tensor({3}, {3, 4, 5})});
  laws("scatter mul at zeros", mul, {tensor({2}, {1, 0}), tensor({3}, {3, 0, 5})});
}

void contractions() {
  law_of("dot", [](const Nodes& x) { return Nodes{dot_general(x[0], x[1], {0, 1}, {1, 2}, {0, 2})}; },
         {{2, 3}, {3, 4}});
  law_of("batched dot",
         [](const Nodes& x) { return Nodes{dot_general(x[0], x[1], {7, 0, 1}, {2, 1, 7}, {2, 7, 0})}; },
         {{2, 3, 4}, {2, 4, 2}});
  law_of("outer", [](const Nodes& x) { return Nodes{dot_general(x[0], x[1], {0}, {1}, {1, 0})}; },
         {{2}, {3}});
  law_of("inner", [](const Nodes& x) { return Nodes{dot_general(x[0], x[1], {0}, {0}, {})}; }, {{3}, {3}});
  law_of("square", [](const Nodes& x) { return Nodes{dot_general(x[0], x[0], {0, 1}, {2, 1}, {0, 2})}; },
         {{2, 3}});

  law_of("conv 1d", [](const Nodes& x) { return Nodes{conv(x[0], x[1], {2}, {1}, {2}, {1}, 1)}; },
         {{2, 3, 6}, {2, 3, 3}});
  law_of("conv 2d",
         [](const Nodes& x) { return Nodes{conv(x[0], x[1], {2, 1}, {1, 0}, {0, -1}, {1, 2}, 2)}; },
         {{1, 4, 5, 6}, {2, 2, 2, 3}});
  law_of("conv cropped",
         [](const Nodes& x) { return Nodes{conv(x[0], x[1], {3, 2}, {-1, 0}, {1, 0}, {1, 1}, 1)}; },
         {{1, 1, 6, 6}, {1, 1, 2, 2}});
  law_of(
      "conv 3d",
      [](const Nodes& x) { return Nodes{conv(x[0], x[1], {1, 2, 1}, {0, 1, 0}, {0, 1, 0}, {1, 1, 1}, 1)}; },
      {{1, 1, 2, 3, 2}, {1, 1, 1, 2, 2}});
}

void pools() {
  for (const Op* op : {&reduce_window_max_op, &reduce_window_sum_op}) {
    law_of("window",
           [=](const Nodes& x) {
             return Nodes{reduce_window(*op, x[0], {2, 3}, {2, 1}, {0, 1}, {1, 1}, {1, 1})};
           },
           {{2, 4, 5}});
    law_of("window dilated",
           [=](const Nodes& x) { return Nodes{reduce_window(*op, x[0], {2}, {1}, {0}, {0}, {2})}; },
           {{2, 2, 6}});
  }
  const OpenTrace trace(false);
  const Function f = [](const Nodes& x) {
    return Nodes{reduce_window(reduce_window_max_op, x[0], {3}, {3}, {0}, {0}, {1})};
  };
  CHECK((numbers(grad(f)({tensor({3}, {2, 2, 1})})[0]) ==
         std::vector<double>{1, 0, 0}));  // the first of equals
}

void nesting() {
  const OpenTrace trace(false);
  const NodeRef x = tensor({}, {0.7});
  // Perturbation confusion: d/dx (x * d/dy (x + y)) = 1.
  const Function confused = [](const Nodes& x) {
    const Function sum = [&](const Nodes& y) { return Nodes{x[0] + y[0]}; };
    return Nodes{x[0] * grad(sum)({full_node(1.0, x[0]->aval())})[0]};
  };
  CHECK_NEAR(numbers(grad(confused)({x})[0])[0], 1, 1e-12);

  Function f = [](const Nodes& x) { return Nodes{unary(tanh_op, x[0]) * x[0]}; };
  laws("grad grad grad", grad(grad(grad(f))), {x}, 2);
  const Function forward = [&](const Nodes& x) {
    return push(f, x, {full_node(1.0, x[0]->aval())}).tangents;
  };
  CHECK_NEAR(numbers(grad(forward)({x})[0])[0], numbers(grad(grad(f))({x})[0])[0],
             1e-12);  // reverse over forward

  // A stand-in that leaves its trace is its value; an output that does not depend on the input has no
  // tangent.
  NodeRef leaked;
  const Function leaky = [&](const Nodes& x) {
    leaked = x[0];
    return Nodes{x[0] * x[0], tensor({}, {3})};
  };
  const Linearized y = linearized(leaky, {x});
  CHECK(!y.tangents[1]);
  CHECK_NEAR(numbers(leaked)[0], 0.7, 0);
  CHECK(!pull(y, Nodes{nullptr, full_node(1.0, x->aval())})[0]);

  // Integers carry no tangent; stop_gradient ends one.
  const Function steps = [](const Nodes& x) {
    return Nodes{astype(astype(x[0], DType::int64), DType::float64), unary(stop_gradient_op, x[0]) * x[0]};
  };
  const Derivative d = push(steps, {x}, {full_node(1.0, x->aval())});
  CHECK(!d.tangents[0]);
  CHECK_NEAR(numbers(d.tangents[1])[0], 0.7, 0);
}

void errors() {
  const OpenTrace trace(false);
  const NodeRef x = tensor({2}, {1, 2});
  const Linearized y = linearized([](const Nodes& v) { return Nodes{v[0] * v[0]}; }, {x});
  raised(ErrorKind::shape, [&] { pull(y, Nodes{full_node(1.0, {{3}, DType::float64, false, {}})}); });
  raised(ErrorKind::dtype, [&] { pull(y, Nodes{full_node(1.0, {{2}, DType::float32, false, {}})}); });
  raised(ErrorKind::value, [&] { pull(y, Nodes{}); });
  raised(ErrorKind::shape, [&] { reshape(x, {3}); });
  raised(ErrorKind::shape, [&] { dot_general(x, tensor({3}, {1, 2, 3}), {0}, {0}, {}); });
  raised(ErrorKind::index, [&] { reduce(reduce_sum_op, x, {1}); });
}

void simplifications() {
  const OpenTrace trace(false);
  const NodeRef x = tensor({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(reshape(reshape(x, {6}), {2, 3}) == x);
  CHECK(reshape(reshape(x, {6}), {3, -1}) == reshape(x, {3, 2}));
  CHECK(permute(permute(x, {1, 0}), {1, 0}) == x);
  CHECK(broadcast_to(x, {2, 3}) == x);
  CHECK(slice(x, {0, 0}, {2, 3}, {1, 1}) == x);
  CHECK(slice(x, {0, 0}, {2, 4}, {1, 2}) == slice(x, {0, 0}, {2, 3}, {1, 2}));
  CHECK(pad(x, zero(), {0, 0}, {0, 0}, {0, 0}) == x);
  CHECK(reduce(reduce_sum_op, x, {}) == x);
  CHECK(is_full_of(broadcast_to(full_node(2.0, {{}, DType::float64, false, {}}), {4, 4}), 2.0));
  CHECK(dot_general(x, x, {4, 5}, {6, 5}, {4, 6}) == dot_general(x, x, {0, 1}, {2, 1}, {0, 2}));
}

void long_chain() {
  const int64_t before = live_nodes();
  {
    const OpenTrace trace(false);
    const auto chain_of = [](int length) {
      return Function([length](const Nodes& x) {
        NodeRef y = x[0];
        for (int i = 0; i < length; ++i) y = unary(sin_op, y);
        return Nodes{y};
      });
    };
    const NodeRef x = tensor({}, {0.5});
    double expected = 1, at = 0.5;
    for (int i = 0; i < 100000; ++i, at = std::sin(at)) expected *= std::cos(at);
    CHECK_NEAR(numbers(grad(chain_of(100000))({x})[0])[0] / expected, 1, 1e-9);
    CHECK(live_nodes() - before < 10 * 100000);
    CHECK(grad(grad(chain_of(20000)))({x})[0]->serial > 0);
  }
  CHECK(live_nodes() == before);
}

}  // namespace

int main() {
  elementwise();
  views();
  reductions();
  ordered();
  gathers();
  contractions();
  pools();
  nesting();
  errors();
  simplifications();
  long_chain();
  CHECK(live_nodes() == 0);
  return finish("transforms");
}
