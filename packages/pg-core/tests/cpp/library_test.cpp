// Matrix products and convolutions: oneDNN (when PG_LIBDNNL names it) and our own kernels against plain
// loops.

#include <array>
#include <cstring>
#include <random>
#include <vector>

#include "backends/cpu/element.h"
#include "backends/cpu/library.h"
#include "backends/cpu/onednn.h"
#include "check.h"
#include "runtime/threads.h"

using namespace pg;
using namespace pg::cpu;

namespace {

std::mt19937 random_words(3);

template <class T> std::vector<T> some(int64_t count) {
  std::vector<T> out(count);
  for (auto& v : out) v = narrow<T>(static_cast<Accumulator<T>>(static_cast<int>(random_words() % 7) - 3));
  return out;
}

// Values are small whole numbers, so every order of summation gives the same result, and equality is exact.
template <class T> bool equal(const std::vector<T>& a, const std::vector<T>& b) {
  return std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <class T> void check_matmul(MatmulDesc d, int64_t a_size, int64_t b_size, int64_t c_size) {
  const std::vector<T> a = some<T>(a_size), b = some<T>(b_size);
  std::vector<T> c(c_size, T()), expected(c_size, T());
  int64_t products = 1;
  for (int64_t extent : d.batch) products *= extent;
  for (int64_t p = 0; p < products; ++p) {
    int64_t rest = p, at_a = 0, at_b = 0, at_c = 0;
    for (size_t x = d.batch.size(); x-- > 0; rest /= d.batch[x]) {
      at_a += rest % d.batch[x] * d.a_batch[x];
      at_b += rest % d.batch[x] * d.b_batch[x];
      at_c += rest % d.batch[x] * d.c_batch[x];
    }
    for (int64_t i = 0; i < d.m; ++i)
      for (int64_t j = 0; j < d.n; ++j) {
        Accumulator<T> sum = 0;
        for (int64_t l = 0; l < d.k; ++l)
          sum += static_cast<Accumulator<T>>(a[at_a + i * d.a_row + l * d.a_col]) *
                 static_cast<Accumulator<T>>(b[at_b + l * d.b_row + j * d.b_col]);
        expected[at_c + i * d.c_row + j * d.c_col] = narrow<T>(sum);
      }
  }
  matmul(d, a.data(), b.data(), c.data());
  CHECK(equal(c, expected));
}

template <class T> void matmuls(DType dtype) {
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                                {3, 5, 7},
                                {64, 64, 64},
                                {1, 40, 33},
                                {33, 1, 65},
                                {70, 90, 700},
                                {300, 130, 50},
                                {5, 4, 0},
                                {0, 3, 2},
                                {270, 600, 64}})
    for (int layout = 0; layout < 8; ++layout) {
      MatmulDesc d{.dtype = dtype,
                   .m = m,
                   .n = n,
                   .k = k,
                   .a_row = k,
                   .a_col = 1,
                   .b_row = n,
                   .b_col = 1,
                   .c_row = n,
                   .c_col = 1,
                   .batch = {},
                   .a_batch = {},
                   .b_batch = {},
                   .c_batch = {}};
      if (layout & 1) d.a_row = 1, d.a_col = m;
      if (layout & 2) d.b_row = 1, d.b_col = k;
      if (layout & 4) d.c_row = 1, d.c_col = m;
      check_matmul<T>(d, m * k, k * n, m * n);
    }
  // Every height and width of a tile, several blocks of k, and the paths of few rows and of small k.
  const auto plain = [&](int64_t m, int64_t n, int64_t k, int layout) {
    check_matmul<T>({dtype,
                     m,
                     n,
                     k,
                     layout & 1 ? 1 : k,
                     layout & 1 ? m : 1,
                     layout & 2 ? 1 : n,
                     layout & 2 ? k : 1,
                     n,
                     1,
                     {},
                     {},
                     {},
                     {}},
                    m * k, k * n, m * n);
  };
  for (int64_t size = 1; size <= 33; ++size)
    for (int layout = 0; layout < 4; ++layout) {
      plain(size, 34 - size, 1 + size * 7 % 40, layout);
      plain(size, 70, 65 + size, layout);
      plain(70, size, 65 + size, layout);
    }
  for (int layout = 0; layout < 4; ++layout) {
    plain(8, 1100, 300, layout);
    plain(1, 520, 2100, layout);
    plain(17, 531, 90, layout);
    plain(600, 300, 530, layout);
  }
  plain(2100, 2048, 2, 0);
  // Batches: merged axes, a broadcast operand, axes in another order, and strides that no library takes.
  check_matmul<T>({dtype, 4, 5, 6, 6, 1, 5, 1, 5, 1, {2, 3}, {72, 24}, {90, 30}, {60, 20}}, 144, 180, 120);
  check_matmul<T>({dtype, 4, 5, 6, 6, 1, 5, 1, 5, 1, {7}, {24}, {0}, {20}}, 168, 30, 140);
  check_matmul<T>({dtype, 4, 5, 6, 6, 1, 5, 1, 5, 1, {2, 3}, {24, 48}, {90, 30}, {60, 20}}, 144, 180, 120);
  check_matmul<T>({dtype, 8, 9, 10, 40, 1, 36, 1, 36, 1, {5, 4}, {320, 10}, {360, 9}, {288, 9}}, 1600, 1800,
                  1440);  // attention: heads inside
  check_matmul<T>({dtype, 4, 5, 6, 12, 2, 10, 2, 15, 3, {}, {}, {}, {}}, 60, 70, 80);
  check_matmul<T>({dtype, 4, 5, 6, 0, 1, 5, 1, 5, 1, {}, {}, {}, {}}, 6, 30, 20);
  check_matmul<T>({dtype, 300, 100, 80, 80, 1, 100, 1, 100, 1, {3}, {24000}, {8000}, {30000}}, 72000, 24000,
                  90000);
}

