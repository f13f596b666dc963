// Matrix products by panels: columns of c in panels of nr, rows in tiles of at most mr, k in blocks. For each
// block of k a task packs its rows of a (tile by tile, k outermost) into the second-level cache, then goes
// through the panels of b, which lie packed in the first-level cache: the tiles of a panel pack the next one,
// a share each; or, where there are few, the first tile reads b where it lies and leaves a packed copy.
//
// Every element of c is the sum, in order, of the sums of its blocks of k, each summed in order from zero: so
// results depend on k alone, not on how rows and columns were shared out.

#include "backends/cpu/gemm.h"

#include <algorithm>
#include <utility>

#include "backends/cpu/element.h"
#include "backends/cpu/gemm_kernel.h"
#include "backends/cpu/gemm_skinny.h"
#include "backends/cpu/gemm_small.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/integers.h"

namespace pg::cpu {
namespace {

// Measured, in elements of float32.
constexpr int64_t deepest_block = 256;     // of k: a panel of b and a tile of a stay in the first-level cache
constexpr int64_t most_packed_rows = 512;  // of a: half a second-level cache
constexpr int64_t few_tiles = 8;           // of rows: fewer pack b as they read it
constexpr int64_t few_columns = 256;       // packing a pays for more, or when ...
constexpr int64_t page = 4096;             // ... its rows fall on one another in the first-level cache
constexpr int64_t shallow = 32;            // k for which writing c takes longer than computing it
constexpr int64_t packed_bytes = 256 << 10;   // of b, for such products
constexpr int64_t streamed_bytes = 16 << 20;  // c of this size passes the caches by
constexpr int64_t parallel_work = 1 << 17;    // multiply-adds that pay for a second thread
constexpr int64_t tasks_each = 2;  // of a thread, at most: a busy machine balances better with more than one

template <class T> struct Matrix {
  T* data;
  int64_t row, col;
};

// out[l * width + i] = x(i, l), zero where i >= count; `along` is the stride of i.
template <class T, class C> void pack(const Kernel<C>& kernel, const T* x, int64_t along, int64_t across,
                                      int64_t count, int64_t depth, int64_t width, C* out) {
  if constexpr (std::is_same_v<T, C>) {
    if (across == 1 && along != 1) return kernel.transpose(x, along, count, depth, width, out);
  }
  if constexpr (std::is_same_v<T, C>) {
    if (along == 1) return kernel.copy(x, across, count, depth, width, out);
  }
  if (along == 1) {
    for (int64_t l = 0; l < depth; ++l, out += width) {
      for (int64_t i = 0; i < count; ++i) out[i] = static_cast<C>(x[l * across + i]);
      for (int64_t i = count; i < width; ++i) out[i] = C(0);
    }
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    for (int64_t l = 0; l < depth; ++l) out[l * width + i] = static_cast<C>(x[i * along + l * across]);
  for (int64_t l = 0; l < depth; ++l)
    for (int64_t i = count; i < width; ++i) out[l * width + i] = C(0);
}

// One product into row-major c of the computing type.
template <class T, class C> class Product {
 public:
  Product(int64_t m, int64_t n, int64_t k, Matrix<const T> a, Matrix<const T> b, C* c, int64_t ldc,
          bool accumulate)
      : m_(m), n_(n), k_(k), a_(a), b_(b), c_(c), ldc_(ldc), accumulate_(accumulate) {}

  void run(int64_t threads) const {
    const int64_t tiles = ceil_div(m_, kernel_.mr), panels = ceil_div(n_, kernel_.nr);
    int64_t rows = 1, columns = 1;
    if (threads > 1 && m_ * n_ * k_ > parallel_work) choose_grid(tiles, panels, threads, rows, columns);
    parallel_for(rows * columns, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t i = task % rows, j = task / rows;
        block(m_ * (tiles * i / rows) / tiles, m_ * (tiles * (i + 1) / rows) / tiles,
              panels * j / columns * kernel_.nr, std::min(n_, panels * (j + 1) / columns * kernel_.nr));
      }
    });
  }

 private:
  static constexpr bool same = std::is_same_v<T, C>;
  static constexpr int64_t item = sizeof(C);

