// What the extension hands out or asks of the Python package: dtype and device objects, conversions, error
// classes.

#include <pybind11/stl.h>

#include <array>
#include <new>

#include "bindings/common.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

// Set once by the package and kept for the life of the process.
struct Hooks {
  std::array<PyObject*, dtype_count> dtypes{};
  PyObject* device = nullptr;
  PyObject* convert = nullptr;
  PyObject* operand = nullptr;
  PyObject* errors = nullptr;
};
Hooks hooks;
std::array<PyObject*, 512> devices{};  // by kind and index

const char* name_of_kind(ErrorKind kind) {
  switch (kind) {
  case ErrorKind::generic: return "generic";
  case ErrorKind::shape: return "shape";
  case ErrorKind::dtype: return "dtype";
  case ErrorKind::device: return "device";
  case ErrorKind::trace: return "trace";
  case ErrorKind::index: return "index";
  case ErrorKind::value: return "value";
  case ErrorKind::type: return "type";
  case ErrorKind::memory: return "memory";
  case ErrorKind::not_implemented: return "not_implemented";
  case ErrorKind::internal: break;
  }
  return "internal";
}

void set_error(ErrorKind kind, const char* message) {
  PyObject* type = hooks.errors ? PyDict_GetItemString(hooks.errors, name_of_kind(kind)) : nullptr;
  PyErr_SetString(type ? type : PyExc_RuntimeError, message);
}

NodeRef node_behind(const py::object& made, const char* hook) {
  require(is_tensor(made.ptr()), ErrorKind::internal,
          [&] { return concat("the hook ", hook, " did not return a Tensor"); });
  return node_of(as_tensor(made.ptr()));
}

}  // namespace

void fail_axis(const std::string& message) {
  PyErr_SetString(PyDict_GetItemString(hooks.errors, "axis"), message.c_str());
  throw_python_error();
}

void translate_current_exception() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const Error& e) {
    set_error(e.kind, e.what());
  } catch (const std::bad_alloc&) {
    set_error(ErrorKind::memory, "the system has no memory left");
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::exception& e) {
    set_error(ErrorKind::internal, e.what());
  } catch (...) {
    set_error(ErrorKind::internal, "unknown C++ exception");
  }
}

PyObject* dtype_object(DType dtype) {
  PyObject* object = hooks.dtypes[static_cast<size_t>(dtype)];
  return object ? object : Py_None;
}

PyObject* device_object(Device device) {
  PyObject*& cached = devices[static_cast<size_t>(device.kind) * 256 + device.index];
  if (!cached)
    cached = py::handle(hooks.device)(static_cast<int>(device.kind), static_cast<int>(device.index))
                 .release()
                 .ptr();
  return cached;
}

DType dtype_of_code(int64_t code) {
  require(code >= 0 && code < dtype_count, ErrorKind::dtype,
          [&] { return concat("no dtype has the code ", code); });
  return static_cast<DType>(code);
}

Device device_of_pair(std::pair<int, int> pair) {
  require((pair.first == 0 || pair.first == 1) && pair.second >= 0 && pair.second < 256, ErrorKind::device,
          [&] { return concat("no device is called (", pair.first, ", ", pair.second, ")"); });
  return Device{static_cast<DeviceKind>(pair.first), static_cast<uint8_t>(pair.second)};
}

NodeRef convert_data(py::handle data, py::handle dtype, py::handle device) {
  return node_behind(py::handle(hooks.convert)(data, dtype, device), "convert");
}

py::object convert_foreign(py::handle object) {
  if (!hooks.operand) return py::none();
  return py::handle(hooks.operand)(object);
}

void bind_hooks(py::module_& m) {
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error&) {
      translate_current_exception();
    }
  });
  m.def(
      "set_hooks",
      [](const py::sequence& dtypes, py::object device, py::object convert, py::object operand,
         py::dict errors, const std::string& package_path) {
        require(dtypes.size() == dtype_count, ErrorKind::internal, "one dtype object per dtype is needed");
        for (size_t i = 0; i < dtype_count; ++i) hooks.dtypes[i] = py::object(dtypes[i]).release().ptr();
        hooks.device = device.release().ptr();
        hooks.convert = convert.release().ptr();
        hooks.operand = operand.release().ptr();
        hooks.errors = errors.release().ptr();
        install_location_hooks(package_path);
      },
      py::kw_only(), py::arg("dtypes"), py::arg("device"), py::arg("convert"), py::arg("operand"),
      py::arg("errors"), py::arg("package_path"));
}

}  // namespace pg::bindings
