// Reading values: scalars, iteration, repr, the buffer protocol, and the small methods of Tensor.

#include "bindings/values.h"

#include <cstring>

#include "bindings/composites.h"
#include "engine/engine.h"
#include "graph/donated.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

PyObject* eval_method(PyObject* self, PyObject*) {
  TensorObject* t = as_tensor(self);
  if (t->node->evaluated() || (!t->node->abstract && hidden_by_trace(t))) return Py_NewRef(self);
  return guarded([&]() -> PyObject* {
    evaluated(t, ".eval()");
    return Py_NewRef(self);
  });
}

PyObject* item_method(PyObject* self, PyObject*) {
  return guarded([&] { return scalar_object(*evaluated(as_tensor(self), ".item()"), ".item()"); });
}

PyObject* complex_method(PyObject* self, PyObject*) {
  return guarded([&]() -> PyObject* {
    const py::object value = py::reinterpret_steal<py::object>(
        scalar_object(*evaluated(as_tensor(self), "complex()"), "complex()"));
    if (PyComplex_Check(value.ptr())) return Py_NewRef(value.ptr());
    const double real = PyFloat_AsDouble(value.ptr());
    return real == -1 && PyErr_Occurred() ? nullptr : PyComplex_FromDoubles(real, 0);
  });
}

PyObject* detach_method(PyObject* self, PyObject*) {
  return guarded([&] { return wrap(make(stop_gradient_op, {node_of(as_tensor(self))})); });
}

// ---- attributes
// --------------------------------------------------------------------------------------------------------

const Node& node_behind(PyObject* self) { return *as_tensor(self)->node; }

PyObject* get_shape(PyObject* self, void*) {
  return guarded([&] { return shape_tuple(node_behind(self).shape).release().ptr(); });
}
PyObject* get_dtype(PyObject* self, void*) { return Py_XNewRef(dtype_object(node_behind(self).dtype)); }
PyObject* get_device(PyObject* self, void*) {
  return guarded([&] { return Py_XNewRef(device_object(node_behind(self).device)); });
}
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromSize_t(node_behind(self).shape.size()); }
PyObject* get_size(PyObject* self, void*) {
  return guarded([&] { return PyLong_FromLongLong(count_of(node_behind(self).shape)); });
}
PyObject* get_abstract(PyObject* self, void*) {
  return PyBool_FromLong(node_behind(self).abstract || hidden_by_trace(as_tensor(self)));
}
PyObject* get_donated(PyObject* self, void*) { return PyBool_FromLong(is_donated(node_behind(self))); }
PyObject* get_transposed(PyObject* self, void*) {
  return guarded([&] { return wrap(reversed_axes(node_of(as_tensor(self)))); });
}
PyObject* get_weak(PyObject* self, void*) { return PyBool_FromLong(node_behind(self).weak); }

// What the buffer protocol needs to stay alive while a consumer looks at the memory.
struct View {
  Ref<Buffer> buffer;
  Ints shape, strides;
};

const char* format_code(DType d) {
  switch (d) {
  case DType::bool_: return "?";
  case DType::int8: return "b";
  case DType::int16: return "h";
  case DType::int32: return "i";
  case DType::int64: return "q";
  case DType::uint8: return "B";
  case DType::uint16: return "H";
  case DType::uint32: return "I";
  case DType::uint64: return "Q";
  case DType::float16: return "e";
  case DType::bfloat16: return nullptr;
  case DType::float32: return "f";
  case DType::float64: return "d";
  case DType::complex64: return "Zf";
  case DType::complex128: return "Zd";
  }
  return nullptr;
}

}  // namespace

