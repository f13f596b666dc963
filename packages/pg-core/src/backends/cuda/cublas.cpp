#include "backends/cuda/cublas.h"

#include <algorithm>
#include <atomic>
#include <complex>
#include <cstring>
#include <map>
#include <mutex>

#include "backends/cuda/library.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

using LtHandle = struct LtContext*;
using LtLayout = struct LtLayoutHandle*;
using LtDesc = struct LtDescHandle*;
using LtPreference = struct LtPreferenceHandle*;
struct LtAlgorithm {
  uint64_t data[8];
};
struct LtChoice {
  LtAlgorithm algorithm;
  size_t workspace;
  int status;
  float waves;
  int reserved[4];
};

#define PG_CUBLASLT_FUNCTIONS(PG_FUNCTION)                                                                   \
  PG_FUNCTION(create, cublasLtCreate, (LtHandle*))                                                           \
  PG_FUNCTION(layout_create, cublasLtMatrixLayoutCreate, (LtLayout*, int, uint64_t, uint64_t, int64_t))      \
  PG_FUNCTION(layout_set, cublasLtMatrixLayoutSetAttribute, (LtLayout, int, const void*, size_t))            \
  PG_FUNCTION(desc_create, cublasLtMatmulDescCreate, (LtDesc*, int, int))                                    \
  PG_FUNCTION(desc_set, cublasLtMatmulDescSetAttribute, (LtDesc, int, const void*, size_t))                  \
  PG_FUNCTION(preference_create, cublasLtMatmulPreferenceCreate, (LtPreference*))                            \
  PG_FUNCTION(preference_set, cublasLtMatmulPreferenceSetAttribute,                                          \
              (LtPreference, int, const void*, size_t))                                                      \
  PG_FUNCTION(preference_destroy, cublasLtMatmulPreferenceDestroy, (LtPreference))                           \
  PG_FUNCTION(                                                                                               \
      choose, cublasLtMatmulAlgoGetHeuristic,                                                                \
      (LtHandle, LtDesc, LtLayout, LtLayout, LtLayout, LtLayout, LtPreference, int, LtChoice*, int*))        \
  PG_FUNCTION(matmul, cublasLtMatmul,                                                                        \
              (LtHandle, LtDesc, const void*, const void*, LtLayout, const void*, LtLayout, const void*,     \
               const void*, LtLayout, void*, LtLayout, const LtAlgorithm*, void*, size_t, Stream))
PG_LIBRARY(CublasLt, cublaslt, PG_CUBLASLT_FUNCTIONS);

void check_lt(int status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) [[likely]]
    return;
  fail(status == CUBLAS_STATUS_ALLOC_FAILED ? ErrorKind::memory : ErrorKind::device,
       concat("cuBLASLt failed ", what, ": status ", status));
}

struct Types {
  int data, scale;
};
Types types_of(DType dtype) {
  switch (dtype) {
  case DType::float16: return {CUDA_R_16F, CUDA_R_32F};
  case DType::bfloat16: return {CUDA_R_16BF, CUDA_R_32F};
  case DType::float32: return {CUDA_R_32F, CUDA_R_32F};
  case DType::float64: return {CUDA_R_64F, CUDA_R_64F};
  case DType::complex64: return {CUDA_C_32F, CUDA_C_32F};
  case DType::complex128: return {CUDA_C_64F, CUDA_C_64F};
  default: break;
  }
  fail(ErrorKind::internal, concat("cuBLASLt has no products of ", name_of(dtype)));
}

std::atomic<bool> tf32{false};

/// 256, or how many bytes all of these are multiples of, when that is less.
uint32_t alignment_of(const void* at, int64_t stride_bytes) {
  const uint64_t all = reinterpret_cast<uint64_t>(at) | static_cast<uint64_t>(stride_bytes) | 256;
  return static_cast<uint32_t>(all & ~(all - 1));
}

/// What the library chose for a product; its descriptions live as long as the process.
struct Plan {
  LtDesc desc = nullptr;
  LtLayout x = nullptr, y = nullptr, d = nullptr;
  LtAlgorithm algorithm{};
  size_t workspace = 0;
};

// All that the choice depends on, as words, so that keys compare by their bytes.
using Key = std::array<int64_t, 17>;

constexpr size_t most_workspace = 32 << 20;  // what the library's fastest algorithms ask for on Hopper

LtLayout layout(const CublasLt& lt, int type, int64_t rows, int64_t columns, int64_t leading, int64_t batch,
                int64_t stride) {
  LtLayout out = nullptr;
  check_lt(lt.layout_create(&out, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns), leading),
           "to describe a matrix");
  if (batch > 1) {
    const int32_t count = static_cast<int32_t>(batch);
    check_lt(lt.layout_set(out, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
             "to describe a batch");
    check_lt(lt.layout_set(out, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride),
             "to describe a batch");
  }
  return out;
}

