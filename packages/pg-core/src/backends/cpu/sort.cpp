#include <algorithm>
#include <vector>

#include "backends/cpu/element.h"
#include "backends/cpu/native.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

constexpr int64_t block = 1 << 15;  // a longer line is sorted in blocks, which are then merged

template <class W> struct Indexed {
  W value;
  int64_t index;
};
template <class W> W key(const W& item) { return item; }
template <class W> W key(const Indexed<W>& item) { return item.value; }

// A strict weak order with every NaN after every number, in both directions.
template <class Item, class F> void with_order(bool descending, F&& f) {
  const auto is_nan = [](auto v) { return v != v; };
  if (descending)
    f([=](const Item& a, const Item& b) { return key(a) > key(b) || (is_nan(key(b)) && !is_nan(key(a))); });
  else
    f([=](const Item& a, const Item& b) { return key(a) < key(b) || (is_nan(key(b)) && !is_nan(key(a))); });
}

// Merging keeps the left item of equals first, so the result is the one stable order, however many threads
// work.
template <class Item, class Less> void sort_line(Item* line, int64_t n, Less less) {
  if (n <= block) return std::stable_sort(line, line + n, less);
  const BufferRef memory = allocate_items(n, sizeof(Item));
  Item *from = line, *to = static_cast<Item*>(memory->data);
  parallel_for((n + block - 1) / block, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i)
      std::stable_sort(line + i * block, line + std::min(n, (i + 1) * block), less);
  });
  for (int64_t width = block; width < n; width *= 2, std::swap(from, to))
    parallel_for((n + 2 * width - 1) / (2 * width), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t first = i * 2 * width, middle = std::min(n, first + width),
                      last = std::min(n, first + 2 * width);
        std::merge(from + first, from + middle, from + middle, from + last, to + first, less);
      }
    });
  if (from != line) std::copy(from, from + n, line);
}

// Sorts every line of (outer, n, inner): load(position in line, offset) makes an item, store(offset, item)
// takes it back.
template <class Item, class Load, class Store>
void sort_lines(int64_t outer, int64_t n, int64_t inner, bool descending, Load load, Store store) {
  if (n == 0) return;
  with_order<Item>(descending, [&](auto less) {
    // A few long lines are split inside sort_line; this loop then stays on the calling thread.
    const int64_t lines = outer * inner,
                  grain = lines < num_threads() && n > block ? lines : std::max<int64_t>(1, (1 << 12) / n);
    parallel_for(lines, grain, [&](int64_t begin, int64_t end, int) {
      const BufferRef memory = allocate_items(n, sizeof(Item));
      Item* const line = static_cast<Item*>(memory->data);
      for (int64_t at = begin; at < end; ++at) {
        const int64_t start = at / inner * n * inner + at % inner;
        for (int64_t i = 0; i < n; ++i) line[i] = load(i, start + i * inner);
        sort_line(line, n, less);
        for (int64_t i = 0; i < n; ++i) store(start + i * inner, line[i]);
      }
    });
  });
}

}  // namespace

void sort(DType dtype, const void* in, void* out, int64_t outer, int64_t n, int64_t inner, bool descending) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const T* const x = static_cast<const T*>(in);
    T* const y = static_cast<T*>(out);
    sort_lines<W>(
        outer, n, inner, descending, [=](int64_t, int64_t at) { return static_cast<W>(x[at]); },
        [=](int64_t at, W value) { y[at] = narrow<T>(value); });
  });
}

void argsort(DType dtype, const void* in, int64_t* out, int64_t outer, int64_t n, int64_t inner,
             bool descending) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Wide<T>;
    const T* const x = static_cast<const T*>(in);
    sort_lines<Indexed<W>>(
        outer, n, inner, descending,
        [=](int64_t i, int64_t at) { return Indexed<W>{static_cast<W>(x[at]), i}; },
        [=](int64_t at, const Indexed<W>& item) { out[at] = item.index; });
  });
}

}  // namespace pg::cpu