struct Reference {
  ConvDesc d;
  int64_t in_size = 1, out_size = 1, taps = 1;
  explicit Reference(const ConvDesc& given) : d(given) {
    for (int s = 0; s < d.rank; ++s) {
      in_size *= d.in[s];
      out_size *= d.out[s];
      taps *= d.kernel[s];
    }
  }
  // Calls f(x index, w index, y index) for every product of the convolution.
  template <class F> void each(F&& f) const {
    const int64_t ci = d.ci / d.groups, co = d.co / d.groups;
    for (int64_t n = 0; n < d.n; ++n)
      for (int64_t o = 0; o < d.co; ++o)
        for (int64_t p = 0; p < out_size; ++p)
          for (int64_t t = 0; t < taps; ++t) {
            int64_t p_rest = p, t_rest = t, offset = 0, scale = 1;
            bool inside = true;
            for (int s = d.rank; s-- > 0;) {
              const int64_t i =
                  p_rest % d.out[s] * d.stride[s] + t_rest % d.kernel[s] * d.dilation[s] - d.pad_low[s];
              inside = inside && i >= 0 && i < d.in[s];
              offset += i * scale;
              scale *= d.in[s];
              p_rest /= d.out[s];
              t_rest /= d.kernel[s];
            }
            for (int64_t i = 0; i < ci && inside; ++i) {
              const int64_t channel = o / co * ci + i;
              f(d.channels_last ? (n * in_size + offset) * d.ci + channel
                                : (n * d.ci + channel) * in_size + offset,
                (o * ci + i) * taps + t,
                d.channels_last ? (n * out_size + p) * d.co + o : (n * d.co + o) * out_size + p);
            }
          }
  }
};

template <class T> void convolution(ConvDesc d) {
  using C = Accumulator<T>;
  for (int s = 0; s < d.rank; ++s)
    d.out[s] = conv_extent(d.in[s], d.kernel[s], d.stride[s], d.dilation[s], d.pad_low[s], d.pad_high[s]);
  for (const bool last : {false, true}) {
    d.channels_last = last;
    const Reference r(d);
    const std::vector<T> x = some<T>(d.n * d.ci * r.in_size), w = some<T>(d.co * d.ci / d.groups * r.taps),
                         ct = some<T>(d.n * d.co * r.out_size);
    std::vector<C> y(ct.size()), dx(x.size()), dw(w.size());
    r.each([&](int64_t i, int64_t j, int64_t k) {
      y[k] += static_cast<C>(x[i]) * static_cast<C>(w[j]);
      dx[i] += static_cast<C>(ct[k]) * static_cast<C>(w[j]);
      dw[j] += static_cast<C>(ct[k]) * static_cast<C>(x[i]);
    });
    const auto compare = [](const std::vector<T>& got, const std::vector<C>& sums) {
      for (size_t i = 0; i < got.size(); ++i) {
        const T expected = narrow<T>(sums[i]);
        if (!(got[i] == expected)) return false;
      }
      return true;
    };
    std::vector<T> got_y(y.size()), got_dx(dx.size()), got_dw(dw.size());
    conv_forward(d, x.data(), w.data(), nullptr, got_y.data());
    CHECK(compare(got_y, y));
    if constexpr (std::is_same_v<T, float>) {
      const std::vector<T> bias = some<T>(d.co);
      std::vector<C> sums = y;
      const int64_t positions = d.out[0] * (d.rank > 1 ? d.out[1] : 1) * (d.rank > 2 ? d.out[2] : 1);
      for (size_t i = 0; i < sums.size(); ++i) {
        const int64_t at = static_cast<int64_t>(i);
        sums[i] += bias[static_cast<size_t>((d.channels_last ? at : at / positions) % d.co)];
      }
      conv_forward(d, x.data(), w.data(), bias.data(), got_y.data());
      CHECK(compare(got_y, sums));
    }
    conv_input_grad(d, ct.data(), w.data(), got_dx.data());
    CHECK(compare(got_dx, dx));
    conv_weight_grad(d, x.data(), ct.data(), got_dw.data());
    CHECK(compare(got_dw, dw));
  }
}

