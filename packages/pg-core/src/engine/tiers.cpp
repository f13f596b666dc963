#include "engine/tiers.h"

#include <pthread.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>

#include "compiler/kernel/lower.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "ops/control.h"

namespace pg::engine {
namespace {

// A kernel is worth generating when its runs on the interpreter have taken as long as that takes.
constexpr double generating = 10e-3;  // seconds
constexpr int64_t never = std::numeric_limits<int64_t>::max();

double times_of(const Program& program, const ProgramStep& step) {
  const Graph::Record& r = program.graph[step.record];
  const int64_t times = r.op == &scan_op     ? Scan(r.attrs).length
                        : r.op == &strips_op ? Strips(r.attrs).total()
                                             : 1;
  return std::max<double>(1, static_cast<double>(times));
}

// Generates what pays after so many runs; answers after how many the next kernel will. Stops early when
// `stopping` says so.
double generate_worth(const Program& program, const Backend& backend, double runs,
                      const std::atomic<bool>& stopping) {
  double next = std::numeric_limits<double>::infinity();
  for (const ProgramStep& step : program.steps) {
    const double times = step.bodies.empty() ? 1 : times_of(program, step);
    for (const Program& body : step.bodies)
      next = std::min(next, generate_worth(body, backend, runs * times, stopping) / times);
    if (!step.kernel || step.kernel->settled()) continue;
    const double worth = generating / std::max(step.kernel->seconds(), 1e-9);
    if (worth > runs) next = std::min(next, worth);
    else if (!stopping.load(std::memory_order_relaxed))
      step.kernel->generate(lower(program.graph, step.groups, backend.target()));
  }
  return next;
}

// After how many runs the first kernel pays that has no code yet.
double first_worth(const Program& program) {
  double first = std::numeric_limits<double>::infinity();
  for (const ProgramStep& step : program.steps) {
    for (const Program& body : step.bodies)
      first = std::min(first, first_worth(body) / times_of(program, step));
    if (step.kernel && !step.kernel->settled())
      first = std::min(first, generating / std::max(step.kernel->seconds(), 1e-9));
  }
  return first;
}

void look_again(Executable& executable, double next) {
  executable.next_look.store(std::isfinite(next) ? static_cast<int64_t>(std::min(std::ceil(next), 9e18))
                                                 : never,
                             std::memory_order_relaxed);
}

class Worker {
 public:
  explicit Worker(bool stopping = false) : stopping_(stopping) {}

  void before_fork() { mutex_.lock(); }
  void after_fork() { mutex_.unlock(); }
  bool busy() const { return busy_; }

  void ask(Executable& executable, double runs) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back({ExecutableRef::share(&executable), runs});
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
    changed_.notify_all();
  }

  void finish() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || (queue_.empty() && !busy_); });
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      queue_.clear();
      changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
  }

 private:
  struct Task {
    ExecutableRef executable;
    double runs;
  };

  void serve() {
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        busy_ = false;
        changed_.notify_all();
        changed_.wait(lock, [&] { return stopping_ || !queue_.empty(); });
        if (stopping_) return;
        busy_ = true;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      Executable& e = *task.executable;
      try {
        look_again(e, generate_worth(e.program, backend_for(e.device), task.runs, stopping_));
      } catch (...) {
        // Such as no memory: the program goes on as it is.
      }
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> queue_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};  // written under the mutex
  bool busy_ = false;
};

std::atomic<Worker*> current{nullptr};

// Never destroyed, as it may be in use while the process ends. A child of fork has none of its parent's
// threads; when the compiler was at work, its locks are held for ever, and the child generates nothing.
Worker& worker() {
  static const bool once = [] {
    current.store(new Worker, std::memory_order_release);
    pthread_atfork([] { current.load()->before_fork(); }, [] { current.load()->after_fork(); },
                   [] { current.store(new Worker(current.load()->busy()), std::memory_order_release); });
    return true;
  }();
  (void)once;
  return *current.load(std::memory_order_acquire);
}

void consider(Executable& executable, double runs) {
  executable.next_look.store(never, std::memory_order_relaxed);
  if (executable.parts) return;  // look for themselves
  const Backend& backend = backend_for(executable.device);
  switch (backend.generation()) {
  case Generation::never: return;
  case Generation::always: {
    const ExecutableRef held = ExecutableRef::share(&executable);  // compiling runs Python, which may drop it
    const WithoutGil released;
    static const std::atomic<bool> unstoppable{false};
    generate_worth(executable.program, backend, std::numeric_limits<double>::infinity(), unstoppable);
    return;
  }
  case Generation::when_worth: break;
  }
  const double first = first_worth(executable.program);
  if (first <= runs) worker().ask(executable, runs);
  else look_again(executable, first);
}

}  // namespace

void start_tiers(Executable& executable, double expected_runs) {
  if (!executable.parts) return consider(executable, expected_runs);
  for (const PartStep& step : executable.parts->steps)
    if (step.program) consider(*step.program, expected_runs);
}

void look_at_tiers(Executable& executable) {
  consider(executable, static_cast<double>(executable.runs.load(std::memory_order_relaxed)));
}

void finish_tiers() { worker().finish(); }
void stop_tiers() { worker().stop(); }

}  // namespace pg::engine
