#pragma once
// The steps of a graph as regions of strips are made of them: what each reads and writes, and the order in
// which steps and regions can run.

#include <span>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"

namespace pg {

struct Step;

struct StripItem {
  std::vector<Id> reads, writes;  // values in memory; what only renames one stands for it
  std::vector<Id> nodes;          // records computed
  bool open = false;              // may join a region
};

class StripSteps {
 public:
  explicit StripSteps(const Graph& graph);

  static constexpr size_t none = static_cast<size_t>(-1);

  const Graph& graph;
  std::vector<StripItem> items;
  std::vector<size_t> order;      // items as they will run
  std::vector<size_t> region_of;  // of every item
  std::vector<Id> source;         // what a renamed value is
  std::vector<bool> kept;         // is it a result of the graph?
  std::unordered_map<Id, std::vector<Id>> renamings;
  std::unordered_map<Id, Id> several;  // a pick and the record it takes from
  std::unordered_map<Id, size_t> writer;
  std::unordered_map<Id, std::vector<size_t>> readers;

  double bytes(Id id) const;
  /// May the item join a region?
  bool free(size_t item) const { return items[item].open && region_of[item] == none; }
  /// Adds all that read a value to a region; false when that is impossible.
  bool add_readers(Id value, std::vector<size_t>& region) const;
  /// Does anything apart from these items (sorted) read the value?
  bool leaves(Id id, const std::vector<size_t>& region) const;
  /// Do these items (sorted) read the value after all others that read it, and wait for what these make of
  /// it?
  bool read_before(Id value, const std::vector<size_t>& region) const;
  /// Adds the readers of a value that the region does not wait for.
  bool add_late_readers(Id value, std::vector<size_t>& region) const;
  /// Can these items (sorted) run together, everything else before or after them?
  bool schedulable(const std::vector<size_t>& region) const;
  /// From now on they do, as the region of this number, which reads these operands and nothing else.
  void join(const std::vector<size_t>& region, size_t number, std::span<const Id> operands);

 private:
  void add_item(const Step& step);
  bool split(const std::vector<size_t>& region, size_t low, size_t high, std::vector<size_t>& before,
             std::vector<size_t>& after) const;
  /// The readers of a value, apart from the region: those that it waits for, and others.
  std::pair<std::vector<size_t>, std::vector<size_t>> other_readers(Id value,
                                                                    const std::vector<size_t>& region) const;
  std::pair<size_t, size_t> range_of(const std::vector<size_t>& region) const;

  std::vector<size_t> position_;  // of every item in the order
};

}  // namespace pg
