// Walking the arguments of a call along the tokens of an entry.
//
// Flatteners, attribute access and comparisons run the user's code, which may change anything. So nothing is
// held without a reference across such code (`own`), items are kept alive while they are walked, and sizes
// are asked again after every item.

#include <cstring>

#include "bindings/jit.h"
#include "support/error.h"

namespace pg::bindings {
namespace {

bool same_type(const Node& node, const Aval& type) {
  return node.dtype == type.dtype && node.weak == type.weak && node.device == type.device &&
         node.shape == type.shape;
}

bool is_exact_text(PyObject* object) { return PyUnicode_CheckExact(object); }

}  // namespace

Match::~Match() {
  if (!owning_) return;
  for (const Leaf& leaf : leaves) {
    if (leaf.node) NodeRef::adopt(leaf.node);
    Py_XDECREF(reinterpret_cast<PyObject*>(leaf.handle));
  }
}

void Match::own() {
  if (owning_) return;
  owning_ = true;
  for (const Leaf& leaf : leaves) {
    if (leaf.node) leaf.node->refs.retain();
    Py_XINCREF(reinterpret_cast<PyObject*>(leaf.handle));
  }
}

void Match::push(const Leaf& leaf) {
  if (owning_) {
    if (leaf.node) leaf.node->refs.retain();
    Py_XINCREF(reinterpret_cast<PyObject*>(leaf.handle));
  }
  leaves.push_back(leaf);
}

bool Match::captured(TensorObject* handle, const Aval& type) {
  if (!same_type(*handle->node, type)) return false;
  push({handle->node, handle, 0});
  return true;
}

bool Match::refresh() {
  for (Leaf& leaf : leaves) {
    if (!leaf.handle || leaf.handle->node == leaf.node) continue;
    if (!same_type(*leaf.handle->node, leaf.node->aval())) return false;
    NodeRef::adopt(std::exchange(leaf.node, NodeRef::share(leaf.handle->node).detach()));
  }
  return true;
}

Fit Match::differ(const Token& t, PyObject* x) {
  failed = &t;
  offender = py::reinterpret_borrow<py::object>(x);
  return Fit::differs;
}

Fit Match::same(PyObject* a, PyObject* b) {
  if (a == b) return Fit::fits;
  if (Py_TYPE(a) != Py_TYPE(b) || is_tensor(a)) return Fit::differs;
  const auto answer = [](bool yes) { return yes ? Fit::fits : Fit::differs; };
  if (PyFloat_Check(a)) {
    const double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return answer(std::memcmp(&x, &y, sizeof(x)) == 0);
  }
  if (PyComplex_CheckExact(a)) {
    const Py_complex x = PyComplex_AsCComplex(a), y = PyComplex_AsCComplex(b);
    return answer(std::memcmp(&x, &y, sizeof(x)) == 0);
  }
  if (PyTuple_CheckExact(a)) {
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return Fit::differs;
    if (Py_EnterRecursiveCall(" while comparing static values")) return Fit::error;
    Fit fit = Fit::fits;
    for (Py_ssize_t i = 0; fit == Fit::fits && i < PyTuple_GET_SIZE(a); ++i)
      fit = same(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i));
    Py_LeaveRecursiveCall();
    return fit;
  }
  if (is_numpy_scalar(a)) {
    const auto bytes = [](PyObject* scalar) {
      return py::reinterpret_steal<py::object>(PyObject_CallMethod(scalar, "tobytes", nullptr));
    };
    own();
    const py::object x = bytes(a), y = bytes(b);
    return x && y ? same(x.ptr(), y.ptr()) : Fit::error;
  }
  const bool builtin =
      PyLong_CheckExact(a) || PyUnicode_CheckExact(a) || PyBytes_CheckExact(a) || PyBool_Check(a);
  if (!builtin) own();
  const int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  return equal < 0 ? Fit::error : answer(equal);
}

Fit Match::walk_tensor(const Token& t, PyObject* tensor, PyObject* x) {
  TensorObject* handle = as_tensor(tensor);
  if (!same_type(*handle->node, t.type)) return differ(t, x);
  push({handle->node, handle, 0});
  return Fit::fits;
}

