// Size: making, interning and freeing nodes share one table and its invariants (I1 to I4 in node.h).
#include "graph/node.h"
#include "graph/batch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <new>

#include "graph/location.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"
#include "support/thread_local.h"

namespace pg {
namespace {

std::atomic<int64_t> other_nodes{0};  // living nodes that no thread's list counts
std::atomic<uint64_t> next_serial{1};
std::atomic<int64_t> next_trace{1};
std::atomic<int> open_traces{0};

// Freed nodes of this thread, for reuse; bounded, so that one deep graph does not keep its memory for ever.
// Each list counts what its thread made less what it freed, so that counting needs no locked instruction.
struct NodeList {
  static constexpr size_t limit = 256;
  void* spare[limit];
  size_t count = 0;
  std::atomic<int64_t> balance{0};  // written by its thread only
  void add(int64_t n) {
    balance.store(balance.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};
PG_THREAD_LOCAL NodeList* node_list = nullptr;
PG_THREAD_LOCAL bool thread_ended = false;  // later destructors of this thread use the system's memory

struct NodeLists {
  std::mutex mutex;
  std::vector<const NodeList*> all;
};
NodeLists& node_lists() {
  static auto* lists = new NodeLists;  // threads may outlive static destruction
  return *lists;
}

struct NodeListOwner {
  NodeListOwner() {
    node_list = new NodeList;
    const std::lock_guard lock(node_lists().mutex);
    node_lists().all.push_back(node_list);
  }
  ~NodeListOwner() {
    NodeList* list = std::exchange(node_list, nullptr);
    thread_ended = true;
    {
      const std::lock_guard lock(node_lists().mutex);
      std::erase(node_lists().all, list);
      other_nodes.fetch_add(list->balance.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    for (size_t i = 0; i < list->count; ++i) ::operator delete(list->spare[i], std::align_val_t(64));
    delete list;
  }
};

[[gnu::noinline]] NodeList* make_node_list() {
  if (!thread_ended) static thread_local NodeListOwner owner;
  return node_list;
}

// The traces open on this thread and their table of nodes, keyed by (op, attributes, inputs).
struct TraceState {
  std::vector<int64_t> abstract_ids;
  std::vector<Node*> table;  // open addressing; owns one reference each
  size_t used = 0;
};
PG_THREAD_LOCAL int trace_depth = 0;
PG_THREAD_LOCAL int abstract_depth = 0;
PG_THREAD_LOCAL const Location* stated_location = nullptr;
PG_THREAD_LOCAL int literal_depth = 0;
// Nodes older than this are not found for new expressions: a body computes what its code says, whatever was
// computed outside before.
PG_THREAD_LOCAL uint64_t oldest_found = 0;

TraceState& trace_state() {
  static thread_local TraceState state;
  return state;
}

Node* allocate_node() {
  NodeList* list = node_list ? node_list : make_node_list();
  void* raw =
      list && list->count ? list->spare[--list->count] : ::operator new(sizeof(Node), std::align_val_t(64));
  if (list) list->add(1);
  else other_nodes.fetch_add(1, std::memory_order_relaxed);
  return new (raw) Node;
}

void free_node(Node* node) {
  if (Buffer* buffer = node->buffer.load(std::memory_order_relaxed)) Ref<Buffer>::adopt(buffer);
  node->~Node();
  NodeList* list = node_list ? node_list : make_node_list();
  if (list) list->add(-1);
  else other_nodes.fetch_sub(1, std::memory_order_relaxed);
  if (list && list->count < NodeList::limit) list->spare[list->count++] = node;
  else ::operator delete(static_cast<void*>(node), std::align_val_t(64));
}

uint64_t key_hash(const Op& op, std::span<Node* const> inputs, const Attrs& attrs) {
  uint64_t h = hash_mix(0x1234567, op.id);
  for (Node* input : inputs) h = hash_mix(h, reinterpret_cast<uintptr_t>(input));
  for (int64_t word : attrs) h = hash_mix(h, static_cast<uint64_t>(word));
  return h;
}

bool same_leaf_type(const Node& a, const Aval& b) {
  return a.dtype == b.dtype && a.weak == b.weak && a.device == b.device && a.shape == b.shape;
}

void grow_table(TraceState& trace) {
  std::vector<Node*> old = std::move(trace.table);
  trace.table.assign(std::max<size_t>(64, old.size() * 2), nullptr);
  for (Node* node : old) {
    if (!node) continue;
    size_t at = key_hash(*node->op, {node->inputs.data(), node->inputs.size()}, node->attrs) &
                (trace.table.size() - 1);
    while (trace.table[at]) at = (at + 1) & (trace.table.size() - 1);
    trace.table[at] = node;
  }
}

// An evaluated node is a value with its own identity: it is never found for a new expression.
Node** find_slot(TraceState& trace, const Op& op, std::span<Node* const> inputs, const Attrs& attrs,
                 const Aval* leaf) {
  if (trace.table.empty() || trace.used * 2 >= trace.table.size()) grow_table(trace);
  size_t at = key_hash(op, inputs, attrs) & (trace.table.size() - 1);
  for (;; at = (at + 1) & (trace.table.size() - 1)) {
    Node* node = trace.table[at];
    if (!node) return &trace.table[at];
    if (node->op == &op && node->attrs == attrs && node->inputs.size() == inputs.size() &&
        std::equal(inputs.begin(), inputs.end(), node->inputs.begin()) &&
        (!leaf || same_leaf_type(*node, *leaf)) && node->serial >= oldest_found && !node->evaluated())
      return &trace.table[at];
  }
}

void detach(Node* node) {
  auto inputs = std::move(node->inputs);
  node->inputs = {};
  for (Node* input : inputs) Ref<Node>::adopt(input);
}

void remember(Node** slot, Node* node) {
  node->refs.retain();
  *slot = node;
  ++trace_state().used;
}

NodeRef leaf_node(const Op& op, const Aval& aval, Attrs attrs) {
  Node* node = allocate_node();
  node->op = &op;
  node->dtype = aval.dtype;
  node->weak = aval.weak;
  node->device = aval.device;
  node->shape = aval.shape;
  node->attrs = std::move(attrs);
  if (trace_depth) node->serial = next_serial.fetch_add(1, std::memory_order_relaxed);
  return NodeRef::adopt(node);
}

void check_alive(const Node& node) {
  require(abstract_depth > 0, ErrorKind::trace, [&] {
    const std::string place = describe_location ? describe_location(node.where) : "";
    return concat(
        "a traced value ", to_string(node.aval()), place.empty() ? "" : " made at " + place,
        " is used after its trace ended; return it from the traced function instead of storing it elsewhere");
  });
}

Aval infer_leaf(std::span<const Aval>, const Attrs&) { fail(ErrorKind::internal, "leaves are not inferred"); }
Aval infer_same(std::span<const Aval> in, const Attrs&) { return in[0]; }
NodeRef transpose_same(const NodeRef& ct, const RuleArgs&, const Aval&, int) { return ct; }

Aval picked_type(std::span<const Aval> in, const Attrs& attrs) {
  Aval out{{}, static_cast<DType>(attrs[1]), attrs[2] != 0, in[0].device};
  out.shape.assign(attrs.begin() + 3, attrs.end());
  return out;
}

}  // namespace

Location (*current_location)() = nullptr;
std::string (*describe_location)(const Location&) = nullptr;
std::atomic<bool> locations_outside_traces{false};

LocationScope::LocationScope(const Location& where) : where_(where), outer_(stated_location) {
  if (where_.code) stated_location = &where_;
}
LocationScope::~LocationScope() { stated_location = outer_; }

const Op& buffer_op = define({.name = "buffer",
                              .doc = "A value from outside the graph.",
                              .arity = 0,
                              .infer = infer_leaf,
                              .lower = Leaf{},
                              .unique = true});
const Op& number_op = define({.name = "number",
                              .doc = "A run-time number filled to a shape.",
                              .arity = 0,
                              .infer = infer_leaf,
                              .lower = Leaf{},
                              .unique = true});
const Op& full_op = define({.name = "full",
                            .doc = "A literal number filled to a shape.",
                            .arity = 0,
                            .infer = infer_leaf,
                            .lower = Fill{}});
const Op& param_op = define({.name = "param",
                             .doc = "A placeholder without a value.",
                             .arity = 0,
                             .infer = infer_leaf,
                             .lower = Leaf{},
                             .unique = true});
const Op& alias_op = define({.name = "alias",
                             .doc = "The same value under its own identity.",
                             .infer = infer_same,
                             .lower = Identity{},
                             .facts = {linear()},
                             .joint = true,
                             .transpose = transpose_same,
                             .batch = batch_same,
                             .unique = true});
const Op& stop_gradient_op = define({.name = "stop_gradient",
                                     .doc = "The same value, treated as a constant by differentiation.",
                                     .infer = infer_same,
                                     .lower = Identity{},
                                     .facts = {no_derivative()},
                                     .batch = batch_same});

const Op& pick_op = define({.name = "pick",
                            .doc = "One of the results of an op that has several.",
                            .infer = picked_type,
                            .lower = Pick{},
                            .show = [](const Attrs& a) { return concat("index=", a[0]); }});

void destroy(Node* node) {
  // The dead are chained through `serial`, a field nobody reads any more, so that chains of any depth are
  // freed in a loop.
  node->serial = 0;
  Node* dead = node;
  while (dead) {
    Node* current = dead;
    dead = reinterpret_cast<Node*>(static_cast<uintptr_t>(current->serial));
    for (Node* input : current->inputs) {
      if (input->refs.release()) {
        input->serial = reinterpret_cast<uintptr_t>(dead);
        dead = input;
      }
    }
    free_node(current);
  }
}

int64_t live_nodes() {
  const std::lock_guard lock(node_lists().mutex);
  int64_t total = other_nodes.load(std::memory_order_relaxed);
  for (const NodeList* list : node_lists().all) total += list->balance.load(std::memory_order_relaxed);
  return total;
}

NodeRef make(const Op& op, std::span<const NodeRef> inputs, Attrs attrs) {
  PG_INVARIANT(op.arity < 0 ? !inputs.empty() || op.several()
                            : static_cast<size_t>(op.arity) == inputs.size(),
               op.name);
  if (op.simplify)
    if (NodeRef simpler = op.simplify(inputs, attrs)) return simpler;

  Node* raw_small[4];
  std::vector<Node*> raw_large;
  Node** raw = raw_small;
  if (inputs.size() > 4) {
    raw_large.resize(inputs.size());
    raw = raw_large.data();
  }
  bool abstract = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    raw[i] = inputs[i].get();
    abstract = abstract || raw[i]->abstract;
  }
  if (abstract)
    check_alive(**std::find_if(raw, raw + inputs.size(), [](const Node* n) { return n->abstract; }));

  Node** slot = nullptr;
  if (trace_depth && !op.unique) {
    slot = find_slot(trace_state(), op, {raw, inputs.size()}, attrs, nullptr);
    if (*slot) return NodeRef::share(*slot);
  }

  Aval types_small[4];
  std::vector<Aval> types_large;
  Aval* types = types_small;
  if (inputs.size() > 4) {
    types_large.resize(inputs.size());
    types = types_large.data();
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    types[i].shape = raw[i]->shape;
    types[i].dtype = raw[i]->dtype;
    types[i].weak = raw[i]->weak;
    types[i].device = raw[i]->device;
  }
  for (size_t i = 1; i < inputs.size(); ++i)
    require(types[i].device == types[0].device, ErrorKind::device, [&] {
      return concat(op.name, ": operands live on ", to_string(types[0].device), " and ",
                    to_string(types[i].device), "; move one with .to(device)");
    });
  Aval result = op.infer({types, inputs.size()}, attrs);

  Node* node = allocate_node();
  node->op = &op;
  node->dtype = result.dtype;
  node->weak = result.weak;
  node->device = result.device;
  node->shape = std::move(result.shape);
  node->attrs = std::move(attrs);
  node->abstract = abstract;
  node->inputs.assign(raw, raw + inputs.size());
  for (Node* input : node->inputs) input->refs.retain();
  if (op.payloads) [[unlikely]]
    node->payloads = hold({node->attrs.data(), op.payloads(node->attrs)});
  if (trace_depth || locations_outside_traces.load(std::memory_order_relaxed)) {
    if (stated_location) node->where = *stated_location;
    else if (current_location) node->where = current_location();
  }
  if (trace_depth) {
    node->serial = next_serial.fetch_add(1, std::memory_order_relaxed);
    if (slot) remember(slot, node);
  }
  return NodeRef::adopt(node);
}

// ---- leaves
// --------------------------------------------------------------------------------------------------------------

NodeRef buffer_node(Ref<Buffer> buffer, Aval aval) {
  NodeRef node = leaf_node(buffer_op, aval, {});
  node->buffer.store(buffer.detach(), std::memory_order_release);
  return node;
}

NodeRef number_node(int64_t bits, Aval aval) { return leaf_node(number_op, aval, {bits}); }

NodeRef full_node(int64_t bits, Aval aval) {
  Attrs attrs{bits};
  if (!trace_depth) return leaf_node(full_op, aval, std::move(attrs));
  Node** slot = find_slot(trace_state(), full_op, {}, attrs, &aval);
  if (*slot) return NodeRef::share(*slot);
  NodeRef node = leaf_node(full_op, aval, std::move(attrs));
  remember(slot, node.get());
  return node;
}

NodeRef full_node(double value, const Aval& aval) {
  if (!is_inexact(aval.dtype)) return full_node(static_cast<int64_t>(value), aval);
  double rounded = value;
  if (real_type(aval.dtype) == DType::float32) rounded = static_cast<float>(value);
  if (aval.dtype == DType::float16) rounded = half_to_float(float_to_half(static_cast<float>(value)));
  if (aval.dtype == DType::bfloat16)
    rounded = bfloat16_to_float(float_to_bfloat16(static_cast<float>(value)));
  return full_node(scalar_bits(rounded), aval);
}

NodeRef zeros_like(const Aval& aval) { return full_node(0.0, aval); }
NodeRef negative_zeros_like(const Aval& aval) { return full_node(is_inexact(aval.dtype) ? -0.0 : 0.0, aval); }

NodeRef param_node(Aval aval, int64_t position) {
  PG_INVARIANT(abstract_depth > 0, "a param outside an abstract trace");
  NodeRef node = leaf_node(param_op, aval, {trace_state().abstract_ids.back(), position});
  node->abstract = true;
  return node;
}

NodeRef alias_node(const NodeRef& x) { return make(alias_op, {x}); }

NodeRef pick(const NodeRef& x, size_t index, const Aval& type) {
  Attrs attrs{static_cast<int64_t>(index), static_cast<int64_t>(type.dtype), type.weak};
  for (const int64_t extent : type.shape) attrs.push_back(extent);
  return make(pick_op, {x}, std::move(attrs));
}

std::vector<NodeRef> results_of(const NodeRef& x) {
  if (!x->op->several()) return {x};
  std::vector<Aval> in;
  for (const Node* input : x->inputs) in.push_back(input->aval());
  std::vector<NodeRef> out;
  for (const Aval& type : x->op->outputs(in, x->attrs)) out.push_back(pick(x, out.size(), type));
  return out;
}

bool is_full_of(const NodeRef& x, double value) {
  if (x->op != &full_op) return false;
  if (!is_inexact(x->dtype)) return !std::signbit(value) && static_cast<double>(x->attrs[0]) == value;
  return x->attrs[0] == scalar_bits(value);
}

// ---- traces
// --------------------------------------------------------------------------------------------------------------

OpenTrace::OpenTrace(bool abstract, bool literals)
    : start_(next_serial.fetch_add(1)), id_(next_trace.fetch_add(1)), abstract_(abstract),
      literals_(literals) {
  ++trace_depth;
  literal_depth += literals_;
  open_traces.fetch_add(1);
  if (!abstract) return;
  ++abstract_depth;
  trace_state().abstract_ids.push_back(id_);
}

OpenTrace::~OpenTrace() {
  TraceState& trace = trace_state();
  literal_depth -= literals_;
  if (abstract_) {
    trace.abstract_ids.pop_back();
    --abstract_depth;
  }
  open_traces.fetch_sub(1);
  if (--trace_depth) return;
  std::vector<Node*> table = std::move(trace.table);
  trace.table.clear();
  trace.used = 0;
  for (Node* node : table)
    if (node && node->evaluated() && node->op != &buffer_op)
      detach(node);  // what was read needs its edges no more
  for (Node* node : table)
    if (node) Ref<Node>::adopt(node);
}

BodyTrace::BodyTrace() : OpenTrace(true, true), outer_(std::exchange(oldest_found, start())) {}
BodyTrace::~BodyTrace() { oldest_found = outer_; }

bool trace_open() { return trace_depth > 0; }
bool numbers_literal() { return literal_depth > 0; }

bool edges_needed(const Node& node) {
  // Exact per thread would need the owner; a node with a serial was made inside some trace, and while any is
  // open it is kept.
  return node.serial != 0 && open_traces.load(std::memory_order_relaxed) > 0;
}

// ---- traversal
// -----------------------------------------------------------------------------------------------------------

namespace {

/// The nodes one traversal has met: a set of its own instead of marks, because traces of several threads may
/// share nodes.
class NodeSet {
 public:
  /// False when it was there already.
  bool insert(Node* node) {
    if (used_ * 2 >= table_.size()) {
      std::vector<Node*> old(table_.size() * 2, nullptr);
      old.swap(table_);
      for (Node* n : old)
        if (n) table_[place(n)] = n;
    }
    Node*& found = table_[place(node)];
    if (found) return false;
    found = node;
    ++used_;
    return true;
  }
  bool contains(const Node* node) const { return table_[place(node)] != nullptr; }

 private:
  std::vector<Node*> table_ = std::vector<Node*>(64, nullptr);
  size_t used_ = 0;

  size_t place(const Node* node) const {
    size_t at = hash_mix(1, reinterpret_cast<uintptr_t>(node)) & (table_.size() - 1);
    while (table_[at] && table_[at] != node) at = (at + 1) & (table_.size() - 1);
    return at;
  }
};

}  // namespace

std::vector<Node*> reachable(std::span<const NodeRef> outputs, uint64_t oldest) {
  std::vector<Node*> order, stack;
  NodeSet seen;
  for (const NodeRef& output : outputs)
    if (output && output->serial >= oldest && seen.insert(output.get())) stack.push_back(output.get());
  while (!stack.empty()) {
    Node* node = stack.back();
    stack.pop_back();
    order.push_back(node);
    for (Node* input : node->inputs)
      if (input->serial >= oldest && seen.insert(input)) stack.push_back(input);
  }
  std::sort(order.begin(), order.end(), [](const Node* a, const Node* b) { return a->serial < b->serial; });
  return order;
}

std::vector<Node*> dependents(std::span<const NodeRef> outputs, std::span<const NodeRef> roots) {
  if (roots.empty()) return {};
  uint64_t oldest = std::numeric_limits<uint64_t>::max();
  NodeSet live;
  for (const NodeRef& root : roots) {
    oldest = std::min(oldest, root->serial);
    live.insert(root.get());
  }
  std::vector<Node*> out;
  for (Node* node : reachable(outputs, oldest)) {
    if (live.contains(node)) continue;
    for (Node* input : node->inputs)
      if (input->serial >= oldest && live.contains(input)) {
        live.insert(node);
        out.push_back(node);
        break;
      }
  }
  return out;
}

}  // namespace pg
