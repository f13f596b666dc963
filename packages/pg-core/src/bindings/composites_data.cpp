// Composites that read by index, join and draw numbers: for small tensors building their nodes is most of
// what they cost. Each does the plain case and gives None for any other, which Python then composes.

#include <algorithm>

#include "bindings/composites.h"
#include "ops/ops.h"
#include "support/error.h"

namespace pg::bindings {
namespace {

PyObject* none() { return Py_NewRef(Py_None); }

// For an index out of range, which is found at evaluation.
NodeRef located(NodeRef node) {
  if (!trace_open() && !node->where.code) node->where = nearest_user_location();
  count_pending(*node);
  return node;
}

NodeRef argument(PyObject* object) { return is_tensor(object) ? node_of(as_tensor(object)) : nullptr; }

int64_t integer(PyObject* object) {
  const int64_t value = PyLong_AsLongLong(object);
  if (value == -1 && PyErr_Occurred()) throw_python_error();
  return value;
}

// Integers whose sum with an extent fits their type.
bool plain_index(const NodeRef& index, int64_t length) {
  return index->dtype == DType::int64 || (index->dtype == DType::int32 && length < (int64_t(1) << 31));
}

NodeRef from_zero(const NodeRef& index, int64_t length) {
  const NodeRef turned = index + static_cast<double>(length);
  return where(binary(less_op, index, fill_like(0, index)), turned, index);
}

// take_rows(x, index): x[index]
PyObject* take_rows(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2, ErrorKind::type, "take_rows takes a tensor and indices");
    const NodeRef x = argument(args[0]), index = argument(args[1]);
    if (!x || !index || x->shape.empty() || x->device != index->device || !plain_index(index, x->shape[0]))
      return none();
    return wrap(located(gather(x, from_zero(index, x->shape[0]), IndexMode::raise)));
  });
}

// take_along_axis(x, index, axis): axis counted from 0, all other extents equal
PyObject* take_along_axis(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 3, ErrorKind::type, "take_along_axis takes a tensor, indices and an axis");
    const NodeRef x = argument(args[0]), index = argument(args[1]);
    const auto axis = static_cast<size_t>(integer(args[2]));
    if (!x || !index || x->device != index->device || index->dtype != DType::int64 || axis >= x->shape.size())
      return none();
    Shape fitting = x->shape;
    if (index->shape.size() != fitting.size()) return none();
    fitting[axis] = index->shape[axis];
    if (fitting != index->shape) return none();
    const int64_t length = x->shape[axis];
    const NodeRef rows = from_zero(index, length);
    if (fitting.size() == 1) return wrap(located(gather(x, rows, IndexMode::raise)));
    NodeRef linear;
    int64_t stride = 1;
    for (size_t i = fitting.size(); i-- > 0;) {
      NodeRef part = i == axis ? rows : iota(fitting, static_cast<int64_t>(i), DType::int64, x->device);
      if (stride != 1) part = part * static_cast<double>(stride);
      linear = linear ? linear + part : part;
      stride *= x->shape[i];
    }
    const NodeRef outside = binary(or_op, binary(less_op, rows, fill_like(0, rows)),
                                   binary(less_equal_op, fill_like(static_cast<double>(length), rows), rows));
    linear = where(outside, static_cast<double>(stride), linear);
    return wrap(located(gather(reshape(x, {stride}), linear, IndexMode::raise)));
  });
}

// join(tensors, axis): one after the other
PyObject* join(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2, ErrorKind::type, "join takes tensors and an axis");
    if ((!PyTuple_Check(args[0]) && !PyList_Check(args[0])) || !PyLong_CheckExact(args[1])) return none();
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(args[0]);
    int overflow = 0;
    int64_t axis = PyLong_AsLongLongAndOverflow(args[1], &overflow);
    if (n < 2 || n > 8 || overflow) return none();
    NodeRef parts[8];
    for (Py_ssize_t i = 0; i < n; ++i) {
      parts[i] = argument(PySequence_Fast_GET_ITEM(args[0], i));
      if (!parts[i]) return none();
      const NodeRef &part = parts[i], &first = parts[0];
      if (part->dtype != first->dtype || part->weak || part->device != first->device ||
          part->shape.size() != first->shape.size())
        return none();
      const auto rank = static_cast<int64_t>(first->shape.size());
      if (i == 0 && axis < 0) axis += rank;
      if (axis < 0 || axis >= rank) return none();
      for (int64_t a = 0; a < rank; ++a)
        if (a != axis && part->shape[static_cast<size_t>(a)] != first->shape[static_cast<size_t>(a)])
          return none();
    }
    NodeRef made = make(concat_op, std::span<const NodeRef>(parts, static_cast<size_t>(n)), {axis});
    count_pending(*made);
    return wrap(std::move(made));
  });
}

