#pragma once
// Every number of NVIDIA's interfaces that we use, in one table: PG_CONSTANT(header, name, value). A test
// compares it with the headers where they are installed (tests/test_cuda_constants.py). Written by hand from
// the public documentation, so that building needs no NVIDIA file.

#define PG_CUDA_CONSTANTS(PG_CONSTANT)                                                                       \
  PG_CONSTANT(cuda.h, CUDA_SUCCESS, 0)                                                                       \
  PG_CONSTANT(cuda.h, CUDA_ERROR_OUT_OF_MEMORY, 2)                                                           \
  PG_CONSTANT(cuda.h, CUDA_ERROR_NO_DEVICE, 100)                                                             \
  PG_CONSTANT(cuda.h, CUDA_ERROR_NOT_READY, 600)                                                             \
  PG_CONSTANT(cuda.h, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, 9)                                                \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                                          \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                                      \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)                                      \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)                                       \
  PG_CONSTANT(cuda.h, CU_STREAM_CAPTURE_MODE_RELAXED, 2)                                                     \
  PG_CONSTANT(cuda.h, CU_STREAM_NON_BLOCKING, 1)                                                             \
  PG_CONSTANT(cuda.h, CU_EVENT_DISABLE_TIMING, 2)                                                            \
  PG_CONSTANT(cuda.h, CU_MEMHOSTALLOC_PORTABLE, 1)                                                           \
  PG_CONSTANT(cuda.h, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 4)                                                  \
  PG_CONSTANT(nvrtc.h, NVRTC_SUCCESS, 0)                                                                     \
  PG_CONSTANT(nvrtc.h, NVRTC_ERROR_COMPILATION, 6)                                                           \
  PG_CONSTANT(cublasLt.h, CUDA_R_32F, 0)                                                                     \
  PG_CONSTANT(cublasLt.h, CUDA_R_64F, 1)                                                                     \
  PG_CONSTANT(cublasLt.h, CUDA_R_16F, 2)                                                                     \
  PG_CONSTANT(cublasLt.h, CUDA_C_32F, 4)                                                                     \
  PG_CONSTANT(cublasLt.h, CUDA_C_64F, 5)                                                                     \
  PG_CONSTANT(cublasLt.h, CUDA_R_16BF, 14)                                                                   \
  PG_CONSTANT(cublasLt.h, CUBLAS_STATUS_SUCCESS, 0)                                                          \
  PG_CONSTANT(cublasLt.h, CUBLAS_STATUS_ALLOC_FAILED, 3)                                                     \
  PG_CONSTANT(cublasLt.h, CUBLAS_STATUS_NOT_SUPPORTED, 15)                                                   \
  PG_CONSTANT(cublasLt.h, CUBLAS_COMPUTE_32F, 68)                                                            \
  PG_CONSTANT(cublasLt.h, CUBLAS_COMPUTE_64F, 70)                                                            \
  PG_CONSTANT(cublasLt.h, CUBLAS_COMPUTE_32F_FAST_TF32, 77)                                                  \
  PG_CONSTANT(cublasLt.h, CUBLAS_OP_N, 0)                                                                    \
  PG_CONSTANT(cublasLt.h, CUBLAS_OP_T, 1)                                                                    \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_DESC_TRANSA, 3)                                                    \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_DESC_TRANSB, 4)                                                    \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_DESC_EPILOGUE, 7)                                                  \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_DESC_BIAS_POINTER, 8)                                              \
  PG_CONSTANT(cublasLt.h, CUBLASLT_EPILOGUE_BIAS, 4)                                                         \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 5)                                             \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, 6)                                    \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 1)                                       \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 5)                                     \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 6)                                     \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, 7)                                     \
  PG_CONSTANT(cublasLt.h, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 8)                                     \
  PG_CONSTANT(cudnn.h, CUDNN_STATUS_SUCCESS, 0)                                                              \
  PG_CONSTANT(cudnn.h, CUDNN_STATUS_NOT_SUPPORTED, 3000)                                                     \
  PG_CONSTANT(cudnn.h, CUDNN_DATA_FLOAT, 0)                                                                  \
  PG_CONSTANT(cudnn.h, CUDNN_DATA_DOUBLE, 1)                                                                 \
  PG_CONSTANT(cudnn.h, CUDNN_DATA_HALF, 2)                                                                   \
  PG_CONSTANT(cudnn.h, CUDNN_DATA_BFLOAT16, 9)                                                               \
  PG_CONSTANT(cudnn.h, CUDNN_TENSOR_NCHW, 0)                                                                 \
  PG_CONSTANT(cudnn.h, CUDNN_CROSS_CORRELATION, 1)                                                           \
  PG_CONSTANT(cudnn.h, CUDNN_DEFAULT_MATH, 0)                                                                \
  PG_CONSTANT(cudnn.h, CUDNN_TENSOR_OP_MATH, 1)                                                              \
  PG_CONSTANT(cudnn.h, CUDNN_FMA_MATH, 3)                                                                    \
  PG_CONSTANT(cudnn.h, CUDNN_DETERMINISTIC, 1)                                                               \
  PG_CONSTANT(cufft.h, CUFFT_SUCCESS, 0)                                                                     \
  PG_CONSTANT(cufft.h, CUFFT_ALLOC_FAILED, 2)                                                                \
  PG_CONSTANT(cufft.h, CUFFT_NOT_SUPPORTED, 16)                                                              \
  PG_CONSTANT(cufft.h, CUFFT_FORWARD, -1)                                                                    \
  PG_CONSTANT(cufft.h, CUFFT_INVERSE, 1)                                                                     \
  PG_CONSTANT(cufft.h, CUFFT_C2C, 41)                                                                        \
  PG_CONSTANT(cufft.h, CUFFT_Z2Z, 105)

namespace pg::cuda {

enum Constant : int {
#define PG_ENUMERATOR(header, name, value) name = value,
  PG_CUDA_CONSTANTS(PG_ENUMERATOR)
#undef PG_ENUMERATOR
};

}  // namespace pg::cuda
