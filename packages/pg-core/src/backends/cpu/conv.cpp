#include "backends/cpu/conv.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/element.h"
#include "backends/cpu/gemm.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

constexpr int64_t column_bytes =
    512 << 10;  // of one block of unrolled windows: stays in the second-level cache
constexpr int max_rank = ConvDesc::max_rank;

template <class C> constexpr DType dtype_of() {
  if constexpr (std::is_same_v<C, float>) return DType::float32;
  else if constexpr (std::is_same_v<C, double>) return DType::float64;
  else if constexpr (std::is_same_v<C, uint32_t>) return DType::uint32;
  else return DType::uint64;
}

// Strides of one image, and the sizes that all three products share.
struct Geometry {
  explicit Geometry(const ConvDesc& d) : d(d), ci(d.ci / d.groups), co(d.co / d.groups) {
    for (int s = 0; s < max_rank; ++s) {
      taps *= d.kernel[s];
      in_size *= d.in[s];
      out_size *= d.out[s];
    }
    channel = d.channels_last ? 1 : in_size;
    int64_t step = d.channels_last ? d.ci : 1;
    for (int s = max_rank; s-- > 0; step *= d.in[s]) pixel[s] = step;
    out_channel = d.channels_last ? 1 : out_size;
    out_pixel = d.channels_last ? d.co : 1;
    depth = ci * taps;
  }
  const ConvDesc& d;
  int64_t ci, co;  // of one group
  int64_t taps = 1, in_size = 1, out_size = 1, depth = 1;
  int64_t channel, pixel[max_rank];  // strides in x
  int64_t out_channel, out_pixel;    // strides in y
};

// Calls f(column row, offset in the image or -1 when outside, position in [0, count)) over a block of output
// positions. Runs along the last axis are found once per row, so f sees: f(row, position, offset, step,
// length) for runs inside.
template <class F> void for_each_run(const Geometry& g, int64_t begin, int64_t count, F&& f) {
  const ConvDesc& d = g.d;
  for (int64_t tap = 0; tap < g.taps; ++tap) {
    const int64_t k2 = tap % d.kernel[2], k1 = tap / d.kernel[2] % d.kernel[1],
                  k0 = tap / d.kernel[2] / d.kernel[1];
    const int64_t shift = k2 * d.dilation[2] - d.pad_low[2];
    // Output columns p2 whose source p2 * stride + shift lies in [0, in).
    const int64_t stride = d.stride[2];
    const int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t last = d.in[2] - 1 - shift < 0 ? 0 : std::min(d.out[2], (d.in[2] - 1 - shift) / stride + 1);
    for (int64_t done = 0; done < count;) {
      const int64_t p = begin + done, p2 = p % d.out[2], length = std::min(d.out[2] - p2, count - done);
      const int64_t i1 = p / d.out[2] % d.out[1] * d.stride[1] + k1 * d.dilation[1] - d.pad_low[1];
      const int64_t i0 = p / d.out[2] / d.out[1] * d.stride[0] + k0 * d.dilation[0] - d.pad_low[0];
      int64_t low = std::clamp(first, p2, p2 + length), high = std::clamp(last, p2, p2 + length);
      if (i0 < 0 || i0 >= d.in[0] || i1 < 0 || i1 >= d.in[1] || high < low) low = high = p2;
      f(tap, done, low - p2, high - p2, length,
        i0 * g.pixel[0] + i1 * g.pixel[1] + (low * stride + shift) * g.pixel[2]);
      done += length;
    }
  }
}

// columns[(i * taps + tap), position] of channels [0, ci) of one group.
template <class C> void unroll(const Geometry& g, const C* x, int64_t begin, int64_t count, C* columns) {
  const int64_t step = g.d.stride[2] * g.pixel[2];
  for_each_run(g, begin, count,
               [&](int64_t tap, int64_t at, int64_t low, int64_t high, int64_t length, int64_t offset) {
                 for (int64_t i = 0; i < g.ci; ++i) {
                   C* const out = columns + (i * g.taps + tap) * count + at;
                   const C* const in = x + i * g.channel + offset;
                   std::fill(out, out + low, C(0));
                   if (step == 1) std::copy(in, in + (high - low), out + low);
                   else
                     for (int64_t p = low; p < high; ++p) out[p] = in[(p - low) * step];
                   std::fill(out + high, out + length, C(0));
                 }
               });
}

