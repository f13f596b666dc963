#include "engine/profile.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "compiler/print.h"
#include "graph/location.h"
#include "runtime/pool.h"
#include "support/thread_local.h"

namespace pg::engine {
namespace {

std::mutex mutex;
std::vector<ProfileEvent> events;
std::chrono::steady_clock::time_point began;
bool lines_before = false;
std::atomic<int> threads{0};

PG_THREAD_LOCAL const LinesScope::Lines* lines_here = nullptr;
PG_THREAD_LOCAL int thread_number = -1;

int this_thread() {
  if (thread_number < 0) thread_number = threads.fetch_add(1);
  return thread_number;
}

void add(ProfileEvent event) {
  const std::lock_guard lock(mutex);
  if (profiling()) events.push_back(std::move(event));
}

std::vector<Location> lines_of(const Program& program, const ProgramStep& step) {
  std::vector<Location> out;
  const auto note = [&](Id id) {
    const Graph::Record& r = program.graph[id];
    const Location where = r.where.code || !lines_here ? r.where : (*lines_here)(r);
    const auto same = [&](const Location& l) { return l.code == where.code && l.offset == where.offset; };
    if (where.code && std::none_of(out.begin(), out.end(), same)) out.push_back(where);
  };
  if (!step.kernel) note(step.record);
  else
    for (const Group& group : step.groups)
      for (const Id id : group.nodes) note(id);
  return out;
}

}  // namespace

std::atomic<bool> profiling_now{false};

bool start_profile() {
  const std::lock_guard lock(mutex);
  if (profiling()) return false;
  events.clear();
  began = std::chrono::steady_clock::now();
  lines_before = locations_outside_traces.exchange(true);
  profiling_now.store(true);
  return true;
}

std::vector<ProfileEvent> stop_profile() {
  const std::lock_guard lock(mutex);
  if (profiling_now.exchange(false)) locations_outside_traces.store(lines_before);
  return std::exchange(events, {});
}

int64_t profile_time() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - began)
      .count();
}

void record_step(const Program& program, const ProgramStep& step, int64_t start) {
  const int64_t duration = profile_time() - start;
  double bytes = 0;
  for (const uint32_t slot : step.slots) bytes += static_cast<double>(program.slots[slot].bytes);
  const char* kind = step.kernel ? "kernel" : step.host ? "host" : step.call ? "call" : "control";
  add({kind, step.kernel ? kernel_name(program, step) : call_text(program, step),
       step.kernel ? step.kernel->tier() : "", lines_of(program, step), start, duration, this_thread(), bytes,
       memory_stats().live_bytes});
}

void record_work(const char* kind, int64_t start) {
  add({kind, kind, "", {}, start, profile_time() - start, this_thread(), 0, memory_stats().live_bytes});
}

LinesScope::LinesScope(const Lines& lines) : outer_(std::exchange(lines_here, &lines)) {}
LinesScope::~LinesScope() { lines_here = outer_; }

}  // namespace pg::engine
