#pragma once
// cuBLASLt: matrix products. Prototypes are our own, written from the public documentation.

#include "backends/cuda/run.h"
#include "types/dtype.h"

namespace pg::cuda {

/// D = op(X) op(Y), plus what is added, for each of `batch` places; matrices lie by columns, as the library
/// has them. D has m rows and n columns. Strides of the batch may be 0 for X and Y.
struct Product {
  DType dtype = DType::float32;
  int64_t m = 0, n = 0, k = 0, batch = 1;
  bool x_transposed = false, y_transposed = false;
  int64_t x_leading = 0, y_leading = 0, d_leading = 0;
  int64_t x_stride = 0, y_stride = 0, d_stride = 0;  // of the batch
};
struct ProductOperands {
  const void *x = nullptr, *y = nullptr;
  const void* added = nullptr;  // an array that lies like D, or D itself
  const void* bias = nullptr;   // m numbers, one for each row; float32 only, at a multiple of 16 bytes
  void* d = nullptr;
};
/// Raises DeviceError when there is no library, UnsupportedError when it has no algorithm. What is chosen for
/// a product is remembered.
void product(CudaRun& run, const Product& p, const ProductOperands& at);

/// May products and convolutions of float32 round their operands to TF32 (11 bits)? Of the process; no at
/// first.
bool tf32_allowed();
void allow_tf32(bool allow);

}  // namespace pg::cuda
