// Specs of arguments and results: from nested tuples to tokens, their words, and results built from tokens.

#include "bindings/jit.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

constexpr int deepest = 500;  // nesting of a pytree; the walks recurse once per level

[[noreturn]] void fail_spec(py::handle spec) {
  fail(ErrorKind::internal, concat("not a spec: ", py::cast<std::string>(py::repr(spec))));
}

Aval parse_tensor(const py::tuple& t) {
  return {parse_ints(t[1], "shape"), dtype_of_code(py::cast<int64_t>(t[2])), py::cast<bool>(t[3]),
          device_of_pair({py::cast<int>(py::tuple(t[4])[0]), py::cast<int>(py::tuple(t[4])[1])})};
}

struct Compiler {
  Spec& spec;
  bool output;

  void add(py::handle raw, int depth) {
    require(depth < deepest, ErrorKind::value,
            [&] { return concat("a pytree nested more than ", deepest, " levels deep"); });
    if (!PyTuple_Check(raw.ptr()) || PyTuple_GET_SIZE(raw.ptr()) == 0) fail_spec(raw);
    const py::tuple t = py::reinterpret_borrow<py::tuple>(raw);
    const std::string word = py::cast<std::string>(t[0]);
    const size_t at = spec.tokens.size();
    spec.tokens.emplace_back();
    const auto token = [&]() -> Token& { return spec.tokens[at]; };
    const auto is = [&](const char* name, size_t size) { return word == name && t.size() == size; };
    if (is("tensor", 5) && !output) {
      token().kind = Token::tensor;
      token().type = parse_tensor(t);
    } else if ((is("float", 1) || is("float", 2)) && !output) {
      token().kind = Token::real;
      token().count = t.size() == 2 && py::cast<bool>(t[1]);
    } else if ((is("int", 1) || is("int", 2)) && !output) {
      token().kind = Token::integer;
      token().count = t.size() == 2 && py::cast<bool>(t[1]);
    } else if (is("out", 2) && output) {
      token().kind = Token::out;
      token().count = py::cast<uint32_t>(t[1]);
    } else if (is("static", 2)) {
      token().kind = Token::constant;
      token().value = t[1];
    } else if (is("none", 1)) {
      token().kind = Token::none;
    } else if (is("tuple", 2) || is("list", 2)) {
      token().kind = word == "tuple" ? Token::tuple : Token::list;
      add_children(at, t[1], depth);
    } else if (is("dict", 3) || is("fields", 4)) {
      const bool dict = word == "dict";
      token().kind = dict ? Token::dict : Token::fields;
      const py::tuple names = t[dict ? 1 : 2], children = t[dict ? 2 : 3];
      if (names.size() != children.size()) fail_spec(raw);
      if (!dict) token().value = t[1];
      token().first = static_cast<uint32_t>(spec.names.size());
      for (py::handle name : names) spec.names.push_back(py::reinterpret_borrow<py::object>(name));
      add_children(at, children, depth);
    } else if (is("object", 5)) {
      token().kind = Token::object;
      token().value = t[1];
      token().call = t[2];
      token().aux = t[3];
      add_children(at, t[4], depth);
    } else {
      fail_spec(raw);
    }
    token().end = static_cast<uint32_t>(spec.tokens.size());
  }

  void add_children(size_t at, const py::object& children, int depth) {
    const py::tuple items(children);
    spec.tokens[at].count = static_cast<uint32_t>(items.size());
    for (py::handle item : items) add(item, depth + 1);
  }
};

const char* type_name(const py::object& type) { return reinterpret_cast<PyTypeObject*>(type.ptr())->tp_name; }

std::string short_repr(PyObject* object) {
  PyObject* text = PyObject_Repr(object);
  if (!text) {
    PyErr_Clear();
    return concat("a ", Py_TYPE(object)->tp_name);
  }
  std::string out = py::cast<std::string>(py::reinterpret_steal<py::object>(text));
  if (out.size() > 60) out = out.substr(0, 57) + "...";
  return out;
}

struct Builder {
  const Spec& spec;
  PyObject* const* results;
  const Token* at;

  PyObject* next() {
    const Token& t = *at++;
    switch (t.kind) {
    case Token::out: return Py_NewRef(results[t.count]);
    case Token::constant: return Py_NewRef(t.value.ptr());
    case Token::none: Py_RETURN_NONE;
    case Token::tuple: return tuple(t.count);
    case Token::list: {
      PyObject* made = PyList_New(t.count);
      for (uint32_t i = 0; made && i < t.count; ++i) {
        PyObject* item = next();
        if (!item) Py_CLEAR(made);
        else PyList_SET_ITEM(made, i, item);
      }
      return made;
    }
    case Token::dict: {
      PyObject* made = PyDict_New();
      for (uint32_t i = 0; made && i < t.count; ++i)
        if (!put(next(),
                 [&](PyObject* item) { return PyDict_SetItem(made, spec.names[t.first + i].ptr(), item); }))
          Py_CLEAR(made);
      return made;
    }
    case Token::fields: {
      // No __init__: it may compute, check or copy. Generic setting also works for frozen dataclasses.
      PyObject* none = PyTuple_New(0);
      PyTypeObject* type = reinterpret_cast<PyTypeObject*>(t.value.ptr());
      PyObject* made = none ? PyBaseObject_Type.tp_new(type, none, nullptr) : nullptr;
      Py_XDECREF(none);
      for (uint32_t i = 0; made && i < t.count; ++i)
        if (!put(next(), [&](PyObject* item) {
              return PyObject_GenericSetAttr(made, spec.names[t.first + i].ptr(), item);
            }))
          Py_CLEAR(made);
      return made;
    }
    case Token::object: {
      PyObject* children = tuple(t.count);
      if (!children) return nullptr;
      PyObject* arguments[] = {t.aux.ptr(), children};
      PyObject* made = PyObject_Vectorcall(t.call.ptr(), arguments, 2, nullptr);
      Py_DECREF(children);
      return made;
    }
    case Token::tensor:
    case Token::real:
    case Token::integer: break;
    }
    PyErr_SetString(PyExc_SystemError, "an input word in an output spec");
    return nullptr;
  }

