// The thread pool: coverage of the range, nesting, exceptions, concurrent callers, fork, resizing.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "check.h"
#include "runtime/interrupt.h"
#include "runtime/threads.h"

using namespace pg;

namespace {

bool covers(int64_t count, int64_t grain) {
  std::vector<std::atomic<int>> hits(count);
  std::atomic<bool> aligned{true};
  parallel_for(count, grain, [&](int64_t begin, int64_t end, int worker) {
    if (begin % grain || (end % grain && end != count) || worker < 0 || worker >= num_threads())
      aligned = false;
    for (int64_t i = begin; i < end; ++i) hits[i].fetch_add(1, std::memory_order_relaxed);
  });
  for (const auto& hit : hits)
    if (hit != 1) return false;
  return aligned;
}

void coverage() {
  for (int threads : {1, 2, 3, 8}) {
    set_num_threads(threads);
    CHECK(num_threads() == threads);
    for (int64_t count : {0, 1, 2, 7, 64, 1000, 4097})
      for (int64_t grain : {1, 3, 64}) CHECK(covers(count, grain));
  }
  set_num_threads(4);
  for (int i = 0; i < 2000; ++i) CHECK(covers(100, 1));
}

void all_workers_run() {
  set_num_threads(3);
  std::atomic<int> seen[3] = {};
  for (int round = 0; round < 200 && !(seen[0] && seen[1] && seen[2]); ++round)
    parallel_for(3, 1, [&](int64_t, int64_t, int worker) {
      seen[worker] = 1;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    });
  CHECK(seen[0] && seen[1] && seen[2]);
}

void nesting() {
  set_num_threads(4);
  std::atomic<int64_t> total{0};
  parallel_for(16, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const auto outer = std::this_thread::get_id();
      parallel_for(100, 1, [&](int64_t b, int64_t e, int worker) {
        if (worker != 0 || std::this_thread::get_id() != outer) total += 1000000;
        total += e - b;
      });
    }
  });
  CHECK(total == 1600);
}

void exceptions() {
  set_num_threads(4);
  for (int i = 0; i < 200; ++i) {
    bool caught = false;
    try {
      parallel_for(64, 1, [&](int64_t begin, int64_t end, int) {
        if (begin <= 37 && 37 < end) throw std::runtime_error("item 37");
      });
    } catch (const std::runtime_error& error) {
      caught = std::string(error.what()) == "item 37";
    }
    CHECK(caught);
    CHECK(covers(64, 1));
  }
}

void many_callers() {
  set_num_threads(3);
  std::vector<std::thread> callers;
  std::atomic<int> bad{0};
  for (int t = 0; t < 6; ++t)
    callers.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        if (!covers(257, 2)) ++bad;
    });
  std::thread resizer([] {
    for (int i = 0; i < 20; ++i) set_num_threads(1 + i % 5);
  });
  for (auto& caller : callers) caller.join();
  resizer.join();
  CHECK(bad == 0);
}

void forked() {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  return;  // one allows no new threads in the child of a process with threads, the other's allocator
           // deadlocks there
#endif
  set_num_threads(3);
  CHECK(covers(100, 1));
  std::atomic<bool> stop{false};
  std::thread other([&] {  // the pool is in use while we fork
    while (!stop) covers(1000, 1);
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(covers(1000, 1) && covers(50, 3) ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  stop = true;
  other.join();
  CHECK(covers(100, 1));
}

// Work that is asked now and then whether it should go on: it still covers everything, and ends early when
// the answer is an exception.
void interrupted() {
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    int asked = 0;
    const auto count_questions = [&] { ++asked; };
    {
      const Interruptible scope(count_questions);
      CHECK(covers(100000, 1) && covers(4097, 64) && covers(1, 3));
    }
    CHECK(asked > 0);
    const int before = asked;
    CHECK(covers(1000, 1));
    CHECK(asked == before);

    std::atomic<int64_t> done{0};
    bool caught = false;
    const auto refuse = [] { throw std::runtime_error("stop"); };
    const Interruptible scope(refuse);
    try {
      parallel_for(1 << 20, 1, [&](int64_t begin, int64_t end, int worker) {
        if (worker == 0) done += end - begin;
        else std::this_thread::yield();
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    CHECK(caught || done == 0);  // another thread may have been first everywhere
    CHECK(done <= (1 << 20) / 16);
  }
}

}  // namespace

int main() {
  coverage();
  all_workers_run();
  nesting();
  exceptions();
  many_callers();
  forked();
  interrupted();
  return finish("threads_test");
}
