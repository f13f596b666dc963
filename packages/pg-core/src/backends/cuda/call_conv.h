#pragma once
// Convolutions on a GPU.

#include "compiler/backend.h"

namespace pg::cuda {

void call_conv(const CallArgs& call);
void call_conv_input_grad(const CallArgs& call);
void call_conv_weight_grad(const CallArgs& call);

}  // namespace pg::cuda
