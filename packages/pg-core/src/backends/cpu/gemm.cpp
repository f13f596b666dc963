#include "backends/cpu/gemm.h"

#include <algorithm>
#include <utility>

#include "backends/cpu/element.h"
#include "backends/cpu/gemm_kernel.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

constexpr int64_t depth_block =
    320;  // rows of a packed panel of b: 32 columns of it fill most of the first-level cache
constexpr int64_t row_block_bytes = 384 << 10;   // of packed a, for the second level
constexpr int64_t column_block_bytes = 4 << 20;  // of packed b, for the third

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T> struct Matrix {
  T* data;
  int64_t row, col;
};

// Panels of `width` columns (of the k axis outermost): out[l * width + i] = x(i, l), zero where i >= count.
template <class T, class C>
void pack_panel(const T* x, int64_t along, int64_t across, int64_t count, int64_t depth, int width, C* out) {
  if (count == width && along == 1) {
    for (int64_t l = 0; l < depth; ++l, out += width)
      for (int i = 0; i < width; ++i) out[i] = static_cast<C>(x[l * across + i]);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    for (int64_t l = 0; l < depth; ++l) out[l * width + i] = static_cast<C>(x[i * along + l * across]);
  for (int64_t l = 0; l < depth; ++l)
    for (int64_t i = count; i < width; ++i) out[l * width + i] = C(0);
}

// One product into row-major c of the computing type; the order of sums over k is fixed by the shape.
template <class T, class C> void multiply(int64_t m, int64_t n, int64_t k, Matrix<const T> a,
                                          Matrix<const T> b, C* c, int64_t ldc, bool accumulate) {
  static const Kernel<C> kernel = best_kernel<C>();
  const int mr = kernel.mr, nr = kernel.nr;
  const int64_t depth = std::min(k, depth_block);
  const int64_t columns =
      std::min(ceil_div(n, nr), std::max<int64_t>(1, column_block_bytes / int64_t(sizeof(C)) / depth / nr)) *
      nr;
  // Small enough that every thread gets a block, large enough that packing pays.
  int64_t rows = std::max<int64_t>(1, row_block_bytes / int64_t(sizeof(C)) / depth / mr);
  rows = std::min(rows, ceil_div(ceil_div(m, mr), 2 * num_threads())) * mr;
  const int64_t row_blocks = ceil_div(m, rows);
  const BufferRef b_memory = allocate_items(columns * depth, sizeof(C));
  C* const b_packed = static_cast<C*>(b_memory->data);

  for (int64_t j0 = 0; j0 < n; j0 += columns) {
    const int64_t width = std::min(columns, n - j0), panels = ceil_div(width, nr);
    for (int64_t l0 = 0; l0 < k; l0 += depth) {
      const int64_t deep = std::min(depth, k - l0);
      const bool add = accumulate || l0 > 0;
      const auto pack_b = [&](int64_t begin, int64_t end, int) {
        for (int64_t p = begin; p < end; ++p)
          pack_panel(b.data + l0 * b.row + (j0 + p * nr) * b.col, b.col, b.row,
                     std::min<int64_t>(nr, width - p * nr), deep, nr, b_packed + p * nr * deep);
      };
      parallel_for(panels, std::max<int64_t>(1, (1 << 15) / (deep * nr)), pack_b);

      // Tasks are (row block, group of column panels), so that a short and wide product is split too.
      const int64_t splits = std::max<int64_t>(1, std::min(panels, ceil_div(2 * num_threads(), row_blocks)));
      const auto block = [&](int64_t begin, int64_t end, int) {
        const BufferRef a_memory = allocate_items(ceil_div(rows, mr) * mr * deep, sizeof(C));
        C* const a_packed = static_cast<C*>(a_memory->data);
        alignas(64) C edge[14 * 64];
        int64_t packed = -1;
        for (int64_t task = begin; task < end; ++task) {
          const int64_t i0 = task / splits * rows, height = std::min(rows, m - i0), split = task % splits;
          if (packed != i0)
            for (int64_t i = 0; i < height; i += mr)
              pack_panel(a.data + (i0 + i) * a.row + l0 * a.col, a.row, a.col,
                         std::min<int64_t>(mr, height - i), deep, mr, a_packed + i * deep);
          packed = i0;
          for (int64_t p = panels * split / splits; p < panels * (split + 1) / splits; ++p)
            for (int64_t i = 0; i < height; i += mr) {
              const int64_t j = j0 + p * nr, tall = std::min<int64_t>(mr, height - i),
                            wide = std::min<int64_t>(nr, n - j);
              C* const out = c + (i0 + i) * ldc + j;
              if (tall == mr && wide == nr) {
                kernel.run(deep, a_packed + i * deep, b_packed + p * nr * deep, out, ldc, add);
                continue;
              }
              kernel.run(deep, a_packed + i * deep, b_packed + p * nr * deep, edge, nr, false);
              for (int64_t r = 0; r < tall; ++r)
                for (int64_t s = 0; s < wide; ++s)
                  out[r * ldc + s] = add ? C(out[r * ldc + s] + edge[r * nr + s]) : edge[r * nr + s];
            }
        }
      };
      parallel_for(row_blocks * splits,
                   std::max<int64_t>(1, (1 << 16) / (rows * deep * ceil_div(width, splits) + 1)), block);
    }
  }
}

template <class T> void product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b,
                                Matrix<T> c, bool accumulate) {
  using C = Accumulator<T>;
  if (m == 0 || n == 0) return;
  if (c.col != 1 && c.row == 1) {  // c transposed = b transposed * a transposed
    product<T>(n, m, k, {b.data, b.col, b.row}, {a.data, a.col, a.row}, {c.data, c.col, c.row}, accumulate);
    return;
  }
  if (k == 0) {
    for (int64_t i = 0; i < m && !accumulate; ++i)
      for (int64_t j = 0; j < n; ++j) c.data[i * c.row + j * c.col] = narrow<T>(C(0));
    return;
  }
  // Signed and unsigned words of one size may alias, and wrap alike.
  if constexpr (sizeof(C) == sizeof(T) && !is_half_type<T>) {
    if (c.col == 1) return multiply<T, C>(m, n, k, a, b, reinterpret_cast<C*>(c.data), c.row, accumulate);
  }
  const BufferRef memory = allocate_items(m * n, sizeof(C));
  C* const wide = static_cast<C*>(memory->data);
  multiply<T, C>(m, n, k, a, b, wide, n, false);
  parallel_for(m, std::max<int64_t>(1, (1 << 15) / n), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T& out = c.data[i * c.row + j * c.col];
        out = narrow<T>(accumulate ? C(static_cast<C>(out) + wide[i * n + j]) : wide[i * n + j]);
      }
  });
}

}  // namespace

void gemm(const MatmulDesc& d, const void* a, const void* b, void* c, bool accumulate) {
  int64_t products = 1;
  for (const int64_t extent : d.batch) products *= extent;
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    // Many products: one each per task. Few: each is split inside, because this loop then runs on the calling
    // thread alone.
    const int64_t work = d.m * d.n * std::max<int64_t>(d.k, 1);
    const int64_t grain =
        products < num_threads() ? products : std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(work, 1));
    parallel_for(products, grain, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = begin; p < end; ++p) {
        int64_t rest = p, offset_a = 0, offset_b = 0, offset_c = 0;
        for (size_t axis = d.batch.size(); axis-- > 0; rest /= d.batch[axis]) {
          const int64_t at = rest % d.batch[axis];
          offset_a += at * d.a_batch[axis];
          offset_b += at * d.b_batch[axis];
          offset_c += at * d.c_batch[axis];
        }
        product<T>(d.m, d.n, d.k, {static_cast<const T*>(a) + offset_a, d.a_row, d.a_col},
                   {static_cast<const T*>(b) + offset_b, d.b_row, d.b_col},
                   {static_cast<T*>(c) + offset_c, d.c_row, d.c_col}, accumulate);
      }
    });
  });
}

}  // namespace pg::cpu
