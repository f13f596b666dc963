// The raw heap type Tensor: life cycle, number protocol, comparison. A slot costs a tenth of what a pybind11
// method costs.

#include "bindings/common.h"
#include "bindings/composites.h"
#include "bindings/values.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include <structmember.h>  // after Python.h

namespace pg::bindings {

PyTypeObject* tensor_type = nullptr;

namespace {

// Head of the ring of living handles.
TensorObject ring{};

void enter_ring(TensorObject* t) {
  if (!ring.next) ring.next = ring.previous = &ring;
  t->next = ring.next;
  t->previous = &ring;
  ring.next->previous = t;
  ring.next = t;
}

void leave_ring(TensorObject* t) {
  if (!t->next) return;
  t->previous->next = t->next;
  t->next->previous = t->previous;
}

void tensor_dealloc(PyObject* self) {
  TensorObject* t = as_tensor(self);
  PyTypeObject* type = Py_TYPE(self);
  if (t->weakrefs) PyObject_ClearWeakRefs(self);
  leave_ring(t);
  if (Node* node = t->node) NodeRef::adopt(node);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* tensor_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"data", "dtype", "device", nullptr};
  PyObject *data = nullptr, *dtype = Py_None, *device = Py_None;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:Tensor", const_cast<char**>(names), &data, &dtype,
                                   &device))
    return nullptr;
  return guarded([&]() -> PyObject* {
    drain_decrefs();
    NodeRef node = convert_data(data, dtype, device);
    PyObject* self = type->tp_alloc(type, 0);
    if (!self) throw_python_error();
    TensorObject* t = as_tensor(self);
    t->node = node.detach();
    t->trace = current_trace_id();
    enter_ring(t);
    return self;
  });
}

// ---- arithmetic
// --------------------------------------------------------------------------------------------------------

enum Slot { ADD, SUB, MUL, FLOORDIV, REM, AND, OR, XOR, LSHIFT, RSHIFT, slot_count };
const Op* slot_ops[slot_count];

PyObject* finish(NodeRef node) {
  count_pending(*node);
  return wrap(std::move(node));
}

/// Both operands, promoted; false when one of them is no operand.
bool parse_pair(PyObject* a, PyObject* b, Operand (&out)[2]) {
  return parse_operand(a, out[0]) && parse_operand(b, out[1]);
}

// The node of a handle without a reference of its own: for the length of a call that cannot rebind the
// handle.
struct Borrowed {
  NodeRef pair[2];
  Borrowed(PyObject* a, PyObject* b)
      : pair{NodeRef::adopt(as_tensor(a)->node), NodeRef::adopt(as_tensor(b)->node)} {}
  ~Borrowed() {
    pair[0].detach();
    pair[1].detach();
  }
};

bool same_type(PyObject* a, PyObject* b) {
  if (Py_TYPE(a) != tensor_type || Py_TYPE(b) != tensor_type) return false;
  const Node &x = *as_tensor(a)->node, &y = *as_tensor(b)->node;
  return x.dtype == y.dtype && x.shape == y.shape;
}

template <Slot S> PyObject* binary_slot(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    const Op& op = *slot_ops[S];
    if (same_type(a, b) && current_trace_id() == 0) {
      const Borrowed operands(a, b);
      return finish(make(op, std::span<const NodeRef>(operands.pair, 2)));
    }
    Operand pair[2];
    if (!parse_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    const NodeRef &x = pair[0].node, &y = pair[1].node;
    if (x && y && x->dtype == y->dtype && x->shape == y->shape) return finish(make(op, {x, y}));
    const auto both = unify(pair, op.name.c_str());
    return finish(make(op, both));
  });
}

template <Slot S> PyObject* inplace_slot(PyObject* self, PyObject* other) {
  PyObject* result = binary_slot<S>(self, other);
  if (!result || result == Py_NotImplemented) return result;
  return guarded([&]() -> PyObject* {
    const py::object held = py::reinterpret_steal<py::object>(result);  // rebinding may raise
    rebind_in_place(as_tensor(self), as_tensor(result));
    return Py_NewRef(self);
  });
}

PyObject* true_divide_slot(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Operand pair[2];
    if (!parse_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    const WeakDType type = promote_operands(pair);
    const auto both = unify(pair, "div", is_inexact(type.dtype) ? type.dtype : DType::float32);
    return finish(make(div_op, both));
  });
}

PyObject* inplace_true_divide_slot(PyObject* self, PyObject* other) {
  PyObject* result = true_divide_slot(self, other);
  if (!result || result == Py_NotImplemented) return result;
  return guarded([&]() -> PyObject* {
    const py::object held = py::reinterpret_steal<py::object>(result);  // rebinding may raise
    rebind_in_place(as_tensor(self), as_tensor(result));
    return Py_NewRef(self);
  });
}

PyObject* matrix_multiply_slot(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    Operand pair[2];
    if (!parse_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    for (Operand& o : pair)
      if (!o.node) o.node = filled(o.number, {{}, o.number.type.dtype, true, {}});  // matmul refuses it
    return wrap(matmul(std::move(pair[0].node), std::move(pair[1].node)));
  });
}

