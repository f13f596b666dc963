#include "compiler/kernel/coordinates.h"

#include <algorithm>
#include <set>

#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

using ir::Atom;
using ir::AtomKind;
using ir::Axis;
using ir::Expr;

/// Neighbouring domain axes of one class (kept or reduced) that are counted by one list of loop axes.
struct Cluster {
  bool reduced;
  std::vector<size_t> dims;
  std::vector<Axis> axes;  // major first
};

std::vector<Expr> coordinates(const std::vector<Cluster>& clusters, const Domain& domain) {
  std::vector<Expr> out(domain.shape.size());
  for (const Cluster& c : clusters) {
    std::vector<Expr> counters;
    Ints extents, shape;
    for (Axis a : c.axes) {
      counters.push_back(ir::expr(a));
      extents.push_back(a->extent());
    }
    for (size_t d : c.dims) shape.push_back(domain.shape[d]);
    const std::vector<Expr> parts = ir::unflatten(ir::flatten(counters, extents), shape);
    for (size_t i = 0; i < parts.size(); ++i) out[c.dims[i]] = parts[i];
  }
  return out;
}

// i/c or i%c of a whole axis that c divides.
struct SplitAt {
  Axis axis = nullptr;
  int64_t inner = 1;
};
SplitAt find_split(const std::vector<Access>& accesses) {
  for (const Access& a : accesses)
    for (const ir::Term& t : a.e.terms()) {
      if (!t.atom->of || t.atom->of.constant() != 0 || t.atom->of.terms().size() != 1) continue;
      const ir::Term inner = t.atom->of.terms()[0];
      if (inner.coefficient == 1 && inner.atom->kind == AtomKind::axis && inner.atom->extent() > t.atom->by &&
          inner.atom->extent() % t.atom->by == 0)
        return {inner.atom, t.atom->by};
    }
  return {};
}

bool nested(Expr e, const Atom* axis) {
  return std::any_of(e.terms().begin(), e.terms().end(),
                     [&](const ir::Term& t) { return t.atom->of && t.atom->of.uses(axis); });
}

bool mergeable(const std::vector<Access>& accesses, Axis a, Axis b) {
  if (a->extent() == 1 || b->extent() == 1) return true;
  return std::all_of(accesses.begin(), accesses.end(), [&](const Access& x) {
    return !nested(x.e, a) && !nested(x.e, b) && x.e.coefficient(a) == x.e.coefficient(b) * b->extent();
  });
}

Axis merged(Axis a, Axis b) {
  return ir::axis(a->extent() == 1   ? b->name
                  : b->extent() == 1 ? a->name
                                     : a->name + b->name,
                  a->extent() * b->extent());
}

bool merge_once(std::vector<Cluster>& clusters, const std::vector<Access>& accesses) {
  for (size_t i = 0; i < clusters.size(); ++i) {
    std::vector<Axis>& axes = clusters[i].axes;
    for (size_t k = 1; k < axes.size(); ++k)
      if (mergeable(accesses, axes[k - 1], axes[k])) {
        axes[k - 1] = merged(axes[k - 1], axes[k]);
        axes.erase(axes.begin() + static_cast<int64_t>(k));
        return true;
      }
    if (i == 0 || clusters[i].reduced != clusters[i - 1].reduced) continue;
    Cluster& before = clusters[i - 1];
    if (!mergeable(accesses, before.axes.back(), axes.front())) continue;
    before.axes.back() = merged(before.axes.back(), axes.front());
    before.axes.insert(before.axes.end(), axes.begin() + 1, axes.end());
    before.dims.insert(before.dims.end(), clusters[i].dims.begin(), clusters[i].dims.end());
    clusters.erase(clusters.begin() + static_cast<int64_t>(i));
    return true;
  }
  return false;
}

}  // namespace

std::vector<Access> accesses_of(const GroupReader& group, const Domain& domain,
                                const std::vector<Root>& roots, const std::vector<Expr>& index) {
  std::vector<Access> out;
  Points points;
  std::set<std::pair<Id, int>> seen;
  std::vector<std::pair<Id, int>> stack;
  const auto push = [&](Id id, std::vector<Expr> at) {
    const std::pair<Id, int> key{id, points.intern(std::move(at))};
    if (seen.insert(key).second) stack.push_back(key);
  };
  for (const Root& root : roots) {
    std::vector<Expr> at = root_index(group, root, domain, index);
    out.push_back({store_index(group, root, at), 2});
    push(root.node, std::move(at));
  }
  while (!stack.empty()) {
    const auto [id, point] = stack.back();
    stack.pop_back();
    const std::vector<Expr> at = points[point];
    const Graph::Record& r = group[id];
    if (group.is_input(id)) {
      out.push_back({ir::flatten(at, r.type.shape), 1});
    } else if (r.op->as<View>()) {
      ViewIndex v = group.view(id, at);
      for (const Condition& c : v.conditions) out.push_back({c.e, 0, true});
      push(r.inputs[0], std::move(v.source));
      if (r.inputs.size() > 1) push(r.inputs[1], {});
    } else if (const Concat* c = r.op->as<Concat>()) {
      const int axis = c->axis(r.attrs);
      out.push_back({at[axis], 0});
      int64_t start = 0;
      for (Id in : r.inputs) {
        std::vector<Expr> inner = at;
        inner[axis] = inner[axis] - start;
        start += group.shape(in)[axis];
        push(in, std::move(inner));
      }
    } else if (r.op->as<Reduction>()) {
      if (domain.reduced.empty()) continue;  // over no elements: a constant
      push(r.inputs[0], group.reduced_operand(id, at, index));
    } else if (const Iota* i = r.op->as<Iota>()) {
      out.push_back({at[i->axis(r.attrs)], 0});
    } else if (r.op->as<Gather>()) {
      // The row is some number: only that it may vary with the row index matters here.
      std::vector<Expr> rows = group.rows_index(id, at);
      push(r.inputs[0],
           group.table_index(id, at,
                             ir::dynamic(&r, 0, std::max<int64_t>(group.shape(r.inputs[0])[0] - 1, 0))));
      push(r.inputs[1], std::move(rows));
    } else {
      for (Id in : r.inputs) push(in, at);  // elementwise, identity
    }
  }
  return out;
}

