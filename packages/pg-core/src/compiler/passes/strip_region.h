#pragma once
// One region of strips: how its values are cut, what a strip computes, and what that gains.

#include <optional>

#include "compiler/passes/cuts.h"
#include "compiler/passes/strip_steps.h"

namespace pg {

/// A part of a value.
struct Wanted {
  Id id;
  Cut cut;
};

struct StripRegion {
  std::vector<size_t> items;
  Ints counts;
  std::vector<Wanted> records;   // to compute, in graph order
  std::vector<Wanted> operands;  // from outside
  std::vector<Wanted> results;
  std::vector<Id> remade;  // values from outside that it computes again
  double gain = 0;         // seconds
};

class StripRegions {
 public:
  explicit StripRegions(const StripSteps& steps) : steps_(steps), inside_(steps.graph.size(), false) {}

  /// These items as a region, unless that is impossible.
  std::optional<StripRegion> evaluate(std::vector<size_t> items);

 private:
  using Cuts = std::unordered_map<Id, std::vector<Cut>>;

  void add_remade(StripRegion& region, std::vector<Id>& nodes) const;
  bool choose(StripRegion& region, const std::vector<Id>& nodes, const std::vector<Id>& results, Id largest);
  bool propagate(StripRegion& region, const std::vector<Id>& nodes, const std::vector<Id>& results, Id from,
                 const Cut& cut);
  bool ask(StripRegion& region, const std::vector<Id>& nodes, Cuts& wanted);
  bool collect(StripRegion& region, const std::vector<Id>& results, const Cuts& wanted) const;
  void add_unique(Id id, const Cut& cut, Cuts& wanted, std::vector<Wanted>& operands) const;
  bool hides(Id id, const StripRegion& region) const;
  void weigh(StripRegion& region, double hidden) const;

  const StripSteps& steps_;
  std::vector<bool> inside_;  // records of the region that is looked at
};

/// What the region computes on one strip.
Graph body_of(const Graph& graph, const StripRegion& region);

}  // namespace pg
