// The callable that pg.jit returns: its programs, used last first, and the way to a new one. The Python type
// JitFunction.

#include "bindings/jit.h"
#include <structmember.h>  // after Python.h

#include <algorithm>

#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

struct State {
  std::vector<py::object> entries;   // used last first
  std::vector<std::string> reasons;  // why it was traced again, oldest first; bounded
  std::string reason;                // of the last trace
  int64_t traces = 0;
  std::mutex writes;  // held from reading to writing captured tensors
};

struct JitFunctionObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject *function, *miss, *dict, *weakrefs;
  Py_ssize_t max_entries;
  State* state;
};

JitFunctionObject* as_function(PyObject* self) { return reinterpret_cast<JitFunctionObject*>(self); }

/// The program of an entry; null when the garbage collector took it.
Entry* program_of(const py::object& entry) { return reinterpret_cast<JitEntryObject*>(entry.ptr())->entry; }

void move_to_front(State& state, const py::object& entry) {
  const auto found = std::find_if(state.entries.begin(), state.entries.end(),
                                  [&](const py::object& e) { return e.ptr() == entry.ptr(); });
  if (found != state.entries.end()) std::rotate(state.entries.begin(), found, found + 1);
}

/// Asks Python for an entry that fits the call.
py::object trace(JitFunctionObject* self, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  std::string reason;
  if (!self->state->entries.empty()) {
    const py::object last = self->state->entries.front();
    Match match;
    const Entry* entry = program_of(last);
    if (entry && match_entry(*entry, match, args, count, kwnames, true, &reason) == Fit::error)
      throw_python_error();
  }
  py::tuple positional(count);
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(positional.ptr(), i, Py_NewRef(args[i]));
  py::dict named;
  for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); ++i)
    if (PyDict_SetItem(named.ptr(), PyTuple_GET_ITEM(kwnames, i), args[count + i]) < 0) throw_python_error();
  if (!reason.empty()) {
    constexpr size_t most = 64;
    if (self->state->reasons.size() == most) self->state->reasons.erase(self->state->reasons.begin());
    self->state->reasons.push_back(reason);
  }
  self->state->reason = !reason.empty()       ? reason
                        : self->state->traces ? "its programs were dropped"
                                              : "first call";
  ++self->state->traces;

  PyObject* arguments[] = {reinterpret_cast<PyObject*>(self), positional.ptr(), named.ptr()};
  py::object made = py::reinterpret_steal<py::object>(PyObject_Vectorcall(self->miss, arguments, 3, nullptr));
  if (!made) throw_python_error();
  require(Py_TYPE(made.ptr()) == jit_entry_type && program_of(made), ErrorKind::type,
          "tracing a jitted function must return a JitEntry");
  program_of(made)->reason = std::move(reason);
  return made;
}

/// Stores an entry as the one used last.
void keep(JitFunctionObject* self, const py::object& entry) {
  State& state = *self->state;
  std::vector<py::object> dropped;  // released last: their references may run Python code
  state.entries.insert(state.entries.begin(), entry);
  while (static_cast<Py_ssize_t>(state.entries.size()) > self->max_entries) {
    dropped.push_back(std::move(state.entries.back()));
    state.entries.pop_back();
  }
}

[[noreturn]] void fail_new_entry(const Entry& entry, const Match& match, const std::string& reason) {
  const bool wide = match.failed && match.failed->kind == Token::integer && match.offender &&
                    PyLong_CheckExact(match.offender.ptr());
  if (wide)
    fail(ErrorKind::value,
         concat(entry.in.path(*match.failed), ": the integer ", describe_value(match.offender.ptr()),
                " does not fit 64 bits; pass a float"));
  fail(ErrorKind::trace, concat("tracing changed the arguments of a jitted function: ", reason));
}

