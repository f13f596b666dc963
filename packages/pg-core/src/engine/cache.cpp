#include "engine/cache.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace pg::engine {
namespace {

constexpr size_t most_programs = 4096;
constexpr size_t most_records = 4 << 20;  // records of all graphs together, a measure of their memory

struct Table {
  std::mutex mutex;
  std::unordered_multimap<uint64_t, ExecutableRef> programs;
  size_t records = 0;
};

Table& table() {
  static auto* made = new Table;  // never destroyed: threads may outlive static destruction
  return *made;
}

std::atomic<uint64_t> clock_ticks{1};
std::atomic<uint64_t> generation{0};

// Drops the least recently used quarter.
void shrink(Table& t) {
  std::vector<uint64_t> ages;
  for (const auto& [hash, program] : t.programs)
    ages.push_back(program->last_used.load(std::memory_order_relaxed));
  const auto border = ages.begin() + static_cast<std::ptrdiff_t>(ages.size() / 4);
  std::nth_element(ages.begin(), border, ages.end());
  for (auto it = t.programs.begin(); it != t.programs.end();) {
    if (it->second->last_used.load(std::memory_order_relaxed) > *border) {
      ++it;
      continue;
    }
    t.records -= it->second->program.graph.size();
    it = t.programs.erase(it);
  }
}

}  // namespace

ExecutableRef find_program(uint64_t hash, const std::vector<uint64_t>& key) {
  Table& t = table();
  const std::lock_guard lock(t.mutex);
  const auto [first, last] = t.programs.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (it->second->key == key) {
      it->second->last_used.store(clock_ticks.fetch_add(1, std::memory_order_relaxed),
                                  std::memory_order_relaxed);
      return it->second;
    }
  return nullptr;
}

ExecutableRef enter_program(ExecutableRef made) {
  Table& t = table();
  const std::lock_guard lock(t.mutex);
  const auto [first, last] = t.programs.equal_range(made->hash);
  for (auto it = first; it != last; ++it)
    if (it->second->key == made->key) return it->second;
  made->last_used.store(clock_ticks.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
  t.records += made->program.graph.size();
  t.programs.emplace(made->hash, made);
  if (t.programs.size() > most_programs || (t.records > most_records && t.programs.size() > 16)) shrink(t);
  return made;
}

size_t cached_programs() {
  const std::lock_guard lock(table().mutex);
  return table().programs.size();
}

uint64_t cache_generation() { return generation.load(std::memory_order_relaxed); }

void drop_programs() {
  Table& t = table();
  const std::lock_guard lock(t.mutex);
  t.programs.clear();
  t.records = 0;
  generation.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace pg::engine
