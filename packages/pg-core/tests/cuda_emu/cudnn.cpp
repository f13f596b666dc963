// Stands for libcudnn: convolutions and their two gradients over two or three spatial axes. Of the algorithms
// that it offers the first does not work and the second wants more memory than there is.

#include <vector>

#include "libraries.h"

using namespace pgemu;

namespace {

enum Status { fine = 0, not_started = 1001, bad = 2000, not_supported = 3000, failed = 5000 };
enum Mark : uint32_t { handle_mark = 0x444e0001, tensor_mark, filter_mark, conv_mark };

struct Handle {
  Mark mark = handle_mark;
  int device = 0;
  void* stream = nullptr;
};
struct Tensor {
  Mark mark = tensor_mark;
  int type = -1;
  std::vector<int> shape;
};
struct Filter {
  Mark mark = filter_mark;
  int type = -1;
  std::vector<int> shape;
};
struct Conv {
  Mark mark = conv_mark;
  std::vector<int> margins, strides, dilation;
  int type = -1, groups = 1, math = 0;
};
struct Choice {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math;
  int reserved[3];
};
static_assert(sizeof(Choice) == 48);

constexpr int broken = 7, greedy = 6, right = 1;  // algorithms
constexpr size_t workspace_bytes = 1000;

int refuse(const char* text) {
  wrong(invalid_value, "cuDNN: %s", text);
  return bad;
}

// cuDNN's numbers of types to those of the other libraries.
int data_type(int type) {
  switch (type) {
  case 0: return real32;
  case 1: return real64;
  case 2: return real16;
  case 9: return brain16;
  default: return -1;
  }
}

size_t count(const std::vector<int>& shape) {
  size_t out = 1;
  for (const int n : shape) out *= static_cast<size_t>(n);
  return out;
}

struct Problem {
  Tensor image, result;
  Filter kernel;
  Conv conv;
};

int check(const Handle* handle, const Problem& p) {
  if (handle->mark != handle_mark) return refuse("a handle of another kind");
  if (p.image.mark != tensor_mark || p.result.mark != tensor_mark || p.kernel.mark != filter_mark ||
      p.conv.mark != conv_mark)
    return refuse("a description of another kind");
  const auto &x = p.image.shape, &k = p.kernel.shape, &y = p.result.shape;
  const size_t rank = p.conv.margins.size();
  if (rank < 2 || rank > 3) return not_supported;
  if (x.size() != rank + 2 || k.size() != rank + 2 || y.size() != rank + 2)
    return refuse("operands of other ranks than the convolution");
  if (p.image.type != p.kernel.type || p.image.type != p.result.type) return refuse("several types");
  if (p.conv.type != (p.image.type == 1 ? 1 : 0)) return refuse("sums run in another type");
  if (x[0] != y[0] || k[0] != y[1] || x[1] != k[1] * p.conv.groups || k[0] % p.conv.groups)
    return refuse("examples, channels and groups do not fit");
  for (size_t i = 0; i < rank; ++i) {
    const int span = (k[2 + i] - 1) * p.conv.dilation[i] + 1;
    if (y[2 + i] != (x[2 + i] + 2 * p.conv.margins[i] - span) / p.conv.strides[i] + 1)
      return refuse("the result has another extent than the windows give");
  }
  return fine;
}

int check_memory(const Handle* handle, int algorithm, const void* workspace, size_t bytes, const void* x,
                 const void* k, const void* y, const Problem& p) {
  if (const int status = check(handle, p)) return status;
  const Entered entered;
  if (entered.device != handle->device) return refuse("the handle belongs to another device");
  if (!handle->stream) return refuse("the handle has no stream");
  if (algorithm != right) return refuse("this algorithm was not offered for this convolution");
  if (bytes < workspace_bytes || !is_block(address(workspace), bytes, handle->device))
    return refuse("the workspace is too small, or no memory of the device");
  const size_t item = size_of(data_type(p.image.type));
  const std::pair<const void*, size_t> operands[] = {
      {x, count(p.image.shape)}, {k, count(p.kernel.shape)}, {y, count(p.result.shape)}};
  for (const auto& [at, n] : operands) {
    if (!is_block(address(at), n * item, handle->device))
      return refuse("an operand reaches outside of its block of device memory");
    if (address(at) % 16) return refuse("an operand is not aligned to 16 bytes");
  }
  return fine;
}

// Every product of the convolution: f(place in the image, in the kernel, in the result).
template <class F> void each(const Problem& p, F f) {
  const size_t rank = p.conv.margins.size(), lead = 3 - rank;
  // As three spatial axes.
  int x[3] = {1, 1, 1}, k[3] = {1, 1, 1}, y[3] = {1, 1, 1}, m[3] = {0, 0, 0}, s[3] = {1, 1, 1},
      d[3] = {1, 1, 1};
  for (size_t i = 0; i < rank; ++i) {
    x[lead + i] = p.image.shape[2 + i];
    k[lead + i] = p.kernel.shape[2 + i];
    y[lead + i] = p.result.shape[2 + i];
    m[lead + i] = p.conv.margins[i];
    s[lead + i] = p.conv.strides[i];
    d[lead + i] = p.conv.dilation[i];
  }
  const int outputs = p.kernel.shape[0], per_group = p.kernel.shape[1], groups = p.conv.groups,
            channels = p.image.shape[1];
  const size_t image = static_cast<size_t>(x[0]) * x[1] * x[2],
               window = static_cast<size_t>(k[0]) * k[1] * k[2];
  size_t at_y = 0;
  for (int n = 0; n < p.image.shape[0]; ++n)
    for (int o = 0; o < outputs; ++o)
      for (int y0 = 0; y0 < y[0]; ++y0)
        for (int y1 = 0; y1 < y[1]; ++y1)
          for (int y2 = 0; y2 < y[2]; ++y2, ++at_y)
            for (int c = 0; c < per_group; ++c) {
              const size_t plane =
                  (static_cast<size_t>(n) * channels + o / (outputs / groups) * per_group + c) * image;
              size_t at_k = (static_cast<size_t>(o) * per_group + c) * window;
              for (int k0 = 0; k0 < k[0]; ++k0)
                for (int k1 = 0; k1 < k[1]; ++k1)
                  for (int k2 = 0; k2 < k[2]; ++k2, ++at_k) {
                    const int x0 = y0 * s[0] - m[0] + k0 * d[0], x1 = y1 * s[1] - m[1] + k1 * d[1],
                              x2 = y2 * s[2] - m[2] + k2 * d[2];
                    if (x0 < 0 || x0 >= x[0] || x1 < 0 || x1 >= x[1] || x2 < 0 || x2 >= x[2]) continue;
                    f(plane + (static_cast<size_t>(x0) * x[1] + x1) * x[2] + x2, at_k, at_y);
                  }
            }
}

template <class T> std::vector<double> widened(const void* at, size_t n) {
  std::vector<double> out(n);
  for (size_t i = 0; i < n; ++i) out[i] = wide(static_cast<const T*>(at)[i]);
  return out;
}

/// Computes one operand from the other two; the one that is computed is given as null.
int compute(Handle* handle, const Problem& p, const void* alpha, const void* beta, int algorithm,
            void* workspace, size_t bytes, const void* x, const void* k, const void* y, void* to) {
  if (const int status =
          check_memory(handle, algorithm, workspace, bytes, x ? x : to, k ? k : to, y ? y : to, p))
    return status;
  const bool doubles = p.image.type == 1;
  const auto scale = [&](const void* at) {
    return doubles ? *static_cast<const double*>(at) : *static_cast<const float*>(at);
  };
  if (scale(alpha) != 1 || scale(beta) != 0) return refuse("scales are not emulated");
  const Entered entered;
  const Result result = with_type(data_type(p.image.type), [&]<class T>(T*) {
    if constexpr (std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>) {
      return invalid_value;
    } else {
      return submit(stream_of(handle->stream), [=] {
        const Access access;
        std::memset(workspace, 0xff, bytes);
        const size_t n = count(!x ? p.image.shape : !k ? p.kernel.shape : p.result.shape);
        std::vector<double> out(n, 0.0);
        const auto a = x ? widened<T>(x, count(p.image.shape)) : std::vector<double>();
        const auto b = k ? widened<T>(k, count(p.kernel.shape)) : std::vector<double>();
        const auto c = y ? widened<T>(y, count(p.result.shape)) : std::vector<double>();
        if (!y) each(p, [&](size_t i, size_t j, size_t r) { out[r] += a[i] * b[j]; });
        else if (!x) each(p, [&](size_t i, size_t j, size_t r) { out[i] += b[j] * c[r]; });
        else each(p, [&](size_t i, size_t j, size_t r) { out[j] += a[i] * c[r]; });
        for (size_t i = 0; i < n; ++i) static_cast<T*>(to)[i] = Sum<T>::back(out[i]);
        return success;
      });
    }
  });
  return result == success ? fine : failed;
}

int offer(const Handle* handle, const Problem& p, int wanted, int* found, Choice* choices) {
  if (const int status = check(handle, p)) return status;
  if (p.image.type == 0 && p.conv.math != 0 && p.conv.math != 3)
    return refuse("float32 needs no tensor cores");
  const Choice all[] = {{broken, not_supported, -1, 0, 1, 0, {}},
                        {greedy, fine, 0.1f, size_t{1} << 50, 1, 0, {}},
                        {0, fine, 0.2f, workspace_bytes, 0, 0, {}},  // not deterministic
                        {right, fine, 0.3f, workspace_bytes, 1, 0, {}}};
  *found = 0;
  for (const Choice& c : all)
    if (*found < wanted) choices[(*found)++] = c;
  return fine;
}

int size_for(const Handle* handle, const Problem& p, int algorithm, size_t* bytes) {
  *bytes = algorithm == greedy ? size_t{1} << 50 : workspace_bytes;
  return check(handle, p);
}

}  // namespace