Fit Match::walk_number(const Token& t, PyObject* x) {
  const bool real = t.kind == Token::real;
  if (real && PyFloat_CheckExact(x) && t.type.dtype == DType::float64) {
    Leaf leaf{nullptr, nullptr, 0};
    const double value = PyFloat_AS_DOUBLE(x);
    std::memcpy(&leaf.bits, &value, sizeof(value));
    push(leaf);
    return Fit::fits;
  }
  if (!(real ? PyFloat_CheckExact(x) : PyLong_CheckExact(x))) {
    if (t.count || !is_numpy_scalar(x)) return differ(t, x);  // count: Python's numbers only
    own();
  }
  const std::optional<Number> number = parse_number(x);
  if (!number || (real ? !is_float(number->type.dtype) : !is_int(number->type.dtype))) return differ(t, x);
  try {
    push({nullptr, nullptr, engine::memory_of_bits(number->bits(t.type.dtype), t.type.dtype)});
  } catch (const Error&) {  // an integer beyond the placeholder's range
    return differ(t, x);
  }
  return Fit::fits;
}

// An item of a container that user code may change meanwhile.
Fit Match::walk_item(const Token*& at, PyObject* x) {
  Py_INCREF(x);
  const Fit fit = walk(at, x);
  Py_DECREF(x);
  return fit;
}

Fit Match::walk_dict(const Token& t, const Token*& at, PyObject* x) {
  if (!PyDict_CheckExact(x) || PyDict_GET_SIZE(x) != static_cast<Py_ssize_t>(t.count)) return differ(t, x);
  const py::object* names = spec_->names.data() + t.first;
  // In most calls the keys are the same objects in the same order: no look-up needed.
  Py_ssize_t position = 0;
  PyObject *key, *value;
  uint32_t i = 0;
  for (; i < t.count && PyDict_Next(x, &position, &key, &value) && key == names[i].ptr(); ++i)
    if (const Fit fit = walk_item(at, value); fit != Fit::fits) return fit;
  for (; i < t.count; ++i) {
    own();  // keys may compare in Python
    value = PyDict_GetItemWithError(x, names[i].ptr());
    if (!value) return PyErr_Occurred() ? Fit::error : differ(t, x);
    if (const Fit fit = walk_item(at, value); fit != Fit::fits) return fit;
  }
  return PyDict_GET_SIZE(x) == static_cast<Py_ssize_t>(t.count) ? Fit::fits : differ(t, x);
}

Fit Match::walk_object(const Token& t, const Token*& at, PyObject* x) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(x)) != t.value.ptr()) return differ(t, x);
  own();
  const py::object pair = py::reinterpret_steal<py::object>(PyObject_CallOneArg(t.call.ptr(), x));
  if (!pair) return Fit::error;
  if (!PyTuple_Check(pair.ptr()) || PyTuple_GET_SIZE(pair.ptr()) != 2) {
    PyErr_Format(PyExc_TypeError, "flattening a %s must give the pair (children, aux), got a %s",
                 Py_TYPE(x)->tp_name, Py_TYPE(pair.ptr())->tp_name);
    return Fit::error;
  }
  if (const Fit fit = same(t.aux.ptr(), PyTuple_GET_ITEM(pair.ptr(), 1)); fit != Fit::fits)
    return fit == Fit::error ? fit : differ(t, x);
  const py::object children = py::reinterpret_steal<py::object>(
      PySequence_Fast(PyTuple_GET_ITEM(pair.ptr(), 0), "the children of a pytree must be a sequence"));
  if (!children) return Fit::error;
  for (uint32_t i = 0; i < t.count; ++i) {
    if (PySequence_Fast_GET_SIZE(children.ptr()) != static_cast<Py_ssize_t>(t.count)) return differ(t, x);
    if (const Fit fit = walk_item(at, PySequence_Fast_GET_ITEM(children.ptr(), i)); fit != Fit::fits)
      return fit;
  }
  return PySequence_Fast_GET_SIZE(children.ptr()) == static_cast<Py_ssize_t>(t.count) ? Fit::fits
                                                                                      : differ(t, x);
}

Fit Match::walk_fields(const Token& t, const Token*& at, PyObject* x) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(x)) != t.value.ptr()) return differ(t, x);
  own();
  for (uint32_t i = 0; i < t.count; ++i) {
    PyObject* value = PyObject_GetAttr(x, spec_->names[t.first + i].ptr());
    if (!value) {
      if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return Fit::error;
      PyErr_Clear();
      return differ(t, x);
    }
    const Fit fit = walk(at, value);
    Py_DECREF(value);
    if (fit != Fit::fits) return fit;
  }
  return Fit::fits;
}

