// Operands of ops: Python numbers, NumPy values and tensors, brought to one dtype, shape and device.

#include <cmath>
#include <limits>

#include "bindings/common.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

double round_to(double value, DType dtype) {
  switch (real_type(dtype)) {
  case DType::float32: return static_cast<float>(value);
  case DType::float16: return half_to_float(float_to_half(static_cast<float>(value)));
  case DType::bfloat16: return bfloat16_to_float(float_to_bfloat16(static_cast<float>(value)));
  default: return value;
  }
}

// Float to integer as everywhere in pequegrad: saturate, NaN gives 0.
int64_t saturate(double value, DType dtype) {
  if (std::isnan(value)) return 0;
  const int width = static_cast<int>(size_of(dtype)) * 8;
  if (is_unsigned(dtype)) {
    if (value <= 0) return 0;
    if (value >= std::ldexp(1.0, width)) return width == 64 ? -1 : (int64_t{1} << width) - 1;
    return static_cast<int64_t>(static_cast<uint64_t>(value));
  }
  const double limit = std::ldexp(1.0, width - 1);
  if (value >= limit) return static_cast<int64_t>((uint64_t{1} << (width - 1)) - 1);
  if (value < -limit) return -static_cast<int64_t>((uint64_t{1} << (width - 1)) - 1) - 1;
  return static_cast<int64_t>(value);
}

bool fits(const Number& n, DType dtype) {
  if (n.wide) return false;
  const int width = static_cast<int>(size_of(dtype)) * 8;
  if (is_unsigned(dtype))
    return !n.negative && (width == 64 || static_cast<uint64_t>(n.integer) >> width == 0);
  if (!n.negative && n.integer < 0) return false;  // 2^63 .. 2^64-1
  if (width == 64) return true;
  const int64_t limit = int64_t{1} << (width - 1);
  return n.integer >= -limit && n.integer < limit;
}

PyTypeObject* numpy_generic() {
  static PyTypeObject* type = reinterpret_cast<PyTypeObject*>(
      py::object(py::module_::import("numpy").attr("generic")).release().ptr());
  return type;
}

Number from_int(PyObject* object) {
  Number n;
  n.type = {DType::int64, true};
  int overflow = 0;
  n.integer = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow == 0) {
    if (n.integer == -1 && PyErr_Occurred()) throw_python_error();
    n.negative = n.integer < 0;
    n.real = static_cast<double>(n.integer);
    return n;
  }
  n.negative = overflow < 0;
  n.wide = n.negative;
  n.real = PyLong_AsDouble(object);
  if (PyErr_Occurred()) throw_python_error();
  if (!n.negative) {
    n.integer = static_cast<int64_t>(PyLong_AsUnsignedLongLong(object));
    if (PyErr_Occurred()) {
      PyErr_Clear();
      n.wide = true;
    }
  }
  return n;
}

Number from_double(double value) {
  Number n;
  n.type = {DType::float32, true};
  n.real = value;
  return n;
}

Number from_complex(double re, double im) {
  Number n;
  n.type = {DType::complex64, true};
  n.real = re;
  n.imag = im;
  return n;
}

Number from_bool(bool value) {
  Number n;
  n.type = {DType::bool_, true};
  n.integer = value;
  n.real = value;
  return n;
}

}  // namespace

bool is_numpy_scalar(PyObject* object) { return PyType_IsSubtype(Py_TYPE(object), numpy_generic()); }

int64_t Number::bits(DType dtype) const {
  require(!is_complex(type.dtype) || is_complex(dtype), ErrorKind::dtype, [&] {
    return concat("the complex number ", real, imag < 0 ? "-" : "+", std::abs(imag), "j has no value in ",
                  name_of(dtype), "; take its real or imaginary part first");
  });
  if (is_inexact(dtype)) return scalar_bits(round_to(real, dtype));
  if (is_bool(dtype)) return is_float(type.dtype) ? real != 0 : integer != 0 || wide;
  if (is_float(type.dtype)) return saturate(real, dtype);
  require(fits(*this, dtype), ErrorKind::value, [&] {
    return concat("the Python integer ", real, " is out of range for ", name_of(dtype),
                  "; cast the tensor to a wider dtype first");
  });
  return integer;
}

std::optional<Number> parse_number(PyObject* object) {
  if (PyFloat_CheckExact(object)) return from_double(PyFloat_AS_DOUBLE(object));
  if (PyBool_Check(object)) return from_bool(object == Py_True);
  if (PyLong_Check(object)) return from_int(object);
  if (PyFloat_Check(object)) return from_double(PyFloat_AS_DOUBLE(object));
  if (PyComplex_Check(object))
    return from_complex(PyComplex_RealAsDouble(object), PyComplex_ImagAsDouble(object));
  if (!is_numpy_scalar(object)) return std::nullopt;
  const py::handle scalar(object);
  const std::string kind = py::cast<std::string>(scalar.attr("dtype").attr("kind"));
  if (kind == "b") return from_bool(PyObject_IsTrue(object) == 1);
  if (kind == "i" || kind == "u") return from_int(py::int_(py::reinterpret_borrow<py::object>(scalar)).ptr());
  if (kind == "f" || py::cast<std::string>(scalar.attr("dtype").attr("name")) == "bfloat16")
    return from_double(py::cast<double>(py::float_(py::reinterpret_borrow<py::object>(scalar))));
  if (kind == "c")
    return from_complex(py::cast<double>(scalar.attr("real")), py::cast<double>(scalar.attr("imag")));
  return std::nullopt;
}

