#include "backends/cpu/library.h"

#include <atomic>

#include "backends/cpu/conv.h"
#include "backends/cpu/gemm.h"
#include "backends/cpu/onednn.h"

namespace pg::cpu {
namespace {

std::atomic<int64_t> by_onednn{0}, by_fallback{0};

template <class Fast, class Slow> bool serve(Fast&& fast, Slow&& slow) {
  const bool done = fast();
  if (!done) slow();
  (done ? by_onednn : by_fallback).fetch_add(1, std::memory_order_relaxed);
  return done;
}

}  // namespace

bool matmul(const MatmulDesc& d, const void* a, const void* b, void* c) {
  return serve([&] { return onednn_matmul(d, a, b, c); }, [&] { gemm(d, a, b, c); });
}

bool conv_forward(const ConvDesc& d, const void* x, const void* w, void* y) {
  return serve([&] { return onednn_conv_forward(d, x, w, y); }, [&] { unrolled_forward(d, x, w, y); });
}

bool conv_input_grad(const ConvDesc& d, const void* ct, const void* w, void* dx) {
  return serve([&] { return onednn_conv_input_grad(d, ct, w, dx); },
               [&] { unrolled_input_grad(d, ct, w, dx); });
}

bool conv_weight_grad(const ConvDesc& d, const void* x, const void* ct, void* dw) {
  return serve([&] { return onednn_conv_weight_grad(d, x, ct, dw); },
               [&] { unrolled_weight_grad(d, x, ct, dw); });
}

LibraryCalls library_calls() { return {by_onednn.load(), by_fallback.load()}; }

}  // namespace pg::cpu
