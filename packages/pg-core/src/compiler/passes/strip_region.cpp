#include "compiler/passes/strip_region.h"

#include <algorithm>
#include <map>

#include "support/error.h"

namespace pg {
namespace {

// Measured on two cores with 2 MiB of second-level cache each; the partition must not depend on the machine.
constexpr double strip_bytes = 1 << 20;  // of the largest value inside one strip
constexpr int64_t fewest_strips = 8;     // that may run at the same time
constexpr double bandwidth = 25e9;       // bytes a second of one thread, beyond the second-level cache
constexpr double packing_cost = 0.1e-9;  // seconds per element of an operand that every strip packs again
constexpr double step_cost = 1.5e-6;     // seconds to start a step of a strip
// Values of more bytes than this are computed again where they are needed much later; what that is worth.
constexpr double remade_value = 32 << 20;
constexpr double memory_worth = 3e9;         // bytes a second
constexpr double streamed_bytes = 32 << 20;  // a kernel that writes more at once writes around the caches

// Is one strip of the value one piece of memory?
bool in_one_piece(const Shape& shape, const Cut& cut, const Ints& counts) {
  const Shape strip = shape_of_strip(shape, cut, counts);
  bool partial = false;  // has a faster axis less than all?
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (partial && strip[axis] != 1) return false;
    partial = partial || strip[axis] != shape[axis];
  }
  return true;
}

// Into how many equal parts an axis is cut when so many are wanted: a few more, or else fewer.
int64_t pieces_of(int64_t extent, double wanted) {
  int64_t fewer = 1;
  for (int64_t count = 1; count <= extent && static_cast<double>(count) < 4 * wanted; ++count) {
    if (extent % count != 0) continue;
    if (static_cast<double>(count) >= wanted) return count;
    fewer = count;
  }
  return fewer;
}

// Strips that may run at the same time.
int64_t parallel(const StripRegion& region) {
  int64_t out = 1;
  for (size_t d = 0; d < region.counts.size(); ++d)
    if (std::none_of(region.results.begin(), region.results.end(),
                     [&](const Wanted& r) { return is_summed(r.cut[d]); }))
      out *= region.counts[d];
  return out;
}

// In how many strips the same part of a value is needed.
double repeats(const Cut& cut, const StripRegion& region) {
  double out = 1;
  for (size_t d = 0; d < cut.size(); ++d)
    if (cut[d] == whole) out *= static_cast<double>(region.counts[d]);
  return out;
}
double sums(const Cut& cut, const StripRegion& region) {
  double out = 1;
  for (size_t d = 0; d < cut.size(); ++d)
    if (is_summed(cut[d])) out *= static_cast<double>(region.counts[d]);
  return out;
}

}  // namespace

std::optional<StripRegion> StripRegions::evaluate(std::vector<size_t> items) {
  std::sort(items.begin(), items.end());
  if (!steps_.schedulable(items)) return std::nullopt;
  StripRegion region;
  region.items = std::move(items);
  std::vector<Id> nodes, written, results;
  for (const size_t i : region.items) {
    nodes.insert(nodes.end(), steps_.items[i].nodes.begin(), steps_.items[i].nodes.end());
    written.insert(written.end(), steps_.items[i].writes.begin(), steps_.items[i].writes.end());
  }
  for (const Id id : written)
    if (const auto found = steps_.renamings.find(id); found != steps_.renamings.end())
      nodes.insert(nodes.end(), found->second.begin(), found->second.end());
  add_remade(region, nodes);
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  for (const Id id : nodes) inside_[id] = true;
  double hidden = 0;  // bytes of what only the region reads
  Id largest = 0;
  for (const Id id : written) {
    if (steps_.leaves(id, region.items)) {
      results.push_back(id);
      continue;
    }
    if (steps_.readers.at(id).empty()) continue;  // those that read it make it again
    if (hidden == 0 || steps_.bytes(id) > steps_.bytes(largest)) largest = id;
    hidden += steps_.bytes(id);
  }
  const bool possible = hidden > 0 && choose(region, nodes, results, largest);
  for (const Id id : nodes) inside_[id] = false;
  if (!possible) return std::nullopt;
  weigh(region, hidden);
  return region;
}

