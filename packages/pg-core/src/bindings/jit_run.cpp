// A call of a traced program that fits: donated tensors are taken, captured ones written.

#include <unordered_map>

#include "backends/cuda/memory.h"
#include "bindings/jit.h"
#include "bindings/values.h"
#include "engine/engine.h"
#include "graph/donated.h"
#include "support/error.h"

namespace pg::bindings {
namespace {

/// Computes the inputs that are pending, all in one cut.
void evaluate_pending(Match& match) {
  std::vector<Node*> pending;
  for (const Leaf& leaf : match.leaves)
    if (leaf.node && !leaf.node->evaluated()) pending.push_back(leaf.node);
  if (pending.empty()) return;
  match.own();  // other threads may run meanwhile
  drain_decrefs();
  engine::evaluate(pending);
}

/// A function that rebinds an argument must not see the same handle twice: which of the two would it have
/// changed?
void check_distinct(const Entry& entry, const Match& match) {
  std::unordered_map<TensorObject*, size_t> seen;
  for (size_t i = 0; i < match.leaves.size(); ++i) {
    TensorObject* handle = match.leaves[i].handle;
    if (handle && !seen.emplace(handle, i).second)
      fail(ErrorKind::trace, "a jitted function changes a tensor in place that it is given twice (or that it "
                             "also captured); pass different tensors");
  }
  for (const Entry::Write& write : entry.writes)
    require(!write.handle || !seen.contains(as_tensor(write.handle.ptr())) ||
                seen[as_tensor(write.handle.ptr())] >= entry.leaf_count,
            ErrorKind::trace,
            "a jitted function changes a captured tensor in place that it is also given as an argument; pass "
            "another tensor");
}

// Takes the donated tensors from their handles, which stand for nothing from now on. A buffer may be written
// over when nobody else holds it, and no other input lies in it. Answers the nodes, which the caller holds.
std::vector<NodeRef> take_donated(const Entry& entry, Match& match, std::span<engine::Input> inputs) {
  std::vector<NodeRef> taken;
  std::unordered_map<const Buffer*, int> uses;
  for (const engine::Input& input : inputs)
    if (input.buffer) ++uses[input.buffer];
  for (const uint32_t i : entry.donated) {
    const Leaf& leaf = match.leaves[i];
    if (!leaf.node || !leaf.handle || leaf.handle->node != leaf.node) continue;
    const uint32_t references = match.owning() ? 2 : 1;
    const Buffer& buffer = *inputs[i].buffer;
    inputs[i].donated = leaf.node->refs.load() == references && buffer.refs.load() == 1 &&
                        !buffer.read_only && (!buffer.owner.release || cuda::is_own(buffer)) &&
                        uses[&buffer] == 1;
    taken.push_back(NodeRef::adopt(leaf.handle->node));
    leaf.handle->node = donated_node(leaf.node->aval()).detach();
  }
  return taken;
}

}  // namespace

PyObject* run_entry(Entry& entry, Match& match, std::mutex& state) {
  entry.calls.fetch_add(1, std::memory_order_relaxed);
  const cuda::AllocatorScope allocator(entry.custom_allocator);
  std::unique_lock<std::mutex> ordered;
  if (!entry.writes.empty()) {
    // Reading and writing captured tensors is one step: two threads must not both continue from the same
    // state.
    ordered = std::unique_lock(state, std::try_to_lock);
    if (!ordered) {
      match.own();
      {
        const engine::WithoutGil released;
        ordered.lock();
      }
      require(
          match.refresh(), ErrorKind::trace,
          "another thread changed the type of a tensor that this call of a jitted function changes in place");
    }
    check_distinct(entry, match);
    if (entry.writes_arguments) match.own();
  }
  evaluate_pending(match);

  SmallVector<engine::Input, 32> inputs;
  for (Leaf& leaf : match.leaves) {
    Buffer* buffer = leaf.node ? leaf.node->buffer.load(std::memory_order_acquire) : nullptr;
    inputs.push_back({buffer ? buffer->data : &leaf.bits, buffer});
  }
  std::vector<NodeRef> taken;
  if (!entry.donated.empty()) taken = take_donated(entry, match, {inputs.data(), inputs.size()});
  struct Results {
    SmallVector<Buffer*, 4> buffers;
    BufferRef take(size_t i) { return BufferRef::adopt(std::exchange(buffers[i], nullptr)); }
    ~Results() { engine::release(buffers); }
  } outputs;
  entry.program.run(inputs, outputs.buffers);

  const std::span<const Aval> types = entry.program.results();
  const size_t results = types.size() - entry.writes.size();
  if (!entry.writes.empty()) {
    std::vector<NodeRef> written;
    for (size_t i = results; i < types.size(); ++i) written.push_back(buffer_node(outputs.take(i), types[i]));
    for (const Entry::Write& write : entry.writes) {
      TensorObject* handle = write.handle ? as_tensor(write.handle.ptr()) : match.leaves[write.leaf].handle;
      if (handle)
        rebind(handle, std::move(written[write.result - results]));  // null: the argument was a number
    }
    ordered.unlock();
  }

  SmallVector<PyObject*, 32> made;
  bool failed = false;
  for (size_t i = 0; i < results && !failed; ++i) {
    PyObject* tensor = wrap(buffer_node(outputs.take(i), types[i]));
    failed = !tensor;
    if (tensor) made.push_back(tensor);
  }
  PyObject* result = failed ? nullptr : build_output(entry.out, made.data());
  for (PyObject* tensor : made) Py_DECREF(tensor);
  return result;
}

}  // namespace pg::bindings
