#pragma once
// Generated code on the thread pool.

#include "backends/cpu/codegen/generate.h"
#include "backends/cpu/segments.h"
#include "compiler/backend.h"

namespace pg::codegen {

/// A kernel as machine code. Immutable, so any number of threads may run it.
class NativeKernel {
 public:
  NativeKernel(const Kernel& kernel, Generated generated);
  BadIndex run(void* const* buffers) const;

 private:
  struct PhasePlan {
    Entry entry;
    int64_t points, cost;  // grid points, and element operations of each
  };
  struct Local {
    size_t offset;
    bool row;  // in the memory of a thread; else of the launch
  };
  Generated generated_;
  std::vector<PhasePlan> phases_;
  std::vector<Local> locals_;
  cpu::SegmentTable segments_;
  size_t params_ = 0, row_bytes_ = 0, partial_bytes_ = 0;
};

}  // namespace pg::codegen
