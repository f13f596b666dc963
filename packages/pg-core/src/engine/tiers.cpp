#include "engine/tiers.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/kernel/lower.h"
#include "engine/engine.h"
#include "engine/profile.h"
#include "ops/control.h"

namespace pg::engine {
namespace {

// A kernel is worth generating when its runs on the interpreter have taken as long as that takes.
constexpr double generating = 10e-3;  // seconds
constexpr int64_t never = std::numeric_limits<int64_t>::max();

// Generates what pays after so many runs; answers after how many the next kernel will.
double generate_worth(const Program& program, const Backend& backend, double runs, int& generated) {
  double next = std::numeric_limits<double>::infinity();
  for (const ProgramStep& step : program.steps) {
    const Graph::Record& r = program.graph[step.record];
    const double times = r.op == &scan_op ? static_cast<double>(Scan(r.attrs).length) : 1;
    for (const Program& body : step.bodies)
      next = std::min(next, generate_worth(body, backend, runs * times, generated) / std::max(times, 1.0));
    if (!step.kernel || step.kernel->settled()) continue;
    const double worth = generating / std::max(step.kernel->seconds(), 1e-9);
    if (worth <= runs) {
      step.kernel->generate(lower(program.graph, step.group, backend.target()));
      ++generated;
    } else next = std::min(next, worth);
  }
  return next;
}

void generate_now(Executable& executable, double runs) {
  const ExecutableRef held = ExecutableRef::share(&executable);  // compiling runs Python, which may drop it
  const Backend& backend = backend_for(executable.device);
  executable.next_look.store(never, std::memory_order_relaxed);
  const Generation when = backend.generation();
  if (when == Generation::never) return;
  if (when == Generation::always) runs = std::numeric_limits<double>::infinity();
  double next;
  int generated = 0;
  const int64_t start = profiling() ? profile_time() : 0;
  {
    const WithoutGil released;
    next = generate_worth(executable.program, backend, runs, generated);
  }
  if (generated && profiling()) record_work("generate", start);
  if (std::isfinite(next))
    executable.next_look.store(static_cast<int64_t>(std::min(std::ceil(next), 9e18)),
                               std::memory_order_relaxed);
}

}  // namespace

void start_tiers(Executable& executable, double expected_runs) { generate_now(executable, expected_runs); }

void look_at_tiers(Executable& executable) {
  generate_now(executable, static_cast<double>(executable.runs.load(std::memory_order_relaxed)));
}

}  // namespace pg::engine
