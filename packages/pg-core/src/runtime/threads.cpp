#include "runtime/threads.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/interrupt.h"
#include "support/env.h"
#include "support/error.h"

namespace pg {
namespace {

constexpr int spins = 2000;  // about 40 us: shorter than a wake-up costs, longer than a gap between kernels
constexpr int64_t chunks_each = 8;  // pieces of a worker's range: the unit of stealing
constexpr int max_threads = 1024;

inline void pause_cpu() {
#if defined(__x86_64__) && !defined(PG_GENERIC)
  __builtin_ia32_pause();
#endif
}

using Body = FunctionRef<void(int64_t, int64_t, int)>;

// The chunks [next, end) of one worker that nobody has claimed, in one word.
struct alignas(64) Slot {
  std::atomic<uint64_t> left{0};
  void set(uint32_t next, uint32_t end) { left.store(uint64_t{next} << 32 | end, std::memory_order_relaxed); }
  // The owner claims from the front, thieves from the back, so that both stay contiguous.
  bool claim(bool front, uint32_t& chunk) {
    uint64_t word = left.load(std::memory_order_acquire);
    for (;;) {
      const uint32_t next = static_cast<uint32_t>(word >> 32), end = static_cast<uint32_t>(word);
      if (next >= end) return false;
      chunk = front ? next : end - 1;
      const uint64_t rest = front ? uint64_t{next + 1} << 32 | end : uint64_t{next} << 32 | (end - 1);
      if (left.compare_exchange_weak(word, rest, std::memory_order_acq_rel, std::memory_order_acquire))
        return true;
    }
  }
};

int default_threads() {
  int cores = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = CPU_COUNT(&set);
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");  // "quota period" or "max period"
  double quota = 0, period = 0;
  if (quota_file >> quota >> period && quota > 0 && period > 0)
    cores = std::min(cores, std::max(1, static_cast<int>(quota / period + 0.5)));
#endif
  return static_cast<int>(env_int("PG_NUM_THREADS", std::max(cores, 1)));
}

thread_local bool inside = false;  // this thread runs a body
thread_local const Interruptible* listener = nullptr;

// Runs ranges in pieces of about 50 ms, so that one can stop between them. How long an item takes shows in
// the first, short piece.
class Pieces {
 public:
  Pieces(const Body& body, int worker, int64_t grain, int64_t range)
      : body_(body), worker_(worker), grain_(grain), length_(whole(range / 16)) {}

  /// `go_on` is asked after every piece.
  template <class GoOn> void run(int64_t begin, int64_t end, GoOn&& go_on) {
    using clock = std::chrono::steady_clock;
    while (begin < end) {
      const int64_t stop = std::min(end, begin + length_);
      const auto start = clock::now();
      body_(begin, stop, worker_);
      const double spent = std::chrono::duration<double>(clock::now() - start).count();
      constexpr double wanted = 50e-3, most_items = 1e15;
      const double items = static_cast<double>(stop - begin) * (wanted / std::max(spent, 1e-9));
      length_ = whole(static_cast<int64_t>(std::min(items, most_items)));
      begin = stop;
      if (!go_on()) return;
    }
  }

 private:
  int64_t whole(int64_t items) const { return std::max<int64_t>(items / grain_, 1) * grain_; }

  const Body& body_;
  int worker_;
  int64_t grain_, length_;
};

class Pool {
 public:
  // One caller at a time; a second one runs alone.
  std::mutex job_mutex;
  int threads = 0;  // 0: not decided yet; guarded by job_mutex, mirrored for readers

  void run(int64_t count, int64_t grain, const Body& body) {
    start();
    const int64_t units = (count + grain - 1) / grain;
    const int workers = static_cast<int>(std::min<int64_t>(threads, units));
    const int64_t unit_chunk =
        std::max<int64_t>(1, (units + workers * chunks_each - 1) / (workers * chunks_each));
    count_ = count;
    grain_ = grain;
    chunk_ = unit_chunk * grain;
    listener_ = listener;
    const int64_t chunks = (units + unit_chunk - 1) / unit_chunk;
    workers_ = workers;
    body_ = &body;
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    for (int w = 0; w < workers; ++w)
      slots_[w].set(static_cast<uint32_t>(chunks * w / workers),
                    static_cast<uint32_t>(chunks * (w + 1) / workers));
    // Opens the job: the release publishes everything above. The sequence number makes sleepers and spinners
    // look.
    const uint32_t serial = (state_.load(std::memory_order_relaxed) >> serial_shift) + 1;
    state_.store(serial << serial_shift | open_bit, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst) > 0) state_.notify_all();

    work(0);

