#include "compiler/passes/fuse.h"

#include <algorithm>
#include <queue>

#include "compiler/kernel/cost.h"
#include "compiler/passes/clusters.h"
#include "support/error.h"
#include "support/format.h"

// Records are visited from the last to the first, so every consumer has its place before its producer is
// looked at.
//
// A record joins the group of its consumers when they are all in one group (this never makes a cycle:
// whatever leads from the record elsewhere leads through that group). Consumers in several groups: groups
// over the same domain are joined when nothing flows between them; else cheap records are computed in each of
// them, and dear ones are stored by the first group, or alone. A stored record that is also read inside a
// group becomes one more output of it when nothing flows back. The order of steps is checked at the end;
// should it have a cycle after all, fusion runs again without outputs in the middle of groups and without
// joining of groups, where none can arise.

namespace pg {
namespace {

constexpr size_t most_records = 400, most_inputs = 40, most_roots = 16;
constexpr double launch_cost = 3000;  // in simple element operations
constexpr double storing_cost = 6;    // per element: one write and the reads
constexpr int64_t small_domain = 128 << 10;

class Fuser {
 public:
  Fuser(const Graph& graph, bool bold)
      : clusters_(graph), graph_(graph), bold_(bold), output_(graph.size(), false),
        stored_(graph.size(), false), origin_(graph.size(), no_record) {
    for (Id o : graph.outputs) output_[o] = true;
    for (Id id = 0; id < graph.size(); ++id) {
      const Graph::Record& r = graph[id];
      if (r.op->as<Reduction>()) {
        origin_[id] = id;
      } else if (r.op->elementwise() ||
                 (r.op->as<View>() && clusters_.count(id) == clusters_.count(r.inputs[0]))) {
        for (Id in : r.inputs)
          if (origin_count(in) > origin_count(id)) origin_[id] = origin_[in];
      }
    }
  }

  /// Steps in a valid order, or nothing when the groups depend on each other in a circle.
  std::vector<Step> run() {
    for (Id id = static_cast<Id>(graph_.size()); id-- > 0;)
      if (clusters_.live[id]) visit(id);
    return ordered();
  }
  int64_t looked() const { return clusters_.looked; }

 private:
  static constexpr Id no_record = static_cast<Id>(-1);
  int64_t origin_count(Id id) const {
    return origin_[id] == no_record ? 0 : clusters_.count(graph_[origin_[id]].inputs[0]);
  }
  bool is_leaf(Id id) const { return clusters_.op(id).as<Leaf>() != nullptr; }

  void visit(Id id) {
    const Op& op = clusters_.op(id);
    if (op.as<Leaf>() || op.as<Call>() || op.as<Pick>()) {
      if (op.as<Call>())
        for (Id in : graph_[id].inputs) stored_[in] = true;
      if (op.as<Pick>()) aliases_.push_back({id, graph_[id].inputs[0]});
      if (!bold_ || clusters_.uses[id].size() > 64) return;
      std::vector<Demand> readers = clusters_.demands(id);
      if (readers.size() > 1) join(id, readers);
      return;
    }
    const bool stored = stored_[id] || output_[id];
    if (stored && clusters_.renames(id)) {
      alias(id);
      return;
    }
    std::vector<Demand> demands = clusters_.demands(id);
    if (demands.empty()) return clusters_.start(id);
    if (bold_ && demands.size() > 1) join(id, demands);
    if (stored) return store(id, demands);
    std::vector<Demand> fitting;
    for (const Demand& d : demands)
      if (fits(id, d)) fitting.push_back(d);
    const bool once = demands.size() == 1 || !op.as<Reduction>();
    if (once && fitting.size() == demands.size() && worth(id, demands)) {
      for (const Demand& d : demands) put(id, d);
      return;
    }
    store(id, demands);
  }

  /// The result shares its operand's memory; consumers inside groups read the operand through the view.
  void alias(Id id) {
    const Id source = graph_[id].inputs[0];
    stored_[source] = true;
    clusters_.renamed[id] = true;
    aliases_.push_back({id, source});
    for (const Demand& d : clusters_.demands(id))
      if (clusters_[d.group].nodes.size() < most_records) clusters_.place(id, d);
  }