  // The grid of tasks with the least time of the slowest thread, in multiply-adds of one k. Of equal ones
  // that with the fewest columns: where threads write parts of the same rows, each fetches ahead what the
  // other writes (measured: 1.02 for 1024 x 1024 x 1024, 2.5 for 1024 x 8 x 1024).
  void choose_grid(int64_t tiles, int64_t panels, int64_t threads, int64_t& rows, int64_t& columns) const {
    const double pack_a = 16, pack_b = b_.col == 1 ? 4 : 16;  // measured
    double best = 0;
    for (int64_t s = 1; s <= std::min(panels, tasks_each * threads); ++s)
      for (int64_t r = 1; r <= tiles && r * s <= tasks_each * threads; ++r) {
        const double m = static_cast<double>(ceil_div(tiles, r) * kernel_.mr),
                     n = static_cast<double>(ceil_div(panels, s) * kernel_.nr);
        const double cost = static_cast<double>(ceil_div(r * s, threads)) * (m * n + pack_a * m + pack_b * n);
        if (best == 0 || cost < best * 0.98) best = cost, rows = r, columns = s;
      }
  }

  bool reads_a_in_place(int64_t j0, int64_t j1) const {
    return same && a_.col == 1 && j1 - j0 <= few_columns && a_.row * item % page != 0;
  }

  // Rows i0 ... i1 and columns j0 ... j1 of c.
  void block(int64_t i0, int64_t i1, int64_t j0, int64_t j1) const {
    if (k_ <= shallow) return outer(i0, i1, j0, j1);
    const int64_t k_blocks = ceil_div(k_, deepest_block * 4 / static_cast<int64_t>(sizeof(C)));
    const int64_t deepest = ceil_div(k_, k_blocks), heights = ceil_div(i1 - i0, most_packed_rows);
    const BufferRef memory =
        allocate_items((ceil_div(i1 - i0, heights) + 2 * kernel_.nr) * deepest, sizeof(C));
    C* const b_packed = static_cast<C*>(memory->data);  // at a multiple of 64 bytes, as its vectors want
    C* const a_packed = b_packed + 2 * kernel_.nr * deepest;
    for (int64_t h = 0; h < heights; ++h)
      for (int64_t p = 0; p < k_blocks; ++p)
        layer(i0 + (i1 - i0) * h / heights, i0 + (i1 - i0) * (h + 1) / heights, j0, j1, k_ * p / k_blocks,
              k_ * (p + 1) / k_blocks, a_packed, b_packed);
  }

  // The same for small k, where writing c is most of the work: row by row, past the caches if c is large.
  void outer(int64_t i0, int64_t i1, int64_t j0, int64_t j1) const {
    const int64_t nr = kernel_.nr,
                  chunk = std::min(ceil_div(j1 - j0, nr), packed_bytes / (nr * k_ * item)) * nr;
    const BufferRef memory = allocate_items((chunk + kernel_.mr) * k_, item);
    C* const b_packed = static_cast<C*>(memory->data);
    C* const a_packed = b_packed + chunk * k_;
    const int64_t tiles = ceil_div(i1 - i0, kernel_.mr);
    const bool aligned = reinterpret_cast<uintptr_t>(c_) % 64 == 0 && ldc_ * item % 64 == 0;
    const bool streams = aligned && !accumulate_ && m_ * n_ * item >= streamed_bytes;
    Tile<C> tile;
    tile.k = k_;
    tile.a = a_packed;
    tile.ldc = ldc_;
    tile.add = accumulate_;
    for (int64_t j = j0; j < j1; j += chunk) {
      const int64_t wide = std::min(chunk, j1 - j);
      const auto width = [&](int64_t p) { return std::min(nr, wide - p); };
      const auto padded = [&](int64_t p) { return width(p) > kernel_.lanes ? nr : kernel_.lanes; };
      for (int64_t p = 0; p < wide; p += nr)
        pack(kernel_, b_.data + (j + p) * b_.col, b_.col, b_.row, width(p), k_, padded(p), b_packed + p * k_);
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t i = i0 + (i1 - i0) * t / tiles, height = i0 + (i1 - i0) * (t + 1) / tiles - i;
        const bool in_place = reads_a_in_place(j0, j1);
        if constexpr (same) {
          if (in_place) {
            tile.a = a_.data + i * a_.row;
            tile.a_row = a_.row;
            tile.a_step = a_.col;
          }
        }
        if (!in_place) pack(kernel_, a_.data + i * a_.row, a_.row, a_.col, height, k_, height, a_packed);
        for (int64_t p = 0; p < wide; p += nr) {
          tile.b = b_packed + p * k_;
          tile.c = c_ + i * ldc_ + j + p;
          tile.cols = static_cast<int>(width(p));
          tile.stream = streams && tile.cols == nr;
          tile.c_ahead = tile.stream ? b_packed : tile.c;
          tile.b_ahead = tile.b;
          kernel_.run[height - 1][tile.cols > kernel_.lanes][from_packed][in_place](tile);
        }
      }
    }
  }

