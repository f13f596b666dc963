#pragma once
// Running programs inside programs: the bodies of call, cond, scan and while.

#include <chrono>

#include "compiler/program.h"

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

/// Runs the steps of a program on the memory of its slots. A bad index is reported.
BadIndex run_steps(const Program& program, void* const* memory, Launches& launches, Watch* watch);

/// Runs a step that has bodies; `operands` are those of the step, then its results.
BadIndex run_control(const Program& program, const ProgramStep& step, void* const* operands,
                     Launches& launches);

}  // namespace pg::engine
