// The body of the register kernels. Included once by the file of each instruction set, which defines
// PG_TILE_TARGET and describes its vectors by a traits class S: T, V, Mask, lanes, rows, zero, load, store,
// stream, set1, fma, add, total (of the lanes), first (a mask of the first n lanes), transpose.

#include <utility>

#include "backends/cpu/gemm_kernel.h"

namespace pg::cpu {
namespace {

constexpr int64_t steps = 8;  // of l between two groups of prefetches

template <class S, int rows, int vectors, BSource source, bool in_place>
PG_TILE_TARGET void tile(const Tile<typename S::T>& t) {
  using T = typename S::T;
  using V = typename S::V;
  constexpr int lanes = S::lanes, last = vectors - 1;
  constexpr bool copies = source == from_copied;
  const auto mask = S::first(t.cols - last * lanes);
  V sum[rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; ++v) sum[i][v] = S::zero();
  }
  const T *a = t.a, *b = t.b, *c_ahead = t.c_ahead, *b_ahead = t.b_ahead;
  T* copy = t.b_copy;
  const int64_t a_row = in_place ? t.a_row : 1, a_row3 = 3 * a_row, a_row5 = 5 * a_row;
  const int64_t b_far = t.b_far;
  int c_rows = t.c_ahead_rows, b_rows = t.b_ahead_rows;
  for (int64_t left = t.k; left > 0; left -= steps) {
    if constexpr (source != from_place) {
      // Few at a time: more would keep the tile's own lines waiting.
#pragma GCC unroll 3
      for (int v = 0; v <= vectors; ++v) {
        const int at = v < vectors ? v * lanes : vectors * lanes - 1;
        __builtin_prefetch(c_ahead + at, 0, 2);
        __builtin_prefetch(b_ahead + at, 0, 2);
      }
      c_ahead += --c_rows > 0 ? t.ldc : 0;
      b_ahead += --b_rows > 0 ? t.b_ahead_step : 0;
    }
    for (int64_t l = left < steps ? left : steps; l > 0; --l) {
      V bv[vectors];
      if constexpr (!in_place)
        __builtin_prefetch(a + 16 * rows, 0, 3);  // a comes from the second-level cache
      if constexpr (vectors == 2) bv[0] = S::load(b);
      if constexpr (source != from_packed) bv[last] = S::load(b + last * lanes, mask);
      else bv[last] = S::load(b + last * lanes);
      if (copies || (source == from_place && b_far != 0)) {
        __builtin_prefetch(b + b_far, 0, 2);
        __builtin_prefetch(b + b_far + vectors * lanes - 1, 0, 2);
      }
      if constexpr (copies) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) S::store(copy + v * lanes, bv[v]);
        copy += vectors * lanes;
      }
#pragma GCC unroll 16
      for (int i = 0; i < rows; ++i) {
        V ai;
        if constexpr (in_place) {
          const T* const base = a + (i / 5) * a_row5;
          ai = S::set1(i % 5 == 3 ? base[a_row3] : base[(i % 5) * a_row]);
        } else {
          ai = S::set1(a[i]);
        }
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v) sum[i][v] = S::fma(ai, bv[v], sum[i][v]);
      }
      a += in_place ? t.a_step : rows;
      b += source == from_packed ? vectors * lanes : t.b_step;
    }
  }
  if (t.stream) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < vectors; ++v) S::stream(t.c + i * t.ldc + v * lanes, sum[i][v]);
    }
    return;
  }
  if (t.add) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      T* const row = t.c + i * t.ldc;
      if constexpr (vectors == 2) sum[i][0] = S::add(S::load(row), sum[i][0]);
      sum[i][last] = S::add(S::load(row + last * lanes, mask), sum[i][last]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i) {
    T* const row = t.c + i * t.ldc;
    if constexpr (vectors == 2) S::store(row, sum[i][0]);
    S::store(row + last * lanes, sum[i][last], mask);
  }
}