    // Closes it: a worker that has not joined by now never will; those that have are finishing one chunk
    // each.
    uint32_t state = state_.fetch_and(~open_bit, std::memory_order_acq_rel) & ~open_bit;
    for (int i = 0; state & joined_mask; ++i) {
      if (i < spins) pause_cpu();
      else state_.wait(state, std::memory_order_acquire);
      state = state_.load(std::memory_order_acquire);
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

  // The caller holds job_mutex.
  void stop() {
    if (helpers_.empty()) return;
    stopping_.store(true, std::memory_order_relaxed);
    state_.fetch_add(1u << serial_shift, std::memory_order_seq_cst);
    state_.notify_all();
    for (auto& thread : helpers_) thread.join();
    helpers_.clear();
    stopping_.store(false, std::memory_order_relaxed);
  }

 private:
  // state_: serial number of the job | open | how many workers have joined.
  static constexpr uint32_t joined_mask = 0x7ff;
  static constexpr uint32_t open_bit = 0x800;
  static constexpr int serial_shift = 12;

  void start() {
    if (static_cast<int>(helpers_.size()) == threads - 1) return;
    slots_ = std::make_unique<Slot[]>(threads);
    for (int w = 1; w < threads; ++w)
      helpers_.emplace_back([this, w, seen = state_.load() >> serial_shift] { serve(w, seen); });
  }

  void work(int worker) {
    inside = true;
    Pieces pieces(*body_, worker, grain_, chunk_);
    const auto go_on = [&] {
      if (worker == 0) listener_->check();
      return !failed_.load(std::memory_order_relaxed);
    };
    for (int i = 0; i < workers_; ++i) {
      const int victim = worker + i < workers_ ? worker + i : worker + i - workers_;
      uint32_t chunk = 0;
      while (slots_[victim].claim(i == 0, chunk)) {
        if (failed_.load(std::memory_order_relaxed)) continue;
        try {
          const int64_t begin = chunk * chunk_, end = std::min(count_, begin + chunk_);
          if (listener_) pieces.run(begin, end, go_on);
          else (*body_)(begin, end, worker);
        } catch (...) {
          if (!failed_.exchange(true)) error_ = std::current_exception();
        }
      }
    }
    inside = false;
  }

  void serve(int worker, uint32_t seen) {
    for (;;) {
      uint32_t state = wait_for_job(seen);
      seen = state >> serial_shift;
      if (stopping_.load(std::memory_order_relaxed)) return;
      // Joining is one atomic step on the word that the caller closes, so the job's fields are valid until we
      // leave.
      bool joined = false;
      while ((state & open_bit) && state >> serial_shift == seen && !joined)
        joined = state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel,
                                              std::memory_order_acquire);
      if (!joined) continue;
      if (worker < workers_) work(worker);
      const uint32_t before = state_.fetch_sub(1, std::memory_order_acq_rel);
      if ((before & joined_mask) == 1 && !(before & open_bit)) state_.notify_all();
    }
  }

  uint32_t wait_for_job(uint32_t seen) {
    for (int i = 0; i < spins; ++i) {
      const uint32_t state = state_.load(std::memory_order_acquire);
      if (state >> serial_shift != seen) return state;
      pause_cpu();
    }
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    uint32_t state = state_.load(std::memory_order_seq_cst);
    while (state >> serial_shift == seen) {
      state_.wait(state, std::memory_order_acquire);
      state = state_.load(std::memory_order_acquire);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    return state;
  }

  alignas(64) std::atomic<uint32_t> state_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::unique_ptr<Slot[]> slots_;
  const Body* body_ = nullptr;
  const Interruptible* listener_ = nullptr;
  int64_t count_ = 0, grain_ = 1, chunk_ = 0;
  int workers_ = 0;
  std::exception_ptr error_;
  std::vector<std::thread> helpers_;
};

std::atomic<int> thread_count{0};  // 0: not decided yet
std::atomic<Pool*> current{nullptr};

// Never destroyed: kernels may run while the process ends. A child of fork has none of its parent's threads,
// so it starts with a new pool and leaves the old one, whose locks may be held, alone.
Pool* pool() {
  if (Pool* found = current.load(std::memory_order_acquire)) return found;
  static const bool once = [] {
    pthread_atfork(nullptr, nullptr, [] {
      current.store(new Pool, std::memory_order_release);
      inside = false;
    });
    current.store(new Pool, std::memory_order_release);
    return true;
  }();
  (void)once;
  return current.load(std::memory_order_acquire);
}

}  // namespace

Interruptible::Interruptible(FunctionRef<void()> check)
    : check_(check), outer_(std::exchange(listener, this)) {}
Interruptible::~Interruptible() { listener = outer_; }

int num_threads() {
  int count = thread_count.load(std::memory_order_relaxed);
  if (count == 0) {
    int expected = 0;
    thread_count.compare_exchange_strong(expected, std::min(default_threads(), max_threads));
    count = thread_count.load(std::memory_order_relaxed);
  }
  return count;
}

void set_num_threads(int count) {
  require(!inside, ErrorKind::value,
          "the number of threads cannot change inside a program; a signal handler called it?");
  Pool* p = pool();
  std::lock_guard lock(p->job_mutex);
  p->stop();
  thread_count.store(count <= 0 ? std::min(default_threads(), max_threads) : std::min(count, max_threads),
                     std::memory_order_relaxed);
}

void parallel_for(int64_t count, int64_t grain, Body body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (count > grain && !inside && num_threads() > 1) {
    Pool* p = pool();
    std::unique_lock lock(p->job_mutex, std::try_to_lock);
    if (lock.owns_lock()) {
      p->threads = num_threads();
      if (p->threads > 1) return p->run(count, grain, body);
    }
  }
  if (!listener || inside || count <= grain) return body(0, count, 0);
  Pieces(body, 0, grain, count / chunks_each).run(0, count, [] {
    listener->check();
    return true;
  });
}

}  // namespace pg
