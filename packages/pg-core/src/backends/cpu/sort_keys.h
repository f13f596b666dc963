#pragma once
// Sorting unsigned words: what sort and argsort come down to. Equal words are the same, so that neither the
// method nor the number of threads shows.

#include <cstdint>

namespace pg::cpu {

/// Puts the least `count` of n keys in order in front; the rest is left in any order behind them. `split`:
/// the pool's threads share the work.
void sort_keys(uint32_t* keys, int64_t n, int64_t count, bool split);
void sort_keys(uint64_t* keys, int64_t n, int64_t count, bool split);

/// A key with the place it came from.
struct Placed {
  uint64_t key;
  int64_t place;
};
/// The same by key; equal keys keep their order.
void sort_keys(Placed* items, int64_t n, int64_t count, bool split);

}  // namespace pg::cpu
