#pragma once
// One traced program of a jitted function: what arguments it fits, what it reads and writes besides them, how its result looks.

#include "bindings/trace.h"
#include "engine/run.h"

namespace pg::bindings {

/// A tree over Python values, walked along the arguments or used to build the result; see _core.pyi for the words.
struct Spec {
  enum class Kind : uint8_t { tensor, real, integer, constant, none, tuple, list, dict, object, output };
  Kind kind = Kind::none;
  Aval aval;                      // tensor
  py::object value;               // constant: the value; object: the auxiliary data
  py::object type, function;      // object: exact type, and flatten or unflatten
  std::vector<py::object> keys;   // dict
  std::vector<Spec> children;
  size_t index = 0;               // output
};
Spec parse_spec(py::handle words);

/// A leaf found while matching: a node, or a number.
struct Leaf {
  Node* node = nullptr;
  Number number = {};
};

class JitEntry {
 public:
  JitEntry(Trace& trace, py::object in_spec, const py::sequence& params, const py::sequence& outs, py::handle out_spec, py::object guards);

  /// Do these arguments fit? Collects the leaves. Runs user code (== of static values, flatten functions), so it may raise.
  bool match(PyObject* const* args, size_t count, PyObject* names, std::vector<Leaf>& leaves, std::vector<py::object>& kept) const;
  /// Why a match of the arguments does not count: a guard or a captured tensor changed. Empty when it counts.
  std::string changed() const;
  py::object run(std::span<const Leaf> leaves) const;

  py::object in_spec() const { return in_spec_; }
  const engine::Executable& executable() const { return *executable_; }
  const Graph& traced() const { return traced_; }
  size_t captured() const { return captured_.size(); }
  size_t written() const { return written_.size(); }

 private:
  struct Captured {
    py::object handle;
    Aval aval;
  };
  py::object in_spec_;
  Spec positional_, named_, result_;
  std::vector<Aval> numbers_;                           // per argument leaf: the type a number is brought to
  std::vector<Captured> captured_;                      // read through their handles at every call
  std::vector<NodeRef> constants_;                      // values made while tracing
  std::vector<std::pair<py::object, size_t>> written_;  // handles, and the output they name afterwards
  std::vector<Aval> outputs_;
  py::object guards_;
  Graph traced_;
  engine::ExecutableRef executable_;
};

void bind_jit_entry(py::module_& m);

}  // namespace pg::bindings