API size_t cudnnGetVersion() { return 90000; }
API int cudnnCreate(Handle** out) {
  const Entered entered;
  if (entered.device < 0) return not_started;
  *out = new Handle{handle_mark, entered.device, nullptr};
  return fine;
}
API int cudnnSetStream(Handle* handle, void* stream) {
  handle->stream = stream;
  return fine;
}
API int cudnnCreateTensorDescriptor(Tensor** out) {
  *out = new Tensor;
  return fine;
}
API int cudnnSetTensorNdDescriptor(Tensor* t, int type, int rank, const int* shape, const int* strides) {
  if (t->mark != tensor_mark || data_type(type) < 0) return refuse("no such array");
  if (rank < 4 || rank > 8) return refuse("arrays have 4 to 8 axes");
  int stride = 1;
  for (int i = rank; i-- > 0;) {
    if (shape[i] < 1) return refuse("an array without elements");
    if (strides[i] != stride) return not_supported;  // here: row-major only
    stride *= shape[i];
  }
  t->type = type;
  t->shape.assign(shape, shape + rank);
  return fine;
}
API int cudnnCreateFilterDescriptor(Filter** out) {
  *out = new Filter;
  return fine;
}
API int cudnnSetFilterNdDescriptor(Filter* f, int type, int format, int rank, const int* shape) {
  if (f->mark != filter_mark || data_type(type) < 0 || rank < 4 || rank > 8) return refuse("no such kernel");
  if (format != 0) return not_supported;
  f->type = type;
  f->shape.assign(shape, shape + rank);
  return fine;
}
API int cudnnCreateConvolutionDescriptor(Conv** out) {
  *out = new Conv;
  return fine;
}
API int cudnnSetConvolutionNdDescriptor(Conv* c, int rank, const int* margins, const int* strides,
                                        const int* dilation, int mode, int type) {
  if (c->mark != conv_mark || mode != 1) return refuse("convolutions that turn the kernel are not emulated");
  for (int i = 0; i < rank; ++i)
    if (margins[i] < 0 || strides[i] < 1 || dilation[i] < 1) return refuse("no such windows");
  c->margins.assign(margins, margins + rank);
  c->strides.assign(strides, strides + rank);
  c->dilation.assign(dilation, dilation + rank);
  c->type = type;
  return fine;
}
API int cudnnSetConvolutionGroupCount(Conv* c, int groups) {
  c->groups = groups;
  return groups >= 1 ? fine : refuse("no groups");
}
API int cudnnSetConvolutionMathType(Conv* c, int math) {
  c->math = math;
  return math >= 0 && math <= 3 ? fine : refuse("no such arithmetic");
}

