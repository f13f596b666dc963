#include "bindings/composites.h"

#include <algorithm>

#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

NodeRef counted(NodeRef node) {
  count_pending(*node);
  return node;
}

NodeRef tensor_argument(PyObject* object, const char* what) {
  require(is_tensor(object), ErrorKind::type,
          [&] { return concat(what, " takes a Tensor, got ", Py_TYPE(object)->tp_name); });
  return node_of(as_tensor(object));
}

bool has(const Ints& labels, int64_t wanted) {
  return std::find(labels.begin(), labels.end(), wanted) != labels.end();
}

// Labels the batch axes of a factor, which are those before the last `rest`. One of extent 1 is dropped:
// where the other side stretches it, its label stays there alone, and nothing is copied.
Ints label_batch(NodeRef& x, size_t rest, size_t common) {
  const size_t own = x->shape.size() - rest;
  Ints labels;
  Shape kept;
  for (size_t i = 0; i < own; ++i)
    if (x->shape[i] != 1) {
      kept.push_back(x->shape[i]);
      labels.push_back(static_cast<int64_t>(common - own + i));
    }
  if (kept.size() < own) {
    for (size_t i = own; i < x->shape.size(); ++i) kept.push_back(x->shape[i]);
    x = reshape(x, kept);
  }
  return labels;
}

int64_t axis_of(PyObject* object, int64_t rank, const std::string& what) {
  PyObject* index = PyNumber_Index(object);
  if (!index) {
    PyErr_Clear();
    fail(ErrorKind::type,
         concat(what, ": an axis is an integer, got ", Py_TYPE(object)->tp_name, " ",
                py::cast<std::string>(py::repr(py::reinterpret_borrow<py::object>(object)))));
  }
  int overflow = 0;
  const int64_t axis = PyLong_AsLongLongAndOverflow(index, &overflow);
  const std::string text = overflow ? py::cast<std::string>(py::str(py::handle(index))) : "";
  Py_DECREF(index);
  if (overflow || axis < -rank || axis >= rank)
    fail_axis(concat(what, ": axis ", overflow ? text : std::to_string(axis), " is out of range for rank ",
                     rank,
                     "; allowed: ", rank ? concat(-rank, " to ", rank - 1) : "none (the tensor has rank 0)"));
  return axis < 0 ? axis + rank : axis;
}

// Sorted axes: all when None.
Ints axes_of(PyObject* object, int64_t rank, const std::string& what) {
  Ints axes;
  if (object == Py_None) {
    for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  } else if (PyTuple_Check(object) || PyList_Check(object)) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i)
      axes.push_back(axis_of(PySequence_Fast_GET_ITEM(object, i), rank, what));
    std::sort(axes.begin(), axes.end());
    if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
      const py::tuple given = py::reinterpret_steal<py::tuple>(PySequence_Tuple(object));
      fail_axis(concat(what, ": axis given twice in ", py::cast<std::string>(py::repr(given))));
    }
  } else {
    axes.push_back(axis_of(object, rank, what));
  }
  return axes;
}

// reduce(op, x, axis, keepdims)
PyObject* reduce_function(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 4 && PyUnicode_Check(args[0]), ErrorKind::type,
            "reduce takes an op, a tensor, axes and keepdims");
    const Op* op = find_op(PyUnicode_AsUTF8(args[0]));
    require(op && op->as<Reduction>(), ErrorKind::value, "reduce takes the name of a reduction");
    const NodeRef x = tensor_argument(args[1], "reduce");
    constexpr size_t prefix = 7;  // "reduce_"
    const Ints axes = axes_of(args[2], static_cast<int64_t>(x->shape.size()), op->name.substr(prefix));
    const int keep = PyObject_IsTrue(args[3]);
    if (keep < 0) throw_python_error();
    NodeRef made = axes.empty() ? x : make(*op, {x}, Attrs(axes.begin(), axes.end()));
    if (keep && !axes.empty()) {
      Shape shape = x->shape;
      for (const int64_t axis : axes) shape[static_cast<size_t>(axis)] = 1;
      made = reshape(made, shape);
    }
    return wrap(counted(std::move(made)));
  });
}

// full_like(value, x)
PyObject* full_like(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2, ErrorKind::type, "full_like takes a number and a tensor");
    const auto number = parse_number(args[0]);
    require(number.has_value(), ErrorKind::type,
            [&] { return concat("expected a number, got ", Py_TYPE(args[0])->tp_name); });
    const NodeRef x = tensor_argument(args[1], "full_like");
    return wrap(filled(*number, {x->shape, x->dtype, false, x->device}, true));
  });
}