// The transpose of unroll: adds columns back into the image.
template <class C> void fold(const Geometry& g, const C* columns, int64_t begin, int64_t count, C* dx) {
  const int64_t step = g.d.stride[2] * g.pixel[2];
  for_each_run(g, begin, count,
               [&](int64_t tap, int64_t at, int64_t low, int64_t high, int64_t, int64_t offset) {
                 for (int64_t i = 0; i < g.ci; ++i) {
                   const C* const in = columns + (i * g.taps + tap) * count + at;
                   C* const out = dx + i * g.channel + offset;
                   for (int64_t p = low; p < high; ++p) out[(p - low) * step] += in[p];
                 }
               });
}

int64_t positions_per_block(const Geometry& g, int64_t item) {
  return std::clamp<int64_t>(column_bytes / (item * std::max<int64_t>(g.depth, 1)), 16,
                             std::max<int64_t>(g.out_size, 16));
}

template <class C> void forward(const Geometry& g, const C* x, const C* w, C* y) {
  const ConvDesc& d = g.d;
  const int64_t block = positions_per_block(g, sizeof(C)), blocks = (g.out_size + block - 1) / block;
  parallel_for(d.n * d.groups * blocks, 1, [&](int64_t begin, int64_t end, int) {
    const BufferRef memory = allocate_items(g.depth * block, sizeof(C));
    C* const columns = static_cast<C*>(memory->data);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t start = task % blocks * block, count = std::min(block, g.out_size - start);
      const int64_t group = task / blocks % d.groups, image = task / blocks / d.groups;
      unroll(g, x + image * d.ci * g.in_size + group * g.ci * g.channel, start, count, columns);
      MatmulDesc m{.dtype = dtype_of<C>(),
                   .m = g.co,
                   .n = count,
                   .k = g.depth,
                   .a_row = g.depth,
                   .a_col = 1,
                   .b_row = count,
                   .b_col = 1,
                   .c_row = g.out_channel,
                   .c_col = g.out_pixel,
                   .batch = {},
                   .a_batch = {},
                   .b_batch = {},
                   .c_batch = {}};
      gemm(m, w + group * g.co * g.depth, columns,
           y + image * d.co * g.out_size + group * g.co * g.out_channel + start * g.out_pixel);
    }
  });
}

template <class C> void input_grad(const Geometry& g, const C* ct, const C* w, C* dx) {
  const ConvDesc& d = g.d;
  const int64_t block = positions_per_block(g, sizeof(C));
  std::fill(dx, dx + d.n * d.ci * g.in_size, C(0));
  // Blocks of one image add to the same elements, so they stay in one task and in order.
  parallel_for(d.n * d.groups, 1, [&](int64_t begin, int64_t end, int) {
    const BufferRef memory = allocate_items(g.depth * block, sizeof(C));
    C* const columns = static_cast<C*>(memory->data);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t group = task % d.groups, image = task / d.groups;
      for (int64_t start = 0; start < g.out_size; start += block) {
        const int64_t count = std::min(block, g.out_size - start);
        MatmulDesc m{.dtype = dtype_of<C>(),
                     .m = g.depth,
                     .n = count,
                     .k = g.co,
                     .a_row = 1,
                     .a_col = g.depth,
                     .b_row = g.out_channel,
                     .b_col = g.out_pixel,
                     .c_row = count,
                     .c_col = 1,
                     .batch = {},
                     .a_batch = {},
                     .b_batch = {},
                     .c_batch = {}};
        gemm(m, w + group * g.co * g.depth,
             ct + image * d.co * g.out_size + group * g.co * g.out_channel + start * g.out_pixel, columns);
        fold(g, columns, start, count, dx + image * d.ci * g.in_size + group * g.ci * g.channel);
      }
    }
  });
}