PyObject* divmod_slot(PyObject* a, PyObject* b) {
  PyObject* quotient = binary_slot<FLOORDIV>(a, b);
  if (!quotient || quotient == Py_NotImplemented) return quotient;
  PyObject* rest = binary_slot<REM>(a, b);
  if (!rest) {
    Py_DECREF(quotient);
    return nullptr;
  }
  PyObject* pair = PyTuple_Pack(2, quotient, rest);
  Py_DECREF(quotient);
  Py_DECREF(rest);
  return pair;
}

// Small literal exponents are exact and cheap as products, and keep derivatives free of logarithms.
NodeRef power_by_number(const NodeRef& x, const Number& n) {
  if (n.imag != 0) return nullptr;
  const bool whole = !is_inexact(n.type.dtype);
  if (n.real == 1) return x;
  if (n.real == 2) return x * x;
  if (n.real == 3) return x * x * x;
  if (n.real == 4) {
    const NodeRef square = x * x;
    return square * square;
  }
  if (is_inexact(x->dtype) && n.real == 0.5) return unary(sqrt_op, x);
  if (is_inexact(x->dtype) && n.real == -1) return unary(recip_op, x);
  require(is_inexact(x->dtype) || !whole || n.real >= 0, ErrorKind::value,
          "integer tensors cannot be raised to negative integer powers; cast to a float dtype first");
  return nullptr;
}

PyObject* power_slot(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return guarded([&]() -> PyObject* {
    Operand pair[2];
    if (!parse_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    if (pair[0].node && !pair[1].node && !is_bool(pair[0].node->dtype) &&
        promote_operands(pair).dtype == pair[0].node->dtype)
      if (NodeRef simple = power_by_number(pair[0].node, pair[1].number)) return finish(std::move(simple));
    const auto both = unify(pair, "pow");
    return finish(make(pow_op, both));
  });
}

template <const Op* const* op> PyObject* unary_slot(PyObject* self) {
  return guarded([&]() -> PyObject* { return finish(make(**op, {node_of(as_tensor(self))})); });
}

const Op* neg_slot_op = nullptr;
const Op* not_slot_op = nullptr;

PyObject* absolute_slot(PyObject* self) {
  return guarded([&]() -> PyObject* { return finish(absolute(node_of(as_tensor(self)))); });
}

PyObject* positive_slot(PyObject* self) {
  return guarded([&]() -> PyObject* { return wrap(node_of(as_tensor(self))); });
}

PyObject* compare_slot(PyObject* a, PyObject* b, int how) {
  return guarded([&]() -> PyObject* {
    Operand pair[2];
    if (!parse_pair(a, b, pair)) Py_RETURN_NOTIMPLEMENTED;
    if (how == Py_GT || how == Py_GE) std::swap(pair[0], pair[1]);
    const Op& op = how == Py_EQ                   ? equal_op
                   : how == Py_NE                 ? not_equal_op
                   : how == Py_LT || how == Py_GT ? less_op
                                                  : less_equal_op;
    const WeakDType type = promote_operands(pair);
    std::optional<DType> wide;
    // An integer literal outside the tensor's range compares as the number it is.
    for (const Operand& o : pair)
      if (!o.node && is_int(type.dtype) && is_int(o.number.type.dtype)) {
        try {
          o.number.bits(type.dtype);
        } catch (const Error&) {
          wide =
              o.number.wide || (o.number.integer < 0 && !o.number.negative) ? DType::float64 : DType::int64;
        }
      }
    const auto both = unify(pair, op.name.c_str(), wide);
    return finish(make(op, both));
  });
}

Py_hash_t hash_slot(PyObject* self) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(self) >> 4); }

}  // namespace

TensorObject* tensor_ring() { return &ring; }

PyObject* wrap(NodeRef node) {
  PyObject* self = tensor_type->tp_alloc(tensor_type, 0);
  if (!self) return nullptr;
  TensorObject* t = as_tensor(self);
  t->node = node.detach();
  t->trace = current_trace_id();
  enter_ring(t);
  return self;
}

py::object wrap_object(NodeRef node) {
  PyObject* made = wrap(std::move(node));
  if (!made) throw_python_error();
  return py::reinterpret_steal<py::object>(made);
}

void rebind_in_place(TensorObject* self, TensorObject* result) {
  // The handle keeps its dtype, as an array does: an int tensor does not become float by `+=`.
  NodeRef node = NodeRef::share(result->node);
  const Node& old = *self->node;
  require(node->shape == old.shape, ErrorKind::shape, [&] {
    return concat("an in-place operation cannot change the shape of a tensor from ", to_string(old.shape),
                  " to ", to_string(node->shape));
  });
  const bool wider = (is_inexact(node->dtype) && !is_inexact(old.dtype)) ||
                     (is_complex(node->dtype) && !is_complex(old.dtype));
  require(!wider, ErrorKind::dtype, [&] {
    return concat("an in-place operation cannot turn ", name_of(old.dtype), " into ", name_of(node->dtype),
                  "; write x = x + y, or cast first");
  });
  if (node->dtype != old.dtype) node = astype(node, old.dtype);
  rebind(self, std::move(node));
}

