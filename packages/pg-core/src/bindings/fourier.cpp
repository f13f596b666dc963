// Fourier transforms of programs, through NumPy.

#include "backends/cpu/fourier.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/common.h"
#include "runtime/threads.h"

namespace pg::bindings {
namespace {

// The arrays alias the memory of the program for the length of the call.
py::array alias(const cpu::FourierDesc& d, const void* data) {
  const py::dtype dtype(std::string(name_of(d.dtype)));
  return py::array(dtype, std::vector<py::ssize_t>(d.shape.begin(), d.shape.end()), data,
                   py::capsule(data, "memory of a program"));
}

// The axis whose places threads share: the longest that is not transformed. The transformed one where each
// is 1.
size_t axis_to_split(const cpu::FourierDesc& d, int64_t transformed) {
  size_t best = static_cast<size_t>(transformed);
  int64_t longest = 1;
  for (size_t i = 0; i < d.shape.size(); ++i)
    if (static_cast<int64_t>(i) != transformed && d.shape[i] > longest) {
      best = i;
      longest = d.shape[i];
    }
  return best;
}

// Axis by axis. NumPy works without the interpreter's lock, so that several threads do.
void transform(const cpu::FourierDesc& d, const void* in, void* out) {
  constexpr int64_t worth_a_thread = 1 << 14;  // numbers
  const py::gil_scoped_acquire gil;
  const py::object f = py::module_::import("pequegrad._ops.fourier").attr("transform");
  const py::array to = alias(d, out);
  py::array from = alias(d, in);
  for (const int64_t axis : d.axes) {
    const size_t split = axis_to_split(d, axis);
    const int64_t places = d.shape[split], each = std::max<int64_t>(1, count_of(d.shape) / places);
    const bool whole = static_cast<int64_t>(split) == axis || places * each < 2 * worth_a_thread;
    if (whole) {
      f(from, to, axis, d.inverse, split, 0, places);
    } else {
      const int64_t parts =
          std::min<int64_t>(num_threads(), std::max<int64_t>(1, places * each / worth_a_thread));
      const py::gil_scoped_release released;
      parallel_for(parts, 1, [&](int64_t begin, int64_t end, int) {
        const py::gil_scoped_acquire held;
        f(from, to, axis, d.inverse, split, begin * places / parts, end * places / parts);
      });
    }
    from = to;
  }
}

}  // namespace

void bind_fourier(py::module_&) { cpu::fourier_transform = transform; }

}  // namespace pg::bindings