// The sums over l of `cols` columns, in the lanes' order.
template <class S, int rows, int cols>
PG_TILE_TARGET void dot_columns(const Dots<typename S::T>& d, int64_t j) {
  using V = typename S::V;
  constexpr int lanes = S::lanes;
  V sum[rows][cols];
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < cols; ++v) sum[i][v] = S::zero();
  }
  const typename S::T *x = d.x, *b = d.b + j * d.b_row;
  const int64_t x_row = d.x_row, x_row3 = 3 * x_row, b_row = d.b_row;
  int64_t left = d.k;
  for (; left >= lanes; left -= lanes) {
    V bv[cols];
#pragma GCC unroll 3
    for (int v = 0; v < cols; ++v) {
      bv[v] = S::load(b + v * b_row);
      __builtin_prefetch(b + (cols + v) * b_row);
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
      const typename S::T* const base = x + (i / 4) * 4 * x_row;
      const V xi = S::load(i % 4 == 3 ? base + x_row3 : base + (i % 4) * x_row);
#pragma GCC unroll 3
      for (int v = 0; v < cols; ++v) sum[i][v] = S::fma(xi, bv[v], sum[i][v]);
    }
    x += lanes;
    b += lanes;
  }
  if (left > 0) {
    const auto mask = S::first(static_cast<int>(left));
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
      for (int v = 0; v < cols; ++v)
        sum[i][v] = S::fma(S::load(x + i * x_row, mask), S::load(b + v * b_row, mask), sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 3
    for (int v = 0; v < cols; ++v) {
      typename S::T& out = d.c[i * d.c_row + (j + v) * d.c_col];
      const typename S::T total = S::total(sum[i][v]);
      out = d.add ? out + total : total;
    }
  }
}

template <class S, int rows> PG_TILE_TARGET void dots(const Dots<typename S::T>& d) {
  int64_t j = 0;
  for (; j + 3 <= d.cols; j += 3) dot_columns<S, rows, 3>(d, j);
  for (; j < d.cols; ++j) dot_columns<S, rows, 1>(d, j);
}

// Kernel::copy for panels of up to two vectors.
template <class S> PG_TILE_TARGET void copy_panel(const typename S::T* x, int64_t row, int64_t count,
                                                  int64_t depth, int64_t width, typename S::T* out) {
  constexpr int lanes = S::lanes;
  const auto present = [](int64_t n) { return static_cast<int>(n < 0 ? 0 : n < lanes ? n : lanes); };
  for (int64_t at = 0; at < width; at += lanes) {
    const auto loaded = S::first(present(count - at)), stored = S::first(present(width - at));
    for (int64_t l = 0; l < depth; ++l)
      S::store(out + l * width + at, S::load(x + l * row + at, loaded), stored);
  }
}

template <class S, int rows> void fill_rows(Kernel<typename S::T>& kernel) {
  if constexpr (rows <= most_dot_rows) kernel.dots[rows - 1] = dots<S, rows>;
  if constexpr (rows > S::rows) return;
  auto& run = kernel.run[rows - 1];
  run[0][from_packed][0] = tile<S, rows, 1, from_packed, false>;
  run[0][from_packed][1] = tile<S, rows, 1, from_packed, true>;
  run[0][from_copied][0] = tile<S, rows, 1, from_copied, false>;
  run[0][from_copied][1] = tile<S, rows, 1, from_copied, true>;
  run[0][from_place][1] = tile<S, rows, 1, from_place, true>;
  run[1][from_packed][0] = tile<S, rows, 2, from_packed, false>;
  run[1][from_packed][1] = tile<S, rows, 2, from_packed, true>;
  run[1][from_copied][0] = tile<S, rows, 2, from_copied, false>;
  run[1][from_copied][1] = tile<S, rows, 2, from_copied, true>;
  run[1][from_place][1] = tile<S, rows, 2, from_place, true>;
}

template <class S> Kernel<typename S::T> make_kernel() {
  Kernel<typename S::T> kernel;
  kernel.mr = S::rows;
  kernel.lanes = S::lanes;
  kernel.nr = 2 * S::lanes;
  kernel.transpose = S::transpose;
  kernel.copy = copy_panel<S>;
  [&]<int... i>(std::integer_sequence<int, i...>) {
    (fill_rows<S, i + 1>(kernel), ...);
  }(std::make_integer_sequence<int, (S::rows > most_dot_rows ? S::rows : most_dot_rows)>());
  return kernel;
}

}  // namespace
}  // namespace pg::cpu
