#pragma once
// Matrix products and convolutions on raw pointers: oneDNN where it is installed and knows the case, our own
// kernels otherwise.
//
// Every function splits its work over the thread pool by shape alone, so results do not depend on the number
// of threads. float16 and bfloat16 accumulate in float32 and round once; integers wrap; bool is or-of-ands.

#include <cstdint>

#include "support/small_vector.h"
#include "types/dtype.h"

namespace pg::cpu {

/// c[batch, i, j] = sum over l of a[batch, i, l] * b[batch, l, j]. All strides count elements; a stride of 0
/// broadcasts (not in c). c must not overlap a or b.
struct MatmulDesc {
  DType dtype = DType::float32;
  int64_t m = 0, n = 0, k = 0;
  int64_t a_row = 0, a_col = 1;  // strides of the m and k axes of a
  int64_t b_row = 0, b_col = 1;  // strides of the k and n axes of b
  int64_t c_row = 0, c_col = 1;
  Ints batch;  // extents
  Ints a_batch, b_batch, c_batch;
};

/// A convolution as networks mean it (a correlation): y[n, o, p] = sum over i, q of x[n, i, p * stride + q *
/// dilation - pad_low] * w[o, i, q], with x zero outside. Activations are NCHW-like (n, channels, spatial...)
/// or, with channels_last, NHWC-like; weights are always (co, ci / groups, kernel...), all contiguous. Pads
/// may be negative (they crop). A bias of one number per output channel is added to y, in float32 only; null:
/// none.
struct ConvDesc {
  static constexpr int max_rank = 3;
  DType dtype = DType::float32;
  int rank = 2;  // spatial axes, 1 to 3
  int64_t n = 0, ci = 0, co = 0, groups = 1;
  int64_t in[max_rank] = {1, 1, 1}, out[max_rank] = {1, 1, 1}, kernel[max_rank] = {1, 1, 1};
  int64_t stride[max_rank] = {1, 1, 1}, dilation[max_rank] = {1, 1, 1};
  int64_t pad_low[max_rank] = {0, 0, 0}, pad_high[max_rank] = {0, 0, 0};
  bool channels_last = false;
};

/// Output extent along one axis; negative or 0 when the window does not fit.
inline int64_t conv_extent(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int64_t low,
                           int64_t high) {
  const int64_t room = in + low + high - ((kernel - 1) * dilation + 1);
  return room < 0 ? 0 : room / stride + 1;
}

/// Each returns whether oneDNN did the work.
bool matmul(const MatmulDesc& desc, const void* a, const void* b, void* c);
bool conv_forward(const ConvDesc& desc, const void* x, const void* w, const float* bias, void* y);
bool conv_input_grad(const ConvDesc& desc, const void* ct, const void* w, void* dx);
bool conv_weight_grad(const ConvDesc& desc, const void* x, const void* ct, void* dw);

struct LibraryCalls {
  int64_t onednn = 0, fallback = 0;
};
/// Calls of the four functions above since the process started, by who served them.
LibraryCalls library_calls();

}  // namespace pg::cpu
