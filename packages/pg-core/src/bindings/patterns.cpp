// Rewrite patterns of users: Python functions that trace a pattern and its replacement for given types.

#include <pybind11/stl.h>

#include "bindings/trace.h"
#include "compiler/passes/passes.h"
#include "compiler/rewrites.h"
#include "graph/location.h"
#include "support/error.h"

namespace pg::bindings {
namespace {

class PythonRewrite final : public UserRewrite {
 public:
  PythonRewrite(std::string name, PayloadRef example, py::object at)
      : name_(std::move(name)), example_(std::move(example)), at_(at.release().ptr()) {}
  ~PythonRewrite() override { queue_decref(at_); }
  const std::string& name() const override { return name_; }
  const Graph& example() const override { return *example_->graph; }

  std::optional<RewriteAt> at(std::span<const Aval> types) const override {
    const py::gil_scoped_acquire gil;
    py::list asked;
    for (const Aval& type : types)
      asked.append(py::make_tuple(py::tuple(py::cast(type.shape.vector())), static_cast<int>(type.dtype),
                                  py::make_tuple(static_cast<int>(type.device.kind), type.device.index)));
    const py::object answer = py::reinterpret_borrow<py::object>(at_)(py::tuple(asked));
    if (answer.is_none()) return std::nullopt;
    const auto [pattern, replacement] = py::cast<std::pair<ClosedBody, ClosedBody>>(answer);
    return RewriteAt{pattern.payload, replacement.payload};
  }

 private:
  std::string name_;
  PayloadRef example_;
  PyObject* at_;
};

}  // namespace

void bind_patterns(py::module_& m) {
  m.def(
      "register_rewrite",
      [](std::string name, const ClosedBody& example, py::object at) {
        return register_rewrite(
            std::make_shared<const PythonRewrite>(std::move(name), example.payload, std::move(at)));
      },
      py::arg("name"), py::arg("example"), py::arg("at"),
      "Registers a rewrite: the pattern for some types, and what answers pattern and replacement for others, "
      "given as tuples (shape, dtype, device), or None. Returns a number to take it back by.");
  m.def("unregister_rewrite", unregister_rewrite, py::arg("number"),
        "Takes a rewrite back; False when it is not registered.");
  m.def(
      "pattern_fault", [](const ClosedBody& example) { return pattern_fault(*example.payload->graph); },
      py::arg("example"), "Why a pattern cannot be looked for; \"\" when it can.");
}

}  // namespace pg::bindings
