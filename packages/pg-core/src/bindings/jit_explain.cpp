// What tracing and compiling made, for people: GraphTrace, and the details of a traced program.

#include <pybind11/stl.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "bindings/jit.h"
#include "bindings/trace.h"
#include "bindings/values.h"
#include "compiler/flops.h"
#include "compiler/print.h"
#include "engine/parts.h"
#include "graph/walk.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

/// A closed graph, as Python sees it, and the tensors behind its inputs after the arguments.
struct GraphTrace {
  Graph graph;
  py::list captured;
};

GraphTrace make_graph_trace(const py::sequence& params, const py::sequence& outs) {
  const auto nodes_of = [](const py::sequence& tensors) {
    std::vector<NodeRef> nodes;
    for (py::handle t : py::list(tensors)) {
      require(is_tensor(t.ptr()), ErrorKind::type, "a GraphTrace is made from tensors");
      nodes.push_back(NodeRef::share(as_tensor(t.ptr())->node));
    }
    return nodes;
  };
  std::vector<NodeRef> inputs = nodes_of(params);
  const std::vector<NodeRef> results = nodes_of(outs);
  GraphTrace out;
  // Placeholders of captured handles are inputs too, and so are tensors made while tracing.
  std::unordered_map<const Node*, py::object> handles;
  if (const Trace* trace = current_trace())
    for (const Capture& capture : trace->captures())
      if (capture.param) handles.emplace(capture.param.get(), capture.handle);
  const std::unordered_set<const Node*> known = [&] {
    std::unordered_set<const Node*> found;
    for (const NodeRef& p : inputs) found.insert(p.get());
    return found;
  }();
  for (Node* node : reachable(results, 0)) {
    if (node->op != &param_op || !(node->attrs[1] >> 32) || known.contains(node)) continue;
    inputs.push_back(NodeRef::share(node));
    const auto handle = handles.find(node);
    out.captured.append(handle == handles.end() ? py::none() : handle->second);
  }
  std::vector<NodeRef> values;
  out.graph = flatten(inputs, results, 0, values);
  for (const NodeRef& value : values) out.captured.append(wrap_object(value));
  return out;
}

/// The attribute words without what means something to this process only.
std::vector<int64_t> words_of(const Graph::Record& r) {
  if (r.op == &param_op) return {};
  const size_t ids = r.op->payloads ? r.op->payloads(r.attrs) : 0;
  return {r.attrs.begin() + static_cast<std::ptrdiff_t>(ids), r.attrs.end()};
}

std::string shown_attrs(const Graph::Record& r) {
  if (r.op == &full_op)
    return is_inexact(r.type.dtype) ? concat(bits_as_double(r.attrs[0])) : concat(r.attrs[0]);
  return r.op->show ? r.op->show(r.attrs) : "";
}

const char* kind_of(const Op& op) {
  if (op.elementwise()) return "elementwise";
  if (op.as<Reduction>()) return "reduction";
  if (op.as<Call>() || op.as<Gather>()) return "call";
  if (op.as<pg::Leaf>()) return "input";  // not the leaf of an argument
  if (op.as<Fill>() || op.as<Iota>()) return "constant";
  return "view";
}

/// One tuple per record, in order; the words are those of _core.pyi.
py::list records_of(const Graph& graph) {
  py::list out;
  for (const Graph::Record& r : graph.nodes) {
    const Place place = place_of(r.where);
    py::list bodies;
    for (size_t i = 0; r.payloads && i < r.payloads->items.size(); ++i)
      if (const Graph* body = r.payloads->items[i]->graph.get())
        bodies.append(py::make_tuple(concat("body ", i), graph_trace_of(*body)));
    out.append(py::make_tuple(r.op->name, std::vector<Id>(r.inputs.begin(), r.inputs.end()),
                              r.op == &param_op ? "" : shown_attrs(r),
                              std::vector<int64_t>(r.type.shape.begin(), r.type.shape.end()),
                              static_cast<int>(r.type.dtype), kind_of(*r.op),
                              py::make_tuple(place.file, place.line, place.function), bodies, words_of(r)));
  }
  return out;
}

double elements(const Aval& type) { return static_cast<double>(count_of(type.shape)); }

/// One operation per element computed, or per element reduced.
double flops_of(const Graph& graph, const Group& group) {
  double out = 0;
  for (const Id id : group.nodes) {
    const Graph::Record& r = graph[id];
    if (r.op->elementwise()) out += elements(r.type);
    else if (r.op->as<Reduction>()) out += elements(graph[r.inputs[0]].type);
  }
  return out;
}

double bytes_of(const Program& program, const ProgramStep& step) {
  double out = 0;
  for (const uint32_t slot : step.slots) out += static_cast<double>(program.slots[slot].bytes);
  return out;
}

