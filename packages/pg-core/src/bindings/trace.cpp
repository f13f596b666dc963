#include "bindings/trace.h"

#include <pybind11/stl.h>

#include "bindings/values.h"
#include "engine/engine.h"
#include "graph/walk.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "support/thread_local.h"
#include "transforms/api.h"

namespace pg::bindings {
namespace {

PG_THREAD_LOCAL Trace* innermost = nullptr;

/// (tensor, does it differ from example to example) each; the tensor is None for zero.
py::list pairs_of(std::span<const Batched> found) {
  py::list out;
  for (const auto& [node, batched] : found)
    out.append(py::make_tuple(node ? wrap_object(node) : py::none(), batched));
  return out;
}

/// The linear part of a function at one point: may be used any number of times, both ways.
struct Pullback {
  Linearized linear;
  py::list operator()(const py::sequence& cotangents) const {
    return tensors_of(pull(linear, nodes_of(cotangents, true)));
  }
  py::list pushed(const py::sequence& tangents) const {
    return tensors_of(push(linear, nodes_of(tangents, true)));
  }
  py::list pushed_many(const py::sequence& tangents, int64_t size) const {
    return pairs_of(push_many(linear, nodes_of(tangents, true), size));
  }
};

}  // namespace

std::vector<NodeRef> nodes_of(const py::sequence& tensors, bool none_allowed) {
  std::vector<NodeRef> out;
  // Here and wherever a sequence is walked: as a list, which holds its items; other sequences make them.
  for (py::handle t : py::list(tensors)) {
    if (none_allowed && t.is_none()) {
      out.emplace_back();
      continue;
    }
    require(is_tensor(t.ptr()), ErrorKind::type,
            [&] { return concat("expected a Tensor, got ", Py_TYPE(t.ptr())->tp_name); });
    out.push_back(node_of(as_tensor(t.ptr())));
  }
  return out;
}

py::list tensors_of(std::span<const NodeRef> nodes) {
  py::list out;
  for (const NodeRef& node : nodes) out.append(node ? wrap_object(node) : py::none());
  return out;
}

Trace* current_trace() { return innermost; }
int64_t current_trace_id() { return innermost ? innermost->id() : 0; }
bool hidden_by_trace(const TensorObject* handle) { return innermost && innermost->hides(handle); }

Trace::Trace(bool abstract, bool captures) : abstract_(abstract), capturing_(captures) {
  require(abstract || !captures, ErrorKind::trace, "only an abstract trace captures handles");
}
Trace::~Trace() {
  if (open()) exit();
}

std::unique_ptr<OpenTrace> Trace::open_trace() const {
  return std::make_unique<OpenTrace>(abstract_, capturing_);
}

NodeRef Trace::read_outside(TensorObject* handle) {
  return outer_ ? outer_->read(handle) : NodeRef::share(handle->node);
}

void Trace::enter() {
  require(!open() && id_ == 0, ErrorKind::trace, "a Trace is entered once");
  trace_ = open_trace();
  start_ = trace_->start();
  id_ = trace_->id();
  if (!abstract_) return;
  outer_ = innermost;
  innermost = this;
}

void Trace::exit() {
  if (!open()) return;
  for (Capture& c : captures_) {
    if (!c.written) continue;
    TensorObject* t = as_tensor(c.handle.ptr());
    c.written = NodeRef::share(t->node);
    NodeRef::adopt(std::exchange(t->node, NodeRef(c.original).detach()));
  }
  if (abstract_) {
    innermost = outer_;
    if (outer_) {
      outer_->inner_.insert(id_);
      outer_->inner_.insert(inner_.begin(), inner_.end());
    }
  }
  trace_.reset();
}

Capture& Trace::capture(TensorObject* handle) {
  const auto [found, fresh] = known_.emplace(handle, captures_.size());
  if (fresh)
    captures_.push_back({py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(handle)),
                         NodeRef::share(handle->node), nullptr, nullptr});
  return captures_[found->second];
}

const Capture* Trace::find_capture(TensorObject* handle) const {
  const auto found = known_.find(handle);
  return found == known_.end() ? nullptr : &captures_[found->second];
}

NodeRef Trace::param_of(TensorObject* handle) const {
  const auto found = params_.find(handle);
  return found == params_.end() ? NodeRef() : found->second;
}

bool Trace::hides(const TensorObject* handle) const {
  if (made(handle)) return false;
  return capturing_ || (outer_ && outer_->hides(handle));
}

bool Trace::depends_on_params(const NodeRef& node) const {
  for (const Node* below : reachable(std::span(&node, 1), start_))
    if (below->op == &param_op && below->attrs[0] == id_) return true;
  return false;
}

NodeRef Trace::read(TensorObject* handle) {
  // A handle made inside names a node of the trace already; one made in an outer trace may name a placeholder
  // there.
  if (made(handle) || handle->node->abstract) return NodeRef::share(handle->node);
  if (!capturing_) return read_outside(handle);
  Capture& c = capture(handle);
  if (c.written) return NodeRef::share(handle->node);
  if (!c.param) {
    c.param = param_node(c.original->aval(),
                         static_cast<int64_t>(1) << 32 | static_cast<int64_t>(known_.at(handle)));
    c.param->attrs[0] = id_;  // a trace inside of this one may be open
  }
  return c.param;
}