PyObject* scalar_object(const Node& node, const char* what) {
  const int64_t count = count_of(node.shape);
  require(count == 1, ErrorKind::value, [&] {
    return concat(what, " needs a tensor with one element, this one has shape ", to_string(node.shape));
  });
  BufferRef copied;
  const Buffer* values = node.buffer.load(std::memory_order_acquire);
  if (values->device != Device{}) values = (copied = host_values(node)).get();
  const void* data = values->data;
  const auto read = [&]<class T>(T) {
    T value;
    std::memcpy(&value, data, sizeof(T));
    return value;
  };
  switch (node.dtype) {
  case DType::bool_: return PyBool_FromLong(read(uint8_t{}));
  case DType::int8: return PyLong_FromLong(read(int8_t{}));
  case DType::int16: return PyLong_FromLong(read(int16_t{}));
  case DType::int32: return PyLong_FromLong(read(int32_t{}));
  case DType::int64: return PyLong_FromLongLong(read(int64_t{}));
  case DType::uint8: return PyLong_FromLong(read(uint8_t{}));
  case DType::uint16: return PyLong_FromLong(read(uint16_t{}));
  case DType::uint32: return PyLong_FromUnsignedLong(read(uint32_t{}));
  case DType::uint64: return PyLong_FromUnsignedLongLong(read(uint64_t{}));
  case DType::float16: return PyFloat_FromDouble(half_to_float(read(uint16_t{})));
  case DType::bfloat16: return PyFloat_FromDouble(bfloat16_to_float(read(uint16_t{})));
  case DType::float32: return PyFloat_FromDouble(static_cast<double>(read(float{})));
  case DType::float64: return PyFloat_FromDouble(read(double{}));
  case DType::complex64: {
    const auto z = read(ir::Complex<float>{});
    return PyComplex_FromDoubles(static_cast<double>(z.re), static_cast<double>(z.im));
  }
  case DType::complex128: {
    const auto z = read(ir::Complex<double>{});
    return PyComplex_FromDoubles(z.re, z.im);
  }
  }
  fail(ErrorKind::internal, "unknown dtype");
}

Node* evaluated(TensorObject* tensor, const char* what) {
  Node* node = tensor->node;
  const bool hidden = hidden_by_trace(tensor);
  if (node->evaluated() && !hidden) return node;
  if (is_donated(*node)) fail_donated(*node);
  if (node->abstract || hidden) {
    const Location here = nearest_user_location();
    const std::string place = here.code ? concat(" (", format_location(here), ")") : "";
    fail(ErrorKind::trace,
         concat(what, " needs the value of a tensor that has none", place,
                ": inside pg.jit and pg.vmap tensors are placeholders. Use pg.where for a choice, return the "
                "tensor and read "
                "it outside, or name the argument in static_argnums when it is a Python value"));
  }
  drain_decrefs();
  engine::evaluate(node);
  // Evaluation may let other threads run, which may rebind the handle.
  return tensor->node->evaluated() ? tensor->node : evaluated(tensor, what);
}

Py_ssize_t length_slot(PyObject* self) {
  return guarded(
      [&]() -> Py_ssize_t {
        require(!node_behind(self).shape.empty(), ErrorKind::type, "len() of a 0-d tensor");
        return static_cast<Py_ssize_t>(node_behind(self).shape[0]);
      },
      -1);
}

int bool_slot(PyObject* self) {
  return guarded(
      [&]() -> int {
        const int64_t count = count_of(node_behind(self).shape);
        require(count == 1, ErrorKind::value, [&] {
          return concat("the truth value of a tensor of shape ", to_string(node_behind(self).shape),
                        " is ambiguous; use .any() or .all()");
        });
        const py::object value =
            py::reinterpret_steal<py::object>(scalar_object(*evaluated(as_tensor(self), "bool()"), "bool()"));
        return PyObject_IsTrue(value.ptr());
      },
      -1);
}

PyObject* int_slot(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const py::object value =
        py::reinterpret_steal<py::object>(scalar_object(*evaluated(as_tensor(self), "int()"), "int()"));
    return PyNumber_Long(value.ptr());
  });
}

PyObject* float_slot(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const py::object value =
        py::reinterpret_steal<py::object>(scalar_object(*evaluated(as_tensor(self), "float()"), "float()"));
    return PyNumber_Float(value.ptr());
  });
}