  /// The value is written to memory: by one of the groups that read it, or by a group of its own.
  void store(Id id, const std::vector<Demand>& demands) {
    std::vector<const Demand*> candidates;
    for (const Demand& d : demands)
      if (may_store(id, d)) candidates.push_back(&d);
    // The group that starts first is the likeliest that no other one leads to.
    std::sort(candidates.begin(), candidates.end(), [&](const Demand* a, const Demand* b) {
      return clusters_[a->group].last < clusters_[b->group].last;
    });
    for (size_t i = 0; i < candidates.size() && i < 2; ++i) {
      const Demand& d = *candidates[i];
      if (flows_back(id, d.group, demands)) continue;
      put(id, d);
      clusters_.add_root(id, d.group);
      return;
    }
    clusters_.start(id);
  }

  bool may_store(Id id, const Demand& d) {
    Cluster& c = clusters_[d.group];
    if (!bold_ || c.joins || c.roots.size() >= most_roots || clusters_.count(id) == 0 || !fits(id, d))
      return false;
    if (clusters_.op(id).as<Concat>()) return false;
    if (clusters_.op(id).as<Reduction>()) return true;  // of the group's own row
    // Beside few reductions too: while they are not read in stages, both are done in parts.
    if (clusters_.covers(c, id, d.frame))
      return !c.reduces || stages_pay(c.shape, c.reduced) || streams(c.shape);
    if (c.reduces) return clusters_.covers_kept(c, id, d.frame);
    // A map that is going to take the reduction this value comes from: its outputs may have the kept shape
    // from now on.
    if (origin_[id] == no_record) return false;
    const Graph::Record& r = graph_[origin_[id]];
    Cluster later = c;
    later.reduced = Ints(r.attrs.begin(), r.attrs.end());
    if (graph_[r.inputs[0]].type.shape != c.shape || !stages_pay(c.shape, later.reduced) ||
        !clusters_.covers_kept(later, id, d.frame))
      return false;
    c.reduces = true;
    c.reduced = later.reduced;
    return true;
  }

  /// Would storing the value in this group let something flow from it through other consumers back into the
  /// group?
  bool flows_back(Id id, int32_t group, const std::vector<Demand>& demands) {
    for (const Demand& d : demands)
      if (clusters_.find(d.group) != clusters_.find(group) && clusters_.reaches_from_group(d.group, group))
        return true;
    for (Id u : clusters_.uses[id])
      if ((clusters_.op(u).as<Call>() || clusters_.in_memory(u)) && clusters_.reaches(u, group)) return true;
    return false;
  }

  // ---- what may be fused
  // -----------------------------------------------------------------------------------------------------

  bool fits(Id id, const Demand& d) {
    const Graph::Record& r = graph_[id];
    const Cluster& c = clusters_[d.group];
    if (c.nodes.size() >= most_records) return false;
    size_t inputs = c.pending.size() - (c.pending.contains(id) ? 1 : 0);
    for (Id in : r.inputs) inputs += !c.pending.contains(in);
    const bool more = inputs > c.pending.size();
    if (more && inputs > most_inputs && !c.joins) return false;
    if (d.by_number && !r.op->as<View>() && !r.op->as<Fill>() && !r.op->as<Iota>()) {
      // Of a table, only what is read, when that is no more than all of it and costs next to nothing.
      const bool cheap = r.op->elementwise() && element_cost(graph_, id) <= 2;
      if (!cheap || d.evaluations > static_cast<double>(clusters_.count(id))) return false;
    }
    if (r.op->as<Concat>()) return r.inputs.size() <= 4 && d.frame >= 0 && !c.joins;
    if (r.op->as<Reduction>()) return takes_reduction(id, d);
    return true;
  }