// Finds the entry that fits a call, or traces a new one, and answers what `then(entry, match)` does.
template <class Then> PyObject* with_entry(JitFunctionObject* self, PyObject* const* args, Py_ssize_t count,
                                           PyObject* kwnames, Then&& then) {
  State& state = *self->state;
  if (!state.entries.empty()) {
    const py::object first = state.entries.front();
    {
      Match match;
      const Fit fit = match_entry(*program_of(first), match, args, count, kwnames, true, nullptr);
      if (fit == Fit::fits) return then(first, match);
      if (fit == Fit::error) throw_python_error();
    }
    if (state.entries.size() > 1) {
      // Matching may run Python code, which may change the list.
      const std::vector<py::object> others(state.entries.begin(), state.entries.end());
      for (const py::object& entry : others) {
        if (entry.ptr() == first.ptr() || !program_of(entry)) continue;
        Match match;
        const Fit fit = match_entry(*program_of(entry), match, args, count, kwnames, true, nullptr);
        if (fit == Fit::error) throw_python_error();
        if (fit != Fit::fits) continue;
        move_to_front(state, entry);
        return then(entry, match);
      }
    }
  }
  const py::object self_held = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(self));
  const py::object made = trace(self, args, count, kwnames);
  Match match;
  std::string reason;
  // Guards hold what was true when the trace began; the function itself may have changed it since.
  const Fit fit = match_entry(*program_of(made), match, args, count, kwnames, false, &reason);
  if (fit == Fit::error) throw_python_error();
  if (fit == Fit::differs) fail_new_entry(*program_of(made), match, reason);
  keep(self, made);
  return then(made, match);
}

PyObject* call(PyObject* raw, PyObject* const* args, size_t flagged, PyObject* kwnames) {
  JitFunctionObject* self = as_function(raw);
  if (!self->function || !self->state) {
    PyErr_SetString(PyExc_TypeError, "this JitFunction was not initialised");
    return nullptr;
  }
  // Inside a trace a jitted function is its body, so that it is differentiated and compiled with what
  // surrounds it.
  if (trace_open()) return PyObject_Vectorcall(self->function, args, flagged, kwnames);
  return guarded([&]() -> PyObject* {
    return with_entry(self, args, PyVectorcall_NARGS(flagged), kwnames,
                      [&](const py::object& entry, Match& match) {
                        return run_entry(*program_of(entry), match, self->state->writes);
                      });
  });
}

PyObject* entry_method(PyObject* raw, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  return guarded([&]() -> PyObject* {
    require(as_function(raw)->state != nullptr, ErrorKind::type, "this JitFunction was not initialised");
    return with_entry(as_function(raw), args, count, kwnames,
                      [](const py::object& entry, Match&) { return Py_NewRef(entry.ptr()); });
  });
}

// ---- the type
// ------------------------------------------------------------------------------------------------------------

PyObject* function_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) as_function(self)->vectorcall = call;
  return self;
}

int function_init(PyObject* raw, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "miss", "max_entries", nullptr};
  PyObject *function, *miss;
  Py_ssize_t max_entries = 64;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|n:JitFunction", const_cast<char**>(names), &function,
                                   &miss, &max_entries))
    return -1;
  return guarded(
      [&]() -> int {
        require(PyCallable_Check(function) && PyCallable_Check(miss), ErrorKind::type,
                "jit needs a function, and a function that traces it");
        require(max_entries > 0, ErrorKind::value, "max_entries must be positive");
        JitFunctionObject* self = as_function(raw);
        require(self->state == nullptr, ErrorKind::value, "a JitFunction is initialised once");
        self->state = new State;
        self->function = Py_NewRef(function);
        self->miss = Py_NewRef(miss);
        self->max_entries = max_entries;
        return 0;
      },
      -1);
}

int function_traverse(PyObject* raw, visitproc visit, void* arg) {
  JitFunctionObject* self = as_function(raw);
  Py_VISIT(Py_TYPE(raw));
  Py_VISIT(self->function);
  Py_VISIT(self->miss);
  Py_VISIT(self->dict);
  if (self->state)
    for (const py::object& entry : self->state->entries) Py_VISIT(entry.ptr());
  return 0;
}

int function_clear(PyObject* raw) {
  JitFunctionObject* self = as_function(raw);
  Py_CLEAR(self->function);
  Py_CLEAR(self->miss);
  Py_CLEAR(self->dict);
  if (self->state) {
    const std::vector<py::object> dropped = std::exchange(self->state->entries, {});
  }
  return 0;
}

