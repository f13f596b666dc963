// Making nodes from Python: one entry for every record of the registry, with and without promotion.

#include "ops/ops.h"

#include <pybind11/stl.h>

#include "bindings/common.h"
#include "engine/engine.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

const Op& op_named(PyObject* name) {
  const char* text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  require(text != nullptr, ErrorKind::type, "an op is named by a string");
  const Op* op = find_op(text);
  require(op != nullptr, ErrorKind::value, [&] { return concat("no op is called '", text, "'"); });
  require(!op->as<Leaf>() && !op->as<Fill>() && !op->as<Pick>() && !op->payloads, ErrorKind::value,
          [&] { return concat("'", text, "' is no op that takes operands"); });
  return *op;
}

// An index out of range is reported at evaluation, so its op must know where it was called even outside a
// trace.
NodeRef finished(NodeRef node) {
  if (!trace_open() && (node->op == &gather_op || node->op == &scatter_op) && !node->where.code)
    node->where = nearest_user_location();
  count_pending(*node);
  return node;
}

// apply(op, inputs, attrs=()): the hot entry of all composites, hence without pybind11's argument handling.
PyObject* apply(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2 || count == 3, ErrorKind::type, "apply takes an op, its operands and its attributes");
    const Op& op = op_named(args[0]);
    const bool sequence = PyTuple_Check(args[1]) || PyList_Check(args[1]);
    require(sequence, ErrorKind::type, "apply takes a tuple or list of tensors");
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(args[1]);
    require(op.arity < 0 ? n > 0 : n == op.arity, ErrorKind::type,
            [&] { return concat(op.name, " takes ", op.arity, " operands, got ", n); });
    NodeRef small[4];
    std::vector<NodeRef> large;
    if (n > 4) large.resize(static_cast<size_t>(n));
    NodeRef* operands = n > 4 ? large.data() : small;
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* item = PySequence_Fast_GET_ITEM(args[1], i);
      require(is_tensor(item), ErrorKind::type, [&] {
        return concat(op.name, ": operand ", i, " is ", Py_TYPE(item)->tp_name, ", not a Tensor");
      });
      operands[i] = node_of(as_tensor(item));
    }
    Attrs attrs;
    if (count == 3) {
      const Ints words = parse_ints(args[2], "attributes");
      attrs.assign(words.begin(), words.end());
    }
    return wrap(
        finished(make(op, std::span<const NodeRef>(operands, static_cast<size_t>(n)), std::move(attrs))));
  });
}

PyObject* elementwise(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count >= 2, ErrorKind::type, "elementwise takes an op and its operands");
    const Op& op = op_named(args[0]);
    const size_t n = static_cast<size_t>(count - 1);
    require(op.elementwise() && static_cast<size_t>(op.arity) == n, ErrorKind::type,
            [&] { return concat(op.name, " takes ", op.arity, " operands, got ", n); });
    std::vector<Operand> operands(n);
    for (size_t i = 0; i < n; ++i)
      require(parse_operand(args[i + 1], operands[i]), ErrorKind::type, [&] {
        return concat(op.name, ": expected tensors or numbers, got ", Py_TYPE(args[i + 1])->tp_name);
      });
    if (&op != &where_op) {
      std::optional<DType> dtype;
      if (&op == &div_op && !is_inexact(promote_operands(operands).dtype)) dtype = DType::float32;
      return wrap(finished(make(op, unify(operands, op.name.c_str(), dtype))));
    }
    // The condition takes part in the shape but not in the promotion.
    const std::span<const Operand> values(operands.data() + 1, 2);
    const WeakDType type = promote_operands(values);
    Shape shape;
    const Node* first = leading(operands);
    for (const Operand& o : operands)
      if (o.node) {
        shape = broadcast_shapes(shape, o.node->shape, "where");
        check_device(*o.node, *first, "where");
      }
    require(first != nullptr, ErrorKind::type, "where: at least one operand must be a tensor");
    return wrap(finished(make(op, {realize(operands[0], {DType::bool_, false}, shape, first->device),
                                   realize(operands[1], type, shape, first->device),
                                   realize(operands[2], type, shape, first->device)})));
  });
}

// The pending tensors of a pytree; `flatten` takes apart what is no plain container, and what is nested
// deeply.
void collect(PyObject* x, PyObject* flatten, std::vector<NodeRef>& out, int depth = 0) {
  if (is_tensor(x)) {
    TensorObject* t = as_tensor(x);
    if (t->node->abstract) evaluated(t, "evaluation");
    if (!t->node->evaluated()) out.push_back(NodeRef::share(t->node));
  } else if (depth < 100 && (PyTuple_CheckExact(x) || PyList_CheckExact(x))) {
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(x); ++i)
      collect(py::reinterpret_borrow<py::object>(PySequence_Fast_GET_ITEM(x, i)).ptr(), flatten, out,
              depth + 1);
  } else if (x != Py_None && !PyFloat_CheckExact(x) && !PyLong_CheckExact(x)) {
    for (const py::handle leaf : py::list(py::handle(flatten)(py::handle(x))))
      if (is_tensor(leaf.ptr())) collect(leaf.ptr(), flatten, out);
  }
}

PyObject* eval_many(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    require(count == 2, ErrorKind::type, "eval_many takes pytrees and what takes them apart");
    std::vector<NodeRef> held;
    collect(args[0], args[1], held);
    std::vector<Node*> roots;
    roots.reserve(held.size());
    for (const NodeRef& node : held) roots.push_back(node.get());
    engine::evaluate(roots);
    Py_RETURN_NONE;
  });
}

