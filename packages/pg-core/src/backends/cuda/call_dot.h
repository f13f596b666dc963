#pragma once
// dot_general on a GPU.

#include "compiler/backend.h"

namespace pg::cuda {

void call_dot_general(const CallArgs& call);

}  // namespace pg::cuda
