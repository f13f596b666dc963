// One traced program: made from a finished trace, and matched. The Python type JitEntry.

#include "bindings/jit.h"
#include <structmember.h>  // after Python.h

#include <unordered_map>

#include "bindings/values.h"
#include "engine/engine.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {

PyTypeObject* jit_entry_type = nullptr;

namespace {

constexpr const char* other_patterns = "other rewrite patterns are registered now";

// ---- from a finished trace
// -----------------------------------------------------------------------------------------------

Entry::Guard parse_guard(py::handle raw) {
  if (PyCallable_Check(raw.ptr()))
    return {Entry::Guard::call, py::reinterpret_borrow<py::object>(raw), {}, {}, {}};
  const py::tuple t = py::cast<py::tuple>(raw);
  require(t.size() == 5, ErrorKind::type,
          "a guard is a function, or a tuple (kind, object, key, expected, what)");
  const std::string kind = py::cast<std::string>(t[0]);
  Entry::Guard guard{Entry::Guard::cell, t[1], t[2], t[3], t[4]};
  if (kind == "cell" && PyCell_Check(guard.object.ptr())) return guard;
  guard.kind = kind == "item" ? Entry::Guard::item : Entry::Guard::attribute;
  const bool fits = (kind == "item" && PyDict_Check(guard.object.ptr())) ||
                    (kind == "attr" && PyUnicode_Check(guard.key.ptr()));
  require(fits, ErrorKind::type,
          "a guard watches a \"cell\", an \"item\" of a dict or an \"attr\" of an object");
  return guard;
}

/// Collects what the program takes and gives, in order: arguments, captured handles; results, rebound
/// handles.
struct Collector {
  const Trace& trace;
  std::vector<NodeRef> params, outs;
  std::vector<Entry::Captured> reads;
  std::vector<Entry::Write> writes;
  std::unordered_map<TensorObject*, NodeRef>
      unread;  // placeholders of handles that the trace met first as results

  NodeRef argument(py::handle tensor) {
    require(is_tensor(tensor.ptr()), ErrorKind::type, "params must be tensors");
    TensorObject* handle = as_tensor(tensor.ptr());
    const NodeRef param = trace.param_of(handle);
    require(param != nullptr, ErrorKind::trace, "params must be placeholders of the trace");
    if (handle->node != param.get())
      writes.push_back({py::object(), static_cast<uint32_t>(params.size()), 0});
    params.push_back(param);
    return param;
  }

  NodeRef result(py::handle tensor) {
    require(is_tensor(tensor.ptr()), ErrorKind::type, "outs must be tensors");
    TensorObject* handle = as_tensor(tensor.ptr());
    if (trace.made(handle) || handle->node->abstract) return NodeRef::share(handle->node);
    // A handle from outside: its value at the end of the call.
    if (const Capture* c = trace.find_capture(handle)) {
      if (c->written) return trace.open() ? NodeRef::share(handle->node) : c->written;
      if (c->param) return c->param;
    }
    NodeRef& param = unread[handle];
    if (!param) {
      const OpenTrace scope(true);
      param = param_node(handle->node->aval(),
                         static_cast<int64_t>(1) << 32 | static_cast<int64_t>(reads.size()));
      read(py::reinterpret_borrow<py::object>(tensor), param);
    }
    return param;
  }