  // The same for l0 ... l1 of k.
  void layer(int64_t i0, int64_t i1, int64_t j0, int64_t j1, int64_t l0, int64_t l1, C* a_packed,
             C* b_packed) const {
    const int64_t deep = l1 - l0, tiles = ceil_div(i1 - i0, kernel_.mr), nr = kernel_.nr;
    const auto top = [&](int64_t t) { return i0 + (i1 - i0) * t / tiles; };
    const bool a_in_place = reads_a_in_place(j0, j1), b_in_place = same && b_.col == 1,
               few = tiles < few_tiles;
    if (!a_in_place)
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t height = top(t + 1) - top(t);
        pack(kernel_, a_.data + top(t) * a_.row + l0 * a_.col, a_.row, a_.col, height, deep, height,
             a_packed + (top(t) - i0) * deep);
      }
    const auto width = [&](int64_t j) { return std::min(nr, j1 - j); };
    // Rows first ... last of the panel of b at column j.
    const auto pack_b = [&](int64_t j, int64_t first, int64_t last, C* to) {
      const int64_t wide = width(j) > kernel_.lanes ? nr : kernel_.lanes;
      pack(kernel_, b_.data + (l0 + first) * b_.row + j * b_.col, b_.col, b_.row, width(j), last - first,
           wide, to + first * wide);
    };
    Tile<C> tile;
    tile.k = deep;
    tile.ldc = ldc_;
    tile.add = accumulate_ || l0 > 0;
    C* b_next = b_packed + nr * deep;
    if (b_in_place && !few) pack_b(j0, 0, deep, b_packed);
    for (int64_t j = j0; j < j1; j += nr) {
      tile.cols = static_cast<int>(width(j));
      if (!b_in_place) pack_b(j, 0, deep, b_packed);
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t i = top(t), height = top(t + 1) - i;
        const bool copies = b_in_place && few && t == 0;
        tile.c = c_ + i * ldc_ + j;
        tile.a = a_packed + (i - i0) * deep;
        tile.b = b_packed;
        const bool more = t + 1 < tiles || j + nr < j1;
        tile.c_ahead = t + 1 < tiles ? tile.c + height * ldc_ : c_ + i0 * ldc_ + (more ? j + nr : j);
        tile.c_ahead_rows = more ? static_cast<int>(height) : 0;
        tile.b_ahead = b_packed;
        tile.b_ahead_rows = 0;
        if constexpr (same) {
          if (a_in_place) {
            tile.a = a_.data + i * a_.row + l0 * a_.col;
            tile.a_row = a_.row;
            tile.a_step = a_.col;
          }
          if (copies) {
            tile.b = b_.data + l0 * b_.row + j;
            tile.b_step = b_.row;
            tile.b_copy = b_packed;
            tile.b_far = 24 * b_.row;
          }
          if (b_in_place && j + nr < j1) {
            // Every tile packs a share of the next panel, which the tile before it has fetched.
            const auto share = [&](int64_t s) { return deep * s / tiles; };
            if (!few) pack_b(j + nr, share(t), share(t + 1), b_next);
            const int64_t fetched = few             ? t
                                    : t + 1 < tiles ? t + 1
                                                    : 0,
                          panel = few || t + 1 < tiles || j + 2 * nr >= j1 ? j + nr : j + 2 * nr;
            tile.b_ahead = b_.data + (l0 + share(fetched)) * b_.row + panel;
            tile.b_ahead_step = b_.row;
            tile.b_ahead_rows = static_cast<int>(share(fetched + 1) - share(fetched));
          }
        }
        kernel_.run[height - 1][tile.cols > kernel_.lanes][copies ? from_copied : from_packed][a_in_place](
            tile);
      }
      if (b_in_place && !few) std::swap(b_packed, b_next);
    }
  }

  int64_t m_, n_, k_;
  Matrix<const T> a_, b_;
  C* c_;
  int64_t ldc_;
  bool accumulate_;
  const Kernel<C>& kernel_ = best_kernel<C>();
};

// Signed and unsigned words of one size may alias, and wrap alike.
template <class T> constexpr bool aliases = sizeof(Accumulator<T>) == sizeof(T) && !is_half_type<T>;

enum class Way { panels, few_rows, dots_of_rows, dots_of_columns, vectors };

