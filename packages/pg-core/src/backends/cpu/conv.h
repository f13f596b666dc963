#pragma once
// Our own convolutions: windows are unrolled into columns block by block and multiplied (gemm.h). Every case,
// every dtype.

#include "backends/cpu/library.h"

namespace pg::cpu {

void unrolled_forward(const ConvDesc& desc, const void* x, const void* w, void* y);
void unrolled_input_grad(const ConvDesc& desc, const void* ct, const void* w, void* dx);
void unrolled_weight_grad(const ConvDesc& desc, const void* x, const void* ct, void* dw);

}  // namespace pg::cpu
