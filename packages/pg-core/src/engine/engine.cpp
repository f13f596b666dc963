#include "engine/engine.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "compiler/rewrites.h"
#include "engine/cache.h"
#include "engine/cut.h"
#include "engine/nans.h"
#include "engine/profile.h"
#include "engine/tiers.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"
#include "support/thread_local.h"
#include "transforms/memo.h"

namespace pg::engine {

Host host;
Counters run_counters();

namespace {

// Guards the scratch words of nodes, the in-flight flags, and the edges of nodes while they are dropped. Held
// for a walk, never while something is computed and never across a call into Python.
std::mutex graph_mutex;
std::condition_variable finished;
uint64_t endings = 0;  // evaluations that ended, in whatever way
int waiters = 0;       // threads that wait for one to end

// What a thread keeps between evaluations.
struct ThreadState {
  static constexpr size_t front_size = 256;
  ExecutableRef front[front_size];  // direct-mapped by hash; spares the lock of the global table
  uint64_t generation = 0;
  Cut* spare = nullptr;
  std::vector<const Cut*> running;  // evaluations of this thread, outermost first
  ~ThreadState() { delete spare; }
};

// Behind one pointer: the static block for thread-local data is small, and a module that needs more cannot be
// loaded.
PG_THREAD_LOCAL ThreadState* state_of_thread = nullptr;

[[gnu::noinline]] ThreadState& make_thread_state() {
  static thread_local std::unique_ptr<ThreadState> owner = std::make_unique<ThreadState>();
  return *(state_of_thread = owner.get());
}

ThreadState& thread_state() { return state_of_thread ? *state_of_thread : make_thread_state(); }

// The thread's scratch, or a fresh one when an evaluation runs inside another.
struct Scratch {
  ThreadState& state;
  Cut* cut;
  explicit Scratch(ThreadState& s) : state(s), cut(std::exchange(s.spare, nullptr)) {
    if (!cut) cut = new Cut;
  }
  ~Scratch() {
    constexpr size_t most = 1 << 16;  // words kept; a huge graph must not pin its scratch
    if (!state.spare && cut->key.capacity() <= most) state.spare = cut;
    else delete cut;
  }
};

// The program of a key that is known, or null.
Executable* known_program(ThreadState& state, const Cut& cut, uint64_t hash) {
  if (state.generation != cache_generation()) [[unlikely]] {
    for (ExecutableRef& entry : state.front) entry = nullptr;
    state.generation = cache_generation();
  }
  ExecutableRef& entry = state.front[hash % ThreadState::front_size];
  if (entry && entry->hash == hash && entry->key.size() == cut.key.size() &&
      std::memcmp(entry->key.data(), cut.key.data(), cut.key.size() * sizeof(uint64_t)) == 0)
    return entry.get();
  if (ExecutableRef found = find_program(hash, cut.key)) entry = std::move(found);
  else return nullptr;
  return entry.get();
}

// A program of eager code may never come again: only what takes long is generated before its first run.
constexpr double eager_runs = 0.5;

ExecutableRef new_program(ThreadState& state, const Cut& cut, Device device) {
  ExecutableRef made = build(decode(cut.key), device);
  start_tiers(*made, eager_runs);
  made->key = cut.key;
  if (made->program.rewrites != cut.rewrites) {  // they changed since the key was written
    made->key.resize(cut.key.size() - (cut.rewrites ? 1 : 0));
    if (made->program.rewrites) made->key.push_back(made->program.rewrites);
  }
  made->hash = hash_words(made->key.data(), made->key.size());
  ExecutableRef& entry = state.front[made->hash % ThreadState::front_size];
  return entry = enter_program(std::move(made));
}

// A program is shared by all places with the same key: the number of a record's node in this cut leads to its
// line.
Location line_of(const Cut& c, const Graph::Record& record) {
  if (record.where.code) return record.where;  // it was in a body
  const int at = record.where.offset;
  return at >= 0 && static_cast<size_t>(at) < c.order.size() ? c.order[static_cast<size_t>(at)]->where
                                                             : Location{};
}

void check(const Executable& executable, const Cut& c, const BadIndex& bad) {
  if (!bad.happened) [[likely]]
    return;
  const Graph& graph = bad.graph ? *bad.graph : executable.program.graph;
  fail_index(graph, bad, line_of(c, graph[bad.record]));
}

// Cuts, waiting for other threads that compute something on the way. Afterwards the outputs are marked as in
// flight. Who waits must hold the roots from then on, because their handles may be rebound.
void claim(const ThreadState& state, std::span<Node* const> roots, Cut& c, std::vector<NodeRef>& held) {
  std::unique_lock lock(graph_mutex);
  while (!cut(roots, c)) {
    for (const Cut* mine : state.running)
      require(std::find(mine->results.begin(), mine->results.end(), c.busy) == mine->results.end(),
              ErrorKind::trace,
              "a host function asks for a tensor that the program which calls it is computing; pass what it "
              "needs as an argument");
    const uint64_t seen = endings;
    lock.unlock();
    if (held.empty())
      for (Node* root : roots) held.push_back(NodeRef::share(root));
    {
      const WithoutGil released;
      std::unique_lock waiting(graph_mutex);
      ++waiters;
      finished.wait(waiting, [&] { return endings != seen; });
      --waiters;
    }
    lock.lock();
  }
  for (const uint32_t i : c.outputs) {
    c.results.push_back(c.order[i]);
    c.order[i]->in_flight = true;
  }
  c.numbers.reserve(c.leaves.size());  // inputs point into it
  for (const uint32_t i : c.leaves) {
    const Node* leaf = c.order[i];
    if (Buffer* buffer = leaf->buffer.load(std::memory_order_acquire)) {
      c.inputs.push_back({buffer->data, buffer});
    } else {
      c.numbers.push_back(memory_of_bits(leaf->attrs[0], leaf->dtype));
      c.inputs.push_back({&c.numbers.back(), nullptr});
    }
  }
}

void compute(ThreadState& state, std::span<Node* const> roots) {
  Scratch scratch(state);
  Cut& c = *scratch.cut;
  std::vector<NodeRef> held;
  claim(state, roots, c, held);
  if (c.results.empty()) return;
  state.running.push_back(&c);
  struct Running {
    ThreadState& state;
    ~Running() { state.running.pop_back(); }
  } const running{state};

  SmallVector<Buffer*, 4> results;
  Executable* ran = nullptr;
  const auto lines = [&](const Graph::Record& r) { return line_of(c, r); };
  const LinesScope::Lines line_function = lines;
  std::optional<LinesScope> scope;
  if (profiling()) [[unlikely]]
    scope.emplace(line_function);
  try {
    c.rewrites = current_rewrites_id();
    if (c.rewrites) c.key.push_back(c.rewrites);  // behind what is decoded
    const uint64_t hash = hash_words(c.key.data(), c.key.size());
    Executable* known = known_program(state, c, hash);
    if (known && !is_long(*known)) [[likely]] {
      check(*known, c, run(*known, c.inputs, results));
      ran = known;
    } else {
      // Other Python threads run meanwhile and may drop what hangs on their handles.
      for (Node* node : c.results) held.push_back(NodeRef::share(node));
      const ExecutableRef program =
          known ? ExecutableRef::share(known) : new_program(state, c, c.results[0]->device);
      check(*program, c, run_yielding(*program, c.inputs, results));
      ran = program.get();  // the thread's table holds it
    }
    if (nan_check() != NanCheck::off) [[unlikely]]
      check_results(decode(c.key), c.inputs, {results.data(), results.size()}, lines);
  } catch (...) {
    release(results);
    {
      const std::lock_guard lock(graph_mutex);
      for (Node* node : c.results) node->in_flight = false;
      ++endings;
    }
    finished.notify_all();
    throw;
  }

  // Commit: values in, edges off unless a transform may still need them; what hung on the edges is released
  // outside the lock.
  SmallVector<Node*, 16> released;
  bool awaited;
  {
    const std::lock_guard lock(graph_mutex);
    ++endings;
    awaited = waiters > 0;
    for (size_t i = 0; i < c.results.size(); ++i) {
      Node* node = c.results[i];
      node->buffer.store(results[i], std::memory_order_release);
      node->in_flight = false;
      if (edges_needed(*node)) continue;
      for (Node* input : node->inputs) released.push_back(input);
      node->inputs.clear();
      node->attrs.clear();
      node->op = &buffer_op;
    }
  }
  if (awaited) finished.notify_all();
  note_run(*ran);
  for (Node* node : released) NodeRef::adopt(node);
}

}  // namespace

void evaluate(std::span<Node* const> roots) {
  for (Node* root : roots)
    if (!root->evaluated()) return compute(thread_state(), roots);
}

void evaluate(Node* root) {
  if (!root->evaluated()) compute(thread_state(), {&root, 1});
}

Pending pending_below(std::span<Node* const> roots) {
  Pending out;
  std::unordered_set<const Node*> seen;
  std::unordered_map<Node*, uint32_t> leaf_uses;
  std::vector<Node*> stack;
  const std::lock_guard lock(graph_mutex);
  for (Node* root : roots)
    if (!root->evaluated() && seen.insert(root).second) stack.push_back(root);
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    ++out.nodes;
    for (Node* input : node->inputs) {
      if (input->evaluated()) ++leaf_uses[input];
      else if (seen.insert(input).second) stack.push_back(input);
    }
  }
  for (const auto& [leaf, uses] : leaf_uses)
    if (leaf->refs.load() <= uses)
      out.pinned_bytes += static_cast<int64_t>(leaf->buffer.load(std::memory_order_acquire)->bytes);
  return out;
}

Counters counters() {
  Counters out = run_counters();
  out.cached = static_cast<int64_t>(cached_programs());
  return out;
}

void clear_programs() {
  drop_programs();
  forget_bodies();
}

}  // namespace pg::engine