  /// Rows that are read by several stages, or written in full, must be many: there is one grid point per row
  /// (or block of columns).
  bool stages_pay(const Shape& shape, const Ints& reduced) const {
    const int64_t total = count_of(shape);
    if (total <= small_domain) return true;
    int64_t points = 1, last = 1;
    bool last_reduced = false;
    for (size_t i = 0; i < shape.size(); ++i) {
      const bool r = std::find(reduced.begin(), reduced.end(), static_cast<int64_t>(i)) != reduced.end();
      if (!r) points *= shape[i];
      if (shape[i] > 1) {
        last = shape[i];
        last_reduced = r;
      }
    }
    if (!last_reduced) return points / std::max<int64_t>(last, 1) * ((last + 127) / 128) >= 8;
    return points >= 16;
  }

  /// Is the domain read in its own order, whichever axes are reduced? Lanes run over a short last axis only
  /// when nothing is reduced.
  static bool streams(const Shape& shape) {
    int64_t last = 1;
    for (const int64_t n : shape)
      if (n > 1) last = n;
    return last >= 32;
  }

  bool takes_reduction(Id id, const Demand& d) {
    const Graph::Record& r = graph_[id];
    const Cluster& c = clusters_[d.group];
    const Shape& shape = graph_[r.inputs[0]].type.shape;
    const Ints axes(r.attrs.begin(), r.attrs.end());
    if (d.frame < 0 || c.joins || count_of(shape) == 0) return false;
    if (c.reduces)
      return shape == c.shape && axes == c.reduced && points_equal(d.frame, clusters_.kept(c)) &&
             (!d.inner || stages_pay(shape, axes));
    if (clusters_.covers(c, id, d.frame)) return distinct_axes(d.frame);  // epilogue of the reduction
    // Its row is the group's: softmax and the like.
    if (shape != c.shape || !stages_pay(shape, axes)) return false;
    std::vector<ir::Expr> kept;
    for (size_t i = 0; i < shape.size(); ++i)
      if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) == axes.end())
        kept.push_back(c.index[i]);
    return points_equal(d.frame, kept);
  }

  bool points_equal(int32_t frame, const std::vector<ir::Expr>& index) {
    return clusters_.points[frame] == index;
  }

  // Every coordinate of the frame is an axis of its own (or the only index of an axis of one element).
  bool distinct_axes(int32_t frame) {
    for (ir::Expr e : clusters_.points[frame])
      if (!e.is_constant() && (e.terms().size() != 1 || e.constant() != 0 || e.terms()[0].coefficient != 1 ||
                               e.terms()[0].atom->of))
        return false;
    return true;
  }

  void put(Id id, const Demand& d) {
    Cluster& c = clusters_[d.group];
    if (clusters_.op(id).as<Reduction>() && !c.reduces) reduce(c, id, d.frame);
    clusters_.place(id, d);
  }

  /// A map takes its first reduction: over its own domain, or over one that has the map's domain as kept
  /// part.
  void reduce(Cluster& c, Id id, int32_t frame) {
    const Graph::Record& r = graph_[id];
    const Shape& shape = graph_[r.inputs[0]].type.shape;
    c.reduces = true;
    c.reduced = Ints(r.attrs.begin(), r.attrs.end());
    if (!clusters_.covers(c, id, frame)) return;
    const std::vector<ir::Expr> kept = clusters_.points[frame];
    c.shape = shape;
    c.index.clear();
    size_t next = 0;
    for (size_t d = 0; d < shape.size(); ++d) {
      const bool reduced =
          std::find(c.reduced.begin(), c.reduced.end(), static_cast<int64_t>(d)) != c.reduced.end();
      // Positions of reduced axes are counted apart: the kept ones may already use the axis of this position.
      c.index.push_back(reduced ? ir::expr(clusters_.domain_axis(d + 32, shape[d])) : kept[next++]);
    }
  }

  // ---- what pays
  // -----------------------------------------------------------------------------------------------------------------

