// Functions of the host: Python functions on NumPy arrays, and compiled functions at an address.

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>

#include "backends/cpu/lapack.h"
#include "bindings/trace.h"
#include "ops/control.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

py::dtype numpy_dtype(DType dtype) {
  return py::dtype(dtype == DType::bfloat16 ? "uint16" : std::string(name_of(dtype)));
}

class PythonFunction : public HostFunction {
 public:
  explicit PythonFunction(py::object f) : f_(f.release().ptr()) {}
  ~PythonFunction() override { queue_decref(f_); }
  const void* identity() const override { return f_; }

  std::string name() const override {
    const py::gil_scoped_acquire gil;
    const py::object name = py::getattr(f_, "__name__", py::str(Py_TYPE(f_)->tp_name));
    return py::cast<std::string>(py::str(name));
  }

  void call(std::span<const Aval> in, void* const* inputs, std::span<const Aval> out,
            void* const* outputs) const override {
    const py::gil_scoped_acquire gil;
    py::tuple args(in.size());
    for (size_t i = 0; i < in.size(); ++i) {
      // A copy: the function may keep it, the memory is the program's.
      py::array x(numpy_dtype(in[i].dtype), std::vector<py::ssize_t>(in[i].shape.begin(), in[i].shape.end()));
      std::memcpy(x.mutable_data(), inputs[i], static_cast<size_t>(x.nbytes()));
      args[i] = std::move(x);
    }
    const py::object made = py::reinterpret_borrow<py::object>(f_)(*args);
    const bool several = py::isinstance<py::tuple>(made) || py::isinstance<py::list>(made);
    const py::tuple given = several ? py::tuple(made) : py::make_tuple(made);
    require(given.size() == out.size(), ErrorKind::value, [&] {
      return concat("host_call: ", name(), " returned ", given.size(), " results, ", out.size(),
                    " were announced");
    });
    for (size_t i = 0; i < out.size(); ++i) store(given[i], i, out[i], outputs[i]);
  }

 private:
  void store(const py::object& value, size_t position, const Aval& type, void* to) const {
    const py::module_ numpy = py::module_::import("numpy");
    py::array x = numpy.attr("asarray")(value).cast<py::array>();
    const Shape shape(x.shape(), x.shape() + x.ndim());
    require(shape == type.shape, ErrorKind::shape, [&] {
      return concat("host_call: ", name(), " returned shape ", to_string(shape), " as result ", position,
                    ", ", to_string(type.shape), " was announced");
    });
    const py::dtype wanted = numpy_dtype(type.dtype);
    require(numpy.attr("can_cast")(x.dtype(), wanted, "same_kind").cast<bool>(), ErrorKind::dtype, [&] {
      return concat("host_call: ", name(), " returned ", py::cast<std::string>(py::str(x.dtype())),
                    " as result ", position, ", ", name_of(type.dtype), " was announced");
    });
    x = numpy.attr("ascontiguousarray")(x, py::arg("dtype") = wanted).cast<py::array>();
    std::memcpy(to, x.data(), static_cast<size_t>(x.nbytes()));
  }

  PyObject* f_;
};

/// A factorisation by LAPACK. What LAPACK refuses is left to the Python function, which says what is wrong.
class Factorisation final : public PythonFunction {
 public:
  Factorisation(py::object f, cpu::LapackRoutine routine) : PythonFunction(std::move(f)), routine_(routine) {}

  void call(std::span<const Aval> in, void* const* inputs, std::span<const Aval> out,
            void* const* outputs) const override {
    if (!routine_(in, inputs, out, outputs)) PythonFunction::call(in, inputs, out, outputs);
  }

 private:
  cpu::LapackRoutine routine_;
};

/// A compiled function: void f(void** buffers, const int64_t* shapes, const double* attributes). Buffers are
/// those of the operands, then those of the results; for each of them `shapes` holds the rank and the
/// extents. It runs without the interpreter's lock.
class NativeFunction final : public HostFunction {
 public:
  using Entry = void (*)(void* const*, const int64_t*, const double*);

