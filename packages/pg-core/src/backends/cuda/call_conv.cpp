// Convolutions by cuDNN. It wants at least two spatial axes and the same margin at both ends: one axis gets a
// neighbour of extent 1; margins that differ, or crop, are put into a copy of the image, unless the windows
// never reach the higher one.

#include "backends/cuda/call_conv.h"

#include <algorithm>

#include "backends/cuda/cudnn.h"
#include "backends/cuda/fixed.h"
#include "support/error.h"

namespace pg::cuda {
namespace {

using Words = std::vector<int64_t>;

/// Where an image lies in the padded (and cropped) one, per axis.
struct Padding {
  bool needed = false;
  Words padded;                            // shape
  std::vector<CopyAxis> axes;              // from the image to the padded one
  int64_t from_offset = 0, to_offset = 0;  // in elements
};

struct Problem {
  Convolution convolution;
  Padding padding;
  int64_t item;
};

int64_t product(const Words& shape) {
  int64_t count = 1;
  for (const int64_t n : shape) count *= n;
  return count;
}

/// Attributes as in ops/conv.cpp.
Problem problem_of(const Attrs& attrs, Convolved wanted, const Aval& image, const Aval& kernel,
                   const Aval& result) {
  PG_INVARIANT(attrs[0] > 0, "a convolution with the channels last");
  const size_t rank = static_cast<size_t>(attrs[0]);
  Problem out;
  out.item = size_of(image.dtype);
  Convolution& c = out.convolution;
  c.dtype = image.dtype;
  c.wanted = wanted;
  c.groups = attrs[1];
  c.image.assign(image.shape.begin(), image.shape.end());
  c.kernel.assign(kernel.shape.begin(), kernel.shape.end());
  c.result.assign(result.shape.begin(), result.shape.end());
  Words low, high;
  for (size_t i = 0; i < rank; ++i) {
    c.strides.push_back(attrs[2 + i]);
    low.push_back(attrs[2 + rank + i]);
    high.push_back(attrs[2 + 2 * rank + i]);
    c.dilation.push_back(attrs[2 + 3 * rank + i]);
  }
  // Is `low` at both ends as good? It is when as many windows fit.
  for (size_t i = 0; i < rank; ++i) {
    const int64_t span = (c.kernel[2 + i] - 1) * c.dilation[i] + 1, extent = c.image[2 + i] + 2 * low[i];
    const bool same = low[i] >= 0 && extent >= span && (extent - span) / c.strides[i] + 1 == c.result[2 + i];
    out.padding.needed |= !same;
  }
  if (out.padding.needed) {
    Padding& p = out.padding;
    p.padded = c.image;
    for (size_t i = 0; i < rank; ++i) p.padded[2 + i] += low[i] + high[i];
    int64_t from_stride = 1, to_stride = 1;
    p.axes.resize(rank + 2);
    for (size_t i = rank + 2; i-- > 0;) {
      const int64_t begin = i < 2 ? 0 : low[i - 2];  // of the image in the padded one
      const int64_t first = std::max<int64_t>(begin, 0), last = std::min(begin + c.image[i], p.padded[i]);
      p.axes[i] = {std::max<int64_t>(last - first, 0), from_stride, to_stride};
      p.from_offset += (first - begin) * from_stride;
      p.to_offset += first * to_stride;
      from_stride *= c.image[i];
      to_stride *= p.padded[i];
    }
    c.image = p.padded;
    low.assign(rank, 0);
  }
  c.margins = low;
  if (rank == 1) {
    for (Words* shape : {&c.image, &c.kernel, &c.result}) shape->insert(shape->begin() + 2, 1);
    c.margins.insert(c.margins.begin(), 0);
    c.strides.insert(c.strides.begin(), 1);
    c.dilation.insert(c.dilation.begin(), 1);
  }
  return out;
}

/// The library relies on multiples of 16 bytes; slices of a scan's operand lie at others.
const void* aligned(CudaRun& run, const void* at, int64_t bytes, BufferRef& held) {
  if (reinterpret_cast<uintptr_t>(at) % 16 == 0) return at;
  held = run.allocate(static_cast<size_t>(bytes));
  run.copy(held->data, at, static_cast<size_t>(bytes));
  return held->data;
}

void* offset(void* at, int64_t items, int64_t item) { return static_cast<char*>(at) + items * item; }
const void* offset(const void* at, int64_t items, int64_t item) {
  return static_cast<const char*>(at) + items * item;
}

/// A copy of the image with its margins, or the image.
const void* padded_image(CudaRun& run, const Problem& p, const void* image, BufferRef& held) {
  if (!p.padding.needed) return aligned(run, image, product(p.convolution.image) * p.item, held);
  const size_t bytes = static_cast<size_t>(product(p.padding.padded) * p.item);
  held = run.allocate(bytes);
  clear(run, held->data, bytes);
  strided_copy(run, p.padding.axes, p.item, offset(image, p.padding.from_offset, p.item),
               offset(held->data, p.padding.to_offset, p.item));
  return held->data;
}

/// Where the library may write a result of so many elements: the place itself, or memory that is copied there
/// afterwards.
void* place_for(CudaRun& run, void* at, int64_t bytes, BufferRef& held) {
  if (reinterpret_cast<uintptr_t>(at) % 16 == 0) return at;
  held = run.allocate(static_cast<size_t>(bytes));
  return held->data;
}

bool nothing_to_sum(const CallArgs& call, CudaRun& run) {
  const int64_t count = count_of(call.out.shape);
  if (count > 0 && count_of(call.in[0].shape) > 0 && count_of(call.in[1].shape) > 0) return false;
  clear(run, call.output, static_cast<size_t>(count * size_of(call.out.dtype)));
  return true;
}

}  // namespace

void call_conv(const CallArgs& call) {
  PG_INVARIANT(call.in.size() == 2, "a convolution with a bias");
  CudaRun& run = static_cast<CudaRun&>(*call.on);
  if (nothing_to_sum(call, run)) return;
  const Problem p = problem_of(call.attrs, Convolved::result, call.in[0], call.in[1], call.out);
  const Convolution& c = p.convolution;
  BufferRef image, kernel, result;
  const void* const x = padded_image(run, p, run.placed(call.inputs[0], static_cast<size_t>(p.item)), image);
  const void* const k = aligned(run, run.placed(call.inputs[1], static_cast<size_t>(p.item)),
                                product(c.kernel) * p.item, kernel);
  const int64_t bytes = product(c.result) * p.item;
  void* const to = place_for(run, call.output, bytes, result);
  convolve(run, c, x, k, nullptr, to);
  if (result) run.copy(call.output, to, static_cast<size_t>(bytes));
}

void call_conv_input_grad(const CallArgs& call) {
  CudaRun& run = static_cast<CudaRun&>(*call.on);
  if (nothing_to_sum(call, run)) return;
  const Problem p = problem_of(call.attrs, Convolved::image, call.out, call.in[1], call.in[0]);
  const Convolution& c = p.convolution;
  BufferRef result, kernel, image;
  const void* const y = aligned(run, run.placed(call.inputs[0], static_cast<size_t>(p.item)),
                                product(c.result) * p.item, result);
  const void* const k = aligned(run, run.placed(call.inputs[1], static_cast<size_t>(p.item)),
                                product(c.kernel) * p.item, kernel);
  const int64_t bytes = product(c.image) * p.item;
  if (!p.padding.needed) {
    void* const to = place_for(run, call.output, bytes, image);
    convolve(run, c, nullptr, k, y, to);
    if (image) run.copy(call.output, to, static_cast<size_t>(bytes));
    return;
  }
  // What the margins got is dropped, what was cropped has no part in the result.
  image = run.allocate(static_cast<size_t>(bytes));
  convolve(run, c, nullptr, k, y, image->data);
  clear(run, call.output, static_cast<size_t>(count_of(call.out.shape) * p.item));
  std::vector<CopyAxis> back = p.padding.axes;
  for (CopyAxis& axis : back) std::swap(axis.from, axis.to);
  strided_copy(run, back, p.item, offset(image->data, p.padding.to_offset, p.item),
               offset(call.output, p.padding.from_offset, p.item));
}

void call_conv_weight_grad(const CallArgs& call) {
  CudaRun& run = static_cast<CudaRun&>(*call.on);
  if (nothing_to_sum(call, run)) return;
  const Problem p = problem_of(call.attrs, Convolved::kernel, call.in[0], call.out, call.in[1]);
  const Convolution& c = p.convolution;
  BufferRef image, result, kernel;
  const void* const x = padded_image(run, p, run.placed(call.inputs[0], static_cast<size_t>(p.item)), image);
  const void* const y = aligned(run, run.placed(call.inputs[1], static_cast<size_t>(p.item)),
                                product(c.result) * p.item, result);
  const int64_t bytes = product(c.kernel) * p.item;
  void* const to = place_for(run, call.output, bytes, kernel);
  convolve(run, c, x, nullptr, y, to);
  if (kernel) run.copy(call.output, to, static_cast<size_t>(bytes));
}

}  // namespace pg::cuda