PyObject* index_slot(PyObject* self) {
  return guarded([&]() -> PyObject* {
    const Node& node = node_behind(self);
    require(is_int(node.dtype) && node.shape.empty(), ErrorKind::type, [&] {
      return concat("only 0-d integer tensors can be used as an index, this one is ", to_string(node.aval()));
    });
    return scalar_object(*evaluated(as_tensor(self), "use as an index"), "use as an index");
  });
}

int getbuffer_slot(PyObject* self, Py_buffer* out, int flags) {
  out->obj = nullptr;
  return guarded(
      [&]() -> int {
        Node* node = evaluated(as_tensor(self), "the buffer protocol");
        if (flags & PyBUF_WRITABLE) {
          PyErr_SetString(PyExc_BufferError, "tensors are immutable: their memory is read-only");
          throw_python_error();
        }
        const char* format = format_code(node->dtype);
        require(format || !(flags & PyBUF_FORMAT), ErrorKind::dtype,
                "bfloat16 has no code in the buffer protocol; use .numpy(), or cast first");
        auto* view = new View{host_values(*node), node->shape, strides_of(node->shape)};
        for (int64_t& s : view->strides) s *= size_of(node->dtype);
        out->buf = view->buffer->data;
        out->len = static_cast<Py_ssize_t>(count_of(node->shape) * size_of(node->dtype));
        out->itemsize = static_cast<Py_ssize_t>(size_of(node->dtype));
        out->readonly = 1;
        out->ndim = static_cast<int>(node->shape.size());
        out->format = flags & PyBUF_FORMAT ? const_cast<char*>(format) : nullptr;
        static_assert(sizeof(Py_ssize_t) == sizeof(int64_t));
        out->shape = flags & PyBUF_ND ? reinterpret_cast<Py_ssize_t*>(view->shape.data()) : nullptr;
        out->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES
                           ? reinterpret_cast<Py_ssize_t*>(view->strides.data())
                           : nullptr;
        out->suboffsets = nullptr;
        out->internal = view;
        out->obj = Py_NewRef(self);
        return 0;
      },
      -1);
}

void releasebuffer_slot(PyObject*, Py_buffer* view) { delete static_cast<View*>(view->internal); }

PyMethodDef* tensor_methods() {
  static PyMethodDef methods[] = {
      {"eval", eval_method, METH_NOARGS,
       "eval($self, /)\n--\n\nComputes the value now, if it is not known yet; returns the tensor itself."},
      {"item", item_method, METH_NOARGS, "item($self, /)\n--\n\nThe only element, as a Python number."},
      {"__complex__", complex_method, METH_NOARGS,
       "__complex__($self, /)\n--\n\nThe only element, as a Python complex number."},
      {"detach", detach_method, METH_NOARGS,
       "detach($self, /)\n--\n\nThe same values as a constant: no derivative flows through the result."},
      {nullptr, nullptr, 0, nullptr},
  };
  return methods;
}

PyGetSetDef* tensor_getset() {
  static PyGetSetDef attributes[] = {
      {"shape", get_shape, nullptr, "The extents, as a tuple.", nullptr},
      {"dtype", get_dtype, nullptr, "The element type.", nullptr},
      {"device", get_device, nullptr, "Where the tensor lives.", nullptr},
      {"ndim", get_ndim, nullptr, "The number of axes.", nullptr},
      {"size", get_size, nullptr, "The number of elements.", nullptr},
      {"T", get_transposed, nullptr, "The axes in reverse order.", nullptr},
      {"weak", get_weak, nullptr,
       "True for a value that gives way to other dtypes in promotion, as Python numbers do.", nullptr},
      {"is_abstract", get_abstract, nullptr,
       "True for a placeholder of an open trace, or a value that depends on one.", nullptr},
      {"is_donated", get_donated, nullptr,
       "True once the tensor was given away to a call of a jitted function: its value is gone.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  return attributes;
}

}  // namespace pg::bindings