void Trace::write(TensorObject* handle, NodeRef node) {
  if (!made(handle)) {
    if (capturing_) capture(handle).written = node;
    else {
      require(!node->abstract || !depends_on_params(node), ErrorKind::trace, [&] {
        const Location here = nearest_user_location();
        return concat(
            "vmap: a tensor from outside of the mapped function is assigned a value that differs from "
            "example to example",
            here.code ? concat(" (", format_location(here), ")") : "",
            "; return the value, and assign it outside");
      });
      if (outer_) return outer_->write(handle, std::move(node));
    }
  }
  NodeRef::adopt(std::exchange(handle->node, node.detach()));
}

Body::~Body() { exit(); }

std::unique_ptr<OpenTrace> Body::open_trace() const { return std::make_unique<BodyTrace>(); }

void Body::exit() {
  if (!open()) return;
  for (Entry& e : entries_) {
    TensorObject* t = as_tensor(e.handle.ptr());
    e.last = NodeRef::adopt(std::exchange(t->node, NodeRef(e.original).detach()));
  }
  Trace::exit();
}

NodeRef Body::read(TensorObject* handle) {
  // What the body bound to a handle is no capture of a jit trace around it.
  if (made(handle) || handle->node->abstract || known_.contains(handle)) return NodeRef::share(handle->node);
  return read_outside(handle);
}

void Body::write(TensorObject* handle, NodeRef node) {
  if (!made(handle)) entry(handle);
  NodeRef::adopt(std::exchange(handle->node, node.detach()));
}

NodeRef Body::param(Aval type) {
  require(open(), ErrorKind::trace, "a placeholder needs an open body");
  static std::atomic<int64_t> position{0};
  return param_node(std::move(type), position.fetch_add(1));
}

Body::Entry& Body::entry(TensorObject* handle) {
  const auto [found, fresh] = known_.emplace(handle, entries_.size());
  if (fresh)
    entries_.push_back({py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(handle)),
                        NodeRef::share(handle->node), nullptr, nullptr});
  return entries_[found->second];
}

void Body::bind(TensorObject* handle, NodeRef node) {
  require(open(), ErrorKind::trace, "a handle is bound in an open body");
  entry(handle).bound = node;
  NodeRef::adopt(std::exchange(handle->node, node.detach()));
}

py::list Body::written() const {
  py::list out;
  for (const Entry& e : entries_) {
    const NodeRef last = e.last ? e.last : NodeRef::share(as_tensor(e.handle.ptr())->node);
    if (last != (e.bound ? e.bound : e.original)) out.append(py::make_tuple(e.handle, wrap_object(last)));
  }
  return out;
}

NodeRef node_of(TensorObject* tensor) {
  if (innermost) [[unlikely]]
    return innermost->read(tensor);
  return NodeRef::share(tensor->node);
}

void rebind(TensorObject* tensor, NodeRef node) {
  if (innermost) return innermost->write(tensor, std::move(node));
  NodeRef::adopt(std::exchange(tensor->node, node.detach()));
}

void count_pending(const Node& node) {
  constexpr int64_t most_nodes = 10'000, most_bytes = 64 << 20;
  constexpr int64_t nodes_per_op = 16, handles_per_op = 256;  // that the next ops pay for
  PG_THREAD_LOCAL static int64_t nodes = 0, bytes = 0, rest = 0;
  if (node.evaluated()) return;
  ++nodes;
  for (const Node* input : node.inputs)
    if (const Buffer* buffer = input->buffer.load(std::memory_order_acquire))
      bytes += static_cast<int64_t>(buffer->bytes);
  if (--rest > 0 || (nodes < most_nodes && bytes < most_bytes)) return;
  if (trace_open()) return;
  // The counters only say that it is time to look: what was evaluated or dropped meanwhile does not count.
  std::vector<NodeRef> held;
  std::vector<Node*> roots;
  int64_t handles = 0;
  for (TensorObject* t = tensor_ring()->next; t && t != tensor_ring(); t = t->next, ++handles)
    if (!t->node->evaluated() && !t->node->abstract) {
      held.push_back(NodeRef::share(t->node));
      roots.push_back(t->node);
    }
  held.push_back(NodeRef::share(const_cast<Node*>(&node)));
  roots.push_back(held.back().get());
  const engine::Pending pending = engine::pending_below(roots);
  nodes = pending.nodes >= most_nodes ? 0 : pending.nodes / 2;
  bytes = 0;
  // Looking takes time with everything that lives: many ops share it.
  rest = handles / handles_per_op + pending.nodes / nodes_per_op;
  if (pending.nodes < most_nodes && pending.pinned_bytes < most_bytes) return;
  try {
    engine::evaluate(roots);
  } catch (const Error&) {
    // Whoever reads the failing tensor gets the error; this op has nothing to do with it. It would fail
    // again with all that is pending now.
    rest = pending.nodes;
  } catch (const py::error_already_set&) {  // the same, for what Python raised on the way
    rest = pending.nodes;
  }
}

