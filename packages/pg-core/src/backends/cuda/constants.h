#pragma once
// Every number of NVIDIA's interfaces that we use, in one table: PG_CONSTANT(header, name, value). A test
// compares it with the headers where they are installed (tests/test_cuda_constants.py). Written by hand from
// the public documentation, so that building needs no NVIDIA file.

#define PG_CUDA_CONSTANTS(PG_CONSTANT)                                                                       \
  PG_CONSTANT(cuda.h, CUDA_SUCCESS, 0)                                                                       \
  PG_CONSTANT(cuda.h, CUDA_ERROR_OUT_OF_MEMORY, 2)                                                           \
  PG_CONSTANT(cuda.h, CUDA_ERROR_NO_DEVICE, 100)                                                             \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                                          \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                                      \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)                                      \
  PG_CONSTANT(cuda.h, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)                                       \
  PG_CONSTANT(cuda.h, CU_STREAM_NON_BLOCKING, 1)                                                             \
  PG_CONSTANT(cuda.h, CU_EVENT_DISABLE_TIMING, 2)                                                            \
  PG_CONSTANT(cuda.h, CU_MEMHOSTALLOC_PORTABLE, 1)                                                           \
  PG_CONSTANT(cuda.h, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 4)                                                  \
  PG_CONSTANT(nvrtc.h, NVRTC_SUCCESS, 0)                                                                     \
  PG_CONSTANT(nvrtc.h, NVRTC_ERROR_COMPILATION, 6)

namespace pg::cuda {

enum Constant : int {
#define PG_ENUMERATOR(header, name, value) name = value,
  PG_CUDA_CONSTANTS(PG_ENUMERATOR)
#undef PG_ENUMERATOR
};

}  // namespace pg::cuda
