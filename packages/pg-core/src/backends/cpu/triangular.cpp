#include "backends/cpu/triangular.h"

#include <algorithm>
#include <complex>
#include <cstring>

#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/error.h"

namespace pg::cpu {
namespace {

constexpr int64_t block = 64;  // rows that are substituted one by one; what is before them is one product

/// One matrix, seen so that the unknowns are found from the first to the last or the other way round.
template <class T> struct System {
  const T* a;
  T* x;
  int64_t n, k;
  int64_t row, column;  // strides of op(a)
  bool forward, unit_diagonal;

  /// Solves for rows [begin, end), whose sums over earlier rows are in x already. Columns [from, to).
  void substitute(int64_t begin, int64_t end, int64_t from, int64_t to) const {
    for (int64_t step = 0; step < end - begin; ++step) {
      const int64_t i = forward ? begin + step : end - 1 - step;
      T* const xi = x + i * k;
      for (int64_t j = forward ? begin : i + 1; j < (forward ? i : end); ++j) {
        const T factor = a[i * row + j * column];
        const T* const xj = x + j * k;
        for (int64_t c = from; c < to; ++c) xi[c] -= factor * xj[c];
      }
      if (unit_diagonal) continue;
      const T pivot = a[i * row + i * column];
      for (int64_t c = from; c < to; ++c) xi[c] /= pivot;
    }
  }
};

template <class T> void solve_one(const System<T>& s) { s.substitute(0, s.n, 0, s.k); }

// A large matrix: block by block, with the earlier rows taken away by a matrix product.
template <class T> void solve_large(const System<T>& s, DType dtype) {
  const BufferRef memory = allocate(static_cast<size_t>(block * s.k) * sizeof(T));
  T* const product = static_cast<T*>(memory->data);
  const int64_t blocks = (s.n + block - 1) / block;
  for (int64_t step = 0; step < blocks; ++step) {
    const int64_t at = s.forward ? step : blocks - 1 - step;
    const int64_t begin = at * block, end = std::min(s.n, begin + block);
    const int64_t known = s.forward ? 0 : end, count = s.forward ? begin : s.n - end;
    if (count > 0) {
      MatmulDesc d;
      d.dtype = dtype;
      d.m = end - begin;
      d.n = s.k;
      d.k = count;
      d.a_row = s.row;
      d.a_col = s.column;
      d.b_row = d.c_row = s.k;
      matmul(d, s.a + begin * s.row + known * s.column, s.x + known * s.k, product);
      T* const x = s.x + begin * s.k;
      for (int64_t i = 0; i < (end - begin) * s.k; ++i) x[i] -= product[i];
    }
    parallel_for(s.k, std::max<int64_t>(16, (1 << 16) / (block * block)),
                 [&](int64_t from, int64_t to, int) { s.substitute(begin, end, from, to); });
  }
}

template <class T> void solve(const TriangularDesc& d, const void* a, const void* b, void* x) {
  const int64_t square = d.n * d.n, side = d.n * d.k;
  if (d.batch * side == 0) return;
  std::memcpy(x, b, static_cast<size_t>(d.batch * side) * sizeof(T));
  const auto system = [&](int64_t i) {
    return System<T>{static_cast<const T*>(a) + i * square,
                     static_cast<T*>(x) + i * side,
                     d.n,
                     d.k,
                     d.transposed ? 1 : d.n,
                     d.transposed ? d.n : 1,
                     d.lower != d.transposed,
                     d.unit_diagonal};
  };
  if (d.n > 2 * block) {
    for (int64_t i = 0; i < d.batch; ++i) solve_large(system(i), d.dtype);
    return;
  }
  const int64_t work = std::max<int64_t>(1, d.n * side);
  parallel_for(d.batch, std::max<int64_t>(1, (1 << 15) / work), [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) solve_one(system(i));
  });
}

}  // namespace

void triangular_solve(const TriangularDesc& desc, const void* a, const void* b, void* x) {
  switch (desc.dtype) {
  case DType::float32: return solve<float>(desc, a, b, x);
  case DType::float64: return solve<double>(desc, a, b, x);
  case DType::complex64: return solve<std::complex<float>>(desc, a, b, x);
  case DType::complex128: return solve<std::complex<double>>(desc, a, b, x);
  default: fail(ErrorKind::internal, "triangular_solve: not a dtype of matrices");
  }
}

}  // namespace pg::cpu
