// The index algebra against brute force: random expressions, built with simplification, have the value that
// plain arithmetic gives, and their bounds contain it.

#include <random>

#include "check.h"
#include "ir/index.h"

using namespace pg;
using namespace pg::ir;

namespace {

struct Random {
  std::mt19937 engine{7};
  int64_t below(int64_t n) { return static_cast<int64_t>(engine() % static_cast<uint64_t>(n)); }
  int64_t between(int64_t a, int64_t b) { return a + below(b - a + 1); }
};

/// An expression with its value by plain arithmetic at one point.
struct Pair {
  Expr e;
  std::function<int64_t(const std::vector<int64_t>&)> value;
};

void random_expressions() {
  Random random;
  for (int round = 0; round < 3000; ++round) {
    ExprContext context;
    const ExprScope scope(context);
    std::vector<Axis> axes;
    std::vector<int64_t> extents;
    for (int64_t i = random.between(1, 3); i-- > 0;) {
      extents.push_back(random.between(1, 7));
      axes.push_back(axis("i", extents.back()));
    }
    std::vector<Pair> pool;
    for (size_t i = 0; i < axes.size(); ++i)
      pool.push_back({expr(axes[i]), [i](const std::vector<int64_t>& at) { return at[i]; }});
    for (int64_t step = random.between(1, 8); step-- > 0;) {
      const Pair a = pool[static_cast<size_t>(random.below(static_cast<int64_t>(pool.size())))];
      const Pair b = pool[static_cast<size_t>(random.below(static_cast<int64_t>(pool.size())))];
      const int64_t k = random.between(-4, 12), c = random.between(1, 12);
      switch (random.below(5)) {
      case 0: pool.push_back({a.e + b.e, [=](const auto& at) { return a.value(at) + b.value(at); }}); break;
      case 1: pool.push_back({a.e * k, [=](const auto& at) { return a.value(at) * k; }}); break;
      case 2: pool.push_back({a.e + k, [=](const auto& at) { return a.value(at) + k; }}); break;
      case 3: pool.push_back({div(a.e, c), [=](const auto& at) { return floor_div(a.value(at), c); }}); break;
      case 4: pool.push_back({mod(a.e, c), [=](const auto& at) { return floor_mod(a.value(at), c); }}); break;
      }
    }
    std::vector<int64_t> at(axes.size(), 0);
    for (bool more = true; more;) {
      const auto value_of = [&](const Atom* atom) {
        return at[static_cast<size_t>(std::find(axes.begin(), axes.end(), atom) - axes.begin())];
      };
      for (const Pair& p : pool) {
        const int64_t want = p.value(at);
        CHECK(evaluate(p.e, value_of) == want);
        CHECK(p.e.low() <= want && want <= p.e.high());
      }
      more = false;
      for (size_t i = at.size(); i-- > 0 && !more;) {
        more = ++at[i] < extents[i];
        if (!more) at[i] = 0;
      }
    }
  }
}

void identities() {
  ExprContext context;
  const ExprScope scope(context);
  const Axis i = axis("i", 6), j = axis("j", 10);
  const Expr flat = flatten(std::vector<Expr>{expr(i), expr(j)}, Ints{6, 10});
  CHECK(flat == expr(i) * 10 + expr(j));
  const std::vector<Expr> back = unflatten(flat, Ints{6, 10});
  CHECK(back[0] == expr(i) && back[1] == expr(j));
  // A reshape and its inverse cancel, also when the extents do not divide each other.
  const std::vector<Expr> other = unflatten(flat, Ints{4, 15});
  CHECK(flatten(other, Ints{4, 15}) == flat);
  const Expr x = expr(axis("x", 480));
  CHECK(div(mod(x, 60), 6) * 6 + mod(x, 6) == mod(x, 60));
  CHECK(mod(expr(j), 10) == expr(j) && div(expr(j), 10) == expr(0));
  CHECK(div(mod(expr(axis("x", 1000)), 60), 10).high() == 5);
  CHECK(to_string(flat + 3) == "10*i + j + 3");
  const Axis k = axis("k", 60);
  const Expr moved = substitute(flat, [&](const Atom* a) {
    return a == i ? div(expr(k), 10) : a == j ? mod(expr(k), 10) : Expr();
  });
  CHECK(moved == expr(k));
  CHECK(flat.uses(i) && !flat.uses(k) && flat.coefficient(i) == 10);
  CHECK(expr(axis("one", 1)) == expr(0));  // else 2*one + i would not be found to be i
}

}  // namespace

int main() {
  random_expressions();
  identities();
  raised(ErrorKind::internal, [] { expr(1); });  // no context
  return finish("index");
}
