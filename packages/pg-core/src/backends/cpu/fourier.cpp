#include "backends/cpu/fourier.h"

#include <algorithm>
#include <bit>
#include <complex>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backends/cpu/fourier_kernel.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

template <class T> using Number = std::complex<T>;

// What a length needs, made once and kept while there are few lengths.
template <class Value> std::shared_ptr<const Value> remembered(int64_t n) {
  static std::mutex mutex;
  static std::unordered_map<int64_t, std::shared_ptr<const Value>> known;
  const std::lock_guard lock(mutex);
  if (const auto found = known.find(n); found != known.end()) return found->second;
  if (known.size() >= 64) known.clear();
  return known[n] = std::make_shared<const Value>(n);
}

/// Sequences of one length: element i of sequence l at data[l / inner * outer_step + l % inner * line_step +
/// i * step].
struct Lines {
  int64_t inner, outer_step, line_step, step;
  int64_t at(int64_t line) const { return line / inner * outer_step + line % inner * line_step; }
};

template <class T>
void transform(const Number<T>* in, Lines from, Number<T>* out, Lines to, int64_t n, int64_t lines);

// Calls body(lane, begin, end) for all elements of all lanes, a few elements of each at a time: those share
// cache lines.
template <class F> void in_blocks(int64_t n, int lanes, F body) {
  for (int64_t i = 0; i < n; i += 16)
    for (int l = 0; l < lanes; ++l) body(l, i, std::min(n, i + 16));
}

// Sequences whose factors are small, as many together as there are lanes; `scale` gets (sequence, element).
template <class T, class Scale> void by_lanes(const Number<T>* in, Lines from, Number<T>* out, Lines to,
                                              int64_t n, int64_t lines, Scale scale) {
  constexpr int lanes = FourierPlan<T>::lanes;
  const auto plan = remembered<FourierPlan<T>>(n);
  const int64_t groups = (lines + lanes - 1) / lanes;
  parallel_for(groups, std::max<int64_t>(1, (1 << 12) / (n * lanes)), [&](int64_t begin, int64_t end, int) {
    const BufferRef memory = allocate_items(4 * n * lanes, sizeof(T));
    T *const re = static_cast<T*>(memory->data), *const im = re + n * lanes;
    T *const re2 = im + n * lanes, *const im2 = re2 + n * lanes;
    for (int64_t g = begin; g < end; ++g) {
      const int64_t first = g * lanes;
      const int width = static_cast<int>(std::min<int64_t>(lanes, lines - first));
      in_blocks(n, lanes, [&](int l, int64_t i, int64_t stop) {  // empty lanes repeat the last sequence
        const Number<T>* const line = in + from.at(first + std::min(l, width - 1));
        for (; i < stop; ++i) {
          re[i * lanes + l] = line[i * from.step].real();
          im[i * lanes + l] = line[i * from.step].imag();
        }
      });
      const bool swapped = transform_lanes(*plan, re, im, re2, im2);
      const T *const found = swapped ? re2 : re, *const found_im = swapped ? im2 : im;
      in_blocks(n, width, [&](int l, int64_t i, int64_t stop) {
        Number<T>* const line = out + to.at(first + l);
        for (; i < stop; ++i)
          line[i * to.step] = scale(first + l, i, Number<T>(found[i * lanes + l], found_im[i * lanes + l]));
      });
    }
  });
}

template <class T> Number<T> times(Number<T> a, Number<T> b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// The roots of unity of a length.
template <class T> struct Roots {
  explicit Roots(int64_t n) {
    for (int64_t k = 0; k < n; ++k) at.push_back(root_of_unity<T>(k, n));
  }
  std::vector<Number<T>> at;
};

// A long sequence as a matrix of `rows`: its columns, a turn of each element, its rows (Bailey 1990: FFTs in
// External or Hierarchical Memory).
template <class T>
void by_matrix(const Number<T>* in, int64_t step, Number<T>* out, int64_t to_step, int64_t n, int64_t rows) {
  const int64_t columns = n / rows;
  const auto roots = remembered<Roots<T>>(n);
  const BufferRef memory = allocate_items(n, sizeof(Number<T>));
  Number<T>* const middle = static_cast<Number<T>*>(memory->data);
  by_lanes<T>(in, {columns, 0, step, columns * step}, middle, {columns, 0, 1, columns}, rows, columns,
              [&](int64_t line, int64_t i, Number<T> x) { return times(x, roots->at[line * i]); });
  by_lanes<T>(middle, {rows, 0, columns, 1}, out, {rows, 0, to_step, rows * to_step}, columns, rows,
              [](int64_t, int64_t, Number<T> x) { return x; });
}

// exp(-pi i k^2 / n), and the transform of its conjugate, wrapped around `wide` places.
struct Chirp {
  explicit Chirp(int64_t n) : wide(static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(2 * n - 1)))) {
    std::vector<Number<double>> around(wide);
    for (int64_t k = 0; k < n; ++k) {
      turn.push_back(root_of_unity<double>(k * k % (2 * n), 2 * n));
      around[k] = around[(wide - k) % wide] = std::conj(turn[k]);
    }
    transformed.resize(wide);
    transform<double>(around.data(), {1, wide, 0, 1}, transformed.data(), {1, wide, 0, 1}, wide, 1);
  }
  int64_t wide;
  std::vector<Number<double>> turn, transformed;
};