template <class T> void convolutions(DType dtype) {
  const auto make = [&](int rank, int64_t n, int64_t ci, int64_t co, int64_t groups,
                        std::array<int64_t, 3> in, std::array<int64_t, 3> kernel,
                        std::array<int64_t, 3> stride, std::array<int64_t, 3> dilation,
                        std::array<int64_t, 3> low, std::array<int64_t, 3> high) {
    ConvDesc d;
    d.dtype = dtype;
    d.rank = rank;
    d.n = n, d.ci = ci, d.co = co, d.groups = groups;
    for (int s = 0; s < rank; ++s) {
      d.in[s] = in[s], d.kernel[s] = kernel[s], d.stride[s] = stride[s], d.dilation[s] = dilation[s],
      d.pad_low[s] = low[s], d.pad_high[s] = high[s];
    }
    convolution<T>(d);
  };
  make(2, 5, 3, 16, 1, {9, 11, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}, {1, 1, 0});
  make(2, 35, 16, 32, 1, {8, 8, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0}, {1, 1, 0});
  make(2, 2, 4, 6, 2, {12, 10, 1}, {5, 3, 1}, {2, 3, 1}, {1, 1, 1}, {2, 0, 0}, {1, 2, 0});
  make(2, 2, 8, 8, 8, {7, 7, 1}, {3, 3, 1}, {1, 1, 1}, {2, 2, 1}, {2, 2, 0}, {2, 2, 0});
  make(1, 3, 5, 7, 1, {20, 1, 1}, {4, 1, 1}, {2, 1, 1}, {1, 1, 1}, {0, 0, 0}, {3, 0, 0});
  make(3, 2, 3, 4, 1, {5, 6, 7}, {2, 3, 2}, {1, 2, 1}, {1, 1, 2}, {0, 1, 1}, {1, 1, 0});
  make(2, 2, 3, 4, 1, {9, 9, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {-1, 1, 0},
       {0, -2, 0});  // negative padding crops
  make(2, 3, 17, 35, 1, {5, 7, 1}, {3, 3, 1}, {1, 2, 1}, {1, 1, 1}, {1, 1, 0},
       {1, 1, 0});  // enough channels to transpose pieces
  make(2, 2, 64, 160, 1, {4, 5, 1}, {3, 3, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0},
       {1, 1, 0});                         // weights converted in parts
  if constexpr (std::is_same_v<T, float>)  // one image in bands of rows
    make(2, 1, 48, 64, 1, {31, 9, 1}, {5, 3, 1}, {2, 1, 1}, {1, 1, 1}, {2, 1, 0}, {3, 1, 0});
  make(2, 1, 2, 3, 1, {4, 4, 1}, {1, 1, 1}, {2, 2, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0});
}

// Ordinary cases must reach the library: an installed but unused one fails here.
void served_by_library() {
  std::vector<BFloat16> a(64 * 64), b(64 * 64), c(64 * 64);
  CHECK(matmul({DType::bfloat16, 64, 64, 64, 64, 1, 64, 1, 64, 1, {}, {}, {}, {}}, a.data(), b.data(),
               c.data()));
  ConvDesc d;
  d.n = 2, d.ci = 16, d.co = 32;
  for (int s : {0, 1}) d.in[s] = d.out[s] = 8, d.kernel[s] = 3, d.pad_low[s] = d.pad_high[s] = 1;
  for (const DType dtype : {DType::float32, DType::float16, DType::bfloat16}) {
    d.dtype = dtype;
    std::vector<float> x(2 * 16 * 64), w(32 * 16 * 9), y(2 * 32 * 64);
    CHECK(conv_forward(d, x.data(), w.data(), nullptr, y.data()));
    CHECK(conv_input_grad(d, y.data(), w.data(), x.data()));
    CHECK(conv_weight_grad(d, x.data(), y.data(), w.data()));
  }
}

}  // namespace

int main() {
  const bool library = onednn_available();
  std::printf("  oneDNN: %s\n", library ? "in use" : onednn_status().c_str());
  for (const bool use : {true, false}) {
    if (use && !library) continue;
    onednn_enable(use);
    for (int threads : {1, 3}) {
      set_num_threads(threads);
      if (use) served_by_library();
      const LibraryCalls before = library_calls();
      matmuls<float>(DType::float32);
      matmuls<BFloat16>(DType::bfloat16);
      matmuls<Float16>(DType::float16);
      convolutions<float>(DType::float32);
      convolutions<BFloat16>(DType::bfloat16);
      convolutions<Float16>(DType::float16);
      const LibraryCalls after = library_calls();
      const int64_t served = after.onednn - before.onednn, own = after.fallback - before.fallback;
      std::printf("  %d threads: oneDNN %ld, own kernels %ld\n", threads, static_cast<long>(served),
                  static_cast<long>(own));
      CHECK(use ? served > own : served == 0);
    }
    matmuls<double>(DType::float64);
    matmuls<int8_t>(DType::int8);
    matmuls<uint64_t>(DType::uint64);
    matmuls<int32_t>(DType::int32);
    convolutions<double>(DType::float64);
    convolutions<int16_t>(DType::int16);
  }
  return finish("library_test");
}
