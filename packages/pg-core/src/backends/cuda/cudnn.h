#pragma once
// cuDNN: convolutions, by the functions that take one description per operand. Prototypes are our own,
// written from the public documentation.

#include <vector>

#include "backends/cuda/run.h"
#include "types/dtype.h"

namespace pg::cuda {

/// Which of the three operands of a convolution is computed from the other two.
enum class Convolved : uint8_t { result, image, kernel };

/// Images [n, channels, space...], kernels [outputs, channels / groups, space...], results [n, outputs,
/// space...], all row-major. Margins are the same at both ends of an axis, as the library wants them.
struct Convolution {
  DType dtype = DType::float32;
  Convolved wanted = Convolved::result;
  int64_t groups = 1;
  std::vector<int64_t> image, kernel, result;       // shapes
  std::vector<int64_t> margins, strides, dilation;  // of the spatial axes
};
/// Raises DeviceError when there is no library, UnsupportedError when it has no algorithm. What is chosen for
/// a convolution is remembered; algorithms that give the same bits each time are preferred. Operands lie at
/// multiples of 16 bytes.
void convolve(CudaRun& run, const Convolution& c, const void* image, const void* kernel, const void* result,
              void* to);

}  // namespace pg::cuda