void bind_traces(py::module_& m) {
  py::class_<Trace>(m, "Trace", "with Trace(abstract) as t: nodes made inside are interned and ordered.")
      .def(py::init([](bool abstract, std::optional<bool> captures) {
             return std::make_unique<Trace>(abstract, captures.value_or(abstract));
           }),
           py::arg("abstract"), py::arg("captures") = py::none())
      .def(
          "__enter__",
          [](Trace& t) -> Trace& {
            t.enter();
            return t;
          },
          py::return_value_policy::reference)
      .def("__exit__", [](Trace& t, const py::args&) { t.exit(); })
      .def(
          "alias", [](Trace&, const NodeRef& x) { return alias_node(x); }, py::arg("x"),
          "The same value under its own identity.")
      .def(
          "param",
          [](Trace& t, py::handle shape, int dtype, bool weak, std::pair<int, int> device) {
            require(t.open() && t.abstract(), ErrorKind::trace, "a placeholder needs an open abstract trace");
            static std::atomic<int64_t> position{0};
            NodeRef node = param_node(
                Aval{parse_ints(shape, "shape"), dtype_of_code(dtype), weak, device_of_pair(device)},
                position.fetch_add(1));
            node->attrs[0] = t.id();  // a trace inside of this one may be open
            py::object handle = wrap_object(node);
            t.add_param(as_tensor(handle.ptr()), std::move(node));
            return handle;
          },
          py::arg("shape"), py::arg("dtype"), py::arg("weak"), py::arg("device"),
          "A placeholder without a value.")
      .def(
          "batch",
          [](Trace& t, const py::sequence& outs, const py::sequence& params, const py::sequence& values,
             int64_t size) {
            require(t.open() && t.abstract() && !t.capturing(), ErrorKind::trace,
                    "batch needs an open vmap trace");
            const std::vector<NodeRef> outputs = nodes_of(outs), given = nodes_of(values);
            std::vector<NodeRef> roots;
            for (py::handle p : py::list(params)) {
              require(is_tensor(p.ptr()), ErrorKind::type, "params must be tensors");
              roots.push_back(t.param_of(as_tensor(p.ptr())));
              require(roots.back() != nullptr, ErrorKind::trace, "params must be placeholders of the trace");
            }
            require(roots.size() == given.size(), ErrorKind::value, "one value per placeholder is needed");
            t.exit();  // what follows belongs to the trace around
            return pairs_of(batch(outputs, roots, given, size));
          },
          py::arg("outs"), py::arg("params"), py::arg("values"), py::arg("size"),
          "Closes a vmap trace: the outputs for every example, and whether they differ between examples.");

  py::class_<Pullback>(
      m, "Pullback",
      "Maps cotangents of the outputs to cotangents of the inputs; None is zero. `push` goes the other way.")
      .def("__call__", &Pullback::operator(), py::arg("cotangents"))
      .def("push", &Pullback::pushed, py::arg("tangents"),
           "Maps tangents of the inputs to tangents of the outputs; None is zero.")
      .def("push_many", &Pullback::pushed_many, py::arg("tangents"), py::arg("size"),
           "The same for many tangents of each input, along a new first axis.");

  m.def(
      "vjp",
      [](const py::sequence& outs, const py::sequence& stand_ins, const py::sequence& inputs) {
        Linearized linear = vjp_linearize(nodes_of(outs), nodes_of(stand_ins), nodes_of(inputs));
        const py::list primals = tensors_of(linear.primals);
        return py::make_tuple(primals, Pullback{std::move(linear)});
      },
      py::arg("outs"), py::arg("stand_ins"), py::arg("inputs"),
      "The outputs on the real inputs, and the pullback.");
  m.def(
      "jvp",
      [](const py::sequence& outs, const py::sequence& stand_ins, const py::sequence& inputs,
         const py::sequence& tangents) {
        const Derivative d =
            jvp(nodes_of(outs), nodes_of(stand_ins), nodes_of(inputs), nodes_of(tangents, true));
        return py::make_tuple(tensors_of(d.primals), tensors_of(d.tangents));
      },
      py::arg("outs"), py::arg("stand_ins"), py::arg("inputs"), py::arg("tangents"),
      "The outputs on the real inputs, and their tangents.");
  m.def(
      "jet",
      [](const py::sequence& outs, const py::sequence& stand_ins, const py::sequence& coefficients,
         int order) {
        std::vector<std::vector<NodeRef>> curves;
        for (py::handle c : py::list(coefficients))
          curves.push_back(nodes_of(py::cast<py::sequence>(c), true));
        py::list out;
        for (const std::vector<NodeRef>& c : jet(nodes_of(outs), nodes_of(stand_ins), curves, order))
          out.append(tensors_of(c));
        return out;
      },
      py::arg("outs"), py::arg("stand_ins"), py::arg("coefficients"), py::arg("order"),
      "Taylor coefficients of the outputs, given those of the inputs; None is zero.");
}

}  // namespace pg::bindings
