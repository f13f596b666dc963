// User patterns. Each is looked for once in the whole graph, from the results down, in the order of
// registration: so what a replacement made may be matched by a later pattern, never by its own, and nothing
// loops.
//
// A pattern is found in two steps. The ops of its example must stand there; then the pattern is traced anew
// for the operands' types, and every attribute, every literal and every operand must be as that graph says.

#include "compiler/rewrites.h"

#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
#include "compiler/passes/runner.h"
#include "compiler/pattern.h"
#include "ops/ops.h"
#include "support/format.h"

namespace pg {
namespace {

// Literals as broadcast numbers, so that a number among the operands of a pattern may be a literal too.
Graph spread_literals(const Graph& graph) {
  GraphBuilder out;
  return rebuilt(graph, out, [&](Graph::Record r, Id) {
    if (r.op != &full_op || r.type.shape.empty()) return out.add(std::move(r));
    Attrs attrs{static_cast<int64_t>(r.type.shape.size())};
    for (const int64_t n : r.type.shape) attrs.push_back(n);
    const Aval type = r.type;
    r.type.shape = {};
    const Location where = r.where;
    const Id number = out.add(std::move(r));
    return out.add({&broadcast_op, {number}, std::move(attrs), type, where});
  });
}

// The form in which graphs are compared.
Graph canonical(const Graph& graph) { return remove_dead(spread_literals(normalize(inline_bodies(graph)))); }

/// A graph of one output as a pattern. Its items are the graph's records, up to the output.
struct GraphPattern {
  Graph graph;
  Pattern pattern;
  std::vector<uint32_t> uses;  // of each item, inside

  explicit GraphPattern(const Graph& from) : graph(canonical(from)), uses(graph.size(), 0) {
    for (Id id = 0; id <= root(); ++id) {
      const Graph::Record& r = graph[id];
      Pattern::Item item;
      if (r.op == &full_op) item.kind = Pattern::Kind::literal;
      else if (r.op != &param_op) {
        item.kind = Pattern::Kind::record;
        item.op = r.op;
        for (const Id input : r.inputs) {
          item.operands.push_back(input);
          ++uses[input];
        }
      }
      pattern.items.push_back(std::move(item));
    }
  }
  Id root() const { return graph.outputs[0]; }
  /// Something besides operands, with one result that is computed last.
  bool usable() const { return pattern.items.back().kind == Pattern::Kind::record; }
};

class Sweep {
 public:
  Sweep(const Graph& graph, const UserRewrite& rewrite, int64_t& looked)
      : graph_(graph), rewrite_(rewrite), example_(rewrite.example()), looked_(looked),
        uses_(graph.size(), 0), output_(graph.size(), false), taken_(graph.size(), false),
        found_(graph.size()) {
    for (const Graph::Record& r : graph.nodes)
      for (const Id input : r.inputs) ++uses_[input];
    for (const Id id : graph.outputs) output_[id] = true;
  }

  /// How many places were found.
  int64_t run() {
    int64_t times = 0;
    if (!example_.usable()) return times;
    for (Id id = static_cast<Id>(graph_.size()); id-- > 0;) {
      ++looked_;
      if (taken_[id] || !example_.pattern.root_fits(*graph_[id].op)) continue;
      times += try_at(id);
    }
    return times;
  }

  Graph replaced() const {
    GraphBuilder out;
    std::vector<Id> renamed(graph_.size(), 0);
    for (const Id id : graph_.inputs) renamed[id] = out.param(graph_[id].type);
    for (Id id = 0; id < graph_.size(); ++id) {
      if (graph_[id].op == &param_op) continue;
      if (found_[id].replacement) {
        renamed[id] = splice(found_[id], renamed, out, graph_[id].where);
        continue;
      }
      Graph::Record r = graph_[id];
      for (Id& input : r.inputs) input = renamed[input];
      renamed[id] = out.add(std::move(r));
    }
    std::vector<Id> outputs;
    for (const Id id : graph_.outputs) outputs.push_back(renamed[id]);
    return out.finish(std::move(outputs));
  }

 private:
  struct Found {
    PayloadRef replacement = nullptr;
    std::vector<Id> operands = {};
  };

