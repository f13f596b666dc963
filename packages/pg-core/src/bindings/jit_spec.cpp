// Specs: parsing them, walking them along arguments.

#include <pybind11/stl.h>

#include <cstring>

#include "bindings/jit_entry.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

bool same_aval(const Node& node, const Aval& aval) {
  return node.dtype == aval.dtype && node.shape == aval.shape && node.weak == aval.weak && node.device == aval.device;
}

/// Same type and equal; floats by their bits, so that 0.0 is not -0.0 and NaN is NaN.
bool same_constant(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyFloat_CheckExact(a)) {
    const double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return std::memcmp(&x, &y, sizeof(double)) == 0;
  }
  if (PyTuple_CheckExact(a)) {
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i)
      if (!same_constant(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
    return true;
  }
  const int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  if (equal < 0) throw_python_error();
  return equal == 1;
}

/// Walks a spec along a value. Objects that user code made are kept alive until the call is over.
struct Matcher {
  std::vector<Leaf>& leaves;
  std::vector<py::object>& kept;

  bool match_number(bool real, PyObject* object) {
    if (real ? PyFloat_CheckExact(object) : PyLong_CheckExact(object)) {
      leaves.push_back({nullptr, *parse_number(object)});
      return true;
    }
    if (is_tensor(object)) return false;
    const auto number = parse_number(object);
    if (!number || number->type.dtype != (real ? DType::float32 : DType::int64)) return false;
    leaves.push_back({nullptr, *number});
    return true;
  }

  bool match_items(const std::vector<Spec>& specs, PyObject* sequence) {
    if (static_cast<size_t>(PySequence_Fast_GET_SIZE(sequence)) != specs.size()) return false;
    for (size_t i = 0; i < specs.size(); ++i) {
      // User code that runs below may shrink a list.
      if (static_cast<size_t>(PySequence_Fast_GET_SIZE(sequence)) != specs.size()) return false;
      if (!match(specs[i], PySequence_Fast_GET_ITEM(sequence, static_cast<Py_ssize_t>(i)))) return false;
    }
    return true;
  }

  bool match(const Spec& spec, PyObject* object) {
    switch (spec.kind) {
      case Spec::Kind::tensor: {
        if (!is_tensor(object)) {  // an array, which becomes a tensor at every call
          py::object converted = convert_foreign(object);
          if (!is_tensor(converted.ptr())) return false;
          object = converted.ptr();
          kept.push_back(std::move(converted));
        }
        Node* node = as_tensor(object)->node;
        if (!same_aval(*node, spec.aval)) return false;
        leaves.push_back({node, {}});
        return true;
      }
      case Spec::Kind::real: return match_number(true, object);
      case Spec::Kind::integer: return match_number(false, object);
      case Spec::Kind::constant: return same_constant(object, spec.value.ptr());
      case Spec::Kind::none: return object == Py_None;
      case Spec::Kind::tuple: return PyTuple_CheckExact(object) && match_items(spec.children, object);
      case Spec::Kind::list: return PyList_CheckExact(object) && match_items(spec.children, object);
      case Spec::Kind::dict: {
        if (!PyDict_CheckExact(object) || static_cast<size_t>(PyDict_GET_SIZE(object)) != spec.keys.size()) return false;
        for (size_t i = 0; i < spec.keys.size(); ++i) {
          PyObject* item = PyDict_GetItemWithError(object, spec.keys[i].ptr());
          if (!item && PyErr_Occurred()) throw_python_error();
          if (!item || !match(spec.children[i], item)) return false;
        }
        return true;
      }
      case Spec::Kind::object: {
        if (reinterpret_cast<PyObject*>(Py_TYPE(object)) != spec.type.ptr()) return false;
        const py::tuple flat = py::reinterpret_borrow<py::object>(spec.function)(py::handle(object)).cast<py::tuple>();
        kept.push_back(flat);
        if (!same_constant(py::object(flat[1]).ptr(), spec.value.ptr())) return false;
        const py::object children = flat[0];
        if (PyTuple_CheckExact(children.ptr()) || PyList_CheckExact(children.ptr())) return match_items(spec.children, children.ptr());
        kept.push_back(py::tuple(children));
        return match_items(spec.children, kept.back().ptr());
      }
      case Spec::Kind::output: break;
    }
    return false;
  }
};