PyObject* matmul_function(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2, ErrorKind::type, "matmul takes two tensors");
    return wrap(matmul(tensor_argument(args[0], "matmul"), tensor_argument(args[1], "matmul")));
  });
}

template <auto f> PyCFunction fast() { return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)); }

PyMethodDef functions[] = {
    {"matmul", fast<matmul_function>(), METH_FASTCALL,
     "matmul(x, y)\n--\n\nThe matrix product of two tensors."},
    {"reduce", fast<reduce_function>(), METH_FASTCALL,
     "reduce(op, x, axis, keepdims)\n--\n\nA reduction over an axis, several, or all (None)."},
    {"full_like", fast<full_like>(), METH_FASTCALL,
     "full_like(value, x)\n--\n\nA filled literal of the shape, dtype and device of a tensor."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

NodeRef matmul(NodeRef x, NodeRef y) {
  const Operand pair[2] = {{x, {}}, {y, {}}};
  DType type = x->dtype == y->dtype ? x->dtype : promote_operands(pair).dtype;
  const bool boolean = is_bool(type);  // counted as int64, and turned back
  if (boolean) type = DType::int64;
  if (x->dtype != type) x = astype(x, type);
  if (y->dtype != type) y = astype(y, type);

  const Shape left = x->shape, right = y->shape;
  require(!left.empty() && !right.empty(), ErrorKind::shape, [&] {
    return concat("matmul: operands need at least one axis, got ", to_string(left), " @ ", to_string(right),
                  "; use * for numbers");
  });
  const bool row = left.size() > 1, column = right.size() > 1;
  const int64_t inner = left.back(), other = right[right.size() - 1 - column];
  require(inner == other, ErrorKind::shape, [&] {
    return concat("matmul: inner sizes differ: ", to_string(left), " @ ", to_string(right), " needs ", inner,
                  " == ", other, has(right, inner) || has(left, other) ? "; transpose one side?" : "");
  });

  // Labels: batch axes from 0, then row, inner, column.
  const size_t rest_x = row ? 2 : 1, rest_y = column ? 2 : 1;
  const size_t batch_x = left.size() - rest_x, batch_y = right.size() - rest_y;
  const size_t batch = std::max(batch_x, batch_y);
  Shape full;
  for (size_t i = 0; i < batch; ++i) {
    const int64_t p = i + batch_x < batch ? 1 : left[i + batch_x - batch];
    const int64_t q = i + batch_y < batch ? 1 : right[i + batch_y - batch];
    require(p == q || p == 1 || q == 1, ErrorKind::shape, [&] {
      return concat("matmul: batch axes do not broadcast: ", to_string(left), " @ ", to_string(right));
    });
    full.push_back(p == 1 ? q : p);
  }
  Ints a = label_batch(x, rest_x, batch), b = label_batch(y, rest_y, batch), c;
  const int64_t labels = static_cast<int64_t>(batch);
  for (int64_t label = 0; label < labels; ++label)
    if (has(a, label) || has(b, label)) c.push_back(label);
  if (row) {
    a.push_back(labels);
    c.push_back(labels);
    full.push_back(left[left.size() - 2]);
  }
  a.push_back(labels + 1);
  b.push_back(labels + 1);
  if (column) {
    b.push_back(labels + 2);
    c.push_back(labels + 2);
    full.push_back(right.back());
  }
  Attrs attrs{static_cast<int64_t>(a.size()), static_cast<int64_t>(b.size()), static_cast<int64_t>(c.size())};
  for (const Ints* part : {&a, &b, &c})
    for (const int64_t label : *part) attrs.push_back(label);
  NodeRef made = make(dot_general_op, {x, y}, std::move(attrs));
  if (made->shape != full) made = reshape(made, full);  // where both sides had extent 1
  if (boolean) made = binary(not_equal_op, made, fill_like(0, made));
  return counted(std::move(made));
}

NodeRef reversed_axes(const NodeRef& x) {
  Ints axes;
  for (size_t i = x->shape.size(); i-- > 0;) axes.push_back(static_cast<int64_t>(i));
  return axes.size() < 2 ? x : counted(permute(x, axes));
}

void bind_composites(py::module_& m) {
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw_python_error();
}

}  // namespace pg::bindings
