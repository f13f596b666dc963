#pragma once
// Reading a tensor's value from Python: the slots and tables that tensor_type.cpp puts into the type.

#include "bindings/common.h"

namespace pg::bindings {

void make_tensor_type(py::module_& m);

/// `self op= other` once `self op other` is known: keeps dtype and shape.
void rebind_in_place(TensorObject* self, TensorObject* result);

/// Id of the innermost abstract trace open on this thread, 0 when there is none.
int64_t current_trace_id();
/// Met from inside a jit trace, a tensor made outside is a hidden input: its present value must not be read
/// into the program.
bool hidden_by_trace(const TensorObject* handle);

PyMethodDef* tensor_methods();
PyGetSetDef* tensor_getset();
Py_ssize_t length_slot(PyObject* self);
int bool_slot(PyObject* self);
PyObject* int_slot(PyObject* self);
PyObject* float_slot(PyObject* self);
PyObject* index_slot(PyObject* self);
int getbuffer_slot(PyObject* self, Py_buffer* view, int flags);
void releasebuffer_slot(PyObject* self, Py_buffer* view);

}  // namespace pg::bindings
