#include <algorithm>
#include <functional>
#include <unordered_map>

#include "compiler/passes/passes.h"
#include "compiler/passes/strip_region.h"
#include "graph/bytes.h"
#include "ops/ops.h"
#include "support/env.h"
#include "support/error.h"

// The pass looks at the steps that fusion makes of the graph. A region starts with one large value, the step
// that writes it and all that read it, and takes more steps as long as that gains. What a region computes is
// found from its results backwards: a strip of each is asked for, and every record says which strip of its
// operands it needs (cuts.h). A region is possible when each dear record is asked for one strip only, once.

namespace pg {
namespace {

constexpr size_t smallest_value = 4 << 20;  // bytes: a smaller one stays in cache anyway
constexpr double least_gain = 20e-6;        // seconds

class Finder {
 public:
  explicit Finder(const Graph& graph) : steps_(graph), regions_(steps_) {}

  Graph run() {
    // The largest first; of equal ones the last, which may spare an earlier region a result.
    std::vector<std::pair<double, size_t>> seeds;
    std::vector<Id> values;
    for (const StripItem& item : steps_.items)
      for (const Id id : item.writes)
        if (item.open && steps_.bytes(id) >= smallest_value) {
          seeds.emplace_back(steps_.bytes(id), values.size());
          values.push_back(id);
        }
    std::sort(seeds.begin(), seeds.end(), std::greater<>());
    for (const auto& [bytes, number] : seeds)
      if (const size_t writer = steps_.writer.at(values[number]); steps_.free(writer))
        seed(writer, values[number]);
    return chosen_.empty() ? steps_.graph : rewritten();
  }

 private:
  /// A region around a value: who writes it, who reads it, and what follows and precedes while it gains.
  void seed(size_t writer, Id value) {
    std::vector<size_t> items{writer};
    if (!steps_.add_readers(value, items)) return;
    const bool product = std::any_of(items.begin(), items.end(), [&](size_t i) {
      return steps_.graph[steps_.items[i].nodes.back()].op->as<Call>() != nullptr;
    });
    if (!product) return;
    std::optional<StripRegion> best = regions_.evaluate(items);
    if (!best) return;
    const double enough = steps_.bytes(value) / 8;
    for (bool grown = true; grown;) {
      grown = false;
      for (const std::vector<size_t>& wider : wider_than(*best, enough)) {
        std::optional<StripRegion> next = regions_.evaluate(wider);
        if (!next || next->gain <= best->gain) continue;
        best = std::move(next);
        grown = true;
        break;
      }
    }
    if (best->gain < least_gain) return;
    std::vector<Id> operands;
    for (const Wanted& w : best->operands) operands.push_back(w.id);
    steps_.join(best->items, chosen_.size(), operands);
    chosen_.push_back(std::move(*best));
  }

  /// The region with the readers of one of its results, or of one of its operands, with or without the writer
  /// of that.
  std::vector<std::vector<size_t>> wider_than(const StripRegion& region, double enough) const {
    std::vector<std::vector<size_t>> out;
    for (const Wanted& result : region.results) {
      std::vector<size_t> items = region.items;
      if (steps_.bytes(result.id) >= enough && steps_.add_readers(result.id, items)) out.push_back(items);
    }
    std::vector<Id> read = region.remade;
    for (const Wanted& operand : region.operands) read.push_back(steps_.source[operand.id]);
    for (const Id id : read) {
      const auto writer = steps_.writer.find(id);
      if (steps_.bytes(id) < enough || writer == steps_.writer.end() || !steps_.free(writer->second))
        continue;
      std::vector<size_t> items = region.items;
      items.push_back(writer->second);
      if (steps_.add_readers(id, items)) out.push_back(items);
      for (const Id made : steps_.items[writer->second].writes) {
        std::vector<size_t> late = region.items;
        if (steps_.bytes(made) >= enough && steps_.readers.contains(made) &&
            steps_.add_late_readers(made, late) && late.size() > region.items.size())
          out.push_back(late);
      }
    }
    return out;
  }

