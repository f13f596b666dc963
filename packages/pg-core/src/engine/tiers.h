#pragma once
// Which kernels are worth generating code for, and the thread that does it.
//
// Programs run on the interpreter meanwhile; both tiers compute the same bits, so it does not show when a
// kernel changes over.

#include "engine/run.h"

namespace pg::engine {

/// Looks at a new program. `expected_runs`: how often it will run, as far as one can tell; kernels that pay
/// then are generated at once, in the background unless the backend wants every kernel generated.
void start_tiers(Executable& executable, double expected_runs);

/// Asks for the kernels that have paid by now.
void look_at_tiers(Executable& executable);

/// Counts a run; afterwards, where values are not in flight, call this.
inline void note_run(Executable& executable) {
  const int64_t runs = executable.runs.load(std::memory_order_relaxed) + 1;  // lost counts do not matter
  executable.runs.store(runs, std::memory_order_relaxed);
  if (runs >= executable.next_look.load(std::memory_order_relaxed)) [[unlikely]]
    look_at_tiers(executable);
}

/// Waits until nothing is being generated; the caller does not hold the interpreter's lock.
void finish_tiers();
/// Ends the thread, for the end of the process; what was asked for is dropped. The same about the lock.
void stop_tiers();

}  // namespace pg::engine