/// Values that are made of nothing (masks) are made again instead of read, and so are large ones that would
/// otherwise have to be kept from where they were last read: the weights of attention for its backward.
void StripRegions::add_remade(StripRegion& region, std::vector<Id>& nodes) const {
  std::vector<size_t> makers;
  const auto add = [&](Id id, size_t maker) {
    const std::vector<Id>& made = steps_.items[maker].nodes;
    nodes.insert(nodes.end(), made.begin(), made.end());
    if (const auto found = steps_.renamings.find(id); found != steps_.renamings.end())
      nodes.insert(nodes.end(), found->second.begin(), found->second.end());
    if (std::find(makers.begin(), makers.end(), maker) == makers.end()) makers.push_back(maker);
  };
  for (const size_t i : region.items)
    for (const Id id : steps_.items[i].reads) {
      const auto writer = steps_.writer.find(id);
      if (writer == steps_.writer.end()) continue;
      if (steps_.items[writer->second].reads.empty()) add(id, writer->second);
      if (steps_.bytes(id) < remade_value || !steps_.read_before(id, region.items)) continue;
      add(id, writer->second);
      if (std::find(region.remade.begin(), region.remade.end(), id) == region.remade.end())
        region.remade.push_back(id);
    }
  for (size_t m = 0; m < makers.size(); ++m)  // grows
    for (const Id id : steps_.items[makers[m]].reads)
      if (const auto writer = steps_.writer.find(id);
          writer != steps_.writer.end() && steps_.bytes(id) >= remade_value && steps_.free(writer->second))
        add(id, writer->second);
}

/// Cuts the axes of the largest hidden value, the slowest first, until strips are small and many.
bool StripRegions::choose(StripRegion& region, const std::vector<Id>& nodes, const std::vector<Id>& results,
                          Id largest) {
  const Shape& shape = steps_.graph[largest].type.shape;
  Cut cut;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const double pieces = static_cast<double>(count_of(region.counts));
    const double wanted =
        std::max(steps_.bytes(largest) / strip_bytes, static_cast<double>(fewest_strips)) / pieces;
    if (wanted <= 1) break;
    const int64_t count = pieces_of(shape[axis], wanted);
    if (count == 1) continue;
    StripRegion tried = region;
    tried.counts.push_back(count);
    Cut longer = cut;
    longer.push_back(static_cast<int64_t>(axis));
    if (!propagate(tried, nodes, results, largest, longer)) continue;
    region = std::move(tried);
    cut = std::move(longer);
  }
  return !region.counts.empty() && parallel(region) >= fewest_strips / 2;
}

/// From the cut of one value forward to results, and from these back to all that they need; values met on
/// the way may lead to further results.
bool StripRegions::propagate(StripRegion& region, const std::vector<Id>& nodes,
                             const std::vector<Id>& results, Id from, const Cut& cut) {
  std::unordered_map<Id, Cut> known{{from, cut}};
  for (size_t before = 0; known.size() > before;) {
    before = known.size();
    for (const Id id : nodes) {
      const Graph::Record& r = steps_.graph[id];
      for (size_t i = 0; i < r.inputs.size() && !known.contains(id); ++i) {
        const auto found = known.find(r.inputs[i]);
        if (found == known.end()) continue;
        const std::optional<Cut> result = cut_of_result(steps_.graph, id, i, found->second, region.counts);
        if (!result) return false;
        known.emplace(id, *result);
      }
    }
    Cuts wanted;
    for (const Id id : results)
      if (const auto found = known.find(id); found != known.end()) wanted[id].push_back(found->second);
    if (!ask(region, nodes, wanted)) return false;
    if (std::all_of(results.begin(), results.end(), [&](Id id) { return wanted.contains(id); }))
      return collect(region, results, wanted);
    for (const auto& [id, cuts] : wanted)
      if (cuts.size() == 1) known.emplace(id, cuts[0]);
  }
  return false;
}

/// Every record that is wanted says which strips of its operands it needs.
bool StripRegions::ask(StripRegion& region, const std::vector<Id>& nodes, Cuts& wanted) {
  region.records.clear();
  region.operands.clear();
  for (size_t n = nodes.size(); n-- > 0;) {
    const Id id = nodes[n];
    const auto found = wanted.find(id);
    if (found == wanted.end()) continue;
    const std::vector<Cut> cuts = found->second;
    const Graph::Record& r = steps_.graph[id];
    if ((r.op->as<Call>() || r.op->as<Reduction>()) && (cuts.size() > 1 || repeats(cuts[0], region) > 1))
      return false;
    for (const Cut& own : cuts) {
      region.records.push_back({id, own});
      for (size_t i = 0; i < r.inputs.size(); ++i) {
        const std::optional<Cut> operand = cut_of_operand(steps_.graph, id, i, own, region.counts);
        if (!operand) return false;
        add_unique(r.inputs[i], *operand, wanted, region.operands);
      }
    }
  }
  std::reverse(region.records.begin(), region.records.end());
  return true;
}

