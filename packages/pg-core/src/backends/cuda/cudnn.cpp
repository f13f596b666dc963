#include "backends/cuda/cudnn.h"

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <span>

#include "backends/cuda/cublas.h"
#include "backends/cuda/library.h"
#include "support/error.h"
#include "support/format.h"
#include "types/shape.h"

namespace pg::cuda {
namespace {

using Handle = struct CudnnContext*;
using Tensor = struct CudnnTensor*;
using Filter = struct CudnnFilter*;
using Desc = struct CudnnConvolution*;
// The library has a type for each of the three directions; all are laid out like this.
struct Choice {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math;
  int reserved[3];
};

#define PG_CUDNN_FUNCTIONS(PG_FUNCTION)                                                                      \
  PG_FUNCTION(create, cudnnCreate, (Handle*))                                                                \
  PG_FUNCTION(set_stream, cudnnSetStream, (Handle, Stream))                                                  \
  PG_FUNCTION(tensor_create, cudnnCreateTensorDescriptor, (Tensor*))                                         \
  PG_FUNCTION(tensor_set, cudnnSetTensorNdDescriptor, (Tensor, int, int, const int*, const int*))            \
  PG_FUNCTION(filter_create, cudnnCreateFilterDescriptor, (Filter*))                                         \
  PG_FUNCTION(filter_set, cudnnSetFilterNdDescriptor, (Filter, int, int, int, const int*))                   \
  PG_FUNCTION(conv_create, cudnnCreateConvolutionDescriptor, (Desc*))                                        \
  PG_FUNCTION(conv_set, cudnnSetConvolutionNdDescriptor,                                                     \
              (Desc, int, const int*, const int*, const int*, int, int))                                     \
  PG_FUNCTION(conv_groups, cudnnSetConvolutionGroupCount, (Desc, int))                                       \
  PG_FUNCTION(conv_math, cudnnSetConvolutionMathType, (Desc, int))                                           \
  PG_FUNCTION(choose_result, cudnnGetConvolutionForwardAlgorithm_v7,                                         \
              (Handle, Tensor, Filter, Desc, Tensor, int, int*, Choice*))                                    \
  PG_FUNCTION(choose_image, cudnnGetConvolutionBackwardDataAlgorithm_v7,                                     \
              (Handle, Filter, Tensor, Desc, Tensor, int, int*, Choice*))                                    \
  PG_FUNCTION(choose_kernel, cudnnGetConvolutionBackwardFilterAlgorithm_v7,                                  \
              (Handle, Tensor, Tensor, Desc, Filter, int, int*, Choice*))                                    \
  PG_FUNCTION(size_result, cudnnGetConvolutionForwardWorkspaceSize,                                          \
              (Handle, Tensor, Filter, Desc, Tensor, int, size_t*))                                          \
  PG_FUNCTION(size_image, cudnnGetConvolutionBackwardDataWorkspaceSize,                                      \
              (Handle, Filter, Tensor, Desc, Tensor, int, size_t*))                                          \
  PG_FUNCTION(size_kernel, cudnnGetConvolutionBackwardFilterWorkspaceSize,                                   \
              (Handle, Tensor, Tensor, Desc, Filter, int, size_t*))                                          \
  PG_FUNCTION(result, cudnnConvolutionForward,                                                               \
              (Handle, const void*, Tensor, const void*, Filter, const void*, Desc, int, void*, size_t,      \
               const void*, Tensor, void*))                                                                  \
  PG_FUNCTION(image, cudnnConvolutionBackwardData,                                                           \
              (Handle, const void*, Filter, const void*, Tensor, const void*, Desc, int, void*, size_t,      \
               const void*, Tensor, void*))                                                                  \
  PG_FUNCTION(kernel, cudnnConvolutionBackwardFilter,                                                        \
              (Handle, const void*, Tensor, const void*, Tensor, const void*, Desc, int, void*, size_t,      \
               const void*, Filter, void*))
PG_LIBRARY(Cudnn, cudnn, PG_CUDNN_FUNCTIONS);

// Statuses come in groups of a thousand.
bool unsupported(int status) { return status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000; }

void check_dnn(int status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) [[likely]]
    return;
  fail(unsupported(status) ? ErrorKind::not_implemented : ErrorKind::device,
       concat("cuDNN failed ", what, ": status ", status));
}

int type_of(DType dtype) {
  switch (dtype) {
  case DType::float16: return CUDNN_DATA_HALF;
  case DType::bfloat16: return CUDNN_DATA_BFLOAT16;
  case DType::float64: return CUDNN_DATA_DOUBLE;
  default: return CUDNN_DATA_FLOAT;
  }
}

// float32 is multiplied as it is unless TF32 is allowed, which is what the default says.
int math_of(DType dtype, bool tf32) {
  if (is_half(dtype)) return CUDNN_TENSOR_OP_MATH;
  return dtype == DType::float32 && !tf32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
}

std::vector<int> as_ints(std::span<const int64_t> words) {
  std::vector<int> out;
  for (const int64_t word : words) {
    require(word <= std::numeric_limits<int>::max(), ErrorKind::not_implemented,
            [&] { return concat("cuDNN takes no extent of ", word); });
    out.push_back(static_cast<int>(word));
  }
  return out;
}

Tensor tensor(int type, const std::vector<int64_t>& shape) {
  Tensor out = nullptr;
  check_dnn(Cudnn::get().tensor_create(&out), "to describe an array");
  const Ints strides = strides_of(Shape(shape.begin(), shape.end()));
  check_dnn(Cudnn::get().tensor_set(out, type, static_cast<int>(shape.size()), as_ints(shape).data(),
                                    as_ints(strides).data()),
            "to describe an array");
  return out;
}

struct Plan {
  Tensor image = nullptr, result = nullptr;
  Filter kernel = nullptr;
  Desc desc = nullptr;
  int algorithm = 0;
  size_t workspace = 0;
};

int choose(Handle handle, Convolved wanted, const Plan& p, int count, int* found, Choice* to) {
  const Cudnn& dnn = Cudnn::get();
  switch (wanted) {
  case Convolved::result:
    return dnn.choose_result(handle, p.image, p.kernel, p.desc, p.result, count, found, to);
  case Convolved::image:
    return dnn.choose_image(handle, p.kernel, p.result, p.desc, p.image, count, found, to);
  case Convolved::kernel: break;
  }
  return dnn.choose_kernel(handle, p.image, p.result, p.desc, p.kernel, count, found, to);
}

int workspace_size(Handle handle, Convolved wanted, const Plan& p, size_t* to) {
  const Cudnn& dnn = Cudnn::get();
  switch (wanted) {
  case Convolved::result:
    return dnn.size_result(handle, p.image, p.kernel, p.desc, p.result, p.algorithm, to);
  case Convolved::image: return dnn.size_image(handle, p.kernel, p.result, p.desc, p.image, p.algorithm, to);
  case Convolved::kernel: break;
  }
  return dnn.size_kernel(handle, p.image, p.result, p.desc, p.kernel, p.algorithm, to);
}

Plan make_plan(const Gpu& gpu, Handle handle, const Convolution& c, bool tf32) {
  const Cudnn& dnn = Cudnn::get();
  const int type = type_of(c.dtype), wide = c.dtype == DType::float64 ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT;
  Plan plan;
  plan.image = tensor(type, c.image);
  plan.result = tensor(type, c.result);
  check_dnn(dnn.filter_create(&plan.kernel), "to describe a kernel");
  check_dnn(dnn.filter_set(plan.kernel, type, CUDNN_TENSOR_NCHW, static_cast<int>(c.kernel.size()),
                           as_ints(c.kernel).data()),
            "to describe a kernel");
  check_dnn(dnn.conv_create(&plan.desc), "to describe a convolution");
  check_dnn(dnn.conv_set(plan.desc, static_cast<int>(c.margins.size()), as_ints(c.margins).data(),
                         as_ints(c.strides).data(), as_ints(c.dilation).data(), CUDNN_CROSS_CORRELATION,
                         wide),
            "to describe a convolution");
  check_dnn(dnn.conv_groups(plan.desc, as_ints(std::array{c.groups})[0]), "to describe a convolution");
  check_dnn(dnn.conv_math(plan.desc, math_of(c.dtype, tf32)), "to describe a convolution");

  constexpr int most = 16;  // more than any direction has
  Choice choices[most];
  int found = 0;
  const int status = choose(handle, c.wanted, plan, most, &found, choices);
  if (!unsupported(status)) check_dnn(status, "to choose an algorithm");
  // The fastest comes first, by the library's opinion.
  const size_t room = std::min<size_t>(size_t{1} << 30, gpu.bytes / 8);
  const auto fits = [&](const Choice& x) { return x.status == CUDNN_STATUS_SUCCESS && x.memory <= room; };
  const std::span<const Choice> offered(choices, unsupported(status) ? 0 : static_cast<size_t>(found));
  auto best = std::find_if(offered.begin(), offered.end(),
                           [&](const Choice& x) { return fits(x) && x.determinism == CUDNN_DETERMINISTIC; });
  if (best == offered.end()) best = std::find_if(offered.begin(), offered.end(), fits);
  require(best != offered.end(), ErrorKind::not_implemented, [&] {
    return concat("cuDNN has no algorithm for a convolution of ", name_of(c.dtype), " images ",
                  to_string(Shape(c.image.begin(), c.image.end())), " and kernels ",
                  to_string(Shape(c.kernel.begin(), c.kernel.end())));
  });
  plan.algorithm = best->algorithm;
  check_dnn(workspace_size(handle, c.wanted, plan, &plan.workspace), "to ask for workspace");
  return plan;
}

struct Started {
  Handle handle = nullptr;
  std::map<std::vector<int64_t>, Plan> plans;
};

// A handle serves one thread at a time.
std::mutex mutex;

Started& library_of(Gpu& gpu) {
  static auto* known = new std::map<int, Started>;  // for the life of the process
  Started& entry = (*known)[gpu.index];
  if (!entry.handle) {
    gpu.enter();
    Handle made = nullptr;
    check_dnn(Cudnn::get().create(&made), "to start");
    entry.handle = made;
  }
  // Which may be another one than last time: a run may be recorded.
  check_dnn(Cudnn::get().set_stream(entry.handle, gpu.stream), "to take a stream");
  return entry;
}

std::vector<int64_t> key_of(const Convolution& c, bool tf32) {
  std::vector<int64_t> key = {static_cast<int64_t>(c.dtype), static_cast<int64_t>(c.wanted), tf32, c.groups};
  for (const auto* words : {&c.image, &c.kernel, &c.result, &c.margins, &c.strides, &c.dilation})
    key.insert(key.end(), words->begin(), words->end());
  return key;
}

}  // namespace

