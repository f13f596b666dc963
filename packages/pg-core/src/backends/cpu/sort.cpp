#include <algorithm>
#include <bit>
#include <limits>

#include "backends/cpu/element.h"
#include "backends/cpu/native.h"
#include "backends/cpu/sort_keys.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

template <class T> using Key = std::conditional_t<(sizeof(T) > 4), uint64_t, uint32_t>;
template <class T> using Bits = std::conditional_t<
    sizeof(T) == 1, uint8_t,
    std::conditional_t<sizeof(T) == 2, uint16_t, std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>>;
template <class T> constexpr bool is_float = std::is_floating_point_v<T> || is_half_type<T>;

// Unsigned words in the order of the values, NaN above all in both directions. `one_zero`: -0 and 0 are
// equal, as they have to be where their order shows.
template <class T> Key<T> key_of(T value, bool descending, bool one_zero) {
  using B = Bits<T>;
  constexpr B sign = static_cast<B>(B(1) << (8 * sizeof(T) - 1));
  B bits;
  if constexpr (is_half_type<T>) bits = value.bits;
  else if constexpr (std::is_same_v<T, bool>) bits = value;
  else bits = std::bit_cast<B>(value);
  if constexpr (is_float<T>) {
    const Wide<T> wide = value;
    if (wide != wide) return std::numeric_limits<Key<T>>::max();
    if (one_zero && wide == 0) bits = 0;
    bits = static_cast<B>(bits & sign ? ~bits : bits | sign);
  } else if constexpr (std::is_signed_v<T>) {
    bits ^= sign;
  }
  return descending ? static_cast<B>(~bits) : bits;
}

template <class T> T value_of(Key<T> key, bool descending) {
  using B = Bits<T>;
  constexpr B sign = static_cast<B>(B(1) << (8 * sizeof(T) - 1));
  if constexpr (is_float<T>)
    if (key == std::numeric_limits<Key<T>>::max()) return T(std::numeric_limits<float>::quiet_NaN());
  B bits = static_cast<B>(descending ? ~key : key);
  if constexpr (is_float<T>) bits = static_cast<B>(bits & sign ? bits ^ sign : ~bits);
  else if constexpr (std::is_signed_v<T>) bits ^= sign;
  if constexpr (is_half_type<T>) {
    T out;
    out.bits = bits;
    return out;
  } else if constexpr (std::is_same_v<T, bool>) {
    return bits != 0;
  } else {
    return std::bit_cast<T>(bits);
  }
}

constexpr int64_t together =
    16;  // lines beside each other, which share cache lines where the axis is not the last

// Puts the first `count` items of every line of (outer, n, inner) in order; load(position in line, offset)
// makes them, store(item, offset) takes them into lines of `count`.
template <class Item, class Load, class Store>
void for_lines(int64_t outer, int64_t n, int64_t inner, int64_t count, Load load, Store store) {
  if (n == 0 || outer * inner == 0) return;
  const int64_t group = std::min(inner, together), groups = (inner + group - 1) / group;
  // A few long lines are split inside of sort; this loop then stays on the calling thread.
  const bool split = outer * inner < num_threads() && n > (1 << 15);
  const int64_t tasks = outer * groups, grain = split ? tasks : std::max<int64_t>(1, (1 << 12) / (n * group));
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end, int) {
    const BufferRef memory = allocate_items(n * group, sizeof(Item));
    Item* const lines = static_cast<Item*>(memory->data);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % groups * group, width = std::min(group, inner - first);
      const int64_t start = task / groups * n * inner + first, to = task / groups * count * inner + first;
      if (inner == 1) {  // apart, because the compiler then turns the loops into vectors
        for (int64_t i = 0; i < n; ++i) lines[i] = load(i, start + i);
        sort_keys(lines, n, count, split);
        for (int64_t i = 0; i < count; ++i) store(lines[i], to + i);
        continue;
      }
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < width; ++j) lines[j * n + i] = load(i, start + i * inner + j);
      for (int64_t j = 0; j < width; ++j) sort_keys(lines + j * n, n, count, split);
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < width; ++j) store(lines[j * n + i], to + i * inner + j);
    }
  });
}

// The least and the greatest key, for keys of 64 bits, whose range often fits in 32.
template <class T> std::pair<uint64_t, uint64_t> range_of(const T* x, int64_t count, bool descending) {
  uint64_t low = std::numeric_limits<uint64_t>::max(), high = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t key = key_of(x[i], descending, true);
    low = std::min(low, key), high = std::max(high, key);
  }
  return {low, high};
}

}  // namespace

void sort(DType dtype, const void* in, void* out, int64_t outer, int64_t n, int64_t inner, bool descending) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const x = static_cast<const T*>(in);
    T* const y = static_cast<T*>(out);
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      const auto [low, high] = range_of(x, outer * n * inner, descending);
      if (high - low <= std::numeric_limits<uint32_t>::max())
        return for_lines<uint32_t>(
            outer, n, inner, n,
            [=, low = low](int64_t, int64_t at) {
              return static_cast<uint32_t>(key_of(x[at], descending, false) - low);
            },
            [=, low = low](uint32_t key, int64_t at) { y[at] = value_of<T>(key + low, descending); });
    }
    for_lines<Key<T>>(
        outer, n, inner, n, [=](int64_t, int64_t at) { return key_of(x[at], descending, false); },
        [=](Key<T> key, int64_t at) { y[at] = value_of<T>(key, descending); });
  });
}

// The place stands in the lower half of a word where the key leaves room: no two words are then equal, and
// any way of sorting them is a stable one.
void argsort(DType dtype, const void* in, int64_t* out, int64_t outer, int64_t n, int64_t inner,
             bool descending, int64_t count) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* const x = static_cast<const T*>(in);
    uint64_t base = 0;
    bool fits = sizeof(T) <= 4 && n <= std::numeric_limits<uint32_t>::max();
    if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
      const auto [low, high] = range_of(x, outer * n * inner, descending);
      base = low;
      fits = n <= std::numeric_limits<uint32_t>::max() && high - low <= std::numeric_limits<uint32_t>::max();
    }
    if (fits)
      return for_lines<uint64_t>(
          outer, n, inner, count,
          [=](int64_t i, int64_t at) {
            return (key_of(x[at], descending, true) - base) << 32 | static_cast<uint64_t>(i);
          },
          [=](uint64_t word, int64_t at) { out[at] = static_cast<uint32_t>(word); });
    for_lines<Placed>(
        outer, n, inner, count,
        [=](int64_t i, int64_t at) { return Placed{key_of(x[at], descending, true), i}; },
        [=](const Placed& item, int64_t at) { out[at] = item.place; });
  });
}

}  // namespace pg::cpu