/// What the programs of a traced function consist of, those of bodies behind the record that runs them.
struct Description {
  py::list kernels, calls, control;
  py::list devices;  // over several devices: programs and copies, in their order
  py::list replays;  // what devices keep from run to run
  std::vector<RuleUse> rules, patterns;
  std::vector<PassTime> passes;
  double bytes = 0, flops = 0;
  MemoryNeed memory;

  void add(const engine::Executable& executable);

 private:
  void add(const Program& program, const Backend& backend);
};

void Description::add(const engine::Executable& executable) {
  if (!executable.parts) {
    const Program& program = executable.program;
    add(program, engine::backend_for(executable.device));
    if (executable.memory) replays.append(executable.memory->describe());
    bytes += program.bytes_moved;
    flops += program.flops;
    memory.inputs += program.memory.inputs;
    memory.outputs += program.memory.outputs;
    memory.donated += program.memory.donated;
    memory.temporaries += program.memory.temporaries;
    memory.live += program.memory.live;
    memory.unshared += program.memory.unshared;
    return;
  }
  for (const engine::PartStep& step : executable.parts->steps) {
    if (!step.program) {
      devices.append(concat("copy to ", to_string(step.device)));
      continue;
    }
    const size_t before = kernels.size(), before_calls = calls.size();
    add(*step.program);
    devices.append(concat(to_string(step.device), ": ", kernels.size() - before, " kernels, ",
                          calls.size() - before_calls, " library calls"));
  }
}

void Description::add(const Program& program, const Backend& backend) {
  for (const auto& [from, to] : {std::pair(&program.rules, &rules), std::pair(&program.patterns, &patterns)})
    for (const RuleUse& use : *from) {
      const auto known =
          std::find_if(to->begin(), to->end(), [&](const RuleUse& r) { return r.name == use.name; });
      if (known == to->end()) to->push_back(use);
      else known->times += use.times;
    }
  for (const PassTime& pass : program.passes) {
    const auto known =
        std::find_if(passes.begin(), passes.end(), [&](const PassTime& p) { return p.name == pass.name; });
    if (known == passes.end()) passes.push_back(pass);
    else known->seconds += pass.seconds;
  }
  for (const ProgramStep& step : program.steps) {
    if (!step.bodies.empty()) {
      const bool strips = program.graph[step.record].op == &strips_op;
      control.append(
          concat(call_text(program, step),
                 strips ? concat(", each strip in ", step.bodies[0].arena_bytes, " bytes of scratch") : ""));
      for (const Program& body : step.bodies) add(body, backend);
      continue;
    }
    if (!step.kernel) {
      const Graph::Record& r = program.graph[step.record];
      py::dict call;
      call["name"] = r.op->name;
      call["text"] = call_text(program, step);
      call["attributes"] = r.op->show ? r.op->show(r.attrs) : "";
      call["bytes"] = bytes_of(program, step);
      call["flops"] = pg::flops_of(program.graph, r);
      calls.append(call);
      continue;
    }
    py::dict kernel;
    kernel["name"] = kernel_name(program, step);
    kernel["source"] = kernel_text(program, step, backend);
    kernel["tier"] = step.kernel->tier();
    kernel["bytes"] = bytes_of(program, step);
    double flops = 0;
    for (const Group& group : step.groups) flops += flops_of(program.graph, group);
    kernel["flops"] = flops;
    kernel["segments"] = step.groups.size();
    kernels.append(kernel);
  }
}

}  // namespace

py::object graph_trace_of(const Graph& graph) { return py::cast(GraphTrace{graph, py::list()}); }

py::dict entry_details(const Entry& entry) {
  py::dict out;
  Description found;
  const MemoryNeed& memory = found.memory;
  py::dict rules, patterns, passes;
  const engine::Executable* executable = entry.program.executable();
  if (executable) {
    found.add(*executable);
    for (const RuleUse& use : found.rules) rules[py::str(use.name)] = use.times;
    for (const RuleUse& use : found.patterns) patterns[py::str(use.name)] = use.times;
    for (const PassTime& pass : found.passes) passes[pass.name] = pass.seconds;
  }
  out["bytes"] = found.bytes;
  out["flops"] = found.flops;
  out["compile_seconds"] = executable ? executable->program.compile_seconds : 0.0;
  py::dict need;
  need["inputs"] = memory.inputs;
  need["outputs"] = memory.outputs;
  need["donated"] = memory.donated;
  need["temporaries"] = memory.temporaries;
  need["total"] = memory.total();
  need["live"] = memory.live;
  need["unshared"] = memory.unshared;
  out["memory"] = need;
  for (py::handle kernel : found.kernels)
    out["flops"] = py::cast<double>(out["flops"]) + py::cast<double>(kernel["flops"]);
  out["kernels"] = found.kernels;
  out["library_calls"] = found.calls;
  out["control_flow"] = found.control;
  out["devices"] = found.devices;
  out["replays"] = found.replays;
  out["rules"] = rules;
  out["patterns"] = patterns;
  out["passes"] = passes;
  out["arguments"] = entry.leaf_count;
  out["hidden_inputs"] = entry.reads.size();
  out["hidden_outputs"] = entry.writes.size();
  out["results"] = entry.program.results().size() - entry.writes.size();
  out["calls"] = entry.calls.load(std::memory_order_relaxed);
  out["reason"] = entry.reason.empty() ? py::object(py::none()) : py::object(py::str(entry.reason));
  return out;
}

