#pragma once
// The no-compile tier: a kernel becomes a program of precompiled block loops. No allocation and no lookup
// happens per launch.

#include <memory>
#include <utility>
#include <vector>

#include "backends/cpu/segments.h"

namespace pg {

namespace interpreter {
struct Program;
}

struct LaunchPlan {
  std::shared_ptr<const interpreter::Program> program;
  /// (output, input) positions, counted from the first output and the first input, that may share memory: the
  /// launch reads every element of the input before it writes the same element of the output. Otherwise
  /// buffers must not overlap.
  std::vector<std::pair<int, int>> in_place;
  cpu::SegmentTable segments = {};
};

/// What went wrong in a launch; outputs are then unspecified.
struct LaunchStatus {
  bool ok = true;
  Id record = 0;       // the gather whose index was outside
  int64_t index = 0;   // that index
  int64_t extent = 0;  // rows there are
};

LaunchPlan compile_kernel(const Kernel& kernel);
/// What one run on one thread takes, roughly.
double seconds_of(const LaunchPlan& plan);
/// `buffers`: the kernel's inputs, then its outputs (with segments those of all of them), aligned to their
/// elements. Thread-safe.
LaunchStatus run(const LaunchPlan& plan, void* const* buffers);

}  // namespace pg