// A length with a large prime factor, as a convolution (Bluestein 1970), in double for any type.
template <class T>
void by_convolution(const Number<T>* in, Lines from, Number<T>* out, Lines to, int64_t n, int64_t lines) {
  const auto chirp = remembered<Chirp>(n);
  const int64_t wide = chirp->wide;
  const BufferRef memory = allocate_items(2 * wide, sizeof(Number<double>));
  Number<double>*const a = static_cast<Number<double>*>(memory->data), *const b = a + wide;
  for (int64_t l = 0; l < lines; ++l) {
    const Number<T>* const x = in + from.at(l);
    Number<T>* const y = out + to.at(l);
    for (int64_t i = 0; i < n; ++i) a[i] = times(Number<double>(x[i * from.step]), chirp->turn[i]);
    std::fill(a + n, a + wide, 0.0);
    transform<double>(a, {1, wide, 0, 1}, b, {1, wide, 0, 1}, wide, 1);
    for (int64_t i = 0; i < wide; ++i) b[i] = std::conj(times(b[i], chirp->transformed[i]));
    transform<double>(b, {1, wide, 0, 1}, a, {1, wide, 0, 1}, wide, 1);  // of the conjugate: the inverse's
    for (int64_t i = 0; i < n; ++i) {
      const Number<double> v = times(std::conj(a[i]) / static_cast<double>(wide), chirp->turn[i]);
      y[i * to.step] = Number<T>(static_cast<T>(v.real()), static_cast<T>(v.imag()));
    }
  }
}

int64_t largest_factor(int64_t n) {
  int64_t largest = 1;
  for (int64_t p = 2; p * p <= n; ++p)
    for (; n % p == 0; n /= p) largest = p;
  return std::max(largest, n);
}

// The divisor next below the root.
int64_t rows_of(int64_t n) {
  int64_t rows = 1;
  for (int64_t d = 2; d * d <= n; ++d)
    if (n % d == 0) rows = d;
  return rows;
}

template <class T>
void transform(const Number<T>* in, Lines from, Number<T>* out, Lines to, int64_t n, int64_t lines) {
  if (largest_factor(n) > FourierPlan<T>::largest_factor)
    return by_convolution<T>(in, from, out, to, n, lines);
  // Few sequences would leave lanes empty, and long ones the cache: both are then taken apart.
  const int64_t rows = (lines < FourierPlan<T>::lanes / 2 && n >= 256) || n > (1 << 13) ? rows_of(n) : 1;
  if (rows < 8)
    return by_lanes<T>(in, from, out, to, n, lines, [](int64_t, int64_t, Number<T> x) { return x; });
  for (int64_t l = 0; l < lines; ++l)
    by_matrix<T>(in + from.at(l), from.step, out + to.at(l), to.step, n, rows);
}

template <class T> void transform_axes(const FourierDesc& d, const void* in, void* out) {
  const int64_t total = count_of(d.shape);
  Number<T>* const y = static_cast<Number<T>*>(out);
  const Number<T>* x = static_cast<const Number<T>*>(in);
  // The inverse is the conjugate of the transform of the conjugate.
  const auto conjugate = [&](const Number<T>* of) {
    parallel_for(total, 1 << 15, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) y[i] = std::conj(of[i]);
    });
  };
  BufferRef memory;
  if (d.inverse) conjugate(x), x = y;
  for (const int64_t axis : d.axes) {
    int64_t outer = 1, inner = 1;
    for (int64_t i = 0; i < static_cast<int64_t>(d.shape.size()); ++i)
      if (i != axis) (i < axis ? outer : inner) *= d.shape[i];
    const int64_t n = d.shape[axis];
    const Lines lines{inner, n * inner, 1, inner};
    transform<T>(x, lines, y, lines, n, outer * inner);
    x = y;  // each group of sequences is read before it is written
  }
  if (x != y) std::copy(x, x + total, y);
  if (d.inverse) conjugate(y);
}

}  // namespace

void fourier_transform(const FourierDesc& d, const void* in, void* out) {
  if (d.dtype == DType::complex64) transform_axes<float>(d, in, out);
  else transform_axes<double>(d, in, out);
}

}  // namespace pg::cpu
