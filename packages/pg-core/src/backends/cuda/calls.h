#pragma once
#include "compiler/backend.h"

namespace pg::cuda {

/// The implementation of a library call on a GPU, or null. `CallArgs::on` is the CudaRun.
CallFn cuda_call(const Op& op);

}  // namespace pg::cuda
