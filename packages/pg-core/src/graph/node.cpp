// Size: making, interning and freeing nodes share one table and its invariants (I1 to I4 in node.h).
#include "graph/node.h"
#include "graph/batch.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <optional>

#include "graph/donated.h"
#include "graph/location.h"
#include "graph/node_pool.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"
#include "support/intern_table.h"
#include "support/thread_local.h"

namespace pg {
namespace {

std::atomic<uint64_t> next_serial{1};
std::atomic<int64_t> next_trace{1};
std::atomic<int> open_traces{0};

// The traces open on this thread and their nodes, interned by (op, attributes, inputs).
struct TraceState {
  std::vector<int64_t> abstract_ids;
  uint64_t start = 0;          // serial at which the outermost began
  std::vector<NodeRef> nodes;  // in the order in which they were made
  InternTable table;           // positions in it
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

Node* allocate_node() { return new (take_node_memory()) Node; }

void free_node(Node* node) {
  if (Buffer* buffer = node->buffer.load(std::memory_order_relaxed)) Ref<Buffer>::adopt(buffer);
  node->~Node();
  give_node_memory(node);
}

// What a new node would be interned by.
struct Key {
  const Op& op;
  std::span<Node* const> inputs;
  const Attrs& attrs;
  const Aval* leaf;  // the type, where it does not follow
  uint64_t hash, time;

  Key(uint64_t start, const Op& op, std::span<Node* const> inputs, const Attrs& attrs, const Aval* leaf)
      : op(op), inputs(inputs), attrs(attrs), leaf(leaf), hash(hash_mix(0x1234567, op.id)), time(0) {
    for (const Node* input : inputs) {
      hash = hash_mix(hash, reinterpret_cast<uintptr_t>(input));
      if (input->serial > start) time = std::max(time, input->serial - start);
    }
    for (const int64_t word : attrs) hash = hash_mix(hash, static_cast<uint64_t>(word));
  }
};

bool same_leaf_type(const Node& a, const Aval& b) {
  return a.dtype == b.dtype && a.weak == b.weak && a.device == b.device && a.shape == b.shape;
}

// An evaluated node is a value with its own identity: it is never found for a new expression.
NodeRef find_node(const TraceState& trace, const Key& key) {
  const uint32_t at = trace.table.find(key.time, key.hash, [&](uint32_t position) {
    const Node& node = *trace.nodes[position];
    return node.op == &key.op && node.attrs == key.attrs && node.inputs.size() == key.inputs.size() &&
           std::equal(key.inputs.begin(), key.inputs.end(), node.inputs.begin()) &&
           (!key.leaf || same_leaf_type(node, *key.leaf)) && node.serial >= oldest_found && !node.evaluated();
  });
  return at == InternTable::none ? NodeRef() : trace.nodes[at];
}

void remember(TraceState& trace, const Key& key, const NodeRef& node) {
  trace.nodes.push_back(node);
  trace.table.enter(key.time, key.hash, trace.nodes.size() - 1);
}

void detach(Node* node) {
  auto inputs = std::move(node->inputs);
  node->inputs = {};
  for (Node* input : inputs) Ref<Node>::adopt(input);
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
  if (is_donated(node)) fail_donated(node);
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

  TraceState* trace = nullptr;  // where the node is interned, if it is
  std::optional<Key> key;
  if (trace_depth && !op.unique) {
    trace = &trace_state();
    key.emplace(trace->start, op, std::span<Node* const>(raw, inputs.size()), attrs, nullptr);
    if (NodeRef known = find_node(*trace, *key)) return known;
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
  }
  NodeRef made = NodeRef::adopt(node);
  if (trace) remember(*trace, *key, made);
  return made;
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
  TraceState& trace = trace_state();
  const Key key(trace.start, full_op, {}, attrs, &aval);
  if (NodeRef known = find_node(trace, key)) return known;
  NodeRef node = leaf_node(full_op, aval, attrs);
  remember(trace, key, node);
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
  if (!trace_depth++) trace_state().start = start_;
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
  std::vector<NodeRef> nodes = std::exchange(trace.nodes, {});
  trace.table = InternTable();
  // Users before their operands: a node that nobody else holds is freed while it is in the cache.
  for (; !nodes.empty(); nodes.pop_back()) {
    Node* node = nodes.back().get();
    if (node->evaluated() && node->op != &buffer_op) detach(node);  // what was read needs its edges no more
  }
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

}  // namespace pg
