// Data in and out: NumPy arrays, and Python owners whose last reference may die on any thread.

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstring>
#include <mutex>

#include "backends/cuda/device.h"
#include "bindings/common.h"
#include "runtime/pool.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

std::mutex queue_mutex;
std::vector<PyObject*> queued;
std::atomic<bool> any_queued{false};

void release_python_owner(void* owner) { queue_decref(static_cast<PyObject*>(owner)); }

NodeRef node_from_numpy(py::array array, int code, bool copy, std::pair<int, int> place) {
  const DType dtype = dtype_of_code(code);
  require(array.itemsize() == size_of(dtype), ErrorKind::dtype, [&] {
    return concat("an array with ", array.itemsize(), " bytes an element cannot hold ", name_of(dtype));
  });
  const bool contiguous = (array.flags() & py::array::c_style) != 0;
  const bool aligned = reinterpret_cast<uintptr_t>(array.data()) % static_cast<size_t>(size_of(dtype)) == 0;
  Aval aval{{}, dtype, false, Device{}};
  for (py::ssize_t i = 0; i < array.ndim(); ++i) aval.shape.push_back(array.shape(i));
  const size_t bytes = static_cast<size_t>(count_of(aval.shape) * size_of(dtype));
  const Device device = device_of_pair(place);
  if (device != Device{}) {
    require(copy, ErrorKind::device, "the memory of an array cannot be shared with a GPU; copy it there");
    const py::array rows =
        contiguous ? array : py::array(py::module_::import("numpy").attr("ascontiguousarray")(array));
    aval.device = device;
    return buffer_node(cuda::place(rows.data(), bytes, device), std::move(aval));
  }
  if (copy && contiguous) {
    BufferRef buffer = allocate(bytes);
    std::memcpy(buffer->data, array.data(), bytes);
    return buffer_node(std::move(buffer), std::move(aval));
  }
  if (copy) {  // NumPy's own loops gather into our memory, which is checked against the limit
    BufferRef buffer = allocate(bytes);
    const std::vector<py::ssize_t> shape(aval.shape.begin(), aval.shape.end());
    const py::array target(array.dtype(), shape, buffer->data, py::none());
    py::module_::import("numpy").attr("copyto")(target, array);
    return buffer_node(std::move(buffer), std::move(aval));
  }
  require(contiguous && aligned, ErrorKind::value,
          "sharing memory needs an aligned, C-contiguous array; copy instead: pg.Tensor(array)");
  void* data = const_cast<void*>(array.data());
  return buffer_node(wrap_foreign(data, bytes, Device{}, {release_python_owner, array.release().ptr()}),
                     std::move(aval));
}

py::dtype numpy_dtype(DType dtype) {
  return py::dtype(dtype == DType::bfloat16 ? "uint16" : std::string(name_of(dtype)));
}

py::array numpy_view(Node* node) {
  static const std::vector<py::object>* types = [] {
    auto* made = new std::vector<py::object>;
    for (int i = 0; i < dtype_count; ++i) made->push_back(numpy_dtype(static_cast<DType>(i)));
    return made;
  }();
  BufferRef buffer = host_values(*node);
  const void* const data = buffer->data;
  const py::capsule owner(buffer.detach(), [](void* raw) { Ref<Buffer>::adopt(static_cast<Buffer*>(raw)); });
  std::vector<py::ssize_t> shape(node->shape.begin(), node->shape.end());
  const Ints strides = strides_of(node->shape);
  std::vector<py::ssize_t> steps(strides.begin(), strides.end());
  for (auto& s : steps) s *= size_of(node->dtype);
  py::array view(py::reinterpret_borrow<py::dtype>((*types)[static_cast<size_t>(node->dtype)]), shape, steps,
                 data, owner);
  py::detail::array_proxy(view.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return view;
}

}  // namespace

void queue_decref(PyObject* object) {
  if (Py_IsInitialized() && PyGILState_Check()) {
    Py_DECREF(object);
    return;
  }
  const std::lock_guard lock(queue_mutex);
  queued.push_back(object);
  any_queued.store(true, std::memory_order_release);
}

void drain_decrefs() {
  if (!any_queued.load(std::memory_order_acquire)) return;
  std::vector<PyObject*> mine;
  {
    const std::lock_guard lock(queue_mutex);
    mine.swap(queued);
    any_queued.store(false, std::memory_order_release);
  }
  for (PyObject* object : mine) Py_DECREF(object);
}

void bind_interop(py::module_& m) {
  m.def("from_numpy", node_from_numpy, py::arg("array"), py::arg("dtype"), py::arg("copy"),
        py::arg("device") = std::make_pair(0, 0),
        "A tensor of an array's values, or one that shares its memory. bfloat16 travels as uint16.");
  m.def(
      "to_numpy",
      [](py::handle x) {
        require(is_tensor(x.ptr()), ErrorKind::type, "to_numpy takes a Tensor");
        return numpy_view(evaluated(as_tensor(x.ptr()), "conversion to NumPy"));
      },
      py::arg("x"), "A read-only view of the values that keeps them alive. bfloat16 travels as uint16.");
  m.def(
      "item",
      [](py::handle x) {
        require(is_tensor(x.ptr()), ErrorKind::type, "item takes a Tensor");
        return py::reinterpret_steal<py::object>(
            scalar_object(*evaluated(as_tensor(x.ptr()), ".item()"), ".item()"));
      },
      py::arg("x"), "The only element, as a Python number.");
}

}  // namespace pg::bindings
