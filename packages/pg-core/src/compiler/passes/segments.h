#pragma once
// One launch for many small arrays: kernels of one structure that nothing orders become segments of one step,
// and tiny ones over arrays of one shape become one kernel.
//
//   kernel {mul, add}: %0 %2 -> %4 of f32[10];  kernel {mul, add}: %1 %3 -> %5 of f32[7,9]
//   -> kernel {mul, add} over 2 segments: %0 %2 -> %4; %1 %3 -> %5

#include <vector>

#include "compiler/passes/fuse.h"

namespace pg {

/// `looked` gets how many records were looked at.
std::vector<Step> segments(const Graph& graph, std::vector<Step> steps, int64_t* looked = nullptr);

}  // namespace pg
