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

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
    BufferRef memory;
    T* packed = nullptr;
    const T* packed_from = nullptr;
    if (!in_place) {
      memory = allocate_items(panels * nr * d.k, sizeof(T));
      packed = static_cast<T*>(memory->data);
    }
    Tile<T> tile;
    tile.k = d.k;
    tile.a_row = d.a_row;
    tile.a_step = d.a_col;
    tile.b_step = in_place ? d.b_row : nr;
    tile.ldc = d.c_row;
    tile.add = accumulate;
    BatchWalk at(d, begin);
    for (int64_t p = begin; p < end; ++p, at.next()) {
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
          kernel.run[height - 1][tile.cols > kernel.lanes][from_place][1](tile);
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
