// Stands for libcublasLt: products of matrices, batched, with every description checked. Descriptions begin
// with a mark, so that one is not taken for another.

#include <algorithm>
#include <vector>

#include "libraries.h"

using namespace pgemu;

namespace {

enum Status { fine = 0, not_started = 1, invalid = 7, execution_failed = 13, not_supported = 15 };

enum Mark : uint32_t { handle_mark = 0x4c540001, desc_mark, layout_mark, preference_mark, algorithm_mark };
struct Handle {
  Mark mark = handle_mark;
  int device = 0;
};
struct Desc {
  Mark mark = desc_mark;
  int compute = 0, scale = 0;
  int32_t turned[2] = {0, 0}, epilogue = 1;
  const void* bias = nullptr;
};
struct Layout {
  Mark mark = layout_mark;
  int type = 0;
  uint64_t rows = 0, columns = 0;
  int64_t leading = 0;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct Preference {
  Mark mark = preference_mark;
  uint64_t workspace = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {  // of 64 bytes
  Mark mark;
  uint32_t alignment[4];
  uint64_t workspace, reserved[4];
};
static_assert(sizeof(Algorithm) <= 64);
struct Choice {
  Algorithm algorithm;
  char rest[64 - sizeof(Algorithm)];
  size_t workspace;
  int status;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Choice) == 96);

int refuse(const char* text) {
  wrong(invalid_value, "cuBLASLt: %s", text);
  return invalid;
}

template <class T> int set(T& to, const void* value, size_t bytes) {
  if (bytes != sizeof(T)) return refuse("an attribute has another size");
  std::memcpy(&to, value, bytes);
  return fine;
}

// Shapes of op(A) op(B) and D.
int check_shapes(const Desc& desc, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  for (const Layout* l : {&a, &b, &c, &d}) {
    if (l->mark != layout_mark) return refuse("this is no description of a matrix");
    if (l->rows == 0 || l->columns == 0 || l->leading < static_cast<int64_t>(l->rows))
      return refuse("a matrix has no elements, or its columns overlap");
    if (l->type != d.type) return refuse("matrices of several types");
    if (l->batch != d.batch) return refuse("batches differ");
  }
  const auto rows = [&](const Layout& l, int i) { return desc.turned[i] ? l.columns : l.rows; };
  const auto columns = [&](const Layout& l, int i) { return desc.turned[i] ? l.rows : l.columns; };
  if (rows(a, 0) != d.rows || columns(b, 1) != d.columns || columns(a, 0) != rows(b, 1) || c.rows != d.rows ||
      c.columns != d.columns)
    return refuse("the shapes of a product do not fit");
  if (d.batch > 1 && d.stride == 0) return refuse("the results of a batch overlap");
  const bool wide = d.type == real64 || d.type == complex64;
  const int scale = d.type == real16 || d.type == brain16 ? real32 : d.type;
  if (desc.scale != scale) return refuse("the scale has another type");
  if (wide ? desc.compute != 70 : desc.compute != 68 && desc.compute != 77)
    return refuse("this way to compute does not fit the type");
  if (desc.epilogue != 1 && (desc.epilogue != 4 || d.type != real32)) return not_supported;
  if (desc.epilogue == 4 && !desc.bias) return refuse("there is no bias");
  if (desc.compute == 77 && d.type != real32 && d.type != complex32) return refuse("TF32 is of float32");
  return fine;
}

// TF32 keeps 11 bits of each factor.
template <class T> T rounded(T x) {
  if constexpr (std::is_same_v<T, float>) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000) == 0x7f800000) return x;
    bits = (bits + 0x1000) & ~0x1fffu;
    std::memcpy(&x, &bits, sizeof x);
  } else if constexpr (std::is_same_v<T, std::complex<float>>) {
    return {rounded(x.real()), rounded(x.imag())};
  }
  return x;
}

template <class T> void multiply(const Desc& desc, T* d, const T* a, const T* b, const T* c, const Layout& la,
                                 const Layout& lb, const Layout& lc, const Layout& ld,
                                 typename Sum<T>::type alpha, typename Sum<T>::type beta) {
  using Wide = typename Sum<T>::type;
  const bool tf32 = desc.compute == 77;
  const uint64_t terms = desc.turned[0] ? la.rows : la.columns;
  // Widened once, in rows of op(A) and columns of op(B).
  std::vector<Wide> left(ld.rows * terms), right(ld.columns * terms);
  for (int32_t i = 0; i < ld.batch; ++i) {
    const T *pa = a + i * la.stride, *pb = b + i * lb.stride;
    for (uint64_t k = 0; k < terms; ++k) {
      for (uint64_t r = 0; r < ld.rows; ++r) {
        const T x = desc.turned[0] ? pa[k + r * la.leading] : pa[r + k * la.leading];
        left[r * terms + k] = wide(tf32 ? rounded(x) : x);
      }
      for (uint64_t s = 0; s < ld.columns; ++s) {
        const T y = desc.turned[1] ? pb[s + k * lb.leading] : pb[k + s * lb.leading];
        right[s * terms + k] = wide(tf32 ? rounded(y) : y);
      }
    }
    for (uint64_t s = 0; s < ld.columns; ++s)
      for (uint64_t r = 0; r < ld.rows; ++r) {
        Wide total = 0;
        for (uint64_t k = 0; k < terms; ++k) total += left[r * terms + k] * right[s * terms + k];
        total *= alpha;
        if (beta != Wide(0)) total += beta * wide(c[r + s * lc.leading + i * lc.stride]);
        if (desc.epilogue == 4) total += wide(static_cast<const T*>(desc.bias)[r]);
        d[r + s * ld.leading + i * ld.stride] = Sum<T>::back(total);
      }
  }
}

