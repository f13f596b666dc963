#include "backends/cpu/gemm_small.h"

#include <algorithm>

#include "backends/cpu/gemm_kernel.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

// Measured.
constexpr int64_t deepest = 1024;  // bytes of a sum: one block of k of the large products
constexpr int64_t most_a = 64 << 10, most_b = 64 << 10;  // bytes of an operand
constexpr int64_t most_scattered = 512;                  // elements of an a that has no axis side by side
constexpr int64_t task_work = 1 << 16;                   // multiply-adds that pay for a task
constexpr int64_t product_work = 1 << 10;                // what a product costs besides its own

constexpr int64_t fetching_work = 1 << 15;  // multiply-adds of a product that fetches the next one's operands

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// The numbers of one operand as lines of the memory: `count` of them, `step` apart, `length` numbers each.
struct Lines {
  int64_t count, step, length;
  Lines(int64_t rows, int64_t row, int64_t columns, int64_t column)
      : count(column == 1 ? rows : columns), step(column == 1 ? row : column),
        length(column == 1 ? columns : rows) {}

  /// Fetches the part-th of `parts` into the second-level cache.
  template <class T> void fetch(const T* x, int64_t part, int64_t parts) const {
    for (int64_t i = count * part / parts; i < count * (part + 1) / parts; ++i)
      for (int64_t at = 0; at < length; at += 64 / static_cast<int64_t>(sizeof(T)))
        __builtin_prefetch(x + i * step + at, 0, 2);
  }
};

}  // namespace

bool is_small_product(const MatmulDesc& d, int64_t item) {
  constexpr int64_t page = 4096;  // rows so far apart fall on one another in the first-level cache
  const int64_t apart = std::max(d.a_row, d.a_col) * item;
  return d.c_col == 1 && (d.b_col == 1 || d.b_row == 1) && d.k * item <= deepest &&
         d.m * d.k * item <= most_a && d.n * d.k * item <= most_b &&
         (d.m * d.k <= most_scattered || (std::min(d.a_row, d.a_col) == 1 && apart % page != 0));
}

template <class T> void small_products(const MatmulDesc& d, const T* a, const T* b, T* c, bool accumulate) {
  const Kernel<T>& kernel = best_kernel<T>();
  const int64_t nr = kernel.nr, tiles = ceil_div(d.m, kernel.mr), panels = ceil_div(d.n, nr);
  int64_t products = 1;
  for (const int64_t extent : d.batch) products *= extent;
  const int64_t grain = std::max<int64_t>(1, task_work / (d.m * d.n * d.k + product_work));
  parallel_for(products, grain, [&](int64_t begin, int64_t end, int) {
    const bool in_place = d.b_col == 1;
    // Rows of b so far apart fall on one another in the first-level cache: the first tile leaves a copy.
    const bool copied = in_place && tiles >= 4 && d.b_row * static_cast<int64_t>(sizeof(T)) % 512 == 0;
    BufferRef memory;
    T* packed = nullptr;
    const T* packed_from = nullptr;
    if (!in_place || copied) {
      memory = allocate_items((copied ? 1 : panels) * nr * d.k, sizeof(T));
      packed = static_cast<T*>(memory->data);
    }
    Tile<T> tile;
    tile.k = d.k;
    tile.a_row = d.a_row;
    tile.a_step = d.a_col;
    tile.b_step = in_place ? d.b_row : nr;
    tile.b_copy = packed;
    tile.ldc = d.c_row;
    tile.add = accumulate;
    const Lines lines_a(d.m, d.a_row, d.k, d.a_col), lines_b(d.k, d.b_row, d.n, d.b_col);
    BatchWalk at(d, begin), following(d, begin);
    for (int64_t p = begin; p < end; ++p, at.next()) {
      following.next();
      const bool fetches = p + 1 < end && d.m * d.n * d.k >= fetching_work;
      int64_t part = 0;
      const T* const y = b + at.b;
      if (!in_place && packed_from != y) {
        packed_from = y;
        for (int64_t j = 0; j < d.n; j += nr)
          kernel.transpose(y + j * d.b_col, d.b_col, std::min(nr, d.n - j), d.k, nr, packed + j * d.k);
      }
      for (int64_t j = 0; j < d.n; j += nr) {
        tile.cols = static_cast<int>(std::min(nr, d.n - j));
        tile.b = in_place ? y + j : packed + j * d.k;
        for (int64_t t = 0; t < tiles; ++t) {
          const int64_t i = d.m * t / tiles, height = d.m * (t + 1) / tiles - i;
          tile.a = a + at.a + i * d.a_row;
          tile.c = c + at.c + i * d.c_row + j;
          if (fetches) {
            if (following.a != at.a) lines_a.fetch(a + following.a, part, tiles * panels);
            if (following.b != at.b) lines_b.fetch(b + following.b, part, tiles * panels);
            ++part;
          }
          if (copied && t > 0) tile.b = packed;
          tile.c_ahead = tile.c;
          tile.b_ahead = tile.b;
          const BSource source = !copied ? from_place : t == 0 ? from_copied : from_packed;
          kernel.run[height - 1][tile.cols > kernel.lanes][source][1](tile);
        }
      }
    }
  });
}

template void small_products<float>(const MatmulDesc&, const float*, const float*, float*, bool);
template void small_products<double>(const MatmulDesc&, const double*, const double*, double*, bool);
template void small_products<uint32_t>(const MatmulDesc&, const uint32_t*, const uint32_t*, uint32_t*, bool);
template void small_products<uint64_t>(const MatmulDesc&, const uint64_t*, const uint64_t*, uint64_t*, bool);

}  // namespace pg::cpu
