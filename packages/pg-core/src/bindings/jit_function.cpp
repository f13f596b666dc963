// The raw type JitFunction: a call costs a match of the arguments and a run.

#include "bindings/jit_entry.h"
#include <structmember.h>  // after Python.h

#include "engine/engine.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

struct Slot {
  py::object object;  // keeps the entry alive
  JitEntry* entry;
};

struct JitFunctionObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  PyObject *function, *miss, *dict, *weakrefs;
  std::vector<Slot>* entries;  // newest use first
  size_t most;
  std::string* reason;         // why the last call was traced
};

JitFunctionObject* as_jit(PyObject* self) { return reinterpret_cast<JitFunctionObject*>(self); }

py::object args_tuple(PyObject* const* args, size_t count) {
  py::tuple out(count);
  for (size_t i = 0; i < count; ++i) PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), Py_NewRef(args[i]));
  return out;
}

py::dict kwargs_dict(PyObject* const* args, size_t count, PyObject* names) {
  py::dict out;
  for (Py_ssize_t i = 0; names && i < PyTuple_GET_SIZE(names); ++i)
    if (PyDict_SetItem(out.ptr(), PyTuple_GET_ITEM(names, i), args[count + static_cast<size_t>(i)]) < 0) throw_python_error();
  return out;
}

PyObject* call(PyObject* callable, PyObject* const* args, size_t flags, PyObject* names) {
  JitFunctionObject* self = as_jit(callable);
  // Inside another trace the function is part of that trace.
  if (trace_open()) return PyObject_Vectorcall(self->function, args, flags, names);
  return guarded([&]() -> PyObject* {
    drain_decrefs();
    const size_t count = static_cast<size_t>(PyVectorcall_NARGS(flags));
    std::vector<Leaf> leaves;
    std::vector<py::object> kept;
    leaves.reserve(16);
    std::vector<Slot>& entries = *self->entries;
    std::string reason = entries.empty() ? "first call" : "the arguments fit no program: a structure, shape, dtype, device or static value is new";
    for (size_t i = 0; i < entries.size(); ++i) {
      const py::object held = entries[i].object;  // user code below may change the list
      JitEntry* entry = entries[i].entry;
      leaves.clear();
      if (!entry->match(args, count, names, leaves, kept)) continue;
      std::string changed = entry->changed();
      if (!changed.empty()) {
        reason = std::move(changed);
        continue;
      }
      if (i > 0 && i < entries.size() && entries[i].entry == entry) std::rotate(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(i), entries.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      return entry->run(leaves).release().ptr();
    }
    *self->reason = std::move(reason);
    const py::object made = py::handle(self->miss)(py::handle(callable), args_tuple(args, count), kwargs_dict(args, count, names));
    JitEntry* entry = made.cast<JitEntry*>();
    leaves.clear();
    require(entry->match(args, count, names, leaves, kept), ErrorKind::internal, "a new program does not fit the arguments it was traced with");
    entries.insert(entries.begin(), Slot{made, entry});
    if (entries.size() > self->most) entries.pop_back();
    return entry->run(leaves).release().ptr();
  });
}

PyObject* jit_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "miss", "max_entries", nullptr};
  PyObject *function = nullptr, *miss = nullptr;
  Py_ssize_t most = 64;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|n:JitFunction", const_cast<char**>(names), &function, &miss, &most)) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (!self) return nullptr;
  JitFunctionObject* jit = as_jit(self);
  jit->vectorcall = call;
  jit->function = Py_NewRef(function);
  jit->miss = Py_NewRef(miss);
  jit->entries = new std::vector<Slot>;
  jit->reason = new std::string;
  jit->most = static_cast<size_t>(most > 0 ? most : 1);
  return self;
}

int jit_traverse(PyObject* self, visitproc visit, void* arg) {
  JitFunctionObject* jit = as_jit(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(jit->function);
  Py_VISIT(jit->miss);
  Py_VISIT(jit->dict);
  return 0;
}

int jit_clear(PyObject* self) {
  JitFunctionObject* jit = as_jit(self);
  Py_CLEAR(jit->function);
  Py_CLEAR(jit->miss);
  Py_CLEAR(jit->dict);
  if (jit->entries) {
    const std::vector<Slot> dropped = std::move(*jit->entries);
    jit->entries->clear();
  }
  return 0;
}

void jit_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (as_jit(self)->weakrefs) PyObject_ClearWeakRefs(self);
  jit_clear(self);
  delete as_jit(self)->entries;
  delete as_jit(self)->reason;
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* jit_get(PyObject* self, PyObject* instance, PyObject*) {
  return instance && instance != Py_None ? PyMethod_New(self, instance) : Py_NewRef(self);
}

PyObject* clear_method(PyObject* self, PyObject*) {
  const std::vector<Slot> dropped = std::move(*as_jit(self)->entries);
  as_jit(self)->entries->clear();
  Py_RETURN_NONE;
}

PyObject* get_entries(PyObject* self, void*) {
  return guarded([&] {
    py::list out;
    const std::vector<Slot>& entries = *as_jit(self)->entries;
    for (size_t i = entries.size(); i-- > 0;) out.append(entries[i].object);
    return out.release().ptr();
  });
}
PyObject* get_function(PyObject* self, void*) { return Py_NewRef(as_jit(self)->function); }
PyObject* get_reason(PyObject* self, void*) { return PyUnicode_FromString(as_jit(self)->reason->c_str()); }

}  // namespace

void bind_jit(py::module_& m) {
  bind_jit_entry(m);
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(JitFunctionObject, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(JitFunctionObject, dict), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(JitFunctionObject, weakrefs), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyMethodDef methods[] = {
      {"clear", clear_method, METH_NOARGS, "clear()\n--\n\nForgets all programs."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"entries", get_entries, nullptr, "The programs, most recently used last.", nullptr},
      {"function", get_function, nullptr, "The Python function.", nullptr},
      {"retrace_reason", get_reason, nullptr, "Why the last call that traced did so.", nullptr},
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("JitFunction(function, miss, max_entries=64)\n--\n\nA function whose programs are found by its arguments.")},
      {Py_tp_new, reinterpret_cast<void*>(jit_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(jit_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(jit_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(jit_clear)},
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(jit_get)},
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {0, nullptr},
  };
  static PyType_Spec spec = {"pequegrad._core.JitFunction", static_cast<int>(sizeof(JitFunctionObject)), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw_python_error();
  m.attr("JitFunction") = py::handle(type);
}

}  // namespace pg::bindings
