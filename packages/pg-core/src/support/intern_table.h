#pragma once
// Which of the items entered so far is equal to a new one. The items lie in a list of the owner's; the table
// holds their positions.
//
// An expression is nearly always made soon after its newest operand. So items are kept apart by when that was
// made: lookups of one time stay in one small table that is in the cache, whatever the number of all items,
// and growing moves few of them.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/error.h"

namespace pg {

class InternTable {
 public:
  static constexpr uint32_t none = 0xffffffff;

  /// Position of an item entered with this time and hash for which `same(position)` holds, or none.
  template <class Same> uint32_t find(uint64_t time, uint64_t hash, const Same& same) const {
    const size_t at = time >> window_bits;
    if (at >= windows_.size() || windows_[at].slots.empty()) return none;
    const std::vector<uint64_t>& slots = windows_[at].slots;
    const size_t mask = slots.size() - 1;
    const uint32_t tag = static_cast<uint32_t>(hash);
    for (size_t i = tag & mask; slots[i]; i = (i + 1) & mask)
      if (slots[i] >> 32 == tag) {
        const uint32_t position = static_cast<uint32_t>(slots[i]) - 1;
        if (same(position)) return position;
      }
    return none;
  }

  /// Enters an item that was not found.
  void enter(uint64_t time, uint64_t hash, size_t position) {
    PG_INVARIANT(position < none - 1, "too many nodes in one trace");
    const size_t at = time >> window_bits;
    if (at >= windows_.size()) windows_.resize(at + 1);
    Window& window = windows_[at];
    if (window.used * 2 >= window.slots.size()) grow(window);
    place(window.slots, hash << 32 | (position + 1));
    ++window.used;
  }

 private:
  static constexpr int window_bits = 10;
  struct Window {
    std::vector<uint64_t> slots;  // open addressing: half of the hash, position + 1; 0 is free
    size_t used = 0;
  };
  std::vector<Window> windows_;

  static void place(std::vector<uint64_t>& slots, uint64_t entry) {
    const size_t mask = slots.size() - 1;
    size_t i = (entry >> 32) & mask;
    while (slots[i]) i = (i + 1) & mask;
    slots[i] = entry;
  }
  static void grow(Window& window) {
    std::vector<uint64_t> wide(window.slots.empty() ? 32 : window.slots.size() * 2);
    for (const uint64_t entry : window.slots)
      if (entry) place(wide, entry);
    window.slots.swap(wide);
  }
};

}  // namespace pg