  /// Is computing the value wherever it is read cheaper than storing it once?
  bool worth(Id id, std::vector<Demand>& demands) {
    const double elements = std::max<double>(1, static_cast<double>(clusters_.count(id)));
    double evaluations = 0, debt = 0;
    for (const Demand& d : demands) {
      // What follows a reduction of the group's own rows is computed once per row.
      const bool per_row =
          d.frame >= 0 && origin_count(id) != 0 && origin_count(id) == count_of(clusters_[d.group].shape);
      evaluations += per_row ? std::min(d.evaluations, elements) : d.evaluations;
      debt = std::max(debt, d.debt);
    }
    const double extra = evaluations / elements - 1;
    if (extra <= 0.01) return true;
    const double spent = debt + extra * element_cost(graph_, id);
    if (spent > storing_cost + launch_cost / elements) return false;
    for (Demand& d : demands) d.debt = spent;
    return true;
  }

  /// Joins groups that read the same value over the same domain.
  void join(Id id, std::vector<Demand>& demands) {
    if (clusters_.op(id).as<Fill>() || clusters_.op(id).as<View>() || clusters_.op(id).as<Iota>()) return;
    for (size_t i = 0; i < demands.size() && i < 8; ++i)
      for (size_t k = i + 1; k < demands.size() && k < 8;) {
        const Demand &a = demands[i], &b = demands[k];
        if (a.frame < 0 || b.frame < 0) {
          ++k;
          continue;
        }
        const bool same_place = clusters_[a.group].index != clusters_[b.group].index || a.frame == b.frame;
        const bool large = clusters_.count(id) * 4 >= count_of(clusters_[a.group].shape);
        const bool whole = same_place && large && joinable(a.group, b.group);
        if (!whole && !(same_place && large && beside(a.group, b.group)) && !of_its_rows(id, a, b) &&
            !of_its_rows(id, b, a)) {
          ++k;
          continue;
        }
        // The group that reduces takes the map.
        const bool turned = clusters_[b.group].reduces;
        const int32_t to = turned ? b.group : a.group, from = turned ? a.group : b.group;
        const Cluster& taking = clusters_[to];
        const bool all = taking.shape == clusters_[from].shape;
        clusters_.merge(to, from, all ? taking.index : clusters_.kept(taking));
        demands = clusters_.demands(id);
        i = 0;
        k = 1;
      }
  }

  /// Does one of them reduce, and the other map, the same domain?
  bool beside(int32_t a, int32_t b) {
    const Cluster &x = clusters_[a], &y = clusters_[b];
    return x.shape == y.shape && x.reduces != y.reduces && streams(x.shape) && together(a, b);
  }

  /// Does a map (of `map`) run over the rows or columns that the group of `rows` reduces?
  bool of_its_rows(Id id, const Demand& map, const Demand& rows) {
    const Cluster &x = clusters_[map.group], &y = clusters_[rows.group];
    if (x.reduces || !y.reduces || count_of(x.shape) * 4 > count_of(y.shape)) return false;
    Shape kept;
    for (size_t d = 0; d < y.shape.size(); ++d)
      if (std::find(y.reduced.begin(), y.reduced.end(), static_cast<int64_t>(d)) == y.reduced.end())
        kept.push_back(y.shape[d]);
    return x.shape == kept && clusters_.covers(x, id, map.frame) &&
           clusters_.covers_kept(y, id, rows.frame) && together(map.group, rows.group);
  }

  bool joinable(int32_t a, int32_t b) {
    const Cluster &x = clusters_[a], &y = clusters_[b];
    return x.shape == y.shape && x.reduces == y.reduces && x.reduced == y.reduced && together(a, b);
  }

  /// May they be one group: small enough, and nothing flows between them?
  bool together(int32_t a, int32_t b) {
    const Cluster &x = clusters_[a], &y = clusters_[b];
    if (x.joins || y.joins) return false;
    if (x.nodes.size() + y.nodes.size() > most_records || x.roots.size() + y.roots.size() > most_roots)
      return false;
    if (x.pending.size() + y.pending.size() > most_inputs) return false;
    if (++joins_tried_ > 4 * graph_.size() + 64) return false;
    return !clusters_.reaches_from_group(a, b) && !clusters_.reaches_from_group(b, a);
  }

  // ---- steps
  // ---------------------------------------------------------------------------------------------------------------------

