#pragma once
// Evaluation of pending nodes. One call: cut the graph between the roots and what has a value (cut.h), look
// its key up, run the program, commit the results to the nodes.

#include <exception>
#include <span>
#include <string>

#include "graph/node.h"

namespace pg::engine {

/// Computes the nodes that have no value yet, all of them as one program. Work on the way that other nodes or
/// handles still need is stored too. Raises TraceError for a node that depends on a placeholder.
void evaluate(std::span<Node* const> roots);
void evaluate(Node* root);

/// What the engine asks of the interpreter above it. Null members mean: no interpreter.
struct Host {
  void* (*release_gil)() = nullptr;  // before long work, and before any wait
  void (*acquire_gil)(void* token) = nullptr;
  void (*print)(const std::string& text) = nullptr;
  void (*check_signals)() = nullptr;  // during long work; raises when the user interrupted it
  void (*rethrow_at)(const std::exception_ptr& raised, const std::string& place) = nullptr;  // adds the line
  void (*bad_number)(const std::string& text) = nullptr;  // raises: a NaN was found that was looked for
};
extern Host host;

/// Other Python threads run while one of these lives.
class WithoutGil {
 public:
  WithoutGil() : token_(host.release_gil ? host.release_gil() : nullptr) {}
  ~WithoutGil() {
    if (token_) host.acquire_gil(token_);
  }
  WithoutGil(const WithoutGil&) = delete;

 private:
  void* token_;
};

/// What hangs below these handles without a value: how many nodes, and the bytes of values that only they
/// keep alive.
struct Pending {
  int64_t nodes = 0;
  int64_t pinned_bytes = 0;
};
Pending pending_below(std::span<Node* const> roots);

struct Counters {
  int64_t kernels = 0;   // kernels launched
  int64_t calls = 0;     // library calls made
  int64_t programs = 0;  // programs run
  int64_t builds = 0;    // programs compiled
  int64_t cached = 0;    // programs that the cache holds now
};
Counters counters();
/// Empties the program cache.
void clear_programs();

}  // namespace pg::engine
