// Control flow, as Python makes it: bodies are traced, closed, and applied.

#include "ops/control.h"

#include <pybind11/stl.h>

#include "bindings/trace.h"
#include "engine/engine.h"
#include "support/error.h"
#include "support/format.h"
#include "transforms/precision.h"

namespace pg::bindings {
namespace {

/// A traced function: (body, params, results).
struct Parts {
  std::vector<NodeRef> params, outs;
  uint64_t start;

  explicit Parts(py::handle item) {
    const py::tuple t = py::cast<py::tuple>(item);
    require(t.size() == 3, ErrorKind::type, "a body is closed as (body, params, results)");
    // The handles belong to the body: no trace has to know that they are read.
    const auto inside = [](const py::sequence& tensors) {
      std::vector<NodeRef> nodes;
      for (py::handle x : py::list(tensors)) {
        require(is_tensor(x.ptr()), ErrorKind::type, "a body has tensors as parameters and results");
        nodes.push_back(NodeRef::share(as_tensor(x.ptr())->node));
      }
      return nodes;
    };
    params = inside(py::sequence(t[1]));
    outs = inside(py::sequence(t[2]));
    start = py::cast<Body&>(t[0]).start();
  }

  /// With the captures as first inputs.
  ClosedBody closed(std::vector<NodeRef> captures) const {
    captures.insert(captures.end(), params.begin(), params.end());
    return {close(captures, outs, start).body};
  }
};

std::vector<NodeRef> captures_of(std::span<const Parts> parts) {
  std::vector<NodeRef> out;
  for (const Parts& p : parts) {
    std::vector<NodeRef> met;
    flatten(p.params, p.outs, p.start, met, true);
    for (NodeRef& node : met)
      if (std::find(out.begin(), out.end(), node) == out.end()) out.push_back(std::move(node));
  }
  return out;
}

/// Closes several bodies over one list of captures, which are the first inputs of each.
py::tuple close_bodies(const py::sequence& bodies) {
  std::vector<Parts> parts;
  for (py::handle item : py::list(bodies)) parts.emplace_back(item);
  const std::vector<NodeRef> captures = captures_of(parts);
  py::list closed;
  for (const Parts& p : parts) closed.append(p.closed(captures));
  return py::make_tuple(closed, tensors_of(captures));
}

/// The rule takes arguments, results and tangents of the arguments; captures have tangents that it does not
/// read.
py::tuple close_custom_jvp(py::handle body, py::handle rule) {
  std::vector<Parts> parts{Parts(body), Parts(rule)};
  const std::vector<NodeRef> captures = captures_of(parts);
  const size_t before = parts[0].params.size() + parts[0].outs.size();
  require(parts[1].params.size() == before + parts[0].params.size(), ErrorKind::type, "custom_jvp: its rule");
  const BodyTrace scope;
  std::vector<NodeRef> unread;
  for (const NodeRef& capture : captures) unread.push_back(param_node(capture->aval(), 0));
  parts[1].params.insert(parts[1].params.begin() + static_cast<std::ptrdiff_t>(before), unread.begin(),
                         unread.end());
  py::list closed;
  for (const Parts& p : parts) closed.append(p.closed(captures));
  return py::make_tuple(closed, tensors_of(captures));
}

/// Captures are residuals of the forward rule, and have cotangents zero.
py::tuple close_custom_vjp(py::handle body, py::handle forward, py::handle backward) {
  std::vector<Parts> parts{Parts(body), Parts(forward), Parts(backward)};
  const std::vector<NodeRef> captures = captures_of(parts);
  const size_t results = parts[0].outs.size();
  require(parts[1].outs.size() >= results, ErrorKind::type, "custom_vjp: its forward rule");
  parts[1].outs.insert(parts[1].outs.begin() + static_cast<std::ptrdiff_t>(results), captures.begin(),
                       captures.end());
  std::vector<NodeRef> cts;
  for (const NodeRef& capture : captures) cts.push_back(zeros_like(capture->aval()));
  parts[2].outs.insert(parts[2].outs.begin(), cts.begin(), cts.end());
  py::list closed;
  for (const Parts& p : parts) closed.append(p.closed(captures));
  return py::make_tuple(closed, tensors_of(captures));
}

py::list control(const std::string& name, const std::vector<ClosedBody>& bodies, const py::sequence& operands,
                 const std::vector<int64_t>& words) {
  const Op* op = find_op(name);
  require(op && op->payloads && op != &host_op, ErrorKind::value,
          [&] { return concat("no control flow is called '", name, "'"); });
  Attrs attrs;
  for (const ClosedBody& body : bodies) attrs.push_back(body.payload->id);
  for (const int64_t word : words) attrs.push_back(word);
  const size_t wanted = op == &scan_op                            ? 5
                        : op == &cond_op                          ? bodies.size()
                        : op == &call_op                          ? 2
                        : op == &while_op || op == &custom_jvp_op ? 3
                        : op == &custom_vjp_op                    ? 4
                                                                  : 0;
  require(!bodies.empty() && attrs.size() == wanted && op->payloads(attrs) == bodies.size(), ErrorKind::value,
          [&] { return concat(name, ": wrong number of bodies or attributes"); });
  return computed_results(make(*op, nodes_of(operands), std::move(attrs)));
}

/// The records of a body on these operands, as if its function were called.
py::list call_body(const ClosedBody& body, const py::sequence& operands) {
  const Graph& graph = *body.payload->graph;
  const std::vector<NodeRef> inputs = nodes_of(operands);
  require(inputs.size() == graph.inputs.size(), ErrorKind::type, [&] {
    return concat("a body of ", graph.inputs.size(), " inputs is called with ", inputs.size());
  });
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Aval given = inputs[i]->aval(), &wanted = graph[graph.inputs[i]].type;
    require(given.shape == wanted.shape && given.dtype == wanted.dtype, ErrorKind::type,
            "a body is called with an operand of another type than it was traced for");
  }
  return tensors_of(instantiate(graph, inputs));
}

}  // namespace