API int cudnnGetConvolutionForwardAlgorithm_v7(Handle* h, Tensor* x, Filter* k, Conv* c, Tensor* y,
                                               int wanted, int* found, Choice* to) {
  return offer(h, {*x, *y, *k, *c}, wanted, found, to);
}
API int cudnnGetConvolutionBackwardDataAlgorithm_v7(Handle* h, Filter* k, Tensor* y, Conv* c, Tensor* x,
                                                    int wanted, int* found, Choice* to) {
  return offer(h, {*x, *y, *k, *c}, wanted, found, to);
}
API int cudnnGetConvolutionBackwardFilterAlgorithm_v7(Handle* h, Tensor* x, Tensor* y, Conv* c, Filter* k,
                                                      int wanted, int* found, Choice* to) {
  return offer(h, {*x, *y, *k, *c}, wanted, found, to);
}
API int cudnnGetConvolutionForwardWorkspaceSize(Handle* h, Tensor* x, Filter* k, Conv* c, Tensor* y,
                                                int algorithm, size_t* bytes) {
  return size_for(h, {*x, *y, *k, *c}, algorithm, bytes);
}
API int cudnnGetConvolutionBackwardDataWorkspaceSize(Handle* h, Filter* k, Tensor* y, Conv* c, Tensor* x,
                                                     int algorithm, size_t* bytes) {
  return size_for(h, {*x, *y, *k, *c}, algorithm, bytes);
}
API int cudnnGetConvolutionBackwardFilterWorkspaceSize(Handle* h, Tensor* x, Tensor* y, Conv* c, Filter* k,
                                                       int algorithm, size_t* bytes) {
  return size_for(h, {*x, *y, *k, *c}, algorithm, bytes);
}

API int cudnnConvolutionForward(Handle* h, const void* alpha, Tensor* xd, const void* x, Filter* kd,
                                const void* k, Conv* c, int algorithm, void* workspace, size_t bytes,
                                const void* beta, Tensor* yd, void* y) {
  return compute(h, {*xd, *yd, *kd, *c}, alpha, beta, algorithm, workspace, bytes, x, k, nullptr, y);
}
API int cudnnConvolutionBackwardData(Handle* h, const void* alpha, Filter* kd, const void* k, Tensor* yd,
                                     const void* y, Conv* c, int algorithm, void* workspace, size_t bytes,
                                     const void* beta, Tensor* xd, void* x) {
  return compute(h, {*xd, *yd, *kd, *c}, alpha, beta, algorithm, workspace, bytes, nullptr, k, y, x);
}
API int cudnnConvolutionBackwardFilter(Handle* h, const void* alpha, Tensor* xd, const void* x, Tensor* yd,
                                       const void* y, Conv* c, int algorithm, void* workspace, size_t bytes,
                                       const void* beta, Filter* kd, void* k) {
  return compute(h, {*xd, *yd, *kd, *c}, alpha, beta, algorithm, workspace, bytes, x, nullptr, y, k);
}