std::string explain_entry(const Entry& entry) {
  const py::dict d = entry_details(entry);
  const auto number = [&](const char* key) { return py::cast<double>(d[key]); };
  const py::list kernels = d["kernels"], calls = d["library_calls"];
  std::string out = concat(kernels.size(), " kernels, ", calls.size(), " library calls; ",
                           number("arguments"), " arguments, ", number("hidden_inputs"), " captured, ",
                           number("results"), " results, ", number("hidden_outputs"), " changed in place\n");
  out += concat("moves ", number("bytes"), " bytes, ", number("flops"), " flops\n");
  const py::dict memory = d["memory"];
  const auto bytes = [&](const char* key) {  // with commas: 1,234,567
    return py::cast<std::string>(py::str("{:,}").attr("format")(memory[key]));
  };
  out += concat("needs ", bytes("total"), " bytes: inputs ", bytes("inputs"), ", outputs ", bytes("outputs"),
                " and ", bytes("donated"), " in donated inputs, temporaries ", bytes("temporaries"), " (",
                bytes("unshared"), " without reuse)\n");
  out += concat("compiled in ", number("compile_seconds") * 1e3, " ms from ", entry.program.traced().size(),
                " records; ran ", number("calls"), " times\n");
  if (!entry.reason.empty()) out += concat("traced again because ", entry.reason, "\n");
  const auto listed = [&](const char* key, double scale, const char* unit) {
    std::vector<std::string> parts;
    for (const auto& [name, value] : py::dict(d[key]))
      parts.push_back(concat(py::cast<std::string>(name), " ", py::cast<double>(value) * scale, unit));
    return join(parts);
  };
  out += concat("passes: ", listed("passes", 1e3, " ms"), "\n");
  if (py::len(d["patterns"])) out += concat("patterns replaced: ", listed("patterns", 1, " times"), "\n");
  if (py::len(d["rules"])) out += concat("rules applied: ", listed("rules", 1, " times"), "\n");
  for (const char* key : {"devices", "replays"})
    for (py::handle text : py::list(d[key])) out += concat(py::cast<std::string>(text), "\n");
  for (py::handle flow : py::list(d["control_flow"]))
    out += concat("control flow ", py::cast<std::string>(flow), "\n");
  for (py::handle call : calls)
    out += concat("call ", py::cast<std::string>(call["text"]), ": ", py::cast<double>(call["bytes"]),
                  " bytes, ", py::cast<double>(call["flops"]), " flops\n");
  for (py::handle kernel : kernels)
    out += concat("kernel ", py::cast<std::string>(kernel["name"]), ": ", py::cast<double>(kernel["bytes"]),
                  " bytes, ", py::cast<double>(kernel["flops"]), " flops, ",
                  py::cast<std::string>(kernel["tier"]), "\n", py::cast<std::string>(kernel["source"]), "\n");
  return out;
}

void bind_graph_trace(py::module_& m) {
  py::class_<GraphTrace>(m, "GraphTrace", "The closed graph between placeholders and results.")
      .def(py::init(&make_graph_trace), py::arg("params"), py::arg("outs"))
      .def_property_readonly("num_inputs", [](const GraphTrace& t) { return t.graph.inputs.size(); })
      .def_property_readonly("num_nodes", [](const GraphTrace& t) { return t.graph.size(); })
      .def_property_readonly(
          "inputs", [](const GraphTrace& t) { return t.graph.inputs; }, "Ids of the inputs, in call order.")
      .def_property_readonly(
          "outputs", [](const GraphTrace& t) { return t.graph.outputs; }, "Ids of the results.")
      .def_property_readonly(
          "records", [](const GraphTrace& t) { return records_of(t.graph); },
          "One tuple per record: (op, operand ids, attributes, shape, dtype code, kind, (file, line, "
          "function), "
          "sub-graphs, attribute words).")
      .def_property_readonly(
          "captured", [](const GraphTrace& t) { return t.captured; },
          "The tensors behind the inputs after the arguments.")
      .def("__str__", [](const GraphTrace& t) { return to_string(t.graph); })
      .def("__repr__", [](const GraphTrace& t) { return to_string(t.graph); });
}

void bind_jit(py::module_& m) {
  make_jit_entry_type(m);
  make_jit_function_type(m);
  bind_graph_trace(m);
}

}  // namespace pg::bindings
