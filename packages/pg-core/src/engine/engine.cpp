#include "engine/engine.h"

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "engine/cache.h"
#include "engine/cut.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"
#include "support/thread_local.h"

namespace pg::engine {

Host host;
Counters run_counters();

namespace {

// Guards the scratch words of nodes, the in-flight flags, and the edges of nodes while they are dropped. Held for a walk, never while
// something is computed and never across a call into Python.
std::mutex graph_mutex;
std::condition_variable finished;
uint64_t endings = 0;  // evaluations that ended, in whatever way

// What a thread keeps between evaluations.
struct ThreadState {
  static constexpr size_t front_size = 256;
  ExecutableRef front[front_size];  // direct-mapped by hash; spares the lock of the global table
  uint64_t generation = 0;
  Cut* spare = nullptr;
  ~ThreadState() { delete spare; }
};

// Behind one pointer: the static block for thread-local data is small, and a module that needs more cannot be loaded.
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

ExecutableRef& program_of(ThreadState& state, const Cut& cut, Device device) {
  const uint64_t hash = hash_words(cut.key.data(), cut.key.size());
  if (state.generation != cache_generation()) {
    for (ExecutableRef& entry : state.front) entry = nullptr;
    state.generation = cache_generation();
  }
  ExecutableRef& entry = state.front[hash % ThreadState::front_size];
  const auto fits = [&](const Executable& e) {
    return e.hash == hash && e.key.size() == cut.key.size() && std::memcmp(e.key.data(), cut.key.data(), cut.key.size() * sizeof(uint64_t)) == 0;
  };
  if (entry && fits(*entry)) return entry;
  if (ExecutableRef found = find_program(hash, cut.key)) return entry = std::move(found);
  ExecutableRef made = build(decode(cut.key), device);
  made->hash = hash;
  made->key = cut.key;
  return entry = enter_program(std::move(made));
}

void compute(ThreadState& state, std::span<Node* const> roots) {
  Scratch scratch(state);
  Cut& c = *scratch.cut;
  SmallVector<Node*, 8> outputs;
  SmallVector<Input, 16> inputs;
  SmallVector<uint64_t, 8> numbers;
  SmallVector<int64_t, 8> number_places;
  {
    std::unique_lock lock(graph_mutex);
    while (!cut(roots, c)) {
      // Another thread computes something we need: let it, then look again.
      const uint64_t seen = endings;
      lock.unlock();
      {
        const WithoutGil released;
        std::unique_lock waiting(graph_mutex);
        finished.wait(waiting, [&] { return endings != seen; });
      }
      lock.lock();
    }
    if (c.outputs.empty()) return;
    for (const uint32_t i : c.outputs) {
      outputs.push_back(c.order[i]);
      c.order[i]->in_flight = true;
    }
    for (const uint32_t i : c.leaves) {
      Node* leaf = c.order[i];
      Buffer* buffer = leaf->buffer.load(std::memory_order_acquire);
      if (!buffer) {
        number_places.push_back(static_cast<int64_t>(inputs.size()));
        numbers.push_back(memory_of_bits(leaf->attrs[0], leaf->dtype));
      }
      inputs.push_back({buffer ? buffer->data : nullptr, buffer});
    }
  }
  for (size_t i = 0; i < numbers.size(); ++i) inputs[static_cast<size_t>(number_places[i])].data = &numbers[i];

  const auto stop = [&] {
    {
      const std::lock_guard lock(graph_mutex);
      for (Node* node : outputs) node->in_flight = false;
      ++endings;
    }
    finished.notify_all();
  };
  SmallVector<Buffer*, 4> results;
  try {
    const ExecutableRef program = program_of(state, c, outputs[0]->device);
    const BadIndex bad = run_yielding(*program, {inputs.data(), inputs.size()}, results);
    if (bad.happened) {
      const int at = program->program.graph[bad.record].where.offset;
      fail_index(program->program.graph, bad, at >= 0 && static_cast<size_t>(at) < c.order.size() ? c.order[static_cast<size_t>(at)]->where : Location{});
    }
  } catch (...) {
    stop();
    throw;
  }

  // Commit: values in, edges off unless a transform may still need them; what hung on the edges is released outside the lock.
  SmallVector<Node*, 16> released;
  {
    const std::lock_guard lock(graph_mutex);
    ++endings;
    for (size_t i = 0; i < outputs.size(); ++i) {
      Node* node = outputs[i];
      node->buffer.store(results[i], std::memory_order_release);
      node->in_flight = false;
      if (edges_needed(*node)) continue;
      for (Node* input : node->inputs) released.push_back(input);
      node->inputs.clear();
      node->attrs.clear();
      node->op = &buffer_op;
    }
  }
  finished.notify_all();
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
    if (leaf->refs.load() <= uses) out.pinned_bytes += static_cast<int64_t>(leaf->buffer.load(std::memory_order_acquire)->bytes);
  return out;
}

Counters counters() {
  Counters out = run_counters();
  out.cached = static_cast<int64_t>(cached_programs());
  return out;
}

void clear_programs() { drop_programs(); }

}  // namespace pg::engine