PyMethodDef functions[] = {
    {"eval_many", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(eval_many)), METH_FASTCALL,
     "eval_many(trees, flatten)\n--\n\nComputes the tensors of pytrees as one program."},
    {"apply", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(apply)), METH_FASTCALL,
     "apply(op, inputs, attrs=())\n--\n\nOne node of a record; operands must fit as the record says."},
    {"elementwise", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(elementwise)), METH_FASTCALL,
     "elementwise(op, *operands)\n--\n\nPromotes operands to one dtype, broadcasts them to one shape, and "
     "applies the op."},
    {nullptr, nullptr, 0, nullptr},
};

Number number_of(py::handle value) {
  const auto number = parse_number(value.ptr());
  require(number.has_value(), ErrorKind::type,
          [&] { return concat("expected a number, got ", Py_TYPE(value.ptr())->tp_name); });
  return *number;
}

Aval aval_of(int dtype, bool weak, py::handle shape, std::pair<int, int> device) {
  Aval aval{parse_ints(shape, "shape"), dtype_of_code(dtype), weak, device_of_pair(device)};
  for (const int64_t extent : aval.shape)
    require(extent >= 0, ErrorKind::shape,
            [&] { return concat("a shape has no negative extents, got ", to_string(aval.shape)); });
  count_of(aval.shape);
  return aval;
}

}  // namespace

void bind_ops(py::module_& m) {
  if (PyModule_AddFunctions(m.ptr(), functions) < 0) throw_python_error();
  m.def(
      "promote",
      [](const py::args& args) {
        std::vector<Operand> operands(args.size());
        for (size_t i = 0; i < args.size(); ++i)
          require(parse_operand(py::object(args[i]).ptr(), operands[i]), ErrorKind::type,
                  "promote takes tensors and numbers");
        require(!operands.empty(), ErrorKind::value, "no operands given; pass at least one");
        const WeakDType type = promote_operands(operands);
        return std::make_pair(static_cast<int>(type.dtype), type.weak);
      },
      "The dtype code and weakness in which the operands meet.");
  m.def(
      "astype",
      [](const NodeRef& x, int dtype) {
        const DType wanted = dtype_of_code(dtype);
        return finished(x->dtype == wanted && !x->weak ? x : astype(x, wanted));
      },
      py::arg("x"), py::arg("dtype"), "The values in another dtype; the result is strong.");
  m.def(
      "broadcast_to",
      [](const NodeRef& x, py::handle shape) {
        return finished(broadcast_to(x, parse_ints(shape, "shape")));
      },
      py::arg("x"), py::arg("shape"), "The values repeated along new axes and axes of extent 1.");
  m.def(
      "number",
      [](py::handle value, int dtype, bool weak, py::handle shape, std::pair<int, int> device) {
        return filled(number_of(value), aval_of(dtype, weak, shape, device));
      },
      py::arg("value"), py::arg("dtype"), py::arg("weak"), py::arg("shape"), py::arg("device"),
      "A filled tensor: a run-time number outside a jit trace, a literal inside.");
  m.def(
      "full",
      [](py::handle value, int dtype, bool weak, py::handle shape, std::pair<int, int> device) {
        return filled(number_of(value), aval_of(dtype, weak, shape, device), true);
      },
      py::arg("value"), py::arg("dtype"), py::arg("weak"), py::arg("shape"), py::arg("device"),
      "A filled literal: its value is part of the program.");
  m.def(
      "to_device",
      [](const NodeRef& x, std::pair<int, int> pair) { return finished(to_device(x, device_of_pair(pair))); },
      py::arg("x"), py::arg("device"), "The tensor on another device.");
  m.def(
      "rebind",
      [](py::handle handle, const NodeRef& value) {
        require(is_tensor(handle.ptr()), ErrorKind::type, "only a Tensor can be rebound");
        rebind(as_tensor(handle.ptr()), value);
      },
      py::arg("handle"), py::arg("value"),
      "Lets the handle name another node; inside jit a captured handle becomes a hidden output.");
  m.def(
      "op_names",
      [] {
        std::vector<std::string> names;
        for (const Op* op : all_ops()) names.push_back(op->name);
        return names;
      },
      "The names of all records.");
  m.def(
      "op_doc",
      [](const std::string& name) {
        const Op* op = find_op(name);
        require(op != nullptr, ErrorKind::value, [&] { return concat("no op is called '", name, "'"); });
        return op->doc;
      },
      py::arg("op"), "What a record says it does.");
  m.def(
      "op_rules",
      [](const std::string& name) {
        const Op* op = find_op(name);
        require(op != nullptr, ErrorKind::value, [&] { return concat("no op is called '", name, "'"); });
        static const char* kinds[] = {"none", "linear", "partial", "jvp"};
        py::list facts;
        for (const Fact& fact : op->facts) facts.append(kinds[static_cast<int>(fact.kind)]);
        py::dict out;
        out["arity"] = op->arity;
        out["facts"] = facts;
        out["joint"] = op->joint;
        out["transpose"] = op->transpose != nullptr;
        out["jvp"] = op->jvp != nullptr;
        out["batch"] = op->batch != nullptr || op->elementwise();
        return out;
      },
      py::arg("op"), "Which rules of transforms a record states.");
}

}  // namespace pg::bindings