  void read(py::object handle, NodeRef param) {
    reads.push_back({std::move(handle), param->aval()});
    params.push_back(std::move(param));
  }
};

std::unique_ptr<Entry> make_entry(const Trace& trace, py::handle in_spec, const py::sequence& params,
                                  const py::sequence& outs, py::handle out_spec, py::handle guards,
                                  std::vector<uint32_t> donated) {
  require(trace.id() != 0 && trace.abstract(), ErrorKind::trace,
          "a JitEntry needs an abstract trace that was entered");
  Spec in(in_spec, false), out(out_spec, true);
  Collector c{trace, {}, {}, {}, {}, {}};
  for (py::handle p : py::list(params)) c.argument(p);
  const auto leaf_count = static_cast<uint32_t>(c.params.size());
  for (const Capture& capture : trace.captures())
    if (capture.param) c.read(capture.handle, capture.param);
  for (py::handle o : py::list(outs)) {
    NodeRef node = c.result(o);
    // A float argument travels as a weak float64, so that nothing is lost on its way to a float64 tensor;
    // alone it is the default float. So does a complex one.
    if (node->weak && (node->dtype == DType::float64 || node->dtype == DType::complex128)) {
      const OpenTrace scope(true);
      node = astype(node, is_complex(node->dtype) ? DType::complex64 : DType::float32);
    }
    c.outs.push_back(std::move(node));
  }
  const size_t results = c.outs.size();
  const bool writes_arguments = !c.writes.empty();
  for (Entry::Write& write : c.writes) {
    write.result = static_cast<uint32_t>(c.outs.size());
    c.outs.push_back(NodeRef::share(as_tensor(py::object(params[write.leaf]).ptr())->node));
  }
  for (const Capture& capture : trace.captures()) {
    if (!capture.written) continue;
    c.writes.push_back({capture.handle, 0, static_cast<uint32_t>(c.outs.size())});
    c.outs.push_back(trace.open() ? NodeRef::share(as_tensor(capture.handle.ptr())->node) : capture.written);
  }

  uint32_t leaf = 0;
  for (Token& t : in.tokens) {
    if (t.kind != Token::tensor && t.kind != Token::real && t.kind != Token::integer) continue;
    require(leaf < leaf_count, ErrorKind::internal, "the input spec has more leaves than params");
    const Aval type = c.params[leaf++]->aval();
    if (t.kind != Token::tensor) t.type = type;
    const bool same = t.type.shape == type.shape && t.type.dtype == type.dtype && t.type.weak == type.weak &&
                      t.type.device == type.device;
    require(same && (t.kind == Token::tensor || type.shape.empty()), ErrorKind::internal, [&] {
      return concat("a param is ", describe_type(type), ", the input spec says ", in.wanted(t));
    });
  }
  require(leaf == leaf_count, ErrorKind::internal, "the input spec has fewer leaves than params");
  for (const Token& t : out.tokens)
    require(t.kind != Token::out || t.count < results, ErrorKind::internal,
            "the output spec names a result that does not exist");

  std::vector<bool> given(leaf_count);
  for (const uint32_t i : donated) {
    require(i < leaf_count, ErrorKind::internal, "a donated leaf that does not exist");
    given[i] = true;
  }

  std::vector<Entry::Guard> watched;
  if (PyCallable_Check(guards.ptr())) watched.push_back(parse_guard(guards));
  else if (!guards.is_none())
    for (py::handle g : py::list(py::reinterpret_borrow<py::object>(guards)))
      watched.push_back(parse_guard(g));
  return std::unique_ptr<Entry>(
      new Entry{.in_words = py::reinterpret_borrow<py::object>(in_spec),
                .in = std::move(in),
                .out = std::move(out),
                .program = engine::JitProgram(c.params, c.outs, trace.start(), std::move(given)),
                .reads = std::move(c.reads),
                .writes = std::move(c.writes),
                .leaf_count = leaf_count,
                .donated = std::move(donated),
                .writes_arguments = writes_arguments,
                .guards = std::move(watched),
                .reason = {}});
}

}  // namespace

// ---- does it fit a call?
// ------------------------------------------------------------------------------------------------------------

