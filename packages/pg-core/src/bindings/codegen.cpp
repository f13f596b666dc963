// The compiler of generated code, which is Python's: pequegrad._codegen, imported at the first kernel that
// needs it.

#include <pybind11/stl.h>

#include "backends/cpu/codegen/generate.h"
#include "bindings/common.h"
#include "engine/tiers.h"
#include "support/disk_cache.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

py::object hook(const char* name) { return py::module_::import("pequegrad._codegen").attr(name); }

std::string version() {
  const py::gil_scoped_acquire gil;
  try {
    return hook("version")().cast<std::string>();
  } catch (const py::error_already_set&) {
    return "";
  }
}

std::string compile(const std::string& text, const std::string& cpu, const std::string& features) {
  const py::gil_scoped_acquire gil;
  try {
    return hook("compile_text")(text, cpu, features).cast<py::bytes>();
  } catch (const py::error_already_set& e) {
    // Its destruction needs the lock; what it said does not.
    fail(ErrorKind::internal, e.what());
  }
}

void warn(const std::string& text) {
  const py::gil_scoped_acquire gil;
  if (PyErr_WarnEx(PyExc_RuntimeWarning, text.c_str(), 1) < 0) PyErr_Clear();  // the work goes on
}

}  // namespace

void bind_codegen(py::module_& m) {
  codegen::compiler = {version, compile, warn};
  disk_cache::warn = warn;
  m.def(
      "set_codegen",
      [](const std::string& mode) {
        const auto named = [&](const char* name) { return mode == name; };
        require(named("off") || named("automatic") || named("all"), ErrorKind::value,
                [&] { return concat("code generation is off, automatic or all, not '", mode, "'"); });
        const char* const names[] = {"off", "automatic", "all"};
        const char* before = names[static_cast<int>(codegen::mode())];
        codegen::set_mode(named("off")         ? codegen::Mode::off
                          : named("automatic") ? codegen::Mode::automatic
                                               : codegen::Mode::all);
        return before;
      },
      py::arg("mode"),
      "Sets which kernels of programs made from now on get generated code: off, automatic, all; answers what "
      "it was.");
  m.def("finish_codegen", engine::finish_tiers, py::call_guard<py::gil_scoped_release>(),
        "Waits until no kernel is being generated.");
  // The thread that generates needs an interpreter that is not ending.
  py::module_::import("atexit").attr("register")(
      py::cpp_function(engine::stop_tiers, py::call_guard<py::gil_scoped_release>()));
  m.def(
      "codegen_status",
      [] {
        const codegen::Counts c = codegen::counts();
        py::dict out;
        out["reason"] = codegen::status();
        out["compiled"] = c.compiled;
        out["loaded"] = c.loaded;
        out["shared"] = c.shared;
        return out;
      },
      "Why no code can be generated (empty when it can), and how many kernels were compiled, loaded from "
      "disk, "
      "and equal to one known.");
}

}  // namespace pg::bindings
