#include "backends/cpu/library.h"

#include <algorithm>
#include <atomic>

#include "backends/cpu/conv.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/onednn.h"
#include "ir/block.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

std::atomic<int64_t> by_onednn{0}, by_fallback{0};

template <class Fast, class Slow> bool serve(Fast&& fast, Slow&& slow) {
  const bool done = fast();
  if (!done) slow();
  (done ? by_onednn : by_fallback).fetch_add(1, std::memory_order_relaxed);
  return done;
}

int64_t product(const int64_t* extents, int rank) {
  int64_t out = 1;
  for (int s = 0; s < rank; ++s) out *= extents[s];
  return out;
}
int64_t x_count(const ConvDesc& d) { return d.n * d.ci * product(d.in, d.rank); }
int64_t y_count(const ConvDesc& d) { return d.n * d.co * product(d.out, d.rank); }
int64_t w_count(const ConvDesc& d) { return d.co * (d.ci / d.groups) * product(d.kernel, d.rank); }

void add_bias(const ConvDesc& d, const float* bias, float* y) {
  const int64_t positions = product(d.out, d.rank), rows = d.channels_last ? d.n * positions : d.n * d.co,
                width = d.channels_last ? d.co : positions;
  parallel_for(rows, std::max<int64_t>(1, (1 << 13) / std::max<int64_t>(width, 1)),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t row = begin; row < end; ++row)
                   for (int64_t i = 0; i < width; ++i)
                     y[row * width + i] += bias[d.channels_last ? i : row % d.co];
               });
}

// oneDNN 3.2 is slow at float16 everywhere and at bfloat16 on some machines: then float32 does it, which
// rounds once all the same.
template <class Convolution> bool conv_by_onednn(Convolution&& run, const ConvDesc& d, const void* a,
                                                 int64_t a_count, const void* b, int64_t b_count, void* out,
                                                 int64_t out_count) {
  if (run(d, a, b, out)) return true;
  if (!is_half(d.dtype) || !onednn_available()) return false;
  ConvDesc wide = d;
  wide.dtype = DType::float32;
  const ir::BlockFn load = ir::load_block(d.dtype), store = ir::store_block(d.dtype);
  const auto convert = [](ir::BlockFn block, const void* from, int64_t from_size, void* to, int64_t to_size,
                          int64_t count) {
    parallel_for(count, 1 << 13, [&](int64_t begin, int64_t end, int) {
      const void* const source = static_cast<const char*>(from) + begin * from_size;
      block(static_cast<char*>(to) + begin * to_size, &source, end - begin);
    });
  };
  const BufferRef wide_a = allocate_items(a_count, 4), wide_b = allocate_items(b_count, 4),
                  wide_out = allocate_items(out_count, 4);
  convert(load, a, 2, wide_a->data, 4, a_count);
  convert(load, b, 2, wide_b->data, 4, b_count);
  if (!run(wide, wide_a->data, wide_b->data, wide_out->data)) return false;
  convert(store, wide_out->data, 4, out, 2, out_count);
  return true;
}

}  // namespace

bool matmul(const MatmulDesc& d, const void* a, const void* b, void* c) {
  return serve([&] { return onednn_matmul(d, a, b, c); },
               [&] { is_complex(d.dtype) ? complex_gemm(d, a, b, c) : gemm(d, a, b, c); });
}

bool conv_forward(const ConvDesc& d, const void* x, const void* w, const float* bias, void* y) {
  const auto run = [&](const ConvDesc& desc, const void* a, const void* b, void* out) {
    return onednn_conv_forward(desc, a, b, bias, out);
  };
  return serve([&] { return conv_by_onednn(run, d, x, x_count(d), w, w_count(d), y, y_count(d)); },
               [&] {
                 unrolled_forward(d, x, w, y);
                 if (bias) add_bias(d, bias, static_cast<float*>(y));
               });
}

bool conv_input_grad(const ConvDesc& d, const void* ct, const void* w, void* dx) {
  const bool few_channels = d.groups == 1 && d.ci < 8;  // measured: ours is two to three times faster there
  return serve(
      [&] {
        return !few_channels &&
               conv_by_onednn(onednn_conv_input_grad, d, ct, y_count(d), w, w_count(d), dx, x_count(d));
      },
      [&] { unrolled_input_grad(d, ct, w, dx); });
}

bool conv_weight_grad(const ConvDesc& d, const void* x, const void* ct, void* dw) {
  return serve(
      [&] {
        return conv_by_onednn(onednn_conv_weight_grad, d, x, x_count(d), ct, y_count(d), dw, w_count(d));
      },
      [&] { unrolled_weight_grad(d, x, ct, dw); });
}

LibraryCalls library_calls() { return {by_onednn.load(), by_fallback.load()}; }

}  // namespace pg::cpu