void set_bias(LtDesc desc, const void* bias) {
  check_lt(CublasLt::get().desc_set(desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
           "to take a bias");
}

Plan make_plan(LtHandle handle, const Product& p, bool allowed, const void* bias,
               const uint32_t alignments[4]) {
  const CublasLt& lt = CublasLt::get();
  const Types types = types_of(p.dtype);
  const bool wide = real_type(p.dtype) == DType::float64;
  const int compute = wide                                              ? CUBLAS_COMPUTE_64F
                      : allowed && real_type(p.dtype) == DType::float32 ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                                        : CUBLAS_COMPUTE_32F;
  Plan plan;
  check_lt(lt.desc_create(&plan.desc, compute, types.scale), "to describe a product");
  const auto turn = [&](int attribute, bool transposed) {
    const int32_t op = transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    check_lt(lt.desc_set(plan.desc, attribute, &op, sizeof op), "to describe a product");
  };
  turn(CUBLASLT_MATMUL_DESC_TRANSA, p.x_transposed);
  turn(CUBLASLT_MATMUL_DESC_TRANSB, p.y_transposed);
  if (bias) {
    const int32_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    check_lt(lt.desc_set(plan.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue),
             "to describe a product");
    set_bias(plan.desc, bias);
  }
  const auto side = [&](int64_t rows, int64_t columns, bool transposed, int64_t leading, int64_t stride) {
    if (transposed) std::swap(rows, columns);
    return layout(lt, types.data, rows, columns, leading, p.batch, stride);
  };
  plan.x = side(p.m, p.k, p.x_transposed, p.x_leading, p.x_stride);
  plan.y = side(p.k, p.n, p.y_transposed, p.y_leading, p.y_stride);
  plan.d = side(p.m, p.n, false, p.d_leading, p.d_stride);

  LtPreference preference = nullptr;
  check_lt(lt.preference_create(&preference), "to choose an algorithm");
  const auto prefer = [&](int attribute, auto value) {
    check_lt(lt.preference_set(preference, attribute, &value, sizeof value), "to choose an algorithm");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(most_workspace));
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments[0]);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments[1]);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments[2]);
  prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments[3]);
  LtChoice choice{};
  int found = 0;
  const int status =
      lt.choose(handle, plan.desc, plan.x, plan.y, plan.d, plan.d, preference, 1, &choice, &found);
  lt.preference_destroy(preference);
  require(status != CUBLAS_STATUS_NOT_SUPPORTED && (status != CUBLAS_STATUS_SUCCESS || found > 0),
          ErrorKind::not_implemented, [&] {
            return concat("cuBLASLt has no algorithm for a product of ", p.batch, " x (", p.m, ", ", p.k,
                          ") @ (", p.k, ", ", p.n, ") of ", name_of(p.dtype));
          });
  check_lt(status, "to choose an algorithm");
  plan.algorithm = choice.algorithm;
  plan.workspace = choice.workspace;
  return plan;
}

struct Started {
  LtHandle handle = nullptr;
  std::map<Key, Plan> plans;
};

std::mutex mutex;

Started& library_of(Gpu& gpu) {
  static auto* known = new std::map<int, Started>;  // for the life of the process
  Started& entry = (*known)[gpu.index];
  if (!entry.handle) {
    gpu.enter();
    check_lt(CublasLt::get().create(&entry.handle), "to start");
  }
  return entry;
}

}  // namespace

bool tf32_allowed() { return tf32.load(std::memory_order_relaxed); }
void allow_tf32(bool allow) { tf32.store(allow, std::memory_order_relaxed); }

void product(CudaRun& run, const Product& p, const ProductOperands& at) {
  Gpu& gpu = run.gpu();
  const CublasLt& lt = CublasLt::get();
  const int64_t item = size_of(p.dtype);
  const bool allowed = tf32_allowed();
  const void* const c = at.added ? at.added : at.d;
  const uint32_t alignments[] = {alignment_of(at.x, p.x_stride * item), alignment_of(at.y, p.y_stride * item),
                                 alignment_of(c, p.d_stride * item), alignment_of(at.d, p.d_stride * item)};
  const Key key = {static_cast<int64_t>(p.dtype),
                   p.m,
                   p.n,
                   p.k,
                   p.batch,
                   p.x_transposed,
                   p.y_transposed,
                   p.x_leading,
                   p.y_leading,
                   p.d_leading,
                   p.x_stride,
                   p.y_stride,
                   p.d_stride,
                   allowed,
                   at.bias != nullptr,
                   static_cast<int64_t>(alignments[0]) << 32 | alignments[1],
                   static_cast<int64_t>(alignments[2]) << 32 | alignments[3]};
  const std::complex<float> one(1), zero(0);
  const std::complex<double> wide_one(1), wide_zero(0);  // a real number is the first part
  const auto number = [&](bool is_one) -> const void* {
    if (real_type(p.dtype) == DType::float64) return is_one ? &wide_one : &wide_zero;
    return is_one ? &one : &zero;
  };
  const std::lock_guard lock(mutex);  // a plan holds the bias of one product at a time
  Started& library = library_of(gpu);
  gpu.enter();
  auto known = library.plans.find(key);
  if (known == library.plans.end())
    known = library.plans.emplace(key, make_plan(library.handle, p, allowed, at.bias, alignments)).first;
  const Plan& plan = known->second;
  if (at.bias) set_bias(plan.desc, at.bias);
  const BufferRef workspace = plan.workspace ? run.allocate(plan.workspace) : nullptr;
  gpu.enter();
  check_lt(lt.matmul(library.handle, plan.desc, number(true), at.x, plan.x, at.y, plan.y,
                     number(at.added != nullptr), c, plan.d, at.d, plan.d, &plan.algorithm,
                     workspace ? workspace->data : nullptr, plan.workspace, gpu.stream),
           "to multiply matrices");
}

}  // namespace pg::cuda
