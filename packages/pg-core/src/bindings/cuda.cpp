// CUDA: what is there, what is missing, memory and waiting.

#include <pybind11/stl.h>

#include "backends/cuda/compile.h"
#include "backends/cuda/cublas.h"
#include "backends/cuda/device.h"
#include "backends/cuda/recording.h"
#include "backends/cuda/source.h"
#include "bindings/common.h"
#include "bindings/streams.h"
#include "engine/engine.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

// A library that cannot be looked for is a library that is not there.
std::string find_in_wheels(const std::string& file) {
  const py::gil_scoped_acquire gil;
  try {
    return py::module_::import("pequegrad._libraries").attr("find_nvidia")(file).cast<std::string>();
  } catch (const py::error_already_set&) {
    return "";
  }
}

// What `python -m pequegrad doctor` shows.
py::dict report() {
  py::dict out;
  py::list libraries, devices;
  for (const cuda::Library library : cuda::all_libraries) {
    const cuda::Found found = cuda::find(library);
    const cuda::Description& d = cuda::describe(library);
    py::dict row;
    row["name"] = d.name;
    row["variable"] = d.variable;
    row["use"] = d.use;
    row["path"] = found.path;
    row["why"] = found.why;
    row["cuda"] = found.major;
    libraries.append(row);
  }
  out["libraries"] = libraries;
  out["missing"] = cuda::missing();
  out["driver"] = 0;
  out["devices"] = devices;
  if (!cuda::driver_absence().empty()) return out;
  out["driver"] = cuda::driver().version_number;
  for (int i = 0; i < cuda::driver().devices; ++i) {
    const cuda::Gpu& gpu = cuda::gpu(i);
    py::dict row;
    row["name"] = gpu.name;
    row["architecture"] = gpu.architecture;
    row["processors"] = gpu.processors;
    row["bytes"] = gpu.bytes;
    devices.append(row);
  }
  return out;
}

py::dict stats_of(int device) {
  cuda::Gpu& gpu = cuda::gpu(device);
  const cuda::MemoryStats s = gpu.memory->stats();
  py::dict out;
  out["live_bytes"] = s.live_bytes;
  out["live_buffers"] = s.live_buffers;
  out["cached_bytes"] = s.cached_bytes;
  out["held_bytes"] = s.held_bytes;
  out["peak_bytes"] = s.peak_bytes;
  out["graphs"] = gpu.graphs.load();
  out["graph_bytes"] = gpu.graph_bytes.load();
  out["graph_launches"] = gpu.graph_launches.load();
  return out;
}

}  // namespace

BufferRef host_values(const Node& node) {
  BufferRef buffer = BufferRef::share(node.buffer.load(std::memory_order_acquire));
  if (buffer->device == Device{}) return buffer;
  const engine::WithoutGil released;
  return cuda::transfer(buffer, {});
}

void bind_cuda(py::module_& m) {
  bind_streams(m);
  cuda::find_in_wheels = find_in_wheels;
  cuda::running_line = [] { return PyGILState_Check() ? nearest_user_location() : Location{}; };
  cuda::line_text = [](const Location& where) {
    const py::gil_scoped_acquire held;
    return format_location(where);
  };
  m.def(
      "cuda_prelude", [] { return std::string(cuda::prelude); },
      "What the text of every kernel begins with.");
  m.def("cuda_missing", cuda::missing,
        "Empty when CUDA can be used; else what is missing and what would help.");
  m.def("cuda_report", report, "Driver, GPUs and libraries, as found.");
  m.def(
      "cuda_device_count", [] { return cuda::missing().empty() ? cuda::driver().devices : 0; },
      "How many GPUs there are; 0 when CUDA cannot be used.");
  m.def(
      "cuda_require", [](int device) { cuda::gpu(device); }, py::arg("device"),
      "Raises DeviceError when there is no such GPU.");
  m.def(
      "cuda_synchronize",
      [](int device) {
        const engine::WithoutGil released;
        if (device >= 0) return cuda::gpu(device).synchronize();
        for (int i = 0; i < 256; ++i)
          if (cuda::Gpu* gpu = cuda::known_gpu(i)) gpu->synchronize();
      },
      py::arg("device"), "Waits for the work queued on a GPU; -1: on all that were used.");
  m.def("cuda_memory_stats", stats_of, py::arg("device"), "What the allocator of a GPU holds.");
  m.def(
      "cuda_reset_peak", [](int device) { cuda::gpu(device).memory->reset_peak(); }, py::arg("device"),
      "Forgets the highest use of a GPU's memory so far.");
  m.def(
      "cuda_empty_cache", [](int device) { cuda::gpu(device).memory->empty_cache(); }, py::arg("device"),
      "Gives a GPU's cached memory back to the driver.");
  m.def(
      "cuda_set_allocator",
      [](const std::string& name) {
        require(name == "default" || name == "custom", ErrorKind::value,
                [&] { return concat("an allocator is 'default' or 'custom', not '", name, "'"); });
        const bool before = cuda::Memory::allocator() == cuda::Allocator::custom;
        cuda::Memory::set_allocator(name == "custom" ? cuda::Allocator::custom : cuda::Allocator::pool);
        return before ? "custom" : "default";
      },
      py::arg("name"), "Which allocator serves this thread from now on; answers which did.");
  m.def(
      "cuda_allow_tf32",
      [](bool allow) {
        const bool before = cuda::tf32_allowed();
        cuda::allow_tf32(allow);
        return before;
      },
      py::arg("allow"), "May products of float32 round their operands to TF32? Answers whether they might.");
  m.def(
      "cuda_set_graphs",
      [](const std::string& name) {
        constexpr const char* names[] = {"automatic", "always", "never"};
        const char* const before = names[static_cast<int>(cuda::graph_use())];
        for (int i = 0; i < 3; ++i)
          if (name == names[i]) {
            cuda::set_graph_use(static_cast<cuda::GraphUse>(i));
            return before;
          }
        fail(ErrorKind::value, concat("graphs are 'automatic', 'always' or 'never', not '", name, "'"));
      },
      py::arg("name"), "When runs of jitted functions are recorded; answers what was set before.");
  m.def(
      "cuda_compile_counts",
      [] {
        const cuda::CompileCounts c = cuda::compile_counts();
        py::dict out;
        out["compiled"] = c.compiled;
        out["loaded"] = c.loaded;
        out["shared"] = c.shared;
        return out;
      },
      "Kernels compiled, loaded from disk, and equal to one known.");
}

}  // namespace pg::bindings
