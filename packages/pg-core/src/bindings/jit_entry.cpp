#include "bindings/jit_entry.h"

#include <pybind11/stl.h>

#include <cstring>

#include "engine/engine.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

std::vector<NodeRef> own_nodes(const py::sequence& tensors) {
  std::vector<NodeRef> out;
  for (py::handle t : tensors) {
    require(is_tensor(t.ptr()), ErrorKind::type, [&] { return concat("expected a Tensor, got ", Py_TYPE(t.ptr())->tp_name); });
    out.push_back(NodeRef::share(as_tensor(t.ptr())->node));
  }
  return out;
}

py::object build(const Spec& spec, std::span<const NodeRef> outputs) {
  switch (spec.kind) {
    case Spec::Kind::output: return wrap_object(outputs[spec.index]);
    case Spec::Kind::none: return py::none();
    case Spec::Kind::constant: return spec.value;
    case Spec::Kind::tuple: {
      py::tuple out(spec.children.size());
      for (size_t i = 0; i < spec.children.size(); ++i)
        PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), build(spec.children[i], outputs).release().ptr());
      return out;
    }
    case Spec::Kind::list: {
      py::list out(spec.children.size());
      for (size_t i = 0; i < spec.children.size(); ++i)
        PyList_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), build(spec.children[i], outputs).release().ptr());
      return out;
    }
    case Spec::Kind::dict: {
      py::dict out;
      for (size_t i = 0; i < spec.children.size(); ++i)
        if (PyDict_SetItem(out.ptr(), spec.keys[i].ptr(), build(spec.children[i], outputs).ptr()) < 0) throw_python_error();
      return out;
    }
    case Spec::Kind::object: {
      py::tuple children(spec.children.size());
      for (size_t i = 0; i < spec.children.size(); ++i)
        PyTuple_SET_ITEM(children.ptr(), static_cast<Py_ssize_t>(i), build(spec.children[i], outputs).release().ptr());
      return spec.function(spec.value, children);
    }
    default: break;
  }
  fail(ErrorKind::internal, "a result spec holds an argument word");
}

/// A graph as Python sees it.
struct GraphTrace {
  Graph graph;
};

GraphTrace graph_between(const py::sequence& params, const py::sequence& outs) {
  const std::vector<NodeRef> from = own_nodes(params), to = own_nodes(outs);
  uint64_t oldest = 0;
  for (const NodeRef& p : from) oldest = oldest ? std::min(oldest, p->serial) : p->serial;
  std::vector<NodeRef> captures;
  return {flatten(from, to, oldest, captures)};
}

std::string explain(const JitEntry& entry) {
  const Program& program = entry.executable().program;
  const Backend& backend = engine::backend_for({});
  std::string out = concat("program: ", program.inputs, " inputs (", entry.captured(), " captured), ", program.outputs.size(), " outputs (", entry.written(),
                           " written back), ", program.kernels, " kernels, ", program.calls, " library calls\n");
  out += concat("compiled in ", program.compile_seconds * 1e3, " ms from ", entry.traced().size(), " records; temporaries ", program.temporary_bytes,
                " bytes in an arena of ", program.arena_bytes, "\n");
  int number = 0;
  for (const ProgramStep& step : program.steps)
    out += step.kernel ? concat("kernel ", number++, ":\n", kernel_text(program, step, backend)) : concat("call ", number++, ": ", call_text(program, step), "\n");
  return out;
}

py::list texts(const JitEntry& entry, bool kernels) {
  py::list out;
  const Program& program = entry.executable().program;
  for (const ProgramStep& step : program.steps)
    if ((step.kernel != nullptr) == kernels)
      out.append(kernels ? kernel_text(program, step, engine::backend_for({})) : call_text(program, step));
  return out;
}

}  // namespace

JitEntry::JitEntry(Trace& trace, py::object in_spec, const py::sequence& params, const py::sequence& outs, py::handle out_spec, py::object guards)
    : in_spec_(std::move(in_spec)), result_(parse_spec(out_spec)), guards_(std::move(guards)) {
  Spec both = parse_spec(in_spec_);
  require(both.children.size() == 2, ErrorKind::internal, "an argument spec is the pair (args, kwargs)");
  positional_ = std::move(both.children[0]);
  named_ = std::move(both.children[1]);

  std::vector<NodeRef> from = own_nodes(params), to = own_nodes(outs);
  // A float argument travels as a weak float64 so that nothing is lost on its way to a float64 tensor; alone it is the default float.
  for (NodeRef& node : to)
    if (node->weak && node->dtype == DType::float64) node = astype(node, DType::float32);
  for (const NodeRef& p : from) numbers_.push_back(p->aval());
  for (Capture& c : trace.captures()) {
    if (c.param) {
      from.push_back(c.param);
      captured_.push_back({c.handle, c.param->aval()});
    }
    if (c.written) {
      written_.emplace_back(c.handle, to.size());
      to.push_back(trace.open() ? NodeRef::share(as_tensor(c.handle.ptr())->node) : c.written);
    }
  }
  traced_ = flatten(from, to, trace.start(), constants_);
  for (const NodeRef& node : to) outputs_.push_back(node->aval());
  std::vector<Node*> pending;
  for (const NodeRef& node : constants_) pending.push_back(node.get());
  engine::evaluate(pending);
  executable_ = engine::build(traced_, {});
}