  PyObject* tuple(uint32_t count) {
    PyObject* made = PyTuple_New(count);
    for (uint32_t i = 0; made && i < count; ++i) {
      PyObject* item = next();
      if (!item) Py_CLEAR(made);
      else PyTuple_SET_ITEM(made, i, item);
    }
    return made;
  }

  template <class Store> static bool put(PyObject* item, const Store& store) {
    if (!item) return false;
    const int bad = store(item);
    Py_DECREF(item);
    return bad == 0;
  }
};

}  // namespace

Spec::Spec(py::handle raw, bool output) {
  Compiler{*this, output}.add(raw, 0);
  if (output) return;
  const bool pair = tokens[0].kind == Token::tuple && tokens[0].count == 2 &&
                    tokens[1].kind == Token::tuple && tokens[tokens[1].end].kind == Token::dict;
  if (!pair) fail_spec(raw);
}

std::string Spec::path(const Token& token) const {
  const auto target = static_cast<uint32_t>(&token - tokens.data());
  std::string out;
  uint32_t at = target < tokens[1].end ? 1 : tokens[1].end;
  const uint32_t keywords = tokens[1].end;
  bool top = true;
  while (at != target) {
    const Token& parent = tokens[at];
    uint32_t child = at + 1, i = 0;
    while (tokens[child].end <= target) {
      child = tokens[child].end;
      ++i;
    }
    const auto name = [&] { return names[parent.first + i].ptr(); };
    if (top)
      out = at == keywords ? concat("argument ", py::cast<std::string>(py::str(name())))
                           : concat("argument ", i);
    else if (parent.kind == Token::dict) out += concat("[", short_repr(name()), "]");
    else if (parent.kind == Token::fields) out += concat(".", py::cast<std::string>(py::str(name())));
    else if (parent.kind == Token::object) out += concat(".<child ", i, " of ", type_name(parent.value), ">");
    else out += concat("[", i, "]");
    top = false;
    at = child;
  }
  return top ? (target == keywords ? "the keyword arguments" : "the positional arguments") : out;
}

std::string Spec::wanted(const Token& t) const {
  switch (t.kind) {
  case Token::tensor: return describe_type(t.type);
  case Token::real: return "a float";
  case Token::integer: return "an int";
  case Token::constant: return short_repr(t.value.ptr());
  case Token::none: return "None";
  case Token::tuple: return concat("a tuple of ", t.count);
  case Token::list: return concat("a list of ", t.count);
  case Token::dict: {
    std::vector<std::string> keys;
    for (uint32_t i = 0; i < t.count; ++i) keys.push_back(short_repr(names[t.first + i].ptr()));
    return concat("a dict with the keys [", join(keys), "]");
  }
  case Token::object: return concat("a ", type_name(t.value), " of the same structure");
  case Token::fields: return concat("a ", type_name(t.value));
  case Token::out: break;
  }
  return "";
}

int Spec::visit(visitproc visit, void* arg) const {
  for (const Token& t : tokens) {
    Py_VISIT(t.value.ptr());
    Py_VISIT(t.call.ptr());
    Py_VISIT(t.aux.ptr());
  }
  for (const py::object& name : names) Py_VISIT(name.ptr());
  return 0;
}

std::string describe_type(const Aval& type) {
  return concat(to_string(type), type.weak ? " (weak)" : "",
                type.device == Device{} ? "" : " on " + to_string(type.device));
}

std::string describe_value(PyObject* object) {
  if (is_tensor(object)) return describe_type(as_tensor(object)->node->aval());
  if (PyTuple_CheckExact(object)) return concat("a tuple of ", PyTuple_GET_SIZE(object));
  if (PyList_CheckExact(object)) return concat("a list of ", PyList_GET_SIZE(object));
  if (PyDict_CheckExact(object)) {
    std::vector<std::string> keys;
    for (const auto& item : py::reinterpret_borrow<py::dict>(object))
      keys.push_back(short_repr(item.first.ptr()));
    return concat("a dict with the keys [", join(keys), "]");
  }
  const bool plain = object == Py_None || PyLong_Check(object) || PyFloat_Check(object) ||
                     PyUnicode_Check(object) || PyBytes_Check(object) || PyComplex_Check(object);
  return plain ? short_repr(object) : concat("a ", Py_TYPE(object)->tp_name);
}

PyObject* build_output(const Spec& spec, PyObject* const* results) {
  return Builder{spec, results, spec.tokens.data()}.next();
}

}  // namespace pg::bindings