template <class C> void weight_grad(const Geometry& g, const C* x, const C* ct, C* dw) {
  const ConvDesc& d = g.d;
  std::fill(dw, dw + d.co * g.depth, C(0));
  // Sums over images and blocks in order; with one group the product inside is split instead.
  parallel_for(d.groups, 1, [&](int64_t begin, int64_t end, int) {
    const int64_t block = positions_per_block(g, sizeof(C));
    const BufferRef memory = allocate_items(g.depth * block, sizeof(C));
    C* const columns = static_cast<C*>(memory->data);
    for (int64_t group = begin; group < end; ++group)
      for (int64_t image = 0; image < d.n; ++image)
        for (int64_t start = 0; start < g.out_size; start += block) {
          const int64_t count = std::min(block, g.out_size - start);
          unroll(g, x + image * d.ci * g.in_size + group * g.ci * g.channel, start, count, columns);
          MatmulDesc m{.dtype = dtype_of<C>(),
                       .m = g.co,
                       .n = g.depth,
                       .k = count,
                       .a_row = g.out_channel,
                       .a_col = g.out_pixel,
                       .b_row = 1,
                       .b_col = count,
                       .c_row = g.depth,
                       .c_col = 1,
                       .batch = {},
                       .a_batch = {},
                       .b_batch = {},
                       .c_batch = {}};
          gemm(m, ct + image * d.co * g.out_size + group * g.co * g.out_channel + start * g.out_pixel,
               columns, dw + group * g.co * g.depth, true);
        }
  });
}

// The whole tensor in the computing type: itself where that is the storage type, else a converted copy.
template <class T> class Widened {
 public:
  using C = Accumulator<T>;
  static constexpr bool same = sizeof(C) == sizeof(T) && !is_half_type<T>;  // words of one size may alias
  Widened(const void* data, int64_t count) : data_(static_cast<const C*>(data)) {
    if constexpr (!same) {
      memory_ = allocate_items(count, sizeof(C));
      C* const out = static_cast<C*>(memory_->data);
      const T* const in = static_cast<const T*>(data);
      parallel_for(count, 1 << 14, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) out[i] = static_cast<C>(in[i]);
      });
      data_ = out;
    }
  }
  const C* get() const { return data_; }

 private:
  const C* data_;
  BufferRef memory_;
};

// Runs compute(C* out) and stores the rounded result.
template <class T, class F> void store(void* out, int64_t count, F&& compute) {
  using C = Accumulator<T>;
  if constexpr (Widened<T>::same) return compute(static_cast<C*>(out));
  const BufferRef memory = allocate_items(count, sizeof(C));
  C* const wide = static_cast<C*>(memory->data);
  compute(wide);
  T* const result = static_cast<T*>(out);
  parallel_for(count, 1 << 14, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) result[i] = narrow<T>(wide[i]);
  });
}

// Trailing axes first: a convolution over fewer axes is one over three with leading extents of 1.
ConvDesc spread(const ConvDesc& d) {
  ConvDesc out = d;
  out.rank = max_rank;
  for (int s = 0; s < max_rank; ++s) {
    const int from = s - (max_rank - d.rank);
    const auto pick = [&](const int64_t* values, int64_t missing) {
      return from < 0 ? missing : values[from];
    };
    out.in[s] = pick(d.in, 1);
    out.out[s] = pick(d.out, 1);
    out.kernel[s] = pick(d.kernel, 1);
    out.stride[s] = pick(d.stride, 1);
    out.dilation[s] = pick(d.dilation, 1);
    out.pad_low[s] = pick(d.pad_low, 0);
    out.pad_high[s] = pick(d.pad_high, 0);
  }
  return out;
}

}  // namespace

void unrolled_forward(const ConvDesc& desc, const void* x, const void* w, void* y) {
  const ConvDesc d = spread(desc);
  const Geometry g(d);
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Widened<T> xs(x, d.n * d.ci * g.in_size), ws(w, d.co * g.depth);
    store<T>(y, d.n * d.co * g.out_size, [&](auto* out) { forward(g, xs.get(), ws.get(), out); });
  });
}

void unrolled_input_grad(const ConvDesc& desc, const void* ct, const void* w, void* dx) {
  const ConvDesc d = spread(desc);
  const Geometry g(d);
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Widened<T> cts(ct, d.n * d.co * g.out_size), ws(w, d.co * g.depth);
    store<T>(dx, d.n * d.ci * g.in_size, [&](auto* out) { input_grad(g, cts.get(), ws.get(), out); });
  });
}

void unrolled_weight_grad(const ConvDesc& desc, const void* x, const void* ct, void* dw) {
  const ConvDesc d = spread(desc);
  const Geometry g(d);
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Widened<T> xs(x, d.n * d.ci * g.in_size), cts(ct, d.n * d.co * g.out_size);
    store<T>(dw, d.co * g.depth, [&](auto* out) { weight_grad(g, xs.get(), cts.get(), out); });
  });
}

}  // namespace pg::cpu