// Fixes the order of the sums, so it may depend on one product's extents and strides, and on nothing else.
Way way_of(const MatmulDesc& d) {
  if (d.c_col != 1) return Way::panels;
  if (d.k >= 64 && d.m == 1 && d.n == 1 && d.a_col == 1 && d.b_row == 1) return Way::vectors;
  if (d.k >= 64 && d.m <= dot_rows && d.b_row == 1 && d.n >= 64) return Way::dots_of_rows;
  if (d.k >= 64 && d.n <= dot_rows && d.a_col == 1 && d.m >= 64) return Way::dots_of_columns;
  return d.m <= skinny_rows && d.b_col == 1 && d.n >= 512 ? Way::few_rows : Way::panels;
}

template <class T>
void product(const MatmulDesc& d, const T* a, const T* b, T* c, bool accumulate, int64_t threads) {
  using C = Accumulator<T>;
  const int64_t m = d.m, n = d.n, k = d.k;
  if (k == 0) {
    for (int64_t i = 0; i < m && !accumulate; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * d.c_row + j * d.c_col] = narrow<T>(C(0));
    return;
  }
  if constexpr (aliases<T>) {
    const C *x = reinterpret_cast<const C*>(a), *y = reinterpret_cast<const C*>(b);
    C* const z = reinterpret_cast<C*>(c);
    switch (way_of(d)) {
    case Way::dots_of_rows:
      return skinny_dots_product<C>(m, n, k, x, d.a_row, d.a_col, y, d.b_col, z, d.c_row, 1, accumulate);
    case Way::dots_of_columns:
      return skinny_dots_product<C>(n, m, k, y, d.b_col, d.b_row, x, d.a_row, z, 1, d.c_row, accumulate);
    case Way::vectors: return vectors_product<C>(k, x, y, z, accumulate);
    case Way::few_rows:
      return skinny_rows_product<C>(m, n, k, x, d.a_row, d.a_col, y, d.b_row, z, d.c_row, accumulate);
    case Way::panels: break;
    }
    if (d.c_col == 1)
      return Product<C, C>(m, n, k, {x, d.a_row, d.a_col}, {y, d.b_row, d.b_col}, z, d.c_row, accumulate)
          .run(threads);
  }
  const BufferRef memory = allocate_items(m * n, sizeof(C));
  C* const wide = static_cast<C*>(memory->data);
  Product<T, C>(m, n, k, {a, d.a_row, d.a_col}, {b, d.b_row, d.b_col}, wide, n, false).run(threads);
  parallel_for(m, std::max<int64_t>(1, (1 << 15) / n), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = 0; j < n; ++j) {
        T& out = c[i * d.c_row + j * d.c_col];
        out = narrow<T>(accumulate ? C(static_cast<C>(out) + wide[i * n + j]) : wide[i * n + j]);
      }
  });
}

}  // namespace

void gemm(const MatmulDesc& given, const void* a, const void* b, void* c, bool accumulate) {
  MatmulDesc d = given;
  if (d.c_col != 1 && d.c_row == 1) {  // c transposed = b transposed * a transposed
    std::swap(d.m, d.n);
    std::swap(d.a_row, d.b_col);
    std::swap(d.a_col, d.b_row);
    std::swap(d.c_row, d.c_col);
    std::swap(d.a_batch, d.b_batch);
    std::swap(a, b);
  }
  int64_t products = 1;
  for (const int64_t extent : d.batch) products *= extent;
  if (products == 0 || d.m == 0 || d.n == 0) return;
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    // Many products: one each per task. Few: each is split inside, because this loop then runs on the calling
    // thread alone.
    const int64_t threads = products < num_threads() ? num_threads() : 1;
    const int64_t work = d.m * d.n * std::max<int64_t>(d.k, 1);
    if constexpr (aliases<T>) {
      using C = Accumulator<T>;
      if (way_of(d) == Way::panels && is_small_product(d, sizeof(T)) &&
          (threads == 1 || work < parallel_work))
        return small_products<C>(d, static_cast<const C*>(a), static_cast<const C*>(b), static_cast<C*>(c),
                                 accumulate);
    }
    const int64_t grain =
        threads > 1 ? products : std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(work, 1));
    parallel_for(products, grain, [&](int64_t begin, int64_t end, int) {
      BatchWalk at(d, begin);
      for (int64_t p = begin; p < end; ++p, at.next())
        product<T>(d, static_cast<const T*>(a) + at.a, static_cast<const T*>(b) + at.b,
                   static_cast<T*>(c) + at.c, accumulate, threads);
    });
  });
}

}  // namespace pg::cpu
