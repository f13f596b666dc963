#pragma once
// Which kernels are worth generating code for.

#include "engine/run.h"

namespace pg::engine {

/// Looks at a new program. `expected_runs`: how often it will run, as far as one can tell; kernels that pay
/// then are generated at once.
void start_tiers(Executable& executable, double expected_runs);

/// Generates the kernels that have paid by now. May take long; holds no lock.
void look_at_tiers(Executable& executable);

/// Counts a run; afterwards, where values are not in flight, call this.
inline void note_run(Executable& executable) {
  const int64_t runs = executable.runs.load(std::memory_order_relaxed) + 1;  // lost counts do not matter
  executable.runs.store(runs, std::memory_order_relaxed);
  if (runs >= executable.next_look.load(std::memory_order_relaxed)) [[unlikely]]
    look_at_tiers(executable);
}

}  // namespace pg::engine