  bool try_at(Id root) {
    const auto candidate = [&](const GraphPattern& p, PatternFinder& finder, bool exact) {
      return finder.find(
          [&](size_t item, Id id) { return accept(p, item, id == PatternFinder::root ? root : id, exact); });
    };
    PatternFinder rough(example_.pattern, graph_.nodes, graph_[root]);
    if (!candidate(example_, rough, false)) return false;
    std::vector<Aval> types;
    for (const Id input : example_.graph.inputs) {
      Aval type = graph_[rough[input]].type;
      type.weak = false;
      types.push_back(std::move(type));
    }
    const std::optional<RewriteAt> at = rewrite_.at(types);
    if (!at) return false;
    const GraphPattern p(*at->pattern->graph);
    if (!p.usable()) return false;
    PatternFinder finder(p.pattern, graph_.nodes, graph_[root]);
    if (!candidate(p, finder, true)) return false;
    Found found{at->replacement, {}};
    for (const Id input : p.graph.inputs) {
      if (!p.uses[input]) return false;  // for these types it does not matter
      found.operands.push_back(finder[input]);
    }
    for (size_t item = 0; item < p.pattern.items.size(); ++item)
      if (p.pattern.items[item].kind == Pattern::Kind::record)
        taken_[finder[item] == PatternFinder::root ? root : finder[item]] = true;
    found_[root] = std::move(found);
    return true;
  }

  // What is computed inside must not be needed outside: it would be computed twice.
  bool accept(const GraphPattern& p, size_t item, Id id, bool exact) const {
    const Graph::Record &want = p.graph[static_cast<Id>(item)], &r = graph_[id];
    const bool operand = p.pattern.items[item].kind == Pattern::Kind::variable;
    const bool type = r.type.shape == want.type.shape && r.type.dtype == want.type.dtype;
    if (operand) return !exact || type;
    if (want.op == &full_op) return !exact || (type && r.attrs == want.attrs);
    if (taken_[id] || (exact && (!type || r.attrs != want.attrs))) return false;
    // A broadcast number has any number of readers.
    if (r.op == &broadcast_op && graph_[r.inputs[0]].type.shape.empty()) return true;
    return item == p.root() || (!output_[id] && uses_[id] == p.uses[item]);
  }

  static Id splice(const Found& found, const std::vector<Id>& renamed, GraphBuilder& out, Location where) {
    const Graph body = canonical(*found.replacement->graph);
    std::vector<Id> inside(body.size(), 0);
    for (size_t i = 0; i < body.inputs.size(); ++i) inside[body.inputs[i]] = renamed[found.operands[i]];
    for (Id id = 0; id < body.size(); ++id) {
      if (body[id].op == &param_op) continue;
      Graph::Record r = body[id];
      for (Id& input : r.inputs) input = inside[input];
      if (!r.where.code) r.where = where;
      inside[id] = out.add(std::move(r));
    }
    return inside[body.outputs[0]];
  }

  const Graph& graph_;
  const UserRewrite& rewrite_;
  GraphPattern example_;
  int64_t& looked_;
  std::vector<uint32_t> uses_;
  std::vector<bool> output_, taken_;
  std::vector<Found> found_;
};

}  // namespace

std::string pattern_fault(const Graph& example) {
  constexpr size_t most = 256;
  const GraphPattern p(example);
  if (!p.usable()) return "it computes nothing";
  if (p.pattern.items.size() > most) return concat("it has more than ", most, " records");
  for (size_t i = 0; i < p.graph.inputs.size(); ++i)
    if (!p.uses[p.graph.inputs[i]]) return concat("argument ", i, " does not matter to its result");
  return "";
}

Graph rewrite(const Graph& graph, const RewriteSet& set, std::vector<RuleUse>* uses, int64_t* looked) {
  Graph out = canonical(graph);
  int64_t met = 0;
  for (const std::shared_ptr<const UserRewrite>& one : set.rewrites) {
    Sweep sweep(out, *one, met);
    const int64_t times = sweep.run();
    if (!times) continue;
    out = remove_dead(sweep.replaced());
    if (uses) uses->push_back({one->name(), times});
  }
  if (looked) *looked += met;
  return out;
}

}  // namespace pg