// From the first to the last byte that a batch of matrices touches.
size_t extent(const Layout& l) {
  return ((l.batch - 1) * l.stride + (l.columns - 1) * l.leading + l.rows) * size_of(l.type);
}

}  // namespace

API int cublasLtCreate(Handle** out) {
  const Entered entered;
  if (entered.device < 0) return not_started;
  *out = new Handle{handle_mark, entered.device};
  return fine;
}
API int cublasLtMatrixLayoutCreate(Layout** out, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  if (size_of(type) == 0) return refuse("no such type");
  *out = new Layout{layout_mark, type, rows, columns, leading, 1, 0};
  return fine;
}
API int cublasLtMatrixLayoutSetAttribute(Layout* l, int attribute, const void* value, size_t bytes) {
  if (l->mark != layout_mark) return refuse("this is no description of a matrix");
  if (attribute == 5) return set(l->batch, value, bytes);
  if (attribute == 6) return set(l->stride, value, bytes);
  return refuse("an attribute of matrices is not emulated");
}
API int cublasLtMatmulDescCreate(Desc** out, int compute, int scale) {
  *out = new Desc{desc_mark, compute, scale, {0, 0}, 1, nullptr};
  return fine;
}
API int cublasLtMatmulDescSetAttribute(Desc* d, int attribute, const void* value, size_t bytes) {
  if (d->mark != desc_mark) return refuse("this is no description of a product");
  if (attribute == 3 || attribute == 4) return set(d->turned[attribute - 3], value, bytes);
  if (attribute == 7) return set(d->epilogue, value, bytes);
  if (attribute == 8) return set(d->bias, value, bytes);
  return refuse("an attribute of products is not emulated");
}
API int cublasLtMatmulPreferenceCreate(Preference** out) {
  *out = new Preference;
  return fine;
}
API int cublasLtMatmulPreferenceSetAttribute(Preference* p, int attribute, const void* value, size_t bytes) {
  if (p->mark != preference_mark) return refuse("this is no preference");
  if (attribute == 1) return set(p->workspace, value, bytes);
  if (attribute >= 5 && attribute <= 8) return set(p->alignment[attribute - 5], value, bytes);
  return refuse("an attribute of preferences is not emulated");
}
API int cublasLtMatmulPreferenceDestroy(Preference* p) {
  if (p->mark != preference_mark) return refuse("this is no preference");
  delete p;
  return fine;
}

API int cublasLtMatmulAlgoGetHeuristic(Handle* handle, const Desc* desc, const Layout* a, const Layout* b,
                                       const Layout* c, const Layout* d, const Preference* preference,
                                       int wanted, Choice* choices, int* found) {
  if (handle->mark != handle_mark || desc->mark != desc_mark || preference->mark != preference_mark ||
      wanted < 1)
    return refuse("a handle of another kind");
  if (const int status = check_shapes(*desc, *a, *b, *c, *d)) return status;
  Choice made{};
  made.algorithm.mark = algorithm_mark;
  std::copy_n(preference->alignment, 4, made.algorithm.alignment);
  // Some products use workspace, so that one too small is seen.
  const uint64_t size = d->rows * d->columns * 8;
  made.workspace = made.algorithm.workspace = d->rows % 2 ? std::min(size, preference->workspace) : 0;
  choices[0] = made;
  *found = 1;
  return fine;
}

API int cublasLtMatmul(Handle* handle, const Desc* desc, const void* alpha, const void* a, const Layout* la,
                       const void* b, const Layout* lb, const void* beta, const void* c, const Layout* lc,
                       void* d, const Layout* ld, const Algorithm* algorithm, void* workspace,
                       size_t workspace_bytes, void* stream) {
  const Entered entered;
  if (handle->mark != handle_mark || desc->mark != desc_mark || algorithm->mark != algorithm_mark)
    return refuse("a handle of another kind");
  if (handle->device != entered.device) return refuse("the handle belongs to another device");
  if (const int status = check_shapes(*desc, *la, *lb, *lc, *ld)) return status;
  if (workspace_bytes < algorithm->workspace ||
      (algorithm->workspace && !is_block(address(workspace), workspace_bytes, handle->device)))
    return refuse("the workspace is too small, or no memory of the device");
  if (workspace && address(workspace) % 256) return refuse("the workspace is not aligned to 256 bytes");
  const struct {
    const void* at;
    const Layout* layout;
  } operands[] = {{a, la}, {b, lb}, {c, lc}, {d, ld}};
  for (int i = 0; i < 4; ++i) {
    const auto& o = operands[i];
    if (!is_block(address(o.at), extent(*o.layout), handle->device))
      return refuse("a matrix reaches outside of its block of device memory");
    if (address(o.at) % algorithm->alignment[i])
      return refuse("a matrix lies less aligned than was promised");
  }
  return with_type(ld->type,
                   [=, desc = *desc, la = *la, lb = *lb, lc = *lc, ld = *ld]<class T>(T*) {
                     typename Sum<T>::type scales[2];
                     for (int i = 0; i < 2; ++i) {
                       const void* const at = i ? beta : alpha;
                       if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, Brain>)
                         scales[i] = *static_cast<const float*>(at);
                       else scales[i] = wide(*static_cast<const T*>(at));
                     }
                     return submit(stream_of(stream), [=] {
                       const Access access;
                       // A result that an operand overlaps would show; so would workspace that belongs to
                       // another.
                       if (workspace) std::memset(workspace, 0xff, algorithm ? workspace_bytes : 0);
                       multiply(desc, static_cast<T*>(d), static_cast<const T*>(a), static_cast<const T*>(b),
                                static_cast<const T*>(c), la, lb, lc, ld, scales[0], scales[1]);
                       return success;
                     });
                   }) == success
             ? fine
             : execution_failed;
}