void make_tensor_type(py::module_& m) {
  slot_ops[ADD] = &add_op;
  slot_ops[SUB] = &sub_op;
  slot_ops[MUL] = &mul_op;
  slot_ops[FLOORDIV] = &floor_divide_op;
  slot_ops[REM] = &remainder_op;
  slot_ops[AND] = &and_op;
  slot_ops[OR] = &or_op;
  slot_ops[XOR] = &xor_op;
  slot_ops[LSHIFT] = &shift_left_op;
  slot_ops[RSHIFT] = &shift_right_op;
  neg_slot_op = &neg_op;
  not_slot_op = &not_op;
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weakrefs), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("Tensor(data, dtype=None, device=None)\n--\n\nA lazy array: a handle to "
                                    "an immutable value that is computed when it is read.")},
      {Py_tp_new, reinterpret_cast<void*>(tensor_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(tensor_dealloc)},
      {Py_tp_hash, reinterpret_cast<void*>(hash_slot)},
      {Py_tp_richcompare, reinterpret_cast<void*>(compare_slot)},
      {Py_tp_members, members},
      {Py_tp_methods, tensor_methods()},
      {Py_tp_getset, tensor_getset()},
      {Py_sq_length, reinterpret_cast<void*>(length_slot)},
      {Py_mp_length, reinterpret_cast<void*>(length_slot)},
      {Py_nb_bool, reinterpret_cast<void*>(bool_slot)},
      {Py_nb_int, reinterpret_cast<void*>(int_slot)},
      {Py_nb_float, reinterpret_cast<void*>(float_slot)},
      {Py_nb_index, reinterpret_cast<void*>(index_slot)},
      {Py_nb_add, reinterpret_cast<void*>(binary_slot<ADD>)},
      {Py_nb_subtract, reinterpret_cast<void*>(binary_slot<SUB>)},
      {Py_nb_multiply, reinterpret_cast<void*>(binary_slot<MUL>)},
      {Py_nb_true_divide, reinterpret_cast<void*>(true_divide_slot)},
      {Py_nb_floor_divide, reinterpret_cast<void*>(binary_slot<FLOORDIV>)},
      {Py_nb_remainder, reinterpret_cast<void*>(binary_slot<REM>)},
      {Py_nb_matrix_multiply, reinterpret_cast<void*>(matrix_multiply_slot)},
      {Py_nb_divmod, reinterpret_cast<void*>(divmod_slot)},
      {Py_nb_power, reinterpret_cast<void*>(power_slot)},
      {Py_nb_and, reinterpret_cast<void*>(binary_slot<AND>)},
      {Py_nb_or, reinterpret_cast<void*>(binary_slot<OR>)},
      {Py_nb_xor, reinterpret_cast<void*>(binary_slot<XOR>)},
      {Py_nb_lshift, reinterpret_cast<void*>(binary_slot<LSHIFT>)},
      {Py_nb_rshift, reinterpret_cast<void*>(binary_slot<RSHIFT>)},
      {Py_nb_inplace_add, reinterpret_cast<void*>(inplace_slot<ADD>)},
      {Py_nb_inplace_subtract, reinterpret_cast<void*>(inplace_slot<SUB>)},
      {Py_nb_inplace_multiply, reinterpret_cast<void*>(inplace_slot<MUL>)},
      {Py_nb_inplace_floor_divide, reinterpret_cast<void*>(inplace_slot<FLOORDIV>)},
      {Py_nb_inplace_remainder, reinterpret_cast<void*>(inplace_slot<REM>)},
      {Py_nb_inplace_true_divide, reinterpret_cast<void*>(inplace_true_divide_slot)},
      {Py_nb_inplace_and, reinterpret_cast<void*>(inplace_slot<AND>)},
      {Py_nb_inplace_or, reinterpret_cast<void*>(inplace_slot<OR>)},
      {Py_nb_inplace_xor, reinterpret_cast<void*>(inplace_slot<XOR>)},
      {Py_nb_negative, reinterpret_cast<void*>(unary_slot<&neg_slot_op>)},
      {Py_nb_positive, reinterpret_cast<void*>(positive_slot)},
      {Py_nb_absolute, reinterpret_cast<void*>(absolute_slot)},
      {Py_nb_invert, reinterpret_cast<void*>(unary_slot<&not_slot_op>)},
      {Py_bf_getbuffer, reinterpret_cast<void*>(getbuffer_slot)},
      {Py_bf_releasebuffer, reinterpret_cast<void*>(releasebuffer_slot)},
      {0, nullptr},
  };
  static PyType_Spec spec = {"pequegrad._core.Tensor", static_cast<int>(sizeof(TensorObject)), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw_python_error();
  tensor_type = reinterpret_cast<PyTypeObject*>(type);
  // NumPy must leave `ndarray + Tensor` to Tensor.
  if (PyObject_SetAttrString(type, "__array_ufunc__", Py_None) < 0) throw_python_error();
  m.attr("Tensor") = py::handle(type);
}

}  // namespace pg::bindings
