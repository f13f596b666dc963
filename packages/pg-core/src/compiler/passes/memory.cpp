#include "compiler/passes/memory.h"

#include <algorithm>
#include <map>

namespace pg {
namespace {

constexpr size_t alignment = 64;

// Free ranges by offset; neighbours are merged.
class FreeList {
 public:
  size_t take(size_t bytes) {
    auto best = ranges_.end();
    for (auto it = ranges_.begin(); it != ranges_.end(); ++it)
      if (it->second >= bytes && (best == ranges_.end() || it->second < best->second)) best = it;
    if (best != ranges_.end()) {
      const auto [offset, size] = *best;
      ranges_.erase(best);
      if (size > bytes) ranges_.emplace(offset + bytes, size - bytes);
      return offset;
    }
    // Grow the arena, from its last free range where that touches the end.
    if (!ranges_.empty()) {
      const auto last = std::prev(ranges_.end());
      if (last->first + last->second == end_) {
        const size_t offset = last->first;
        ranges_.erase(last);
        end_ = offset + bytes;
        return offset;
      }
    }
    const size_t offset = end_;
    end_ += bytes;
    return offset;
  }

  void give(size_t offset, size_t bytes) {
    auto [it, fresh] = ranges_.emplace(offset, bytes);
    if (const auto next = std::next(it); next != ranges_.end() && it->first + it->second == next->first) {
      it->second += next->second;
      ranges_.erase(next);
    }
    if (it != ranges_.begin())
      if (const auto before = std::prev(it); before->first + before->second == it->first) {
        before->second += it->second;
        ranges_.erase(it);
      }
  }

  size_t end() const { return end_; }

 private:
  std::map<size_t, size_t> ranges_;
  size_t end_ = 0;
};

}  // namespace

size_t plan_memory(std::span<Lifetime> temporaries) {
  FreeList arena;
  std::vector<size_t> births(temporaries.size()), deaths;
  for (size_t i = 0; i < births.size(); ++i) births[i] = i;
  std::stable_sort(births.begin(), births.end(),
                   [&](size_t a, size_t b) { return temporaries[a].first < temporaries[b].first; });
  deaths = births;
  std::stable_sort(deaths.begin(), deaths.end(),
                   [&](size_t a, size_t b) { return temporaries[a].last < temporaries[b].last; });
  std::vector<bool> handed_on(temporaries.size(), false);
  const auto rounded = [](size_t bytes) {
    return (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  };
  size_t next_death = 0;
  for (const size_t i : births) {
    Lifetime& t = temporaries[i];
    // What was read last before this step is free now; what this step reads is not.
    for (; next_death < deaths.size() && temporaries[deaths[next_death]].last < t.first; ++next_death) {
      const size_t dead = deaths[next_death];
      if (!handed_on[dead]) arena.give(temporaries[dead].offset, rounded(temporaries[dead].bytes));
    }
    const size_t over = static_cast<size_t>(t.over);
    if (t.over >= 0 && !handed_on[over] && temporaries[over].last == t.first &&
        rounded(temporaries[over].bytes) == rounded(t.bytes)) {
      t.offset = temporaries[over].offset;
      handed_on[over] = true;
    } else {
      t.offset = arena.take(rounded(t.bytes));
    }
  }
  return arena.end();
}

}  // namespace pg