std::string Entry::broken_guard() const {
  Match scratch;
  for (const Guard& g : guards) {
    py::object now;
    switch (g.kind) {
    case Guard::cell: now = py::reinterpret_borrow<py::object>(PyCell_GET(g.object.ptr())); break;
    case Guard::item:
      now = py::reinterpret_borrow<py::object>(PyDict_GetItemWithError(g.object.ptr(), g.key.ptr()));
      break;
    case Guard::attribute: {
      // A weak reference stands for its object; once that is gone nobody can have changed it.
      py::object object = g.object;
      if (PyWeakref_CheckRef(object.ptr())) object = object();
      if (object.is_none()) continue;
      now = py::reinterpret_steal<py::object>(PyObject_GetAttr(object.ptr(), g.key.ptr()));
      if (!now && PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
      break;
    }
    case Guard::call: {
      const py::object answer = g.object();
      if (answer.is_none()) continue;
      return py::cast<std::string>(py::str(answer));
    }
    }
    if (now.ptr() == g.expected.ptr()) continue;
    if (!now) {
      if (PyErr_Occurred()) throw_python_error();
      return py::cast<std::string>(py::str(g.what)) + " is gone";
    }
    const Fit fit = scratch.same(g.expected.ptr(), now.ptr());
    if (fit == Fit::error) throw_python_error();
    if (fit == Fit::differs)
      return concat(py::cast<std::string>(py::str(g.what)), " changed from ",
                    describe_value(g.expected.ptr()), " to ", describe_value(now.ptr()));
  }
  return "";
}

std::string Entry::changed_capture() const {
  for (const Captured& c : reads) {
    const Aval type = as_tensor(c.handle.ptr())->node->aval();
    const bool same = type.shape == c.type.shape && type.dtype == c.type.dtype && type.weak == c.type.weak &&
                      type.device == c.type.device;
    if (!same)
      return concat("a captured tensor changed from ", describe_type(c.type), " to ", describe_type(type));
  }
  return "";
}

int Entry::visit(visitproc visit, void* arg) const {
  if (const int stop = in.visit(visit, arg)) return stop;
  if (const int stop = out.visit(visit, arg)) return stop;
  for (const Guard& g : guards) {
    Py_VISIT(g.object.ptr());
    Py_VISIT(g.key.ptr());
    Py_VISIT(g.expected.ptr());
    Py_VISIT(g.what.ptr());
  }
  for (const Captured& c : reads) Py_VISIT(c.handle.ptr());
  for (const Write& w : writes) Py_VISIT(w.handle.ptr());
  Py_VISIT(in_words.ptr());
  return 0;
}

Fit match_entry(const Entry& entry, Match& match, PyObject* const* args, Py_ssize_t count, PyObject* kwnames,
                bool guards, std::string* reason) {
  if (guards && !entry.program.current()) [[unlikely]] {
    if (reason) *reason = other_patterns;
    return Fit::differs;
  }
  // Guards first: they may run Python code, and no leaf is held yet.
  if (guards && !entry.guards.empty()) {
    std::string broken = entry.broken_guard();
    if (!broken.empty()) {
      if (reason) *reason = std::move(broken);
      return Fit::differs;
    }
  }
  const Fit fit = match.call(entry.in, args, count, kwnames);
  if (fit == Fit::differs && reason) {
    const Token& t = *match.failed;
    const std::string got =
        match.offender ? describe_value(match.offender.ptr()) : "another number or other names";
    *reason = concat(entry.in.path(t), " changed from ", entry.in.wanted(t), " to ", got);
  }
  if (fit != Fit::fits) return fit;
  for (const Entry::Captured& c : entry.reads) {
    TensorObject* handle = as_tensor(c.handle.ptr());
    if (match.captured(handle, c.type)) continue;
    if (reason) *reason = entry.changed_capture();
    return Fit::differs;
  }
  return Fit::fits;
}

// ---- the type
// ------------------------------------------------------------------------------------------------------------

namespace {

JitEntryObject* as_entry(PyObject* self) { return reinterpret_cast<JitEntryObject*>(self); }

Entry& entry_of(PyObject* self) {
  require(as_entry(self)->entry != nullptr, ErrorKind::value, "this JitEntry holds no program");
  return *as_entry(self)->entry;
}

int entry_init(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"trace",    "in_spec", "params",  "outs",
                                "out_spec", "guards",  "donated", nullptr};
  PyObject *trace, *in_spec, *params, *outs, *out_spec, *guards = Py_None, *donated = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOO|OO:JitEntry", const_cast<char**>(names), &trace,
                                   &in_spec, &params, &outs, &out_spec, &guards, &donated))
    return -1;
  return guarded(
      [&]() -> int {
        require(as_entry(self)->entry == nullptr, ErrorKind::value, "a JitEntry is made once");
        const auto list = [](PyObject* sequence) { return py::cast<py::sequence>(py::handle(sequence)); };
        std::vector<uint32_t> leaves;
        if (donated != Py_None)
          for (const int64_t i : parse_ints(donated, "donated")) leaves.push_back(static_cast<uint32_t>(i));
        as_entry(self)->entry = make_entry(py::cast<Trace&>(py::handle(trace)), in_spec, list(params),
                                           list(outs), out_spec, guards, std::move(leaves))
                                    .release();
        return 0;
      },
      -1);
}

int entry_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return as_entry(self)->entry ? as_entry(self)->entry->visit(visit, arg) : 0;
}

int entry_clear(PyObject* self) {
  delete std::exchange(as_entry(self)->entry, nullptr);
  return 0;
}