  std::vector<Step> ordered() {
    std::vector<Step> steps;
    for (size_t g = 0; g < clusters_.all.size(); ++g) {
      Cluster& c = clusters_.all[g];
      if (c.merged_into >= 0) continue;
      Step s;
      std::sort(c.nodes.begin(), c.nodes.end());
      c.nodes.erase(std::unique(c.nodes.begin(), c.nodes.end()), c.nodes.end());
      std::sort(c.roots.begin(), c.roots.end());
      s.group.nodes = c.nodes;
      s.group.outputs = c.roots;
      for (Id id : c.nodes)
        for (Id in : graph_[id].inputs)
          if (!std::binary_search(c.nodes.begin(), c.nodes.end(), in)) s.group.inputs.push_back(in);
      std::sort(s.group.inputs.begin(), s.group.inputs.end());
      s.group.inputs.erase(std::unique(s.group.inputs.begin(), s.group.inputs.end()), s.group.inputs.end());
      steps.push_back(std::move(s));
    }
    for (const auto& [id, source] : aliases_) steps.push_back({Step::Kind::alias, {}, id, source});
    for (Id id = 0; id < graph_.size(); ++id)
      if (clusters_.live[id] && clusters_.op(id).as<Call>()) steps.push_back({Step::Kind::call, {}, id, 0});
    return sorted(std::move(steps));
  }

  static constexpr size_t none = static_cast<size_t>(-1);

  // In program order as far as dependences allow.
  std::vector<Step> sorted(std::vector<Step> steps) {
    std::vector<size_t> writer(graph_.size(), none);
    std::vector<Id> key(steps.size());
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& s = steps[i];
      if (s.kind == Step::Kind::kernel)
        for (Id o : s.group.outputs) writer[o] = i;
      else writer[s.record] = i;
      key[i] = s.kind == Step::Kind::kernel ? s.group.outputs.back() : s.record;
    }
    std::vector<std::vector<size_t>> next(steps.size());
    std::vector<size_t> waiting(steps.size(), 0);
    const auto depend = [&](size_t step, Id on) {
      if (is_leaf(on)) return;
      PG_INVARIANT(writer[on] != none, "a value that a step reads is written by no step");
      next[writer[on]].push_back(step);
      ++waiting[step];
    };
    for (size_t i = 0; i < steps.size(); ++i) {
      const Step& s = steps[i];
      if (s.kind == Step::Kind::kernel)
        for (Id in : s.group.inputs) depend(i, in);
      else if (s.kind == Step::Kind::alias) depend(i, s.source);
      else
        for (Id in : graph_[s.record].inputs) depend(i, in);
    }
    using Entry = std::pair<Id, size_t>;
    std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
    for (size_t i = 0; i < steps.size(); ++i)
      if (waiting[i] == 0) ready.emplace(key[i], i);
    std::vector<Step> out;
    while (!ready.empty()) {
      const size_t i = ready.top().second;
      ready.pop();
      for (size_t n : next[i])
        if (--waiting[n] == 0) ready.emplace(key[n], n);
      out.push_back(std::move(steps[i]));
    }
    return out.size() == steps.size() ? out : std::vector<Step>{};
  }

  Clusters clusters_;
  const Graph& graph_;
  bool bold_;
  std::vector<bool> output_, stored_;
  std::vector<Id> origin_;  // the reduction that a value of one element per row comes from
  std::vector<std::pair<Id, Id>> aliases_;
  size_t joins_tried_ = 0;
};

}  // namespace

std::vector<Step> fuse(const Graph& graph, int64_t* looked) {
  bool work = false;
  for (Id o : graph.outputs) work = work || !graph[o].op->as<Leaf>();
  if (!work) return {};
  std::vector<Step> steps;
  for (bool bold : {true, false}) {
    Fuser fuser(graph, bold);
    steps = fuser.run();
    if (looked) *looked += fuser.looked();
    if (!steps.empty()) break;
  }
  PG_INVARIANT(!steps.empty(), "fused groups depend on each other in a circle");
  return steps;
}

}  // namespace pg