bool parse_operand(PyObject* object, Operand& out) {
  if (is_tensor(object)) {
    out.node = node_of(as_tensor(object));
    return true;
  }
  if (auto number = parse_number(object)) {
    out.number = *number;
    return true;
  }
  const py::object converted = convert_foreign(object);
  if (is_tensor(converted.ptr())) {
    out.node = node_of(as_tensor(converted.ptr()));
    return true;
  }
  const auto number = parse_number(converted.ptr());
  if (number) out.number = *number;
  return number.has_value();
}

WeakDType promote_operands(std::span<const Operand> operands) {
  bool strong = false;
  for (const Operand& o : operands) strong = strong || !o.type().weak;
  const auto type_of = [&](const Operand& o) {
    WeakDType t = o.type();
    // A jitted function's float argument is a weak float64, so that nothing is lost before it meets a float64
    // tensor; beside any other tensor it counts as the default float, like the Python number that it stands
    // for.
    if (strong && t.weak && t.dtype == DType::float64) t.dtype = DType::float32;
    return t;
  };
  WeakDType type = type_of(operands[0]);
  for (const Operand& o : operands.subspan(1)) type = promote(type, type_of(o));
  return type;
}

NodeRef filled(const Number& number, const Aval& aval, bool literal) {
  literal = literal || numbers_literal();
  const int64_t bits = number.bits(aval.dtype);
  const bool real = !is_complex(number.type.dtype) || scalar_bits(number.imag) == 0;
  if (!is_complex(aval.dtype) || (literal && real && bits != scalar_bits(-0.0)))
    return literal ? full_node(bits, aval) : number_node(bits, aval);
  // Leaves are one real number each.
  Aval part = aval;
  part.dtype = real_type(aval.dtype);
  const int64_t imag = scalar_bits(round_to(number.imag, part.dtype));
  const bool only_real = literal || !is_complex(number.type.dtype);
  return binary(complex_op, literal ? full_node(bits, part) : number_node(bits, part),
                only_real ? full_node(imag, part) : number_node(imag, part));
}

namespace {

// A number in all but name goes where the others are.
bool follows(const Node& node) { return node.shape.empty() && node.device == Device{}; }

}  // namespace

const Node* leading(std::span<const Operand> operands) {
  const Node* first = nullptr;
  for (const Operand& o : operands)
    if (o.node && (!first || (follows(*first) && !follows(*o.node)))) first = o.node.get();
  return first;
}

void check_device(const Node& node, const Node& first, const char* what) {
  require(node.device == first.device || follows(node), ErrorKind::device, [&] {
    return concat(what, ": operands live on ", to_string(first.device), " and ", to_string(node.device),
                  "; move one with .to(device)");
  });
}

NodeRef realize(const Operand& operand, WeakDType type, const Shape& shape, Device device) {
  if (!operand.node) {
    return filled(operand.number, {shape, type.dtype, type.weak, device});
  }
  NodeRef node = operand.node;
  if (node->device != device) node = to_device(node, device);
  if (node->dtype != type.dtype) node = astype(node, type.dtype);
  if (node->shape != shape) node = broadcast_to(node, shape);
  return node;
}

std::vector<NodeRef> unify(std::span<const Operand> operands, const char* what, std::optional<DType> dtype) {
  WeakDType type = promote_operands(operands);
  if (dtype) type = {*dtype, type.weak && type.dtype == *dtype};
  const Node* first = leading(operands);
  require(first != nullptr, ErrorKind::type,
          [&] { return concat(what, ": at least one operand must be a tensor"); });
  Shape shape = first->shape;
  for (const Operand& o : operands) {
    if (!o.node) continue;
    check_device(*o.node, *first, what);
    if (o.node->shape != shape) shape = broadcast_shapes(shape, o.node->shape, what);
  }
  std::vector<NodeRef> nodes;
  nodes.reserve(operands.size());
  for (const Operand& o : operands) nodes.push_back(realize(o, type, shape, first->device));
  return nodes;
}

Ints parse_ints(py::handle object, const char* what) {
  const auto one = [&](PyObject* item) -> int64_t {
    PyObject* index = PyNumber_Index(item);
    if (!index) {
      PyErr_Clear();
      fail(ErrorKind::type, concat(what, " must be integers, got ", Py_TYPE(item)->tp_name));
    }
    const int64_t value = PyLong_AsLongLong(index);
    Py_DECREF(index);
    if (value == -1 && PyErr_Occurred()) throw_python_error();
    return value;
  };
  Ints out;
  if (PyTuple_Check(object.ptr()) || PyList_Check(object.ptr())) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(object.ptr());
    for (Py_ssize_t i = 0; i < n; ++i) out.push_back(one(PySequence_Fast_GET_ITEM(object.ptr(), i)));
    return out;
  }
  if (PyIndex_Check(object.ptr())) {
    out.push_back(one(object.ptr()));
    return out;
  }
  if (!PySequence_Check(object.ptr()))
    fail(ErrorKind::type,
         concat(what, " must be an integer or a sequence of integers, got ", Py_TYPE(object.ptr())->tp_name));
  for (py::handle item : py::list(py::reinterpret_borrow<py::object>(object))) out.push_back(one(item.ptr()));
  return out;
}

py::tuple shape_tuple(const Shape& shape) {
  py::tuple out(shape.size());
  for (size_t i = 0; i < shape.size(); ++i)
    PyTuple_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), PyLong_FromLongLong(shape[i]));
  return out;
}

}  // namespace pg::bindings
