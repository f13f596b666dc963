#pragma once
// The register kernels of gemm: one tile of c, at most mr rows and nr columns, over one block of k.

#include <cstdint>

namespace pg::cpu {

constexpr int most_rows = 14;  // of a tile, on any machine

/// c[i, j] (+)= sum over l of a(i, l) * b(l, j), in the order of l from zero.
template <class T> struct Tile {
  int64_t k = 0;
  const T* a = nullptr;
  int64_t a_row = 1, a_step = 0;  // strides of i and l; packed a has its rows side by side
  const T* b = nullptr;
  int64_t b_step = 0;   // stride of l; that of j is 1, and packed b has a kernel's full width
  T* b_copy = nullptr;  // where a kernel that copies packs b, with zeros where b has fewer columns
  int64_t b_far = 0;  // one that does not read packed b fetches what lies so far behind each row; 0: nothing
  T* c = nullptr;
  int64_t ldc = 0;
  int cols = 0;
  bool add = false;     // to what c holds
  bool stream = false;  // c passes the caches by: its rows begin at multiples of 64 bytes, cols == nr
  // What later tiles read: rows of the next tile of c (ldc apart) and of the next panel of b are fetched into
  // the second-level cache meanwhile.
  const T* c_ahead = nullptr;
  const T* b_ahead = nullptr;
  int64_t b_ahead_step = 0;
  int c_ahead_rows = 0, b_ahead_rows = 0;
};

/// c[i, j] (+)= sum over l of x[i, l] * b[j, l] for few rows i: l is innermost in both, and b is read once.
template <class T> struct Dots {
  int64_t k = 0;
  const T* x = nullptr;
  int64_t x_row = 0;
  const T* b = nullptr;
  int64_t b_row = 0, cols = 0;
  T* c = nullptr;
  int64_t c_row = 0, c_col = 0;
  bool add = false;
};
constexpr int most_dot_rows = 8;

/// Packed by an earlier tile; where it lies, and packed for later tiles; where it lies.
enum BSource { from_packed, from_copied, from_place };

template <class T> struct Kernel {
  int mr = 0, nr = 0, lanes = 0;
  using Run = void (*)(const Tile<T>&);
  /// [rows - 1][columns: up to `lanes`, up to nr][b: a BSource][a: packed, in place]; from_place only
  /// with a in place
  Run run[most_rows][2][3][2] = {};
  void (*dots[most_dot_rows])(const Dots<T>&) = {};  // [rows - 1]
  /// out[l * width + i] = x[i * row + l] for i < count and l < depth, zero for count <= i < width.
  void (*transpose)(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out) = nullptr;
  /// The same for x[l * row + i].
  void (*copy)(const T* x, int64_t row, int64_t count, int64_t depth, int64_t width, T* out) = nullptr;
};

/// The fastest kernel of this machine, T one of float, double, uint32_t, uint64_t.
template <class T> const Kernel<T>& best_kernel();

}  // namespace pg::cpu