py::list computed_results(const NodeRef& node) {
  const std::vector<NodeRef> out = results_of(node);
  if (!trace_open() && !node->abstract) {
    std::vector<Node*> roots;
    for (const NodeRef& result : out) roots.push_back(result.get());
    drain_decrefs();
    engine::evaluate(roots);
  }
  return tensors_of(out);
}

void bind_control(py::module_& m) {
  py::class_<Body>(m, "Body", "with Body() as b: the trace of a body, to be closed afterwards.")
      .def(py::init<>())
      .def(
          "__enter__",
          [](Body& b) -> Body& {
            b.enter();
            return b;
          },
          py::return_value_policy::reference)
      .def("__exit__", [](Body& b, const py::args&) { b.exit(); })
      .def(
          "param",
          [](Body& b, py::handle shape, int dtype, bool weak, std::pair<int, int> device) {
            return wrap_object(b.param(
                Aval{parse_ints(shape, "shape"), dtype_of_code(dtype), weak, device_of_pair(device)}));
          },
          py::arg("shape"), py::arg("dtype"), py::arg("weak"), py::arg("device"),
          "A placeholder without a value.")
      .def(
          "bind",
          [](Body& b, py::handle handle, py::handle value) {
            require(is_tensor(handle.ptr()) && is_tensor(value.ptr()), ErrorKind::type, "bind takes Tensors");
            b.bind(as_tensor(handle.ptr()), NodeRef::share(as_tensor(value.ptr())->node));
          },
          py::arg("handle"), py::arg("value"), "Lets a handle from outside name another value in the body.")
      .def_property_readonly("written", &Body::written,
                             "Handles from outside that the body rebound, with their last values.");
  py::class_<ClosedBody>(m, "ClosedBody", "A closed graph; equal ones are one.")
      .def_property_readonly(
          "id", [](const ClosedBody& b) { return b.payload->id; }, "The same for equal bodies.")
      .def_property_readonly(
          "num_nodes", [](const ClosedBody& b) { return b.payload->graph->size(); },
          "How many records it has.")
      .def("__str__", [](const ClosedBody& b) { return to_string(*b.payload->graph); });
  m.def("close_bodies", close_bodies, py::arg("bodies"),
        "Closes (body, params, results) of each; answers the closed bodies and what they took from outside, "
        "which are the first inputs of each.");
  m.def("close_custom_jvp", close_custom_jvp, py::arg("body"), py::arg("rule"),
        "Closes a function and the rule (arguments, results, tangents of arguments) -> tangents of results.");
  m.def("close_custom_vjp", close_custom_vjp, py::arg("body"), py::arg("forward"), py::arg("backward"),
        "Closes a function, arguments -> (results, residuals), and (residuals, cotangents) -> cotangents.");
  m.def("call_body", call_body, py::arg("body"), py::arg("operands"),
        "The results of a closed body's records on operands; captures come first.");
  m.def(
      "is_free", [](const NodeRef& x) { return !x->abstract && (x->evaluated() || x->serial == 0); },
      py::arg("x"), "Does the tensor stand for itself, outside of all traces?");
  m.def(
      "lower_products",
      [](const ClosedBody& body, const py::sequence& operands, int dtype) {
        const PayloadRef lowered = lower_products(body.payload, dtype_of_code(dtype));
        return tensors_of(instantiate(*lowered->graph, nodes_of(operands)));
      },
      py::arg("body"), py::arg("operands"), py::arg("dtype"),
      "The results of a closed body whose float32 products are computed in another float dtype.");
  m.def("trace_open", trace_open, "Is any trace open on this thread?");
  m.def(
      "same_node", [](const NodeRef& a, const NodeRef& b) { return a == b; }, py::arg("a"), py::arg("b"),
      "Do two handles name one node?");
  m.def("control", control, py::arg("op"), py::arg("bodies"), py::arg("operands"), py::arg("attrs"),
        "All results of a record that holds bodies; outside of traces they are computed at once.");
}

}  // namespace pg::bindings
