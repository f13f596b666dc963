#include "compiler/passes/strip_steps.h"

#include <algorithm>
#include <unordered_set>

#include "compiler/passes/fuse.h"
#include "graph/bytes.h"
#include "ops/ops.h"

namespace pg {
namespace {

constexpr size_t most_steps = 24;

}  // namespace

StripSteps::StripSteps(const Graph& given) : graph(given), source(given.size()), kept(given.size(), false) {
  for (Id id = 0; id < graph.size(); ++id) source[id] = id;
  for (const Step& step : fuse(graph)) {
    if (step.kind == Step::Kind::alias) {
      const bool renames = graph[step.record].op->as<Pick>() == nullptr;
      if (renames) source[step.record] = source[step.source];
      if (renames) renamings[source[step.record]].push_back(step.record);
      else several.emplace(step.record, step.source);
      continue;
    }
    add_item(step);
  }
  for (const Id id : graph.outputs) kept[source[id]] = true;
  for (size_t i = 0; i < items.size(); ++i) {
    order.push_back(i);
    position_.push_back(i);
    for (const Id id : items[i].writes) writer[id] = i;
  }
  for (const auto& [pick, call] : several) writer[pick] = writer.at(call);
  for (size_t i = 0; i < items.size(); ++i)
    for (const Id id : items[i].reads) readers[id].push_back(i);
  region_of.assign(items.size(), none);
}

double StripSteps::bytes(Id id) const { return static_cast<double>(bytes_of(graph[id].type)); }

void StripSteps::add_item(const Step& step) {
  StripItem item;
  std::vector<Id> reads;
  if (step.kind == Step::Kind::kernel) {
    item.nodes = step.group.nodes;
    item.writes = step.group.outputs;
    reads = step.group.inputs;
    item.open = true;
  } else {
    const Graph::Record& r = graph[step.record];
    item.nodes = {step.record};
    item.writes = {step.record};
    reads.assign(r.inputs.begin(), r.inputs.end());
    item.open = r.op == &dot_general_op;
  }
  for (const Id id : reads) item.reads.push_back(source[id]);
  for (const Id id : item.writes) item.open = item.open && count_of(graph[id].type.shape) > 0;
  items.push_back(std::move(item));
}

bool StripSteps::add_readers(Id value, std::vector<size_t>& region) const {
  const auto found = readers.find(value);
  if (found == readers.end()) return false;
  for (const size_t i : found->second) {
    if (!free(i)) return false;
    if (std::find(region.begin(), region.end(), i) == region.end()) region.push_back(i);
  }
  return region.size() <= most_steps;
}

bool StripSteps::leaves(Id id, const std::vector<size_t>& region) const {
  if (kept[id]) return true;
  const auto found = readers.find(id);
  return found == readers.end() || std::any_of(found->second.begin(), found->second.end(), [&](size_t i) {
           return !std::binary_search(region.begin(), region.end(), i);
         });
}

std::pair<std::vector<size_t>, std::vector<size_t>>
StripSteps::other_readers(Id value, const std::vector<size_t>& region) const {
  const size_t oldest = position_[writer.at(value)];
  std::unordered_set<size_t> before;  // what the region waits for, back to the writer of the value
  std::vector<size_t> open(region);
  while (!open.empty()) {
    const size_t i = open.back();
    open.pop_back();
    for (const Id id : items[i].reads) {
      const auto maker = writer.find(id);
      if (maker == writer.end() || position_[maker->second] <= oldest) continue;
      if (before.insert(maker->second).second) open.push_back(maker->second);
    }
  }
  std::pair<std::vector<size_t>, std::vector<size_t>> out;
  for (const size_t i : readers.at(value))
    if (std::find(region.begin(), region.end(), i) == region.end())
      (before.contains(i) ? out.first : out.second).push_back(i);
  return out;
}

bool StripSteps::read_before(Id value, const std::vector<size_t>& region) const {
  const size_t maker = writer.at(value);
  if (kept[value] || !free(maker) || std::binary_search(region.begin(), region.end(), maker)) return false;
  const auto [before, others] = other_readers(value, region);
  if (!others.empty()) return false;
  if (!before.empty()) return true;
  std::vector<size_t> together = region;  // what else the writer gives may be read before
  together.insert(std::upper_bound(together.begin(), together.end(), maker), maker);
  return !schedulable(together);
}

bool StripSteps::add_late_readers(Id value, std::vector<size_t>& region) const {
  const auto [before, others] = other_readers(value, region);
  for (const size_t i : others) {
    if (!free(i)) return false;
    region.push_back(i);
  }
  return region.size() <= most_steps;
}

/// The items between the first and the last of a region, apart from it: those that come before, and those
/// that come after because they need it. False when the region needs one of the latter.
bool StripSteps::split(const std::vector<size_t>& region, size_t low, size_t high,
                       std::vector<size_t>& before, std::vector<size_t>& after) const {
  std::unordered_map<size_t, bool> behind;  // items and older regions that need this one
  const auto name = [&](size_t i) { return region_of[i] == none ? i : items.size() + region_of[i]; };
  for (size_t at = low; at <= high; ++at) {
    const size_t i = order[at];
    const bool own = std::binary_search(region.begin(), region.end(), i);
    // The items of an older region stand together and depend as one.
    size_t end = at;
    if (!own && region_of[i] != none)
      while (end + 1 < order.size() && region_of[order[end + 1]] == region_of[i]) ++end;
    bool needs_after = false, needs_own = false;
    for (size_t k = at; k <= end; ++k)
      for (const Id id : items[order[k]].reads) {
        const auto found = writer.find(id);
        if (found == writer.end()) continue;
        needs_own = needs_own || std::binary_search(region.begin(), region.end(), found->second);
        needs_after = needs_after || behind.contains(name(found->second));
      }
    if (own && needs_after) return false;
    if (!own) {
      std::vector<size_t>& list = needs_after || needs_own ? after : before;
      for (size_t k = at; k <= end; ++k) list.push_back(order[k]);
      if (needs_after || needs_own) behind.emplace(name(i), true);
    }
    at = end;
  }
  return true;
}

std::pair<size_t, size_t> StripSteps::range_of(const std::vector<size_t>& region) const {
  size_t low = order.size(), high = 0;
  for (const size_t i : region) {
    low = std::min(low, position_[i]);
    high = std::max(high, position_[i]);
  }
  return {low, high};
}

bool StripSteps::schedulable(const std::vector<size_t>& region) const {
  std::vector<size_t> before, after;
  const auto [low, high] = range_of(region);
  return split(region, low, high, before, after);
}

void StripSteps::join(const std::vector<size_t>& region, size_t number, std::span<const Id> operands) {
  const auto own = [&](size_t i) { return std::binary_search(region.begin(), region.end(), i); };
  std::vector<size_t> before, after, together;
  const auto [low, high] = range_of(region);
  split(region, low, high, before, after);
  for (size_t at = low; at <= high; ++at)
    if (own(order[at])) together.push_back(order[at]);
  size_t at = low;
  for (const auto* list : {&before, &together, &after})
    for (const size_t i : *list) {
      position_[i] = at;
      order[at++] = i;
    }
  std::vector<Id> wanted;
  for (const Id id : operands) wanted.push_back(source[id]);
  for (const size_t i : region) {
    region_of[i] = number;
    // What is made again is not read any more.
    std::erase_if(items[i].reads, [&](Id id) {
      const auto maker = writer.find(id);
      if ((maker != writer.end() && own(maker->second)) ||
          std::find(wanted.begin(), wanted.end(), id) != wanted.end())
        return false;
      std::erase(readers[id], i);
      return true;
    });
  }
  for (const Id id : wanted) {  // but what that is made of is
    std::vector<size_t>& list = readers[id];
    if (std::any_of(list.begin(), list.end(), own)) continue;
    list.push_back(region[0]);
    items[region[0]].reads.push_back(id);
  }
}

}  // namespace pg