int lane_score(Axis axis, const std::vector<Access>& accesses) {
  int64_t most = 1;
  for (const Access& a : accesses) most = std::max(most, a.weight ? a.elements : 0);
  int score = 0;
  for (const Access& a : accesses) {
    if (a.elements * 8 < most) continue;
    const int64_t c = a.e.coefficient(axis);
    score += a.weight * (nested(a.e, axis) ? -1 : c == 1 ? 2 : c == 0 ? 1 : -1);
  }
  return score;
}

void lengthen(Axis& lane, std::vector<Axis>& outer, int64_t enough, int64_t stride,
              const std::vector<Access>& accesses, Substitutions& replace) {
  // A gathered row would no longer be one for the whole block, and conditions no longer intervals of lanes.
  for (const Access& a : accesses) {
    const bool gathered = std::any_of(a.e.terms().begin(), a.e.terms().end(), [](const ir::Term& t) {
      return t.atom->kind == ir::AtomKind::dynamic;
    });
    if ((gathered && lane->extent() >= 16) || (a.condition && a.e.uses(lane) && lane->extent() >= 32)) return;
  }
  const Expr out =
      std::find_if(accesses.begin(), accesses.end(), [](const Access& a) { return a.weight == 2; })->e;
  while (lane->extent() < enough && !outer.empty()) {
    auto next = std::find_if(outer.begin(), outer.end(),
                             [&](Axis a) { return out.coefficient(a) == stride * lane->extent(); });
    if (next == outer.end()) next = outer.end() - 1;
    const bool conditional = std::any_of(accesses.begin(), accesses.end(),
                                         [&](const Access& x) { return x.condition && x.e.uses(*next); });
    if (conditional && lane->extent() >= 32) return;
    const Axis wide = ir::axis((*next)->name + lane->name, (*next)->extent() * lane->extent());
    const Axis a = *next, b = lane;
    const int64_t n = lane->extent();
    replace.push_back([=](const ir::Atom* x) {
      return x == a ? ir::div(ir::expr(wide), n) : x == b ? ir::mod(ir::expr(wide), n) : Expr();
    });
    lane = wide;
    outer.erase(next);
  }
}

Coordinates choose_axes(const GroupReader& group, const Domain& domain, const std::vector<Root>& roots) {
  std::vector<Cluster> clusters;
  for (size_t d = 0; d < domain.shape.size(); ++d) {
    const bool reduced = domain.is_reduced(static_cast<int64_t>(d));
    clusters.push_back({reduced, {d}, {ir::axis(concat(reduced ? 'r' : 'k', d), domain.shape[d])}});
  }
  Coordinates out;
  // Every split makes an axis smaller and every merge removes one; a division that came from a merge is split
  // at most once more.
  const size_t most = 8 * (domain.shape.size() + 1);
  for (size_t round = 0;; ++round) {
    out.index = coordinates(clusters, domain);
    out.accesses = accesses_of(group, domain, roots, out.index);
    if (round == most) break;
    if (const SplitAt s = find_split(out.accesses); s.axis) {
      for (Cluster& c : clusters) {
        const auto at = std::find(c.axes.begin(), c.axes.end(), s.axis);
        if (at == c.axes.end()) continue;
        const int64_t k = at - c.axes.begin();
        c.axes[k] = ir::axis(s.axis->name + "o", s.axis->extent() / s.inner);
        c.axes.insert(c.axes.begin() + k + 1, ir::axis(s.axis->name + "i", s.inner));
        break;
      }
      continue;
    }
    if (!merge_once(clusters, out.accesses)) break;
  }
  for (const Cluster& c : clusters)
    for (Axis a : c.axes) (c.reduced ? out.reduced : out.kept).push_back(a);
  for (Access& access : out.accesses)
    for (const Cluster& c : clusters)
      for (Axis a : c.axes)
        if (access.e.uses(a)) access.elements *= std::max<int64_t>(a->extent(), 1);
  return out;
}

}  // namespace pg