bool StripRegions::collect(StripRegion& region, const std::vector<Id>& results, const Cuts& wanted) const {
  region.results.clear();
  for (const Id id : results) {
    const std::vector<Cut>& cuts = wanted.at(id);
    if (cuts.size() != 1 || repeats(cuts[0], region) > 1 ||
        !in_one_piece(steps_.graph[id].type.shape, cuts[0], region.counts))
      return false;
    region.results.push_back({id, cuts[0]});
  }
  return true;
}

void StripRegions::add_unique(Id id, const Cut& cut, Cuts& wanted, std::vector<Wanted>& operands) const {
  if (inside_[id]) {
    std::vector<Cut>& cuts = wanted[id];
    if (std::find(cuts.begin(), cuts.end(), cut) == cuts.end()) cuts.push_back(cut);
    return;
  }
  for (const Wanted& w : operands)
    if (w.id == id && w.cut == cut) return;
  operands.push_back({id, cut});
}

/// Is this a value that a step inside writes for others inside?
bool StripRegions::hides(Id id, const StripRegion& region) const {
  const auto writer = steps_.writer.find(id);
  return writer != steps_.writer.end() &&
         std::binary_search(region.items.begin(), region.items.end(), writer->second);
}

void StripRegions::weigh(StripRegion& region, double hidden) const {
  const double total = static_cast<double>(count_of(region.counts));
  const double fits = hidden / total <= 6 * strip_bytes ? 1 : 0.25;
  double gain = fits * 2 * hidden / bandwidth;
  gain -= total * static_cast<double>(region.items.size()) * step_cost;
  for (const Wanted& w : region.records) {
    if (!steps_.graph[w.id].op->as<Call>()) {
      if (hides(w.id, region)) gain -= steps_.bytes(w.id) * (repeats(w.cut, region) - 1) / bandwidth;
      continue;
    }
    for (size_t i = 0; i < steps_.graph[w.id].inputs.size(); ++i) {
      const Aval& type = steps_.graph[steps_.graph[w.id].inputs[i]].type;
      const Cut cut = *cut_of_operand(steps_.graph, w.id, i, w.cut, region.counts);
      gain -= static_cast<double>(count_of(type.shape)) * (repeats(cut, region) - 1) * packing_cost;
    }
  }
  for (const Wanted& w : region.operands)
    if (!in_one_piece(steps_.graph[w.id].type.shape, w.cut, region.counts))
      gain -= 2 * steps_.bytes(w.id) / bandwidth;
  for (const Id id : region.remade) gain += steps_.bytes(id) / memory_worth;
  for (const Wanted& w : region.results) {
    gain -= steps_.bytes(w.id) * (sums(w.cut, region) - 1) / bandwidth;
    if (steps_.bytes(w.id) >= streamed_bytes) gain -= 2 * steps_.bytes(w.id) / bandwidth;
  }
  region.gain = gain;
}

Graph body_of(const Graph& graph, const StripRegion& region) {
  GraphBuilder body;
  std::map<std::pair<Id, std::vector<int64_t>>, Id> made;
  const auto key = [](Id id, const Cut& cut) { return std::pair(id, cut.vector()); };
  for (const Wanted& w : region.operands) {
    Aval type = graph[w.id].type;
    type.shape = shape_of_strip(type.shape, w.cut, region.counts);
    made[key(w.id, w.cut)] = body.param(type);
  }
  std::vector<Id> numbers;
  const Device device = graph[region.results[0].id].type.device;
  for (size_t d = 0; d < region.counts.size(); ++d)
    numbers.push_back(body.param({{}, DType::int64, false, device}));
  for (const Wanted& w : region.records) {
    SmallVector<Id, 3> operands;
    for (size_t i = 0; i < graph[w.id].inputs.size(); ++i)
      operands.push_back(
          made.at(key(graph[w.id].inputs[i], *cut_of_operand(graph, w.id, i, w.cut, region.counts))));
    made[key(w.id, w.cut)] = add_on_strip(graph, w.id, w.cut, region.counts, operands, numbers, body);
  }
  std::vector<Id> outputs;
  for (const Wanted& w : region.results) outputs.push_back(made.at(key(w.id, w.cut)));
  return body.finish(std::move(outputs));
}

}  // namespace pg
