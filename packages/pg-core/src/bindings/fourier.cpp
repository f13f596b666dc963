// Fourier transforms of programs, through NumPy.

#include "backends/cpu/fourier.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/common.h"

namespace pg::bindings {
namespace {

// The arrays alias the memory of the program for the length of the call.
py::array alias(const cpu::FourierDesc& d, const void* data) {
  const py::dtype dtype(std::string(name_of(d.dtype)));
  return py::array(dtype, std::vector<py::ssize_t>(d.shape.begin(), d.shape.end()), data,
                   py::capsule(data, "memory of a program"));
}

void transform(const cpu::FourierDesc& d, const void* in, void* out) {
  const py::gil_scoped_acquire gil;
  const std::vector<int64_t> axes(d.axes.begin(), d.axes.end());
  py::module_::import("pequegrad._ops.fourier")
      .attr("transform")(alias(d, in), alias(d, out), axes, d.inverse);
}

}  // namespace

void bind_fourier(py::module_&) { cpu::fourier_transform = transform; }

}  // namespace pg::bindings