std::vector<Spec> parse_specs(py::handle list) {
  std::vector<Spec> out;
  for (py::handle item : py::reinterpret_borrow<py::sequence>(list)) out.push_back(parse_spec(item));
  return out;
}

}  // namespace

Spec parse_spec(py::handle given) {
  const py::tuple words = py::reinterpret_borrow<py::tuple>(given);
  const std::string word = py::cast<std::string>(words[0]);
  Spec out;
  if (word == "tensor") {
    out.kind = Spec::Kind::tensor;
    out.aval = Aval{parse_ints(py::object(words[1]), "shape"), dtype_of_code(py::cast<int>(words[2])), py::cast<bool>(words[3]),
                    device_of_pair(py::cast<std::pair<int, int>>(words[4]))};
  } else if (word == "float") {
    out.kind = Spec::Kind::real;
  } else if (word == "int") {
    out.kind = Spec::Kind::integer;
  } else if (word == "static") {
    out.kind = Spec::Kind::constant;
    out.value = words[1];
  } else if (word == "none") {
    out.kind = Spec::Kind::none;
  } else if (word == "tuple" || word == "list") {
    out.kind = word == "tuple" ? Spec::Kind::tuple : Spec::Kind::list;
    out.children = parse_specs(words[1]);
  } else if (word == "dict") {
    out.kind = Spec::Kind::dict;
    for (py::handle key : py::reinterpret_borrow<py::sequence>(py::object(words[1]))) out.keys.push_back(py::reinterpret_borrow<py::object>(key));
    out.children = parse_specs(words[2]);
  } else if (word == "object") {
    out.kind = Spec::Kind::object;
    out.type = words[1];
    out.function = words[2];
    out.value = words[3];
    out.children = parse_specs(words[4]);
  } else if (word == "out") {
    out.kind = Spec::Kind::output;
    out.index = py::cast<size_t>(words[1]);
  } else {
    fail(ErrorKind::internal, concat("a spec cannot start with '", word, "'"));
  }
  return out;
}

bool JitEntry::match(PyObject* const* args, size_t count, PyObject* names, std::vector<Leaf>& leaves, std::vector<py::object>& kept) const {
  if (count != positional_.children.size()) return false;
  const size_t named = names ? static_cast<size_t>(PyTuple_GET_SIZE(names)) : 0;
  if (named != named_.keys.size()) return false;
  Matcher matcher{leaves, kept};
  for (size_t i = 0; i < count; ++i)
    if (!matcher.match(positional_.children[i], args[i])) return false;
  for (size_t k = 0; k < named; ++k) {
    PyObject* found = nullptr;
    // Keyword names are interned as a rule: compare pointers first.
    for (size_t i = 0; i < named && !found; ++i)
      if (PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i)) == named_.keys[k].ptr()) found = args[count + i];
    for (size_t i = 0; i < named && !found; ++i)
      if (PyUnicode_Compare(PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i)), named_.keys[k].ptr()) == 0) found = args[count + i];
    if (!found || !matcher.match(named_.children[k], found)) return false;
  }
  return true;
}

std::string JitEntry::changed() const {
  for (const Captured& c : captured_) {
    const Node& node = *as_tensor(c.handle.ptr())->node;
    if (!same_aval(node, c.aval))
      return concat("a captured tensor changed from ", to_string(c.aval), " to ", to_string(node.aval()));
  }
  if (guards_.is_none()) return {};
  const py::object reason = guards_();
  return reason.is_none() ? std::string() : py::cast<std::string>(reason);
}

}  // namespace pg::bindings
