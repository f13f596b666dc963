#include "backends/cpu/sort_keys.h"

#include <algorithm>
#include <bit>
#include <type_traits>
#include <utility>
#include <vector>

#include "ir/isa.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

#if defined(__x86_64__) && !defined(PG_GENERIC)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 means the intrinsics' own "any value" (bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

namespace pg::cpu {
namespace {

uint32_t key_of(uint32_t item) { return item; }
uint64_t key_of(uint64_t item) { return item; }
uint64_t key_of(const Placed& item) { return item.key; }

// ---- any machine: by digits of eight bits, the lowest first; a digit that all keys share costs nothing

template <class Item> void sort_by_digits(Item* items, int64_t n) {
  using Key = decltype(key_of(*items));
  constexpr int digits = sizeof(Key);
  if (n <= 64) {
    std::stable_sort(items, items + n, [](const Item& a, const Item& b) { return key_of(a) < key_of(b); });
    return;
  }
  int64_t counts[digits][256] = {};
  for (int64_t i = 0; i < n; ++i)
    for (int d = 0; d < digits; ++d) ++counts[d][key_of(items[i]) >> (8 * d) & 255];
  const BufferRef memory = allocate_items(n, sizeof(Item));
  Item *from = items, *to = static_cast<Item*>(memory->data);
  for (int d = 0; d < digits; ++d) {
    if (counts[d][key_of(items[0]) >> (8 * d) & 255] == n) continue;
    int64_t starts[256];
    for (int64_t v = 0, sum = 0; v < 256; ++v) sum += counts[d][v], starts[v] = sum - counts[d][v];
    for (int64_t i = 0; i < n; ++i) to[starts[key_of(from[i]) >> (8 * d) & 255]++] = from[i];
    std::swap(from, to);
  }
  if (from != items) std::copy(from, from + n, items);
}

#if PG_CLONES
// ---- AVX-512: quicksort whose partitions write compressed vectors, and sorting networks of registers for
// what is short (Bramas 2017: A Novel Hybrid Quicksort Algorithm Vectorized using AVX-512; Batcher 1968)

#define PG_LANE static inline PG_TARGET_AVX512

struct Lanes32 {
  using Key = uint32_t;
  static constexpr int count = 16;
  using Mask = __mmask16;
  PG_LANE __m512i all(Key k) { return _mm512_set1_epi32(static_cast<int>(k)); }
  PG_LANE __m512i load(const Key* p) { return _mm512_loadu_si512(p); }
  PG_LANE __m512i load(const Key* p, Mask m, __m512i rest) { return _mm512_mask_loadu_epi32(rest, m, p); }
  PG_LANE void store(Key* p, __m512i v) { _mm512_storeu_si512(p, v); }
  PG_LANE void store(Key* p, Mask m, __m512i v) { _mm512_mask_storeu_epi32(p, m, v); }
  PG_LANE __m512i least(__m512i a, __m512i b) { return _mm512_min_epu32(a, b); }
  PG_LANE __m512i greatest(__m512i a, __m512i b) { return _mm512_max_epu32(a, b); }
  PG_LANE __m512i choose(Mask m, __m512i a, __m512i b) { return _mm512_mask_mov_epi32(a, m, b); }
  PG_LANE __m512i arrange(__m512i places, __m512i v) { return _mm512_permutexvar_epi32(places, v); }
  PG_LANE Mask less(__m512i a, __m512i b) { return _mm512_cmplt_epu32_mask(a, b); }
  PG_LANE __m512i compress(Mask m, __m512i v) { return _mm512_maskz_compress_epi32(m, v); }
};

struct Lanes64 {
  using Key = uint64_t;
  static constexpr int count = 8;
  using Mask = __mmask8;
  PG_LANE __m512i all(Key k) { return _mm512_set1_epi64(static_cast<int64_t>(k)); }
  PG_LANE __m512i load(const Key* p) { return _mm512_loadu_si512(p); }
  PG_LANE __m512i load(const Key* p, Mask m, __m512i rest) { return _mm512_mask_loadu_epi64(rest, m, p); }
  PG_LANE void store(Key* p, __m512i v) { _mm512_storeu_si512(p, v); }
  PG_LANE void store(Key* p, Mask m, __m512i v) { _mm512_mask_storeu_epi64(p, m, v); }
  PG_LANE __m512i least(__m512i a, __m512i b) { return _mm512_min_epu64(a, b); }
  PG_LANE __m512i greatest(__m512i a, __m512i b) { return _mm512_max_epu64(a, b); }
  PG_LANE __m512i choose(Mask m, __m512i a, __m512i b) { return _mm512_mask_mov_epi64(a, m, b); }
  PG_LANE __m512i arrange(__m512i places, __m512i v) { return _mm512_permutexvar_epi64(places, v); }
  PG_LANE Mask less(__m512i a, __m512i b) { return _mm512_cmplt_epu64_mask(a, b); }
  PG_LANE __m512i compress(Mask m, __m512i v) { return _mm512_maskz_compress_epi64(m, v); }
};

#undef PG_LANE

template <class L, int flip> struct Places {
  alignas(64) typename L::Key at[L::count];
  constexpr Places() : at() {
    for (int i = 0; i < L::count; ++i) at[i] = static_cast<typename L::Key>(i ^ flip);
  }
};
template <class L, int flip> inline constexpr Places<L, flip> places{};

// Lane i meets lane i ^ flip; the one whose index holds `bit` keeps the greater key.
template <class L, int flip, int bit> PG_TARGET_AVX512 inline __m512i meet(__m512i v) {
  constexpr uint32_t upper = [] {
    uint32_t m = 0;
    for (int i = 0; i < L::count; ++i) m |= (i & bit ? 1u : 0u) << i;
    return m;
  }();
  const __m512i other = L::arrange(_mm512_load_si512(places<L, flip>.at), v);
  return L::choose(static_cast<typename L::Mask>(upper), L::least(v, other), L::greatest(v, other));
}
template <class L> PG_TARGET_AVX512 inline __m512i reversed(__m512i v) {
  return L::arrange(_mm512_load_si512(places<L, L::count - 1>.at), v);
}
// A vector that first rises and then falls, or is a rotation of such a one.
template <class L> PG_TARGET_AVX512 inline __m512i merge_lanes(__m512i v) {
  if constexpr (L::count == 16) v = meet<L, 8, 8>(v);
  return meet<L, 1, 1>(meet<L, 2, 2>(meet<L, 4, 4>(v)));
}
template <class L> PG_TARGET_AVX512 inline __m512i sort_lanes(__m512i v) {
  v = meet<L, 1, 1>(meet<L, 3, 2>(meet<L, 1, 1>(v)));
  v = meet<L, 1, 1>(meet<L, 2, 2>(meet<L, 7, 4>(v)));
  if constexpr (L::count == 16) v = meet<L, 1, 1>(meet<L, 2, 2>(meet<L, 4, 4>(meet<L, 15, 8>(v))));
  return v;
}

template <class L, int vectors> PG_TARGET_AVX512 void sort_registers(typename L::Key* keys, int64_t n) {
  using Mask = typename L::Mask;
  __m512i v[vectors];
  Mask masks[vectors];
  const __m512i last = L::all(~typename L::Key(0));
  _Pragma("GCC unroll 8") for (int i = 0; i < vectors; ++i) {
    const int64_t left = std::clamp<int64_t>(n - i * L::count, 0, L::count);
    masks[i] = static_cast<Mask>((uint32_t(1) << left) - 1);
    v[i] = sort_lanes<L>(L::load(keys + i * L::count, masks[i], last));
  }
  _Pragma("GCC unroll 4") for (int size = 2; size <= vectors; size *= 2)
      _Pragma("GCC unroll 8") for (int base = 0; base < vectors; base += size) {
    _Pragma("GCC unroll 4") for (int i = 0; i < size / 2; ++i) {
      const __m512i low = v[base + i], high = reversed<L>(v[base + size - 1 - i]);
      v[base + i] = L::least(low, high);
      v[base + size - 1 - i] = reversed<L>(L::greatest(low, high));
    }
    _Pragma("GCC unroll 4") for (int step = size / 4; step > 0; step /= 2)
        _Pragma("GCC unroll 8") for (int i = 0; i < size; ++i) if (!(i & step)) {
      const __m512i a = v[base + i], b = v[base + i + step];
      v[base + i] = L::least(a, b);
      v[base + i + step] = L::greatest(a, b);
    }
    _Pragma("GCC unroll 8") for (int i = 0; i < size; ++i) v[base + i] = merge_lanes<L>(v[base + i]);
  }
  _Pragma("GCC unroll 8") for (int i = 0; i < vectors; ++i) L::store(keys + i * L::count, masks[i], v[i]);
}

// Moves the keys below the pivot (with `equal`: those not above it) to the front and returns how many.
template <class L, bool equal> PG_TARGET_AVX512 int64_t partition(typename L::Key* keys, int64_t n,
                                                                  typename L::Key pivot,
                                                                  typename L::Key* scratch) {
  using Mask = typename L::Mask;
  const __m512i middle = L::all(pivot);
  const auto goes_left = [&](__m512i v) __attribute__((always_inline)) PG_TARGET_AVX512 {
    if constexpr (equal) return static_cast<Mask>(~L::less(middle, v));
    else return L::less(v, middle);
  };
  int64_t left = 0, right = 0, i = 0;
  for (; i + L::count <= n; i += L::count) {  // what is written to the left was read before
    const __m512i v = L::load(keys + i);
    const Mask m = goes_left(v);
    L::store(keys + left, L::compress(m, v));
    L::store(scratch + right, L::compress(static_cast<Mask>(~m), v));
    const int gone = std::popcount(static_cast<uint32_t>(m));
    left += gone;
    right += L::count - gone;
  }
  if (i < n) {
    const Mask valid = static_cast<Mask>((uint32_t(1) << (n - i)) - 1);
    const __m512i v = L::load(keys + i, valid, middle);
    const Mask m = goes_left(v) & valid;
    const int gone = std::popcount(static_cast<uint32_t>(m));
    L::store(keys + left, static_cast<Mask>((uint32_t(1) << gone) - 1), L::compress(m, v));
    L::store(scratch + right, L::compress(static_cast<Mask>(~m & valid), v));
    left += gone;
    right += n - i - gone;
  }
  std::copy(scratch, scratch + right, keys + left);
  return left;
}

template <class L> PG_TARGET_AVX512 typename L::Key pivot_of(const typename L::Key* keys, int64_t n) {
  alignas(64) typename L::Key sample[L::count];
  for (int i = 0; i < L::count; ++i) sample[i] = keys[(2 * i + 1) * (n / (2 * L::count))];
  L::store(sample, sort_lanes<L>(L::load(sample)));
  return sample[L::count / 2];
}

template <class L> PG_TARGET_AVX512 void quicksort(typename L::Key* keys, int64_t n, int64_t count,
                                                   typename L::Key* scratch, int depth) {
  while (n > 8 * L::count) {
    if (depth-- == 0) return sort_by_digits(keys, n);  // an input that defeats the sampling
    const auto pivot = pivot_of<L>(keys, n);
    int64_t left = partition<L, false>(keys, n, pivot, scratch);
    if (left == 0) {  // the pivot is the least key: all that equal it are in their place
      left = partition<L, true>(keys, n, pivot, scratch);
      keys += left, n -= left, count -= left;
      if (count <= 0) return;
      continue;
    }
    if (count > left) quicksort<L>(keys + left, n - left, count - left, scratch, depth);
    n = left;
  }
  if (n > 4 * L::count) sort_registers<L, 8>(keys, n);
  else if (n > 2 * L::count) sort_registers<L, 4>(keys, n);
  else if (n > L::count) sort_registers<L, 2>(keys, n);
  else sort_registers<L, 1>(keys, n);
}
#endif

#if PG_CLONES
// Partitions around the median of a larger sample until there are parts enough for all threads.
template <class L> void split_quicksort(typename L::Key* keys, int64_t n, int64_t count) {
  struct Part {
    int64_t begin, size;
  };
  std::vector<Part> parts = {{0, n}};
  const size_t enough = 2 * static_cast<size_t>(num_threads());
  const BufferRef memory =
      allocate_items(n + static_cast<int64_t>(enough) * L::count, sizeof(typename L::Key));
  const auto scratch_of = [&](size_t i) {  // a partition writes a vector beyond what it keeps
    return static_cast<typename L::Key*>(memory->data) + parts[i].begin + static_cast<int64_t>(i) * L::count;
  };
  while (2 * parts.size() <= enough) {
    std::vector<int64_t> left(parts.size());
    parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end, int) {
      for (size_t i = begin; i < static_cast<size_t>(end); ++i) {
        typename L::Key sample[8 * L::count];
        for (int j = 0; j < 8 * L::count; ++j)
          sample[j] = keys[parts[i].begin + (2 * j + 1) * (parts[i].size / (16 * L::count))];
        sort_registers<L, 8>(sample, 8 * L::count);
        left[i] =
            partition<L, false>(keys + parts[i].begin, parts[i].size, sample[4 * L::count], scratch_of(i));
      }
    });
    std::vector<Part> next;
    for (size_t i = 0; i < parts.size(); ++i) {
      const auto [begin, size] = parts[i];
      if (left[i] > 0) next.push_back({begin, left[i]});
      if (begin + left[i] < count && left[i] < size) next.push_back({begin + left[i], size - left[i]});
    }
    if (next.size() == parts.size()) break;  // few different keys
    parts = std::move(next);
  }
  parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end, int) {
    for (size_t i = begin; i < static_cast<size_t>(end); ++i)
      quicksort<L>(keys + parts[i].begin, parts[i].size, count - parts[i].begin, scratch_of(i),
                   2 * std::bit_width(static_cast<uint64_t>(n)));
  });
}
#endif