  NativeFunction(std::string name, uintptr_t address, std::vector<double> attributes, py::object owner)
      : name_(std::move(name)), entry_(reinterpret_cast<Entry>(address)), attributes_(std::move(attributes)),
        owner_(owner.release().ptr()) {}
  ~NativeFunction() override { queue_decref(owner_); }
  const void* identity() const override { return nullptr; }
  std::string name() const override { return name_; }

  void call(std::span<const Aval> in, void* const* inputs, std::span<const Aval> out,
            void* const* outputs) const override {
    SmallVector<void*, 8> buffers;
    std::vector<int64_t> shapes;
    const auto add = [&](const Aval& type, void* memory) {
      buffers.push_back(memory);
      shapes.push_back(static_cast<int64_t>(type.shape.size()));
      shapes.insert(shapes.end(), type.shape.begin(), type.shape.end());
    };
    for (size_t i = 0; i < in.size(); ++i) add(in[i], inputs[i]);
    for (size_t i = 0; i < out.size(); ++i) add(out[i], outputs[i]);
    entry_(buffers.data(), shapes.data(), attributes_.data());
  }

 private:
  std::string name_;
  Entry entry_;
  std::vector<double> attributes_;
  PyObject* owner_;  // keeps the code in memory
};

/// A compiled function as Python holds it; all calls of it are one payload.
struct NativeKernel {
  PayloadRef function;
};

PayloadRef function_of(py::object f) {
  if (py::isinstance<NativeKernel>(f)) return py::cast<const NativeKernel&>(f).function;
  require(PyCallable_Check(f.ptr()), ErrorKind::type, "host_call: the first argument must be callable");
  return intern(std::make_unique<const PythonFunction>(std::move(f)));
}

py::list host_call(py::object f, const py::sequence& operands,
                   const std::vector<std::tuple<py::object, int>>& types, bool vectorized) {
  const PayloadRef function = function_of(std::move(f));
  HostCall host{function->id, vectorized, {}};
  for (const auto& [shape, dtype] : types) {
    Aval type{parse_ints(shape, "shape"), dtype_of_code(dtype)};
    for (const int64_t extent : type.shape)
      require(extent >= 0, ErrorKind::shape, "host_call: a shape has no negative extents");
    count_of(type.shape);
    host.results.push_back(std::move(type));
  }
  const NodeRef node = make(host_op, nodes_of(operands), host.attrs());
  if (!node->where.code) node->where = nearest_user_location();  // outside a trace too: it may raise
  return computed_results(node);
}

}  // namespace

void bind_host(py::module_& m) {
  py::class_<NativeKernel>(m, "NativeKernel", "A compiled function; what host_call runs without Python.")
      .def(
          py::init([](std::string name, uintptr_t address, std::vector<double> attributes, py::object owner) {
            require(address != 0, ErrorKind::value, "a kernel has no address");
            return NativeKernel{intern(std::make_unique<const NativeFunction>(
                std::move(name), address, std::move(attributes), std::move(owner)))};
          }),
          py::arg("name"), py::arg("address"), py::arg("attributes"), py::arg("owner"));
  m.def(
      "factorisation",
      [](py::object f, const std::string& name, const std::string& path) {
        const cpu::LapackRoutine routine =
            !path.empty() && cpu::load_lapack(path) ? cpu::lapack_routine(name) : nullptr;
        if (routine)
          return NativeKernel{intern(std::make_unique<const Factorisation>(std::move(f), routine))};
        return NativeKernel{intern(std::make_unique<const PythonFunction>(std::move(f)))};
      },
      py::arg("f"), py::arg("name"), py::arg("path"),
      "A function on NumPy arrays that LAPACK's routine of that name, in the library at the path, stands in "
      "for; the function itself where there is no such routine or library, and for what the routine "
      "refuses.");
  m.def(
      "host_call", host_call, py::arg("f"), py::arg("operands"), py::arg("types"), py::arg("vectorized"),
      "All results of a Python function on NumPy copies of its operands; types are pairs (shape, dtype). "
      "Any number of results. Vectorized: the function takes further leading axes, the same on all operands "
      "and results.");
}

}  // namespace pg::bindings
