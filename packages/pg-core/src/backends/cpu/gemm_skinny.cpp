#include "backends/cpu/gemm_skinny.h"

#include <algorithm>

#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/integers.h"

namespace pg::cpu {
namespace {

// Measured. Blocks of b are fetched whole, one ahead: rows and columns of such a block, of which the columns
// of c stay in the first-level cache.
constexpr int64_t block_depth = 32, block_columns = 512;
constexpr int64_t dot_depth = 1024;    // of k: up to eight rows of a stay in the first-level cache
constexpr int64_t dot_columns = 24;    // of a task, at least
constexpr int64_t vector_part = 8192;  // numbers of a vector that one sum takes

}  // namespace

template <class T> void skinny_rows_product(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row,
                                            int64_t a_col, const T* b, int64_t b_row, T* c, int64_t ldc,
                                            bool accumulate) {
  const Kernel<T>& kernel = best_kernel<T>();
  const int64_t nr = kernel.nr, tiles = ceil_div(m, kernel.mr);
  const int64_t columns = std::min(block_columns, ceil_div(ceil_div(n, num_threads()), nr) * nr);
  parallel_for(ceil_div(n, columns), 1, [&](int64_t begin, int64_t end, int) {
    Tile<T> tile;
    tile.a_row = a_row;
    tile.a_step = a_col;
    tile.b_step = b_row;
    tile.ldc = ldc;
    for (int64_t block = begin; block < end; ++block)
      for (int64_t l = 0; l < k; l += block_depth) {
        tile.k = std::min(block_depth, k - l);
        tile.add = accumulate || l > 0;
        tile.b_far = l + block_depth < k ? block_depth * b_row : 0;
        const int64_t last = std::min(n, (block + 1) * columns);
        for (int64_t j = block * columns; j < last; j += nr) {
          tile.cols = static_cast<int>(std::min(nr, last - j));
          tile.b = b + l * b_row + j;
          for (int64_t t = 0; t < tiles; ++t) {
            const int64_t i = m * t / tiles, height = m * (t + 1) / tiles - i;
            tile.a = a + i * a_row + l * a_col;
            tile.c = c + i * ldc + j;
            kernel.run[height - 1][tile.cols > kernel.lanes][from_place][1](tile);
          }
        }
      }
  });
}

template <class T> void skinny_dots_product(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row,
                                            int64_t a_col, const T* b, int64_t b_col, T* c, int64_t c_row,
                                            int64_t c_col, bool accumulate) {
  const Kernel<T>& kernel = best_kernel<T>();
  const T* rows = a;
  int64_t step = a_row;
  BufferRef memory;
  if (a_col != 1) {
    memory = allocate_items(m * k, sizeof(T));
    T* const copy = static_cast<T*>(memory->data);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t l = 0; l < k; ++l) copy[i * k + l] = a[i * a_row + l * a_col];
    rows = copy;
    step = k;
  }
  const int64_t groups = ceil_div(m, most_dot_rows), blocks = ceil_div(k, dot_depth);
  parallel_for(ceil_div(n, 3), ceil_div(dot_columns, 3), [&](int64_t begin, int64_t end, int) {
    for (int64_t p = 0; p < blocks; ++p) {
      const int64_t l = p * dot_depth;
      Dots<T> dots;
      dots.k = std::min(dot_depth, k - l);
      dots.x_row = step;
      dots.b_row = b_col;
      dots.c_row = c_row;
      dots.c_col = c_col;
      dots.add = accumulate || p > 0;
      // Rows in groups inside columns in threes, which the first group leaves in the first-level cache.
      const int64_t last = std::min(n, 3 * end), width = groups == 1 ? last - 3 * begin : 3;
      for (int64_t j = 3 * begin; j < last; j += width) {
        dots.b = b + j * b_col + l;
        dots.cols = std::min(width, last - j);
        for (int64_t g = 0; g < groups; ++g) {
          const int64_t i = m * g / groups;
          dots.x = rows + i * step + l;
          dots.c = c + i * c_row + j * c_col;
          kernel.dots[m * (g + 1) / groups - i - 1](dots);
        }
      }
    }
  });
}

template <class T> void vectors_product(int64_t k, const T* x, const T* y, T* c, bool accumulate) {
  const Kernel<T>& kernel = best_kernel<T>();
  const int64_t parts = ceil_div(k, vector_part);
  const BufferRef memory = allocate_items(parts, sizeof(T));
  T* const sums = static_cast<T*>(memory->data);
  parallel_for(parts, 2, [&](int64_t begin, int64_t end, int) {
    Dots<T> dots;
    dots.cols = 1;
    for (int64_t part = begin; part < end; ++part) {
      dots.x = x + part * vector_part;
      dots.b = y + part * vector_part;
      dots.k = std::min(vector_part, k - part * vector_part);
      dots.c = sums + part;
      kernel.dots[0](dots);
    }
  });
  T total = accumulate ? *c : T(0);
  for (int64_t part = 0; part < parts; ++part) total += sums[part];
  *c = total;
}

#define PG_SKINNY(T)                                                                                         \
  template void skinny_rows_product<T>(int64_t, int64_t, int64_t, const T*, int64_t, int64_t, const T*,      \
                                       int64_t, T*, int64_t, bool);                                          \
  template void skinny_dots_product<T>(int64_t, int64_t, int64_t, const T*, int64_t, int64_t, const T*,      \
                                       int64_t, T*, int64_t, int64_t, bool);                                 \
  template void vectors_product<T>(int64_t, const T*, const T*, T*, bool);
PG_SKINNY(float)
PG_SKINNY(double)
PG_SKINNY(uint32_t)
PG_SKINNY(uint64_t)
#undef PG_SKINNY

}  // namespace pg::cpu
