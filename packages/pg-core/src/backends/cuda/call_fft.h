#pragma once
// Fourier transforms on a GPU.

#include "compiler/backend.h"

namespace pg::cuda {

void call_fft(const CallArgs& call);

}  // namespace pg::cuda
