#pragma once
// Running programs inside programs: the bodies of call, cond, scan and while.

#include <chrono>

#include <cstring>

#include "compiler/program.h"
#include "runtime/pool.h"

namespace pg::engine {

/// What a run launched, bodies included.
struct Launches {
  int64_t kernels = 0, calls = 0;
};

/// Lets the user interrupt long work.
class Watch {
 public:
  Watch();
  /// Asks the interpreter, if it was not asked for a while; raises when the user interrupted.
  void look();

 private:
  static constexpr std::chrono::milliseconds period{50};
  std::chrono::steady_clock::time_point next_;
};

// Memory of a run: the device's, or the host's where there is no device.
inline BufferRef allocate_on(DeviceRun* on, size_t bytes) {
  return on ? on->allocate(bytes) : allocate(bytes);
}
inline void copy_on(DeviceRun* on, void* to, const void* from, size_t bytes) {
  if (on) on->copy(to, from, bytes);
  else std::memcpy(to, from, bytes);
}

/// Runs the steps of a program on the memory of its slots. A bad index is reported, by the device when it
/// finishes.
BadIndex run_steps(const Program& program, void* const* memory, Launches& launches, Watch* watch,
                   DeviceRun* on);

/// Runs a step that has bodies; `operands` are those of the step, then its results.
BadIndex run_control(const Program& program, const ProgramStep& step, void* const* operands,
                     Launches& launches, DeviceRun* on);

}  // namespace pg::engine