Fit Match::walk(const Token*& at, PyObject* x) {
  const Token& t = *at++;
  switch (t.kind) {
  case Token::tensor: {
    if (is_tensor(x)) [[likely]]
      return walk_tensor(t, x, x);
    own();  // perhaps an array or a complex number, which becomes a tensor at every call
    if (t.type.weak && t.type.dtype == DType::complex128 && (PyComplex_Check(x) || is_numpy_scalar(x))) {
      const std::optional<Number> number = parse_number(x);
      if (!number || !is_complex(number->type.dtype)) return differ(t, x);
      return walk_tensor(t, wrap_object(filled(*number, t.type)).ptr(), x);
    }
    const py::object converted = convert_foreign(x);
    return is_tensor(converted.ptr()) ? walk_tensor(t, converted.ptr(), x) : differ(t, x);
  }
  case Token::real:
  case Token::integer: return walk_number(t, x);
  case Token::constant: {
    const Fit fit = same(t.value.ptr(), x);
    return fit == Fit::differs ? differ(t, x) : fit;
  }
  case Token::none: return x == Py_None ? Fit::fits : differ(t, x);
  case Token::tuple: {
    if (!PyTuple_CheckExact(x) || PyTuple_GET_SIZE(x) != static_cast<Py_ssize_t>(t.count))
      return differ(t, x);
    for (uint32_t i = 0; i < t.count; ++i)
      if (const Fit fit = walk(at, PyTuple_GET_ITEM(x, i)); fit != Fit::fits) return fit;
    return Fit::fits;
  }
  case Token::list: {
    if (!PyList_CheckExact(x)) return differ(t, x);
    for (uint32_t i = 0; i < t.count; ++i) {
      if (PyList_GET_SIZE(x) != static_cast<Py_ssize_t>(t.count)) return differ(t, x);
      if (const Fit fit = walk_item(at, PyList_GET_ITEM(x, i)); fit != Fit::fits) return fit;
    }
    return PyList_GET_SIZE(x) == static_cast<Py_ssize_t>(t.count) ? Fit::fits : differ(t, x);
  }
  case Token::dict: return walk_dict(t, at, x);
  case Token::object: return walk_object(t, at, x);
  case Token::fields: return walk_fields(t, at, x);
  case Token::out: break;
  }
  PyErr_SetString(PyExc_SystemError, "an output word in an input spec");
  return Fit::error;
}

Fit Match::call(const Spec& spec, PyObject* const* args, Py_ssize_t count, PyObject* kwnames) {
  spec_ = &spec;
  const Token& positional = spec.tokens[1];
  const Token& keywords = spec.tokens[positional.end];
  const Py_ssize_t keyword_count = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
  if (count != static_cast<Py_ssize_t>(positional.count)) {
    failed = &positional;
    return Fit::differs;
  }
  if (keyword_count != static_cast<Py_ssize_t>(keywords.count)) {
    failed = &keywords;
    return Fit::differs;
  }
  const Token* at = &positional + 1;
  for (Py_ssize_t i = 0; i < count; ++i)
    if (const Fit fit = walk(at, args[i]); fit != Fit::fits) return fit;
  at = &keywords + 1;
  for (Py_ssize_t i = 0; i < keyword_count; ++i) {
    PyObject* name = spec.names[keywords.first + static_cast<size_t>(i)].ptr();
    Py_ssize_t place = i;
    if (PyTuple_GET_ITEM(kwnames, i) != name) {
      // Names of keyword arguments are str, possibly of a subclass whose comparison is Python code.
      if (!is_exact_text(name)) own();
      for (place = 0; place < keyword_count; ++place) {
        PyObject* given = PyTuple_GET_ITEM(kwnames, place);
        if (!is_exact_text(given)) own();
        const int equal = PyObject_RichCompareBool(given, name, Py_EQ);
        if (equal < 0) return Fit::error;
        if (equal) break;
      }
      if (place == keyword_count) {
        failed = &keywords;
        return Fit::differs;
      }
    }
    if (const Fit fit = walk(at, args[count + place]); fit != Fit::fits) return fit;
  }
  return Fit::fits;
}

}  // namespace pg::bindings
