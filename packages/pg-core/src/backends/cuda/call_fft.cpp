// Fourier transforms by cuFFT. It transforms up to three axes at once where they are the innermost ones, or
// one axis in front of all others; other axes are copied to the end first, and back afterwards.

#include "backends/cuda/call_fft.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "backends/cuda/fixed.h"
#include "backends/cuda/library.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

using PlanHandle = int;

#define PG_CUFFT_FUNCTIONS(PG_FUNCTION)                                                                      \
  PG_FUNCTION(create, cufftCreate, (PlanHandle*))                                                            \
  PG_FUNCTION(destroy, cufftDestroy, (PlanHandle))                                                           \
  PG_FUNCTION(allocate_itself, cufftSetAutoAllocation, (PlanHandle, int))                                    \
  PG_FUNCTION(make, cufftMakePlanMany64,                                                                     \
              (PlanHandle, int, long long*, long long*, long long, long long, long long*, long long,         \
               long long, int, long long, size_t*))                                                          \
  PG_FUNCTION(set_stream, cufftSetStream, (PlanHandle, Stream))                                              \
  PG_FUNCTION(set_workspace, cufftSetWorkArea, (PlanHandle, void*))                                          \
  PG_FUNCTION(transform, cufftExecC2C, (PlanHandle, void*, void*, int))                                      \
  PG_FUNCTION(transform_wide, cufftExecZ2Z, (PlanHandle, void*, void*, int))
PG_LIBRARY(Cufft, cufft, PG_CUFFT_FUNCTIONS);

void check_fft(int status, const char* what) {
  if (status == CUFFT_SUCCESS) [[likely]]
    return;
  fail(status == CUFFT_ALLOC_FAILED    ? ErrorKind::memory
       : status == CUFFT_NOT_SUPPORTED ? ErrorKind::not_implemented
                                       : ErrorKind::device,
       concat("cuFFT failed ", what, ": status ", status));
}

/// Transforms of `extents`, `batch` of them; their elements lie `stride` apart, they begin `distance` apart.
struct Transform {
  int gpu = 0;
  bool wide = false;  // complex128
  std::vector<long long> extents;
  long long stride = 1, distance = 1, batch = 1;
  bool operator==(const Transform&) const = default;
};

struct Plan {
  Transform of;
  PlanHandle handle = 0;
  size_t workspace = 0;
};

// A plan serves one thread at a time, and holds memory of the device: the one used longest ago goes.
constexpr size_t most_plans = 64;
std::mutex mutex;

const Plan& plan_for(Gpu& gpu, const Transform& t) {
  static auto* known = new std::list<Plan>;  // the latest first; for the life of the process
  const Cufft& fft = Cufft::get();
  const auto found = std::find_if(known->begin(), known->end(), [&](const Plan& p) { return p.of == t; });
  if (found != known->end()) {
    known->splice(known->begin(), *known, found);
    return known->front();
  }
  if (known->size() >= most_plans) {
    cuda::gpu(known->back().of.gpu).synchronize();  // queued work may still use it
    check_fft(fft.destroy(known->back().handle), "to drop a plan");
    known->pop_back();
  }
  gpu.enter();
  Plan made;
  made.of = t;
  check_fft(fft.create(&made.handle), "to start");
  check_fft(fft.allocate_itself(made.handle, 0), "to plan a transform");
  std::vector<long long> extents = t.extents;
  check_fft(fft.make(made.handle, static_cast<int>(extents.size()), extents.data(), extents.data(), t.stride,
                     t.distance, extents.data(), t.stride, t.distance, t.wide ? CUFFT_Z2Z : CUFFT_C2C,
                     t.batch, &made.workspace),
            "to plan a transform");
  check_fft(fft.set_stream(made.handle, gpu.stream), "to take a stream");
  known->push_front(std::move(made));
  return known->front();
}

void transform(CudaRun& run, const Transform& t, const void* from, void* to, bool inverse) {
  Gpu& gpu = run.gpu();
  const Cufft& fft = Cufft::get();
  const std::lock_guard lock(mutex);
  const Plan& plan = plan_for(gpu, t);
  const BufferRef workspace = plan.workspace ? run.allocate(plan.workspace) : nullptr;
  gpu.enter();
  if (workspace) check_fft(fft.set_workspace(plan.handle, workspace->data), "to take workspace");
  // Of complex numbers to others the operand is only read.
  check_fft((t.wide ? fft.transform_wide : fft.transform)(plan.handle, const_cast<void*>(from), to,
                                                          inverse ? CUFFT_INVERSE : CUFFT_FORWARD),
            "to transform");
}

/// Axes to the end and back.
std::vector<CopyAxis> axes_behind(const Shape& shape, const std::vector<size_t>& last) {
  const Ints strides = strides_of(shape);
  std::vector<CopyAxis> out;
  const auto add = [&](size_t axis) { out.push_back({shape[axis], strides[axis], 0}); };
  for (size_t i = 0; i < shape.size(); ++i)
    if (std::find(last.begin(), last.end(), i) == last.end()) add(i);
  for (const size_t axis : last) add(axis);
  int64_t stride = 1;
  for (size_t i = out.size(); i-- > 0; stride *= out[i].extent) out[i].to = stride;
  return out;
}

}  // namespace

void call_fft(const CallArgs& call) {
  CudaRun& run = static_cast<CudaRun&>(*call.on);
  const Shape& shape = call.out.shape;
  const int64_t count = count_of(shape), item = size_of(call.out.dtype);
  if (count == 0) return;
  const bool inverse = call.attrs[0] != 0;
  const void* from = run.placed(call.inputs[0], static_cast<size_t>(item));
  std::vector<size_t> axes;
  for (size_t i = 1; i < call.attrs.size(); ++i) {
    const size_t axis = static_cast<size_t>(call.attrs[i]);
    if (shape[axis] > 1) axes.push_back(axis);  // of one element: the element
  }
  if (axes.empty()) return run.copy(call.output, from, static_cast<size_t>(count * item));
  Transform t;
  t.gpu = run.gpu().index;
  t.wide = call.out.dtype == DType::complex128;
  while (!axes.empty()) {
    const size_t some = std::min<size_t>(axes.size(), 3);
    const std::vector<size_t> now(axes.end() - static_cast<std::ptrdiff_t>(some), axes.end());
    axes.resize(axes.size() - some);
    t.extents.clear();
    int64_t elements = 1, before = 1, behind = 1;
    for (const size_t axis : now) t.extents.push_back(shape[axis]), elements *= shape[axis];
    for (size_t i = 0; i < now[0]; ++i) before *= shape[i];
    for (size_t i = now.back() + 1; i < shape.size(); ++i) behind *= shape[i];
    t.stride = 1;
    t.distance = elements;
    t.batch = count / elements;
    if (before * elements == count) {  // the innermost ones
      transform(run, t, from, call.output, inverse);
    } else if (elements * behind == count) {  // the outermost ones
      t.stride = behind;
      t.distance = 1;
      transform(run, t, from, call.output, inverse);
    } else {
      std::vector<CopyAxis> order = axes_behind(shape, now);
      const BufferRef ordered = run.allocate(static_cast<size_t>(count * item));
      strided_copy(run, order, item, from, ordered->data);
      transform(run, t, ordered->data, ordered->data, inverse);
      for (CopyAxis& axis : order) std::swap(axis.from, axis.to);
      strided_copy(run, order, item, ordered->data, call.output);
    }
    from = call.output;
  }
}

}  // namespace pg::cuda