  Graph rewritten() {
    GraphBuilder out;
    std::vector<Id> renamed(steps_.graph.size(), 0);
    std::vector<bool> done(steps_.graph.size(), false);
    for (const Id id : steps_.graph.inputs) {
      renamed[id] = out.param(steps_.graph[id].type);
      done[id] = true;
    }
    const auto add = [&](Id id) {
      Graph::Record r = steps_.graph[id];
      for (Id& input : r.inputs) {
        PG_INVARIANT(done[input], "strips: a record before its operand");
        input = renamed[input];
      }
      renamed[id] = out.add(std::move(r));
      done[id] = true;
    };
    // What only renames a value, or picks one of several results, follows at once.
    std::unordered_map<Id, std::vector<Id>> picks;
    for (const auto& [pick, call] : steps_.several) picks[call].push_back(pick);
    const auto follow = [&](Id written) {
      std::vector<Id> values = picks.contains(written) ? picks[written] : std::vector<Id>{written};
      for (const Id value : values) {
        if (!done[value]) add(value);
        if (const auto found = steps_.renamings.find(value); found != steps_.renamings.end())
          for (const Id id : found->second) add(id);
      }
    };
    for (const Id id : steps_.graph.inputs) follow(id);
    std::vector<bool> emitted(chosen_.size(), false);
    for (const size_t i : steps_.order) {
      if (const size_t number = steps_.region_of[i]; number != StripSteps::none) {
        if (emitted[number]) continue;
        emitted[number] = true;
        const StripRegion& region = chosen_[number];
        SmallVector<Id, 3> operands;
        std::vector<Cut> operand_cuts, result_cuts;
        for (const Wanted& w : region.operands) {
          PG_INVARIANT(done[w.id], "strips: an operand that is not there yet");
          operands.push_back(renamed[w.id]);
          operand_cuts.push_back(w.cut);
        }
        for (const Wanted& w : region.results) result_cuts.push_back(w.cut);
        const PayloadRef body = intern(body_of(steps_.graph, region));
        const Strips attrs(body->id, region.counts, operand_cuts, result_cuts);
        const Id record =
            out.add(strips_op, operands, attrs.attrs(), steps_.graph[region.results[0].id].where);
        for (size_t k = 0; k < region.results.size(); ++k) {
          const Id id = region.results[k].id;
          const Aval& type = steps_.graph[id].type;
          Attrs words{static_cast<int64_t>(k), static_cast<int64_t>(type.dtype), type.weak};
          for (const int64_t extent : type.shape) words.push_back(extent);
          renamed[id] = out.add(pick_op, {record}, std::move(words));
          done[id] = true;
          follow(id);
        }
        continue;
      }
      for (const Id id : steps_.items[i].nodes)
        if (!done[id]) add(id);
      for (const Id id : steps_.items[i].writes) follow(id);
    }
    std::vector<Id> outputs;
    for (const Id id : steps_.graph.outputs) {
      PG_INVARIANT(done[id], "strips: a result is lost");
      outputs.push_back(renamed[id]);
    }
    return out.finish(std::move(outputs));
  }

  StripSteps steps_;
  StripRegions regions_;
  std::vector<StripRegion> chosen_;
};

// Is there a product whose result, or an operand of it, is large?
bool worth_a_look(const Graph& graph) {
  for (const Graph::Record& r : graph.nodes) {
    if (r.op != &dot_general_op) continue;
    if (bytes_of(r.type) >= smallest_value) return true;
    for (const Id id : r.inputs)
      if (bytes_of(graph[id].type) >= smallest_value && !graph[id].op->as<Leaf>()) return true;
  }
  return false;
}

}  // namespace

Graph strips(const Graph& graph) {
  if (!env_flag("PG_STRIPS", true) || !worth_a_look(graph)) return graph;
  // Threads of the host hand out strips.
  if (graph[graph.outputs[0]].type.device.kind != DeviceKind::cpu) return graph;
  return remove_dead(Finder(graph).run());
}

}  // namespace pg
