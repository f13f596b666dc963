#pragma once
// Nodes: what ops build. Light, immutable, not unique outside a trace; interned inside one
// (transforms.md 1.1).
//
// I1  serial(node) > serial(inputs) inside a trace, serials are never reused; 0 marks a node made outside any
// trace. I2  interning key = (op, attributes to the last bit, input identities). I3  only exact
// simplifications when a node is made. I4  evaluation drops a node's inputs only when no open trace may still
// need them.

#include <atomic>
#include <span>

#include "graph/op.h"
#include "runtime/buffer.h"

namespace pg {

/// Where in the user's Python an op was called: a code object and an instruction offset, formatted only when
/// shown.
struct Location {
  void* code = nullptr;  // PyCodeObject*, kept alive by the bindings for the life of the process
  int offset = -1;
};

// Three cache lines: what a walk reads, what a rule reads, type and scratch.
struct Node {
  RefCount refs;
  DType dtype = DType::float32;
  bool weak = false;
  bool abstract = false;   // depends on a param: its value cannot be read
  bool in_flight = false;  // being evaluated by some thread (graph lock)
  const Op* op = nullptr;
  uint64_t serial = 0;
  std::atomic<Buffer*> buffer{nullptr};  // owned reference; null while pending
  SmallVector<Node*, 3> inputs;          // owned references
  Attrs attrs;
  Location where;
  Payloads payloads;  // what the first words of attrs name
  Shape shape;
  uint32_t mark = 0, index = 0, uses = 0;  // scratch of the cut, touched only under the graph lock
  Device device{};

  Aval aval() const { return {shape, dtype, weak, device}; }
  bool evaluated() const { return buffer.load(std::memory_order_acquire) != nullptr; }
  NodeRef input(size_t i) const { return NodeRef::share(inputs[i]); }
};
static_assert(sizeof(Node) <= 192);
void destroy(Node* node);  // iterative: frees chains of any depth

/// The one way to build a node: check operands, simplify, look up (inside a trace), else create.
NodeRef make(const Op& op, std::span<const NodeRef> inputs, Attrs attrs = {});
inline NodeRef make(const Op& op, std::initializer_list<NodeRef> inputs, Attrs attrs = {}) {
  return make(op, std::span<const NodeRef>(inputs.begin(), inputs.size()), std::move(attrs));
}

// Leaves.
extern const Op& buffer_op;  // has a value from outside
extern const Op&
    number_op;              // run-time number filled to a shape: attrs[0] = bits, never part of a program key
extern const Op& full_op;   // literal filled to a shape: attrs[0] = bits, part of the key
extern const Op& param_op;  // abstract placeholder: attrs[0] = trace id, attrs[1] = position
extern const Op& alias_op;  // identity with its own identity: stands for a differentiated input
extern const Op& stop_gradient_op;
extern const Op& pick_op;  // attrs: number of the result, dtype, weak, shape...

NodeRef buffer_node(Ref<Buffer> buffer, Aval aval);
NodeRef number_node(int64_t bits, Aval aval);
NodeRef full_node(int64_t bits, Aval aval);         // bits as scalar_bits / int64
NodeRef full_node(double value, const Aval& aval);  // converts to the dtype first (exact for small constants)
// A literal of a complex dtype is one real number: its imaginary part is +0, but -0.0 stands for -0 - 0i.
NodeRef zeros_like(const Aval& aval);
NodeRef negative_zeros_like(const Aval& aval);  // -0.0: the exact neutral element of add
NodeRef param_node(Aval aval, int64_t position);
NodeRef alias_node(const NodeRef& x);
/// One of the results of a node that has several; `type` is that result's (the device is the node's).
NodeRef pick(const NodeRef& x, size_t index, const Aval& type);
/// All of them, in order; of any other node, the node.
std::vector<NodeRef> results_of(const NodeRef& x);
/// A filled constant's value as double, if the node is one (full only).
bool is_full_of(const NodeRef& x, double value);  // compares bits for zero's sign

// ---- traces
// ------------------------------------------------------------------------------------------------------------

/// While one is open on this thread, new nodes carry serials and are interned. Closing the outermost detaches
/// evaluated nodes.
class OpenTrace {
 public:
  /// abstract: jit / vmap, whose placeholders have no value; literals: jit, where numbers are part of the
  /// program.
  explicit OpenTrace(bool abstract, bool literals = false);
  virtual ~OpenTrace();
  OpenTrace(const OpenTrace&) = delete;
  uint64_t start() const { return start_; }  // serial at which this trace began
  int64_t id() const { return id_; }

 private:
  uint64_t start_;
  int64_t id_;
  bool abstract_, literals_;
};
/// The trace of a body, closed over afterwards: nothing computed before it is found for its expressions, so
/// that equal code gives equal bodies wherever it runs.
class BodyTrace : public OpenTrace {
 public:
  BodyTrace();
  ~BodyTrace() override;

 private:
  uint64_t outer_;
};
bool trace_open();       // any trace on this thread
bool numbers_literal();  // Python numbers become literals: a jit trace is open on this thread
/// May evaluation drop this node's inputs? (I4)
bool edges_needed(const Node& node);

/// Hook set by the bindings: the current Python location (only asked while a trace is open). May be null.
extern Location (*current_location)();
/// Hook set by the bindings: "file.py:12 in f", or empty. May be null.
extern std::string (*describe_location)(const Location&);

}  // namespace pg
