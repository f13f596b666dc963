#include "backends/cpu/calls.h"

#include <cstdlib>
#include <unordered_map>

#include "backends/cpu/call_dot.h"
#include "backends/cpu/fourier.h"
#include "backends/cpu/library.h"
#include "backends/cpu/native.h"
#include "backends/cpu/triangular.h"
#include "support/error.h"

namespace pg {
namespace {

Ints words(const Attrs& attrs, size_t from, size_t count) {
  return Ints(attrs.begin() + from, attrs.begin() + from + count);
}

// ---- convolution: attrs as in ops/conv.cpp

cpu::ConvDesc conv_desc(const Attrs& attrs, const Aval& image, const Aval& kernel, const Aval& result) {
  const size_t s = static_cast<size_t>(std::abs(attrs[0]));
  cpu::ConvDesc d;
  d.channels_last = attrs[0] < 0;
  const size_t space = d.channels_last ? 1 : 2;  // where the spatial axes of images begin
  d.dtype = image.dtype;
  d.rank = static_cast<int>(s);
  d.n = image.shape[0];
  d.ci = image.shape[d.channels_last ? s + 1 : 1];
  d.co = kernel.shape[0];
  d.groups = attrs[1];
  for (size_t i = 0; i < s; ++i) {
    d.in[i] = image.shape[space + i];
    d.kernel[i] = kernel.shape[2 + i];
    d.out[i] = result.shape[space + i];
    d.stride[i] = attrs[2 + i];
    d.pad_low[i] = attrs[2 + s + i];
    d.pad_high[i] = attrs[2 + 2 * s + i];
    d.dilation[i] = attrs[2 + 3 * s + i];
  }
  return d;
}

void call_conv(const CallArgs& c) {
  cpu::conv_forward(conv_desc(c.attrs, c.in[0], c.in[1], c.out), c.inputs[0], c.inputs[1],
                    c.in.size() > 2 ? static_cast<const float*>(c.inputs[2]) : nullptr, c.output);
}
void call_conv_input_grad(const CallArgs& c) {
  cpu::conv_input_grad(conv_desc(c.attrs, c.out, c.in[1], c.in[0]), c.inputs[0], c.inputs[1], c.output);
}
void call_conv_weight_grad(const CallArgs& c) {
  cpu::conv_weight_grad(conv_desc(c.attrs, c.in[0], c.out, c.in[1]), c.inputs[0], c.inputs[1], c.output);
}

// ---- along one axis: attrs are axis and a flag

struct Around {
  int64_t outer = 1, n = 1, inner = 1;
};
Around around(const CallArgs& c) {
  Around out;
  const size_t axis = static_cast<size_t>(c.attrs[0]);
  for (size_t i = 0; i < c.in[0].shape.size(); ++i)
    (i < axis ? out.outer : i == axis ? out.n : out.inner) *= c.in[0].shape[i];
  return out;
}

template <cpu::Cumulative op> void call_cumulative(const CallArgs& c) {
  const Around a = around(c);
  cpu::cumulative(op, c.out.dtype, c.inputs[0], c.output, a.outer, a.n, a.inner, c.attrs[1] != 0);
}
void call_sort(const CallArgs& c) {
  const Around a = around(c);
  cpu::sort(c.out.dtype, c.inputs[0], c.output, a.outer, a.n, a.inner, c.attrs[1] != 0);
}
void call_argsort(const CallArgs& c) {
  const Around a = around(c);
  cpu::argsort(c.in[0].dtype, c.inputs[0], static_cast<int64_t*>(c.output), a.outer, a.n, a.inner,
               c.attrs[1] != 0, c.attrs[2]);
}

// ---- scatter: attrs are the mode and the index mode

void call_scatter(const CallArgs& c) {
  cpu::ScatterDesc d;
  d.dtype = c.out.dtype;
  d.index_dtype = c.in[1].dtype;
  d.mode = static_cast<ScatterMode>(c.attrs[0]);
  d.index_mode = static_cast<IndexMode>(c.attrs[1]);
  d.base_rows = c.in[0].shape[0];
  d.count = count_of(c.in[1].shape);
  for (size_t i = 1; i < c.in[0].shape.size(); ++i) d.row_size *= c.in[0].shape[i];
  cpu::scatter(d, c.inputs[0], c.inputs[1], c.inputs[2], c.output);
}

// ---- matrices: attrs as in ops/triangular.cpp and ops/fourier.cpp

void call_triangular_solve(const CallArgs& c) {
  const size_t rank = c.out.shape.size();
  cpu::TriangularDesc d;
  d.dtype = c.out.dtype;
  d.batch = 1;
  for (size_t i = 0; i + 2 < rank; ++i) d.batch *= c.out.shape[i];
  d.n = c.out.shape[rank - 2];
  d.k = c.out.shape[rank - 1];
  d.lower = c.attrs[0] != 0;
  d.transposed = c.attrs[1] != 0;
  d.unit_diagonal = c.attrs[2] != 0;
  cpu::triangular_solve(d, c.inputs[0], c.inputs[1], c.output);
}
void call_fft(const CallArgs& c) {
  require(cpu::fourier_transform != nullptr, ErrorKind::not_implemented, "fft: needs the Python interpreter");
  if (count_of(c.out.shape) == 0) return;
  const cpu::FourierDesc d{c.out.dtype, c.out.shape, words(c.attrs, 1, c.attrs.size() - 1), c.attrs[0] != 0};
  cpu::fourier_transform(d, c.inputs[0], c.output);
}

// ---- windows over the trailing axes: attrs as in ops/windows.cpp

cpu::WindowDesc window_desc(const Attrs& attrs, const Aval& in, const Aval& out) {
  const size_t s = static_cast<size_t>(attrs[0]), lead = in.shape.size() - s;
  cpu::WindowDesc d;
  d.dtype = in.dtype;
  d.in = in.shape;
  d.out = out.shape;
  const auto spread = [&](size_t list, int64_t rest) {
    Ints all(lead, rest);
    for (const int64_t word : words(attrs, 1 + list * s, s)) all.push_back(word);
    return all;
  };
  d.size = spread(0, 1);
  d.stride = spread(1, 1);
  d.low = spread(2, 0);
  d.high = spread(3, 0);
  d.dilation = spread(4, 1);
  return d;
}

template <cpu::Window op> void call_reduce_window(const CallArgs& c) {
  cpu::reduce_window(op, window_desc(c.attrs, c.in[0], c.out), c.inputs[0], c.output);
}
void call_window_sum_grad(const CallArgs& c) {
  cpu::window_sum_grad(window_desc(c.attrs, c.out, c.in[0]), c.inputs[0], c.output);
}
void call_window_max_grad(const CallArgs& c) {
  cpu::window_max_grad(window_desc(c.attrs, c.in[0], c.in[1]), c.inputs[0], c.inputs[1], c.output);
}
void call_window_max_pick(const CallArgs& c) {
  cpu::window_max_pick(window_desc(c.attrs, c.in[0], c.out), c.inputs[0], c.inputs[1], c.output);
}

}  // namespace

void (*cpu::fourier_transform)(const cpu::FourierDesc&, const void*, void*) = nullptr;

CallFn cpu_call(const Op& op) {
  static const std::unordered_map<const Op*, CallFn> table = {
      {&dot_general_op, call_dot_general},
      {&conv_op, call_conv},
      {&conv_input_grad_op, call_conv_input_grad},
      {&conv_weight_grad_op, call_conv_weight_grad},
      {&cumulative_sum_op, call_cumulative<cpu::Cumulative::sum>},
      {&cumulative_prod_op, call_cumulative<cpu::Cumulative::prod>},
      {&cumulative_max_op, call_cumulative<cpu::Cumulative::max>},
      {&cumulative_min_op, call_cumulative<cpu::Cumulative::min>},
      {&triangular_solve_op, call_triangular_solve},
      {&fft_op, call_fft},
      {&sort_op, call_sort},
      {&argsort_op, call_argsort},
      {&scatter_op, call_scatter},
      {&reduce_window_sum_op, call_reduce_window<cpu::Window::sum>},
      {&reduce_window_max_op, call_reduce_window<cpu::Window::max>},
      {&window_sum_grad_op, call_window_sum_grad},
      {&window_max_grad_op, call_window_max_grad},
      {&window_max_pick_op, call_window_max_pick},
  };
  const auto found = table.find(&op);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace pg