// ---- several threads: parts in order, merged in pairs

// How many of the first `length` items of the merged parts come from the left one, which goes first among
// equals.
template <class Item>
int64_t from_left(const Item* a, int64_t na, const Item* b, int64_t nb, int64_t length) {
  int64_t low = std::max<int64_t>(0, length - nb), high = std::min(na, length);
  while (low < high) {
    const int64_t i = (low + high) / 2;
    if (key_of(b[length - i - 1]) < key_of(a[i])) high = i;
    else low = i + 1;
  }
  return low;
}

template <class Item> void merge_range(const Item* a, int64_t na, const Item* b, int64_t nb, Item* out,
                                       int64_t begin, int64_t end) {
  int64_t i = from_left(a, na, b, nb, begin), j = begin - i, at = begin;
  while (at < end && i < na && j < nb) {
    const bool right = key_of(b[j]) < key_of(a[i]);
    out[at++] = right ? b[j] : a[i];
    j += right;
    i += !right;
  }
  if (i < na) std::copy(a + i, a + i + (end - at), out + at);
  else std::copy(b + j, b + j + (end - at), out + at);
}

template <class Item> void sort_items(Item* items, int64_t n, int64_t count, bool split) {
  constexpr int64_t least_part = 1 << 14;
#if PG_CLONES
  if constexpr (!std::is_same_v<Item, Placed>)
    if (ir::isa() == ir::Isa::avx512) {
      using L = std::conditional_t<sizeof(Item) == 4, Lanes32, Lanes64>;
      if (split && n >= 2 * least_part && num_threads() > 1) return split_quicksort<L>(items, n, count);
      const bool short_line = n <= 8 * L::count;
      const BufferRef memory = short_line ? BufferRef() : allocate_items(n + L::count, sizeof(Item));
      Item* const scratch = short_line ? nullptr : static_cast<Item*>(memory->data);
      return quicksort<L>(items, n, count, scratch, 2 * std::bit_width(static_cast<uint64_t>(n)));
    }
#endif
  const int64_t parts =
      split ? std::min<int64_t>(std::bit_ceil(static_cast<uint64_t>(num_threads())), n / least_part) : 1;
  if (parts < 2) return sort_by_digits(items, n);
  const int64_t width = (n + parts - 1) / parts;
  parallel_for(parts, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t size = std::min(n, (p + 1) * width) - std::min(n, p * width);
      sort_by_digits(items + p * width, size);
    }
  });
  const BufferRef memory = allocate_items(n, sizeof(Item));
  Item *from = items, *to = static_cast<Item*>(memory->data);
  for (int64_t w = width; w < n; w *= 2, std::swap(from, to))
    for (int64_t first = 0; first < n; first += 2 * w) {
      const int64_t middle = std::min(n, first + w), last = std::min(n, first + 2 * w);
      const int64_t na = std::min(count, middle - first), nb = std::min(count, last - middle);
      const int64_t wanted = std::min(count, last - first);
      parallel_for(wanted, least_part, [&](int64_t begin, int64_t end, int) {
        merge_range(from + first, na, from + middle, nb, to + first, begin, end);
      });
    }
  if (from != items) std::copy(from, from + count, items);
}

}  // namespace

void sort_keys(uint32_t* keys, int64_t n, int64_t count, bool split) { sort_items(keys, n, count, split); }
void sort_keys(uint64_t* keys, int64_t n, int64_t count, bool split) { sort_items(keys, n, count, split); }
void sort_keys(Placed* items, int64_t n, int64_t count, bool split) { sort_items(items, n, count, split); }

}  // namespace pg::cpu