void function_dealloc(PyObject* raw) {
  PyTypeObject* type = Py_TYPE(raw);
  PyObject_GC_UnTrack(raw);
  if (as_function(raw)->weakrefs) PyObject_ClearWeakRefs(raw);
  function_clear(raw);
  delete as_function(raw)->state;
  type->tp_free(raw);
  Py_DECREF(type);
}

PyObject* function_get(PyObject* self, PyObject* instance, PyObject*) {
  return instance ? PyMethod_New(self, instance) : Py_NewRef(self);
}

PyObject* function_repr(PyObject* raw) {
  return PyUnicode_FromFormat("<jit of %R>",
                              as_function(raw)->function ? as_function(raw)->function : Py_None);
}

PyObject* get_entries(PyObject* raw, void*) {
  return guarded([&] {
    py::list out;
    if (const State* state = as_function(raw)->state)
      for (size_t i = state->entries.size(); i-- > 0;) out.append(state->entries[i]);
    return out.release().ptr();
  });
}
PyObject* get_reasons(PyObject* raw, void*) {
  return guarded([&] {
    py::list out;
    if (const State* state = as_function(raw)->state)
      for (const std::string& reason : state->reasons) out.append(py::str(reason));
    return out.release().ptr();
  });
}
PyObject* get_reason(PyObject* raw, void*) {
  return guarded([&] {
    const State* state = as_function(raw)->state;
    return py::str(state ? state->reason : "").release().ptr();
  });
}
PyObject* get_traces(PyObject* raw, void*) {
  return PyLong_FromLongLong(as_function(raw)->state ? as_function(raw)->state->traces : 0);
}
PyObject* get_max_entries(PyObject* raw, void*) { return PyLong_FromSsize_t(as_function(raw)->max_entries); }
PyObject* get_function(PyObject* raw, void*) {
  return Py_NewRef(as_function(raw)->function ? as_function(raw)->function : Py_None);
}

PyObject* clear_method(PyObject* raw, PyObject*) {
  return guarded([&]() -> PyObject* {
    if (State* state = as_function(raw)->state) {
      const std::vector<py::object> dropped = std::exchange(state->entries, {});
      state->reasons.clear();
    }
    Py_RETURN_NONE;
  });
}

}  // namespace

void make_jit_function_type(py::module_& m) {
  static PyMethodDef methods[] = {
      {"entry", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(entry_method)),
       METH_FASTCALL | METH_KEYWORDS,
       "entry($self, /, *args, **kwargs)\n--\n\nThe program that a call with these arguments would run."},
      {"clear", clear_method, METH_NOARGS, "clear($self, /)\n--\n\nForgets all traced programs."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"entries", get_entries, nullptr, "The traced programs, the one used last at the end.", nullptr},
      {"reasons", get_reasons, nullptr, "Why the function was traced again, oldest first (the last 64).",
       nullptr},
      {"retrace_reason", get_reason, nullptr, "Why it was traced the last time.", nullptr},
      {"traces", get_traces, nullptr, "How often the function was traced.", nullptr},
      {"max_entries", get_max_entries, nullptr, "How many traced programs are kept.", nullptr},
      {"function", get_function, nullptr, "The Python function.", nullptr},
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(JitFunctionObject, weakrefs), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(JitFunctionObject, dict), READONLY, nullptr},
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(JitFunctionObject, vectorcall), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_doc,
       const_cast<char*>(
           "A function that is traced once per kind of arguments, compiled, and then run as a program.")},
      {Py_tp_new, reinterpret_cast<void*>(function_new)},
      {Py_tp_init, reinterpret_cast<void*>(function_init)},
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_dealloc, reinterpret_cast<void*>(function_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(function_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(function_clear)},
      {Py_tp_descr_get, reinterpret_cast<void*>(function_get)},
      {Py_tp_repr, reinterpret_cast<void*>(function_repr)},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {0, nullptr},
  };
  constexpr unsigned flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                             Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR;
  static PyType_Spec spec = {"pequegrad._core.JitFunction", static_cast<int>(sizeof(JitFunctionObject)), 0,
                             flags, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw_python_error();
  m.attr("JitFunction") = py::handle(type);
}

}  // namespace pg::bindings
