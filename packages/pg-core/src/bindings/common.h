#pragma once
// What the binding files share: the Tensor object, conversions between Python values and nodes, and error
// translation.

#include <pybind11/pybind11.h>

#include <optional>
#include <span>
#include <string>

#include "graph/node.h"

namespace pg::bindings {

namespace py = pybind11;

// ---- Tensor
// ------------------------------------------------------------------------------------------------------------

/// A rebindable handle to an immutable node. No GC flag: it refers to no Python object.
struct TensorObject {
  PyObject_HEAD Node* node;  // owned; never null once constructed
  PyObject* weakrefs;
  TensorObject *previous, *next;  // all handles of the process, for the flush of pending graphs
  int64_t trace;                  // id of the abstract trace that made this handle, 0 outside
};

extern PyTypeObject* tensor_type;

inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_type || PyType_IsSubtype(Py_TYPE(object), tensor_type);
}
inline TensorObject* as_tensor(PyObject* object) { return reinterpret_cast<TensorObject*>(object); }

/// A new handle (new reference); null with a Python error set when memory is out.
PyObject* wrap(NodeRef node);
py::object wrap_object(NodeRef node);  // the same, throws
/// The node an op reads through this handle. Inside a jit trace a handle from outside becomes a hidden input.
NodeRef node_of(TensorObject* tensor);
/// Lets the handle point at another node; inside a jit trace a handle from outside becomes a hidden output.
void rebind(TensorObject* tensor, NodeRef node);
/// Evaluates the handle's node and returns it; raises TraceError for an abstract value, naming `what` was
/// asked for.
Node* evaluated(TensorObject* tensor, const char* what);

/// Counts a node built outside a trace, and evaluates pending graphs that grew too large.
void count_pending(const Node& node);
/// All living handles, in a ring.
TensorObject* tensor_ring();

// ---- errors
// ------------------------------------------------------------------------------------------------------------

/// Sets the Python error that belongs to the C++ exception being handled.
void translate_current_exception() noexcept;

/// Runs a slot's body; a C++ exception becomes a Python error and the slot's failure value.
template <class Body> auto guarded(Body&& body, std::invoke_result_t<Body> failure = {}) noexcept
    -> std::invoke_result_t<Body> {
  try {
    return body();
  } catch (...) {
    translate_current_exception();
    return failure;
  }
}

/// Raises AxisError, which only the bindings know.
[[noreturn]] void fail_axis(const std::string& message);

/// A Python exception is set: carry it through C++ frames.
[[noreturn]] inline void throw_python_error() { throw py::error_already_set(); }

// ---- values
// ------------------------------------------------------------------------------------------------------------

// dtypes cross the border as their code (position in types/dtype.h), devices as a pair (kind, index).
PyObject* dtype_object(DType dtype);     // the object registered for it (borrowed)
PyObject* device_object(Device device);  // from the registered factory, cached (borrowed)
DType dtype_of_code(int64_t code);
Device device_of_pair(std::pair<int, int> pair);
/// An int or a sequence of ints.
Ints parse_ints(py::handle object, const char* what);
py::tuple shape_tuple(const Shape& shape);

/// A Python or NumPy number as an operand: weak, with its value as attribute bits of its kind.
struct Number {
  WeakDType type;
  double real = 0, imag = 0;
  int64_t integer = 0;                  // bool and int: the low 64 bits
  bool negative = false, wide = false;  // wide: needs more than 64 bits
  /// The value's bits in a dtype, of a complex number those of the real part; raises when an integer does not
  /// fit an integer dtype, or a complex number a real one.
  int64_t bits(DType dtype) const;
};
std::optional<Number> parse_number(PyObject* object);
bool is_numpy_scalar(PyObject* object);

/// An operand before promotion.
struct Operand {
  NodeRef node;  // null: a number
  Number number;
  WeakDType type() const { return node ? WeakDType{node->dtype, node->weak} : number.type; }
};
/// False (no error set) when the object is no operand: the slot then answers NotImplemented.
bool parse_operand(PyObject* object, Operand& out);

/// A number filled to a shape: a run-time number, or a literal inside abstract traces and with `literal`.
NodeRef filled(const Number& number, const Aval& aval, bool literal = false);

WeakDType promote_operands(std::span<const Operand> operands);
/// The tensor whose device the operands meet on; null when all are numbers. Rank-0 tensors of the CPU go
/// along.
const Node* leading(std::span<const Operand> operands);
/// Raises DeviceError unless the tensor is there or goes along.
void check_device(const Node& node, const Node& first, const char* what);
/// Brings one operand to a dtype and shape: casts, broadcasts, fills numbers (literals inside abstract
/// traces).
NodeRef realize(const Operand& operand, WeakDType type, const Shape& shape, Device device);
/// Brings all operands to one dtype (or to `dtype`) and one shape, checking devices.
std::vector<NodeRef> unify(std::span<const Operand> operands, const char* what,
                           std::optional<DType> dtype = {});

/// What Tensor(data, dtype, device) becomes, and what a foreign operand of an operator stands for: asked of
/// the Python hooks.
NodeRef convert_data(py::handle data, py::handle dtype, py::handle device);
py::object convert_foreign(py::handle object);
/// An evaluated node's values in host memory: its own buffer, or a copy of one on another device.
BufferRef host_values(const Node& node);
/// The only element as a Python number.
PyObject* scalar_object(const Node& node, const char* what);

// ---- parts of the module
// -----------------------------------------------------------------------------------------------

void bind_hooks(py::module_& m);
void bind_tensor(py::module_& m);
void bind_ops(py::module_& m);
void bind_interop(py::module_& m);
void bind_dlpack(py::module_& m);
void bind_traces(py::module_& m);
void bind_control(py::module_& m);
void bind_host(py::module_& m);
void bind_patterns(py::module_& m);
void bind_jit(py::module_& m);
void bind_debug(py::module_& m);
void bind_fourier(py::module_& m);
void bind_codegen(py::module_& m);
void bind_cuda(py::module_& m);

/// Installs the hooks that tell nodes where they were made; code below `package_path` is ours.
void install_location_hooks(const std::string& package_path);
Location nearest_user_location();
struct Place {
  std::string file;  // empty where nothing is known
  int line = 0;
  std::string function;
};
Place place_of(const Location& where);
std::string format_location(const Location& where);

/// Python objects whose last reference died on a thread without the GIL.
void queue_decref(PyObject* object);
void drain_decrefs();

}  // namespace pg::bindings

namespace pybind11::detail {

/// Lets every m.def take and return Tensors as nodes.
template <> struct type_caster<pg::NodeRef> {
  PYBIND11_TYPE_CASTER(pg::NodeRef, const_name("Tensor"));
  bool load(handle source, bool) {
    if (!pg::bindings::is_tensor(source.ptr())) return false;
    value = pg::bindings::node_of(pg::bindings::as_tensor(source.ptr()));
    return true;
  }
  static handle cast(const pg::NodeRef& node, return_value_policy, handle) {
    return pg::bindings::wrap(node);
  }
};

}  // namespace pybind11::detail