py::object JitEntry::run(std::span<const Leaf> leaves) const {
  // Everything the program reads, held while it runs: user code may rebind handles meanwhile.
  SmallVector<Node*, 32> nodes;
  SmallVector<Node*, 8> pending;
  const auto hold = [&](Node* node) {
    nodes.push_back(node);
    if (node && !node->evaluated()) pending.push_back(node);
  };
  for (const Leaf& leaf : leaves) hold(leaf.node);
  for (const Captured& c : captured_) hold(as_tensor(c.handle.ptr())->node);
  for (const NodeRef& c : constants_) nodes.push_back(c.get());
  for (Node* node : nodes)
    if (node) node->refs.retain();
  struct Drop {
    SmallVector<Node*, 32>& nodes;
    ~Drop() {
      for (Node* node : nodes)
        if (node) NodeRef::adopt(node);
    }
  } drop{nodes};
  if (!pending.empty()) {
    for (const Node* node : pending)
      require(!node->abstract, ErrorKind::trace, [&] {
        return concat("a traced value ", to_string(node->aval()), " is used after its trace ended; return it from the traced function instead");
      });
    engine::evaluate(std::span<Node* const>(pending.data(), pending.size()));
  }

  SmallVector<engine::Input, 32> inputs;
  SmallVector<int64_t, 8> numbers(leaves.size(), 0);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i]) {
      Buffer* buffer = nodes[i]->buffer.load(std::memory_order_acquire);
      inputs.push_back({buffer->data, buffer});
      continue;
    }
    const DType dtype = numbers_[i].dtype;
    const int64_t bits = leaves[i].number.bits(dtype);
    if (dtype == DType::float32) {
      const float value = static_cast<float>(bits_as_double(bits));
      std::memcpy(&numbers[i], &value, sizeof(value));
    } else {
      numbers[i] = bits;  // float64 bits, or a little-endian integer
    }
    inputs.push_back({&numbers[i], nullptr});
  }

  SmallVector<Buffer*, 4> results;
  BadIndex bad;
  const std::span<const engine::Input> given(inputs.data(), inputs.size());
  if (engine::is_long(*executable_)) {
    const engine::WithoutGil released;
    bad = engine::run(*executable_, given, results);
  } else {
    bad = engine::run(*executable_, given, results);
  }
  if (bad.happened) engine::fail_index(executable_->program.graph, bad, executable_->program.graph[bad.record].where);

  std::vector<NodeRef> outputs;
  outputs.reserve(results.size());
  for (size_t i = 0; i < results.size(); ++i) outputs.push_back(buffer_node(BufferRef::adopt(results[i]), outputs_[i]));
  for (const auto& [handle, index] : written_) rebind(as_tensor(handle.ptr()), outputs[index]);
  return build(result_, outputs);
}

void bind_jit_entry(py::module_& m) {
  py::class_<GraphTrace>(m, "GraphTrace", "A closed graph; prints one line per record.")
      .def(py::init(&graph_between), py::arg("params"), py::arg("outs"))
      .def_property_readonly("num_inputs", [](const GraphTrace& g) { return g.graph.inputs.size(); })
      .def_property_readonly("num_nodes", [](const GraphTrace& g) { return g.graph.size(); })
      .def_property_readonly("records", [](const GraphTrace& g) {
        py::list out;
        for (const Graph::Record& r : g.graph.nodes)
          out.append(py::make_tuple(r.op->name, std::vector<Id>(r.inputs.begin(), r.inputs.end()), r.attrs.vector(), to_string(r.type), format_location(r.where)));
        return out;
      }, "(op, inputs, attributes, type, place) of every record, in order.")
      .def_property_readonly("inputs", [](const GraphTrace& g) { return g.graph.inputs; })
      .def_property_readonly("outputs", [](const GraphTrace& g) { return g.graph.outputs; })
      .def("__str__", [](const GraphTrace& g) { return to_string(g.graph); })
      .def("__repr__", [](const GraphTrace& g) { return to_string(g.graph); });

  py::class_<JitEntry>(m, "JitEntry", "One traced program of a jitted function.")
      .def(py::init<Trace&, py::object, const py::sequence&, const py::sequence&, py::handle, py::object>(), py::arg("trace"), py::arg("in_spec"),
           py::arg("params"), py::arg("outs"), py::arg("out_spec"), py::arg("guards") = py::none())
      .def_property_readonly("in_spec", &JitEntry::in_spec, "The spec of the arguments.")
      .def("changed", [](const JitEntry& e) -> py::object {
        const std::string reason = e.changed();
        return reason.empty() ? py::none() : py::object(py::str(reason));
      }, "Why a call with fitting arguments would be traced again, or None.")
      .def_property_readonly("graph", [](const JitEntry& e) { return GraphTrace{e.traced()}; })
      .def_property_readonly("kernels", [](const JitEntry& e) { return texts(e, true); }, "The text of every kernel.")
      .def_property_readonly("library_calls", [](const JitEntry& e) { return texts(e, false); }, "One line per library call.")
      .def_property_readonly("compile_time", [](const JitEntry& e) { return e.executable().program.compile_seconds; }, "Seconds spent in the compiler.")
      .def_property_readonly("num_captured", &JitEntry::captured, "Hidden inputs.")
      .def_property_readonly("num_written", &JitEntry::written, "Hidden outputs.")
      .def("explain", &explain, "Kernels, library calls and memory of this program, as text.");
}

}  // namespace pg::bindings
