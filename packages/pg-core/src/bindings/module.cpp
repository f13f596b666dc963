// The extension module: one call per part.

#include <pybind11/stl.h>

#include "backends/cpu/library.h"
#include "backends/cpu/onednn.h"
#include "bindings/common.h"
#include "bindings/composites.h"
#include "bindings/values.h"
#include "compiler/passes/runner.h"
#include "engine/engine.h"
#include "engine/nans.h"
#include "engine/profile.h"
#include "graph/node_pool.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/env.h"
#include "support/error.h"

namespace pg::bindings {
namespace {

void* release_gil() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }
void acquire_gil(void* token) { PyEval_RestoreThread(static_cast<PyThreadState*>(token)); }

// Kernels and dumps go where Python's prints go, in order with them.
void print(const std::string& text) {
  const py::gil_scoped_acquire gil;
  py::print(text, py::arg("end") = "", py::arg("flush") = true);
}

// A library that cannot be looked for is a library that is not there.
std::string find_onednn() {
  const py::gil_scoped_acquire gil;
  try {
    return py::module_::import("pequegrad._libraries").attr("find_onednn")().cast<std::string>();
  } catch (const py::error_already_set&) {
    return "";
  }
}

// Ctrl-C ends a program between two of its steps.
void check_signals() {
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() < 0) throw_python_error();
}

// An exception of a host function says which line called it: in its message where it is one of ours, else in
// a note.
[[noreturn]] void rethrow_at(const std::exception_ptr& raised, const std::string& place) {
  const py::gil_scoped_acquire gil;
  try {
    std::rethrow_exception(raised);
  } catch (const py::error_already_set& e) {
    if (place.empty()) throw;
    const py::object ours = py::module_::import("pequegrad.errors").attr("PequegradError");
    if (!py::isinstance(e.value(), ours)) {
      e.value().attr("add_note")(py::str(place));
      throw;
    }
    const std::string text = py::cast<std::string>(py::str(e.value())) + place;
    PyErr_SetString(e.type().ptr(), text.c_str());
  }
  throw_python_error();
}

[[noreturn]] void raise_bad_number(const std::string& text) {
  const py::gil_scoped_acquire gil;
  PyErr_SetString(py::module_::import("pequegrad.errors").attr("NanError").ptr(), text.c_str());
  throw_python_error();
}

}  // namespace

void bind_debug(py::module_& m) {
  cpu::find_onednn_library = find_onednn;
  m.def("onednn_status", cpu::onednn_status,
        "Empty when oneDNN serves matmul and conv; else why it does not.");
  m.def("onednn_enable", cpu::onednn_enable, py::arg("on"),
        "Switches between oneDNN and pequegrad's own kernels.");
  m.def(
      "library_calls",
      [] {
        const cpu::LibraryCalls calls = cpu::library_calls();
        py::dict out;
        out["onednn"] = calls.onednn;
        out["fallback"] = calls.fallback;
        return out;
      },
      "Matrix products and convolutions so far, by who computed them.");
  engine::host = {release_gil, acquire_gil, print, check_signals, rethrow_at, raise_bad_number};
  engine::set_nan_check(env_text("PG_DEBUG_NANS") == "inf" ? engine::NanCheck::inf
                        : env_flag("PG_DEBUG_NANS")        ? engine::NanCheck::nan
                                                           : engine::NanCheck::off);
  m.def(
      "set_nan_check",
      [](int check) {
        require(check >= 0 && check <= 2, ErrorKind::value, "a check is 0 (off), 1 (NaN) or 2 (also inf)");
        const int before = static_cast<int>(engine::nan_check());
        engine::set_nan_check(static_cast<engine::NanCheck>(check));
        return before;
      },
      py::arg("check"),
      "Sets what results are searched for: 0 nothing, 1 NaN, 2 also inf; answers what it was.");
  dump_text = print;
  m.def("live_nodes", live_nodes, "Nodes alive in the process.");
  m.def("live_payloads", live_payloads, "Closed bodies and functions of the host alive in the process.");
  m.def("live_buffers", [] { return memory_stats().live_buffers; }, "Buffers alive in the process.");
  m.def(
      "launches", [] { return engine::counters().kernels + engine::counters().calls; },
      "Kernels and library calls run so far in the process.");
  m.def(
      "counters",
      [] {
        const engine::Counters c = engine::counters();
        py::dict out;
        out["kernels"] = c.kernels;
        out["calls"] = c.calls;
        out["programs"] = c.programs;
        out["builds"] = c.builds;
        out["cached"] = c.cached;
        return out;
      },
      "What the engine did so far: kernels launched, library calls, programs run, programs compiled, "
      "programs in the cache.");
  m.def("start_profile", engine::start_profile,
        "Begins to record what runs; False when that is going on already.");
  m.def(
      "stop_profile",
      [] {
        py::list out;
        for (const engine::ProfileEvent& e : engine::stop_profile()) {
          std::vector<std::string> lines;
          for (const Location& where : e.where) lines.push_back(describe_location(where));
          out.append(py::make_tuple(e.kind, e.name, e.tier, lines, e.start, e.duration, e.thread, e.bytes,
                                    e.live_bytes));
        }
        return out;
      },
      "Ends the record; one tuple per event: (kind, name, tier, lines, start ns, duration ns, thread, bytes, "
      "live bytes afterwards).");
  m.def("profile_time", engine::profile_time, "Nanoseconds since the record began.");
  m.def("clear_programs", engine::clear_programs, "Empties the cache of compiled programs.");
  m.def(
      "memory_stats",
      [] {
        const MemoryStats s = memory_stats();
        py::dict out;
        out["live_bytes"] = s.live_bytes;
        out["live_buffers"] = s.live_buffers;
        out["cached_bytes"] = s.cached_bytes;
        out["held_bytes"] = s.held_bytes;
        out["peak_bytes"] = s.peak_bytes;
        out["limit_bytes"] = s.limit_bytes;
        return out;
      },
      "What the allocator holds.");
  m.def("reset_peak", reset_peak, "Forgets the highest use of memory so far.");
  m.def("empty_cache", empty_cache, "Gives cached memory back to the system.");
  m.def("memory_limit", [] { return memory_stats().limit_bytes; }, "Most bytes that tensors may take.");
  m.def("set_memory_limit", set_memory_limit, py::arg("bytes"),
        "Sets the most bytes that tensors may take; 0 restores the default.");
  m.def("num_threads", num_threads, "Threads that kernels use.");
  m.def(
      "set_num_threads",
      [](int n) {
        const py::gil_scoped_release released;
        set_num_threads(n);
      },
      py::arg("n"), "Sets how many threads kernels use; 0 restores the default.");
  m.def("env_help", env_help, "The environment switches, one line each.");
}

}  // namespace pg::bindings

PYBIND11_MODULE(_core, m) {
  using namespace pg::bindings;
  m.doc() = "The private extension of pequegrad; use the package instead.";
  make_tensor_type(m);
  bind_hooks(m);
  bind_ops(m);
  bind_composites(m);
  bind_data_composites(m);
  bind_interop(m);
  bind_dlpack(m);
  bind_traces(m);
  bind_control(m);
  bind_host(m);
  bind_patterns(m);
  bind_jit(m);
  bind_debug(m);
  bind_fourier(m);
  bind_codegen(m);
  bind_cuda(m);
}
