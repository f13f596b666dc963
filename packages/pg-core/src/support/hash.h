#pragma once
// 64-bit multiply-fold hashing of words. A hash only finds candidates: every table compares whole keys.

#include <cstddef>
#include <cstdint>

namespace pg {

inline uint64_t hash_mix(uint64_t state, uint64_t word) {
  const unsigned __int128 product = static_cast<unsigned __int128>(state ^ word) * 0x9E3779B97F4A7C15ull;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64) ^ (word << 1);
}

inline uint64_t hash_words(const uint64_t* words, size_t count, uint64_t state = 0x243F6A8885A308D3ull) {
  for (size_t i = 0; i < count; ++i) state = hash_mix(state, words[i]);
  return state;
}

}  // namespace pg