NodeRef word_of(const NodeRef& key, int64_t i) { return reshape(slice(key, {i}, {i + 1}, {1}), {}); }

NodeRef threefry(const NodeRef& k0, const NodeRef& k1, const NodeRef& c0, const NodeRef& c1, int64_t word) {
  return make(threefry_op, {k0, k1, c0, c1}, {word});
}

// The key that a key and a number make, in its two words.
void fold(NodeRef& k0, NodeRef& k1, const NodeRef& number) {
  const NodeRef zero = fill_like(0, number), first = threefry(k0, k1, zero, number, 0);
  k1 = threefry(k0, k1, zero, number, 1);
  k0 = first;
}

// draw(key, number, shape, word): random uint32 of a key, or of the key that it and a number make.
PyObject* draw(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 4, ErrorKind::type, "draw takes a key, a number or None, a shape and a word");
    const NodeRef key = argument(args[0]);
    if (!key || key->dtype != DType::uint32 || key->shape != Shape{2}) return none();
    const Ints extents = parse_ints(args[2], "shape");
    const Shape shape(extents.begin(), extents.end());
    const int64_t items = count_of(shape);
    if (items >= int64_t(1) << 32) return none();
    NodeRef k0 = word_of(key, 0), k1 = word_of(key, 1);
    if (args[1] != Py_None) {
      const bool given = is_tensor(args[1]);
      const NodeRef number = given ? argument(args[1]) : fill_like(static_cast<double>(integer(args[1])), k0);
      if (number->dtype != DType::uint32 || !number->shape.empty()) return none();
      fold(k0, k1, number);
    }
    const NodeRef low = reshape(iota({items}, 0, DType::uint32, key->device), shape);
    NodeRef made =
        threefry(broadcast_to(k0, shape), broadcast_to(k1, shape), fill_like(0, low), low, integer(args[3]));
    count_pending(*made);
    return wrap(std::move(made));
  });
}

// fold_in(key, number): a new key
PyObject* fold_in(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2, ErrorKind::type, "fold_in takes a key and a number");
    const NodeRef key = argument(args[0]), number = argument(args[1]);
    if (!key || !number || key->dtype != DType::uint32 || key->shape != Shape{2} ||
        number->dtype != DType::uint32 || !number->shape.empty() || key->device != number->device)
      return none();
    NodeRef k0 = word_of(key, 0), k1 = word_of(key, 1);
    fold(k0, k1, number);
    NodeRef made = make(concat_op, {reshape(k0, {1}), reshape(k1, {1})}, {0});
    count_pending(*made);
    return wrap(std::move(made));
  });
}

template <auto f> PyCFunction fast() { return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(f)); }

PyMethodDef functions[] = {
    {"take_rows", fast<take_rows>(), METH_FASTCALL,
     "take_rows(x, index)\n--\n\nx[index] for a tensor of int32 or int64; None for any other index."},
    {"take_along_axis", fast<take_along_axis>(), METH_FASTCALL,
     "take_along_axis(x, index, axis)\n--\n\nThe elements that int64 indices of the same extents beside the "
     "axis name; None for any others."},
    {"join", fast<join>(), METH_FASTCALL,
     "join(tensors, axis)\n--\n\nA few tensors of one dtype one after the other; None for any others."},
    {"draw", fast<draw>(), METH_FASTCALL,
     "draw(key, number, shape, word)\n--\n\nRandom uint32 of a key, or of the key that it and a number make: "
     "a word of the cipher, or both xored (2). None for what is no key, and for shapes of 2**32 elements."},
    {"fold_in", fast<fold_in>(), METH_FASTCALL,
     "fold_in(key, number)\n--\n\nThe key that a key and a uint32 make; None for anything else."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

void bind_data_composites(py::module_& m) {
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw_python_error();
}

}  // namespace pg::bindings
