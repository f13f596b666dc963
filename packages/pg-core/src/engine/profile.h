#pragma once
// The record of what ran when, on demand: one event for each launch, compilation and loop.

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "compiler/program.h"
#include "support/function_ref.h"

namespace pg::engine {

struct ProfileEvent {
  const char* kind;             // kernel, call, host, control, compile, generate
  std::string name;             // the ops of a kernel, the text of a call
  std::string tier;             // of a kernel: what ran it
  std::vector<Location> where;  // the Python lines that made it, as far as they are known
  int64_t start, duration;      // nanoseconds, since the profile began
  int thread;                   // numbered by first use
  double bytes;                 // read and written
  int64_t live_bytes;           // of all tensors, afterwards
};

extern std::atomic<bool> profiling_now;
inline bool profiling() { return profiling_now.load(std::memory_order_relaxed); }

/// Begins; answers false when a profile is being made already. While it lasts, nodes outside traces remember
/// their line too.
bool start_profile();
/// Ends, and hands over what happened.
std::vector<ProfileEvent> stop_profile();

/// Nanoseconds since the profile began.
int64_t profile_time();
void record_step(const Program& program, const ProgramStep& step, int64_t start);
void record_work(const char* kind, int64_t start);

/// Programs of eager code do not know their lines; while one lives on this thread, this function does.
class LinesScope {
 public:
  using Lines = FunctionRef<Location(const Graph::Record&)>;
  explicit LinesScope(const Lines& lines);
  ~LinesScope();
  LinesScope(const LinesScope&) = delete;

 private:
  const Lines* outer_;
};

}  // namespace pg::engine