void convolve(CudaRun& run, const Convolution& c, const void* image, const void* kernel, const void* result,
              void* to) {
  Gpu& gpu = run.gpu();
  const Cudnn& dnn = Cudnn::get();
  const bool tf32 = tf32_allowed();
  const std::vector<int64_t> key = key_of(c, tf32);
  const std::lock_guard lock(mutex);
  Started& library = library_of(gpu);
  gpu.enter();
  auto known = library.plans.find(key);
  if (known == library.plans.end())
    known = library.plans.emplace(key, make_plan(gpu, library.handle, c, tf32)).first;
  const Plan& p = known->second;
  const BufferRef workspace = p.workspace ? run.allocate(p.workspace) : nullptr;
  void* const room = workspace ? workspace->data : nullptr;
  const double wide[] = {1, 0};
  const float narrow[] = {1, 0};
  const bool is_wide = c.dtype == DType::float64;
  const void* const one = is_wide ? static_cast<const void*>(wide) : narrow;
  const void* const zero = is_wide ? static_cast<const void*>(wide + 1) : narrow + 1;
  gpu.enter();
  switch (c.wanted) {
  case Convolved::result:
    return check_dnn(dnn.result(library.handle, one, p.image, image, p.kernel, kernel, p.desc, p.algorithm,
                                room, p.workspace, zero, p.result, to),
                     "to convolve");
  case Convolved::image:
    return check_dnn(dnn.image(library.handle, one, p.kernel, kernel, p.result, result, p.desc, p.algorithm,
                               room, p.workspace, zero, p.image, to),
                     "to find the gradient of an image");
  case Convolved::kernel:
    return check_dnn(dnn.kernel(library.handle, one, p.image, image, p.result, result, p.desc, p.algorithm,
                                room, p.workspace, zero, p.kernel, to),
                     "to find the gradient of a kernel");
  }
}

}  // namespace pg::cuda
