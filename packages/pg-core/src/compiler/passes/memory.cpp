#include "compiler/passes/memory.h"

#include <algorithm>
#include <limits>
#include <map>

namespace pg {
namespace {

constexpr size_t alignment = 64;
constexpr int forever = std::numeric_limits<int>::max();
// Smaller values stay in the arena, where the next step finds them in the cache.
constexpr size_t worth_a_room = 256 << 10;
// Values that are placed together, largest first; those of a longer program follow in the order of time, so
// that planning stays linear.
constexpr size_t together = 1024;

size_t rounded(size_t bytes) { return (std::max<size_t>(bytes, 1) + alignment - 1) / alignment * alignment; }

// Values that lie in one place, one after the other: each is written over the one before.
struct Block {
  size_t bytes = 0;
  int first = 0, last = 0;
  int base = -1;
  size_t offset = 0;
};

// A stretch of memory with what was placed in it, by offset.
class Space {
 public:
  Space(size_t bytes, int from, int until) : bytes_(bytes), from_(from), until_(until) {}

  size_t bytes() const { return bytes_; }
  size_t used() const { return used_; }

  /// The smallest gap that is free as long as the block lives; false when there is none.
  bool place(Block& block) {
    if (block.first < from_ || block.last >= until_ || block.bytes > bytes_) return false;
    size_t end = 0, best = 0, best_size = std::numeric_limits<size_t>::max();
    for (const Block& other : placed_) {
      if (other.last < block.first || other.first > block.last) continue;
      if (other.offset >= end + block.bytes && other.offset - end < best_size) {
        best = end;
        best_size = other.offset - end;
      }
      end = std::max(end, other.offset + other.bytes);
    }
    if (best_size == std::numeric_limits<size_t>::max()) best = end;
    if (best + block.bytes > bytes_) return false;
    block.offset = best;
    placed_.insert(std::upper_bound(placed_.begin(), placed_.end(), block,
                                    [](const Block& a, const Block& b) { return a.offset < b.offset; }),
                   block);
    used_ = std::max(used_, best + block.bytes);
    return true;
  }

  /// Nothing that is placed from now on lives before this step.
  void forget_before(int step) {
    std::erase_if(placed_, [&](const Block& b) { return b.last < step; });
  }

 private:
  size_t bytes_, used_ = 0;
  int from_, until_;  // steps between which it is free
  std::vector<Block> placed_;
};

// Joins values that may be written over one another; answers the block of each.
std::vector<size_t> join(std::span<Lifetime> values, bool rooms, std::vector<Block>& blocks) {
  std::vector<size_t> order(values.size()), block_of(values.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return values[a].first < values[b].first; });
  std::vector<bool> handed_on(values.size(), false);
  for (const size_t i : order) {
    const Lifetime& v = values[i];
    const int last = v.result ? forever : v.last;
    if (v.over >= 0) {
      const size_t over = static_cast<size_t>(v.over);
      const Lifetime& u = values[over];
      Block& block = blocks[block_of[over]];
      if (!u.result && !handed_on[over] && u.last == v.first && rounded(u.bytes) == rounded(v.bytes) &&
          (!v.result || (rooms && block.first >= v.free_from))) {
        handed_on[over] = true;
        block.last = last;
        if (v.result) block.base = static_cast<int>(i);
        block_of[i] = block_of[over];
        continue;
      }
    }
    block_of[i] = blocks.size();
    blocks.push_back({rounded(v.bytes), v.first, last, v.result ? static_cast<int>(i) : -1, 0});
  }
  return block_of;
}

size_t most_at_once(std::span<const Block> blocks) {
  std::map<int, int64_t> changes;
  for (const Block& b : blocks) {
    if (b.base >= 0) continue;
    changes[b.first] += static_cast<int64_t>(b.bytes);
    changes[b.last + 1] -= static_cast<int64_t>(b.bytes);
  }
  int64_t live = 0, most = 0;
  for (const auto& [step, change] : changes) most = std::max(most, live += change);
  return static_cast<size_t>(most);
}

}  // namespace

MemoryPlan plan_memory(std::span<Lifetime> values, bool rooms) {
  std::vector<Block> blocks;
  const std::vector<size_t> block_of = join(values, rooms, blocks);

  std::vector<std::pair<int, Space>> results;  // smallest first
  if (rooms)
    for (const Block& b : blocks)
      if (b.base >= 0 && b.bytes >= worth_a_room)
        results.emplace_back(b.base, Space(b.bytes, values[static_cast<size_t>(b.base)].free_from, b.first));
  std::stable_sort(results.begin(), results.end(),
                   [](const auto& a, const auto& b) { return a.second.bytes() < b.second.bytes(); });
  Space arena(std::numeric_limits<size_t>::max(), 0, forever);

  std::vector<size_t> order;  // blocks come in the order in which they are written
  for (size_t i = 0; i < blocks.size(); ++i)
    if (blocks[i].base < 0) order.push_back(i);
  for (size_t begin = 0; begin < order.size(); begin += together) {
    const auto from = order.begin() + static_cast<std::ptrdiff_t>(begin),
               to = order.begin() + static_cast<std::ptrdiff_t>(std::min(order.size(), begin + together));
    arena.forget_before(blocks[*from].first);
    std::stable_sort(from, to, [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
    for (auto at = from; at != to; ++at) {
      Block& block = blocks[*at];
      if (block.bytes >= worth_a_room)
        for (auto& [result, space] : results)
          if (space.place(block)) {
            block.base = result;
            break;
          }
      if (block.base < 0) arena.place(block);
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    values[i].base = blocks[block_of[i]].base;
    values[i].offset = blocks[block_of[i]].offset;
  }
  return {arena.used(), most_at_once(blocks)};
}

}  // namespace pg