void entry_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (as_entry(self)->weakrefs) PyObject_ClearWeakRefs(self);
  entry_clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* entry_explain(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* { return py::str(explain_entry(entry_of(self))).release().ptr(); });
}
PyObject* entry_details_method(PyObject* self, PyObject*) {
  return guarded([&] { return entry_details(entry_of(self)).release().ptr(); });
}
PyObject* entry_graph(PyObject* self, void*) {
  return guarded([&] { return graph_trace_of(entry_of(self).program.traced()).release().ptr(); });
}
PyObject* entry_spec(PyObject* self, void*) {
  return guarded([&] { return Py_NewRef(entry_of(self).in_words.ptr()); });
}
PyObject* entry_skeleton(PyObject* self, PyObject*) {
  return guarded([&] {
    const Entry& entry = entry_of(self);
    const std::vector<PyObject*> places(entry.program.results().size(), Py_Ellipsis);
    return build_output(entry.out, places.data());
  });
}
PyObject* entry_changed(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    std::string reason = entry_of(self).broken_guard();
    if (reason.empty()) reason = entry_of(self).changed_capture();
    if (reason.empty() && !entry_of(self).program.current()) reason = other_patterns;
    if (reason.empty()) Py_RETURN_NONE;
    return py::str(reason).release().ptr();
  });
}
PyObject* entry_custom_allocator(PyObject* self, void*) {
  return guarded([&] { return PyBool_FromLong(entry_of(self).custom_allocator); });
}
int set_custom_allocator(PyObject* self, PyObject* value, void*) {
  return guarded(
      [&]() -> int {
        entry_of(self).custom_allocator = value && PyObject_IsTrue(value) == 1;
        return 0;
      },
      -1);
}
// Donated tensors whose buffers no result takes.
PyObject* entry_unused_donations(PyObject* self, void*) {
  return guarded([&] {
    const Entry& entry = entry_of(self);
    py::list out;
    std::vector<bool> used(entry.leaf_count);
    std::vector<const Aval*> types;
    for (const Token& t : entry.in.tokens) {
      const bool number = t.kind == Token::real || t.kind == Token::integer;
      if (number) used[types.size()] = true;  // it has no memory to give
      if (number || t.kind == Token::tensor) types.push_back(&t.type);
    }
    if (const engine::Executable* executable = entry.program.executable()) {
      const Program& program = executable->program;
      for (uint32_t i = 0; i < program.results; ++i) {
        const uint32_t donor = program.slots[program.inputs + i].base;
        if (donor < entry.leaf_count) used[donor] = true;
      }
      for (const ProgramOutput& result : program.outputs)
        if (result.is_input && result.index < entry.leaf_count) used[result.index] = true;
    }
    for (const uint32_t i : entry.donated)
      if (!used[i]) out.append(to_string(*types[i]));
    return out.release().ptr();
  });
}
PyObject* entry_reason(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    const std::string& reason = entry_of(self).reason;
    if (reason.empty()) Py_RETURN_NONE;
    return py::str(reason).release().ptr();
  });
}

}  // namespace

void make_jit_entry_type(py::module_& m) {
  static PyMethodDef methods[] = {
      {"explain", entry_explain, METH_NOARGS, "explain($self, /)\n--\n\nWhat the program runs, as text."},
      {"skeleton", entry_skeleton, METH_NOARGS,
       "skeleton($self, /)\n--\n\nThe result with an ellipsis in the place of every tensor."},
      {"changed", entry_changed, METH_NOARGS,
       "changed($self, /)\n--\n\nWhy a call with fitting arguments would be traced again, or None."},
      {"details", entry_details_method, METH_NOARGS,
       "details($self, /)\n--\n\nWhat the program runs, as a dict."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"graph", entry_graph, nullptr, "The graph as it was traced.", nullptr},
      {"unused_donations", entry_unused_donations, nullptr,
       "The types of donated tensors whose memory no result takes.", nullptr},
      {"in_spec", entry_spec, nullptr, "The spec of the arguments.", nullptr},
      {"custom_allocator", entry_custom_allocator, set_custom_allocator,
       "Does the program take memory of GPUs from our own cache?", nullptr},
      {"reason", entry_reason, nullptr, "Why the function was traced again; None the first time.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(JitEntryObject, weakrefs), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("One traced program and what it fits.")},
      {Py_tp_new, reinterpret_cast<void*>(PyType_GenericNew)},
      {Py_tp_init, reinterpret_cast<void*>(entry_init)},
      {Py_tp_dealloc, reinterpret_cast<void*>(entry_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(entry_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(entry_clear)},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {0, nullptr},
  };
  static PyType_Spec spec = {"pequegrad._core.JitEntry", static_cast<int>(sizeof(JitEntryObject)), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw_python_error();
  jit_entry_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("JitEntry") = py::handle(type);
}

}  // namespace pg::bindings
