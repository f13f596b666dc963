#include "compiler/passes/clusters.h"

#include <algorithm>

#include "support/error.h"
#include "support/format.h"

namespace pg {

using ir::Expr;

Clusters::Clusters(const Graph& g)
    : graph(g), places(g.size()), uses(g.size()), reads(g.size()), live(g.size(), false),
      renamed(g.size(), false) {
  for (Id o : g.outputs) live[o] = true;
  for (Id id = static_cast<Id>(g.size()); id-- > 0;) {
    if (!live[id]) continue;
    for (size_t slot = 0; slot < g[id].inputs.size(); ++slot) {
      const Id in = g[id].inputs[slot];
      live[in] = true;
      if (uses[in].empty() || uses[in].back() != id) uses[in].push_back(id);
      reads[in].push_back({id, slot});
    }
  }
}

int32_t Clusters::find(int32_t group) const {
  while (all[static_cast<size_t>(group)].merged_into >= 0)
    group = all[static_cast<size_t>(group)].merged_into;
  return group;
}

// Groups of equal domains share their axes, so that their frames can be compared.
ir::Axis Clusters::domain_axis(size_t position, int64_t extent) {
  const uint64_t key = static_cast<uint64_t>(extent) * 64 + position;
  auto& axis = axes_[key];
  if (!axis) axis = ir::axis(concat("d", position), extent);
  return axis;
}

std::vector<Expr> Clusters::kept(const Cluster& c) const {
  std::vector<Expr> out;
  for (size_t d = 0; d < c.index.size(); ++d)
    if (std::find(c.reduced.begin(), c.reduced.end(), static_cast<int64_t>(d)) == c.reduced.end())
      out.push_back(c.index[d]);
  return out;
}

void Clusters::start(Id id) {
  const Graph::Record& r = graph[id];
  Cluster c;
  c.reduces = r.op->as<Reduction>() != nullptr;
  c.joins = r.op->as<Concat>() != nullptr;
  c.shape = c.reduces ? graph[r.inputs[0]].type.shape : r.type.shape;
  for (size_t d = 0; d < c.shape.size(); ++d) c.index.push_back(ir::expr(domain_axis(d, c.shape[d])));
  if (c.reduces) c.reduced = Ints(r.attrs.begin(), r.attrs.end());
  c.last = c.first_root = id;
  const int32_t frame = points.intern(c.reduces ? kept(c) : c.index);
  all.push_back(std::move(c));
  const int32_t group = static_cast<int32_t>(all.size()) - 1;
  place(id, {group, frame, false, false, static_cast<double>(count(id)), 0});
  all.back().roots.push_back(id);
}

void Clusters::place(Id id, const Demand& d) {
  Cluster& c = (*this)[d.group];
  places[id].push_back({find(d.group), d.frame, d.by_number, d.evaluations, d.debt});
  c.nodes.push_back(id);
  c.pending.erase(id);
  c.last = std::max(c.last, id);
  for (Id in : graph[id].inputs) c.pending.insert(in);
}

void Clusters::add_root(Id id, int32_t group) {
  Cluster& c = (*this)[group];
  c.roots.push_back(id);
  c.first_root = std::min(c.first_root, id);
}

// ---- frames
// ------------------------------------------------------------------------------------------------------------

int32_t Clusters::operand_frame(const Read& read, const Placement& at) {
  const auto [consumer, slot] = read;
  const Graph::Record& r = graph[consumer];
  const Shape& shape = graph[r.inputs[slot]].type.shape;
  if (shape.empty()) return points.intern({});
  if (r.op->as<Reduction>()) return points.intern((*this)[at.group].index);
  if (at.frame < 0) return -1;
  if (r.op->elementwise() || r.op->as<Identity>()) return at.frame;
  const std::vector<Expr> index = points[at.frame];
  if (const View* v = r.op->as<View>())
    return points.intern(v->map(graph[r.inputs[0]].type, r.type, r.attrs, index).source);
  if (const Concat* c = r.op->as<Concat>()) {
    const int axis = c->axis(r.attrs);
    std::vector<int64_t>& starts = starts_[consumer];
    if (starts.empty())
      for (int64_t start = 0; Id in : r.inputs) {
        starts.push_back(start);
        start += graph[in].type.shape[axis];
      }
    std::vector<Expr> moved = index;
    moved[axis] = moved[axis] - starts[slot];
    return points.intern(std::move(moved));
  }
  if (r.op->as<Gather>() && slot == 1)
    return points.intern({index.begin(), index.begin() + static_cast<int64_t>(shape.size())});
  return -1;
}

double Clusters::evaluations(const Cluster& c, Id id, int32_t frame) const {
  if (c.joins) return static_cast<double>(count(id));
  const std::vector<Expr>& index = points[frame];
  const auto used = [&](Expr coordinate) {
    bool out = false;
    if (!coordinate.is_constant())
      ir::for_each_leaf(coordinate, [&](const ir::Atom* a) {
        for (Expr e : index) out = out || e.uses(a);
      });
    return out;
  };
  double total = 1, kept_total = 1;
  bool any = false, any_reduced = false, lane_used = false;
  int64_t lane = 1;
  for (size_t d = 0; d < c.index.size(); ++d) {
    const bool reduced =
        std::find(c.reduced.begin(), c.reduced.end(), static_cast<int64_t>(d)) != c.reduced.end();
    const int64_t n = c.shape[d];
    const bool here = used(c.index[d]);
    total *= static_cast<double>(n);
    if (!reduced) kept_total *= static_cast<double>(n);
    any = any || here;
    any_reduced = any_reduced || (here && reduced);
    if (n > 1) {
      lane = n;
      lane_used = here;
    }
  }
  if (!any) return 1;
  if (c.reduces && !any_reduced) return kept_total;
  // What does not vary along the lanes is computed once per row, unless short rows share a block.
  return lane_used || lane < 64 ? total : total / static_cast<double>(lane);
}

std::vector<Demand> Clusters::demands(Id id) {
  std::vector<Demand> out;
  for (const Read read : reads[id]) {
    const Graph::Record& r = graph[read.consumer];
    ++looked;
    if (r.op->as<Call>()) continue;
    for (const Placement at : places[read.consumer]) {
      Demand d{find(at.group), operand_frame(read, at), at.by_number, false, at.evaluations, at.debt};
      const Cluster& c = all[static_cast<size_t>(d.group)];
      d.by_number = d.by_number || (r.op->as<Gather>() && read.slot == 0);
      if (d.frame >= 0) d.evaluations = evaluations(c, id, d.frame);
      // Where the consumer itself runs, which decides whether a reduction is read inside its own row.
      if (at.frame >= 0)
        for (Expr e : points[at.frame])
          for (int64_t axis : c.reduced)
            d.inner = d.inner || (!c.index[axis].is_constant() && e.uses(c.index[axis].terms()[0].atom));
      d.inner = d.inner || at.frame < 0;
      const auto same =
          std::find_if(out.begin(), out.end(), [&](const Demand& o) { return o.group == d.group; });
      if (same == out.end()) {
        out.push_back(d);
        continue;
      }
      if (same->frame != d.frame || d.frame < 0) {
        same->frame = -1;
        same->evaluations += d.evaluations;
      }
      same->inner = same->inner || d.inner;
      same->by_number = same->by_number || d.by_number;
      same->debt = std::max(same->debt, d.debt);
    }
  }
  return out;
}

bool Clusters::covers(const Cluster& c, Id id, int32_t frame) {
  // Equal counts too: a pad reads at the domain's own index, but its operand has fewer elements.
  if (frame < 0 || count(id) != count_of(c.shape)) return false;
  return ir::flatten(points[frame], graph[id].type.shape) == ir::flatten(c.index, c.shape);
}

bool Clusters::covers_kept(const Cluster& c, Id id, int32_t frame) {
  if (frame < 0) return false;
  Shape shape;
  for (size_t d = 0; d < c.shape.size(); ++d)
    if (std::find(c.reduced.begin(), c.reduced.end(), static_cast<int64_t>(d)) == c.reduced.end())
      shape.push_back(c.shape[d]);
  return count(id) == count_of(shape) &&
         ir::flatten(points[frame], graph[id].type.shape) == ir::flatten(kept(c), shape);
}

bool Clusters::renames(Id id) {
  const Graph::Record& r = graph[id];
  if (r.op->as<Identity>()) return true;
  const View* v = r.op->as<View>();
  if (!v || count(r.inputs[0]) != count(id)) return false;
  std::vector<Expr> index;
  for (size_t d = 0; d < r.type.shape.size(); ++d) index.push_back(ir::expr(domain_axis(d, r.type.shape[d])));
  const Aval& in = graph[r.inputs[0]].type;
  const ViewIndex map = v->map(in, r.type, r.attrs, index);
  return map.conditions.empty() &&
         (count(id) == 0 || ir::flatten(map.source, in.shape) == ir::flatten(index, r.type.shape));
}

void Clusters::merge(int32_t to, int32_t from, const std::vector<Expr>& index) {
  Cluster &a = (*this)[to], &b = (*this)[from];
  if (index != b.index) {
    const auto moved = [&](Expr e) {
      return ir::substitute(e, [&](const ir::Atom* atom) {
        for (size_t d = 0; d < b.index.size(); ++d)
          if (b.index[d] == ir::expr(atom)) return index[d];
        return Expr();
      });
    };
    for (Id id : b.nodes)
      for (Placement& p : places[id]) {
        if (find(p.group) != find(from) || p.frame < 0) continue;
        std::vector<Expr> frame = points[p.frame];
        for (Expr& e : frame) e = moved(e);
        p.frame = points.intern(std::move(frame));
      }
  }
  a.nodes.insert(a.nodes.end(), b.nodes.begin(), b.nodes.end());
  a.roots.insert(a.roots.end(), b.roots.begin(), b.roots.end());
  a.pending.insert(b.pending.begin(), b.pending.end());
  for (Id id : a.nodes) a.pending.erase(id);
  a.last = std::max(a.last, b.last);
  a.first_root = std::min(a.first_root, b.first_root);
  b.nodes.clear();
  b.pending.clear();
  b.merged_into = find(to);
}

// ---- reachability
// ------------------------------------------------------------------------------------------------------

bool Clusters::reaches(Id root, int32_t to) {
  to = find(to);
  const Id last = all[static_cast<size_t>(to)].last;
  std::unordered_set<Id> seen{root};
  std::vector<Id> stack{root};
  int budget = 200;
  const auto visit = [&](Id next) {
    // A record after the target's last one leads there only through a group with an earlier root; the order
    // of steps is checked at the end.
    if (next < last && seen.insert(next).second) stack.push_back(next);
  };
  while (!stack.empty()) {
    const Id at = stack.back();
    stack.pop_back();
    for (Id consumer : uses[at]) {
      ++looked;
      if (--budget < 0) return true;
      if (op(consumer).as<Call>()) {
        visit(consumer);
        continue;
      }
      for (const Placement& p : places[consumer]) {
        const int32_t group = find(p.group);
        if (group == to) return true;
        for (Id r : all[static_cast<size_t>(group)].roots) visit(r);
      }
      if (in_memory(consumer)) visit(consumer);
    }
  }
  return false;
}

bool Clusters::reaches_from_group(int32_t from, int32_t to) {
  for (Id r : (*this)[from].roots)
    if (reaches(r, to)) return true;
  return false;
}

}  // namespace pg
