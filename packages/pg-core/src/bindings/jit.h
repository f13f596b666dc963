#pragma once
// Jitted functions: how arguments are matched against what was traced, and how results are built.
//
// A spec is compiled once into a flat pre-order list of tokens. A call walks its arguments along the tokens
// of the entry used last, collecting leaves; nothing is flattened, sorted or hashed. The walk stops at the
// first difference and the next entry is tried.

#include <mutex>

#include "bindings/trace.h"
#include "engine/jit.h"

namespace pg::bindings {

struct Token {
  enum Kind : uint8_t { tensor, real, integer, constant, none, tuple, list, dict, object, fields, out };
  Kind kind = none;
  uint32_t count = 0;  // children; of `out`: the number of the result; real, integer: 1 refuses NumPy scalars
  uint32_t end = 0;    // one past the subtree
  uint32_t first = 0;  // dict, fields: where its names begin in Spec::names
  Aval type;           // tensor: as traced; real, integer: of the placeholder
  py::object value;    // constant: the value; object, fields: the type
  py::object call;     // object: flatten of an input spec, unflatten of an output spec
  py::object aux;      // object
};

/// A compiled spec; the words are those of _core.pyi.
struct Spec {
  std::vector<Token> tokens;
  std::vector<py::object> names;

  Spec(py::handle spec, bool output);
  /// "argument 0['w']": where a token of an input spec stands.
  std::string path(const Token& token) const;
  /// What a token asks for, in words.
  std::string wanted(const Token& token) const;
  int visit(visitproc visit, void* arg) const;
};

std::string describe_type(const Aval& type);
/// A short description of a value, for reasons to retrace.
std::string describe_value(PyObject* object);

enum class Fit : int8_t { error = -1, differs = 0, fits = 1 };

/// A leaf of the arguments: a tensor, or the memory of a number (no node).
struct Leaf {
  Node* node;
  TensorObject* handle;
  uint64_t bits;
};

/// The leaves of one call. Borrowed while nothing but this file runs; `own` takes references before anything
/// that may run Python code or let other threads run.
class Match {
 public:
  SmallVector<Leaf, 32> leaves;
  const Token* failed = nullptr;  // where the walk stopped ...
  py::object offender;            // ... and at what; null when the number of arguments differs

  Match() = default;
  Match(const Match&) = delete;
  ~Match();

  void own();
  bool owning() const { return owning_; }
  /// Matches a vectorcall against the spec of the pair (args, kwargs).
  Fit call(const Spec& spec, PyObject* const* args, Py_ssize_t count, PyObject* kwnames);
  /// Takes the value of a handle that a trace captured.
  bool captured(TensorObject* handle, const Aval& type);
  /// Reads the owned handles anew; false when one of them has another type by now.
  bool refresh();
  /// Same object, or same exact type and equal; numbers to the last bit.
  Fit same(PyObject* a, PyObject* b);

 private:
  const Spec* spec_ = nullptr;
  bool owning_ = false;

  Fit walk(const Token*& at, PyObject* x);
  Fit walk_item(const Token*& at, PyObject* x);
  Fit walk_dict(const Token& t, const Token*& at, PyObject* x);
  Fit walk_object(const Token& t, const Token*& at, PyObject* x);
  Fit walk_fields(const Token& t, const Token*& at, PyObject* x);
  Fit walk_tensor(const Token& t, PyObject* tensor, PyObject* x);
  Fit walk_number(const Token& t, PyObject* x);
  Fit differ(const Token& t, PyObject* x);
  void push(const Leaf& leaf);
};

/// The value that an output spec describes, given the results (borrowed); null with a Python error set.
PyObject* build_output(const Spec& spec, PyObject* const* results);

/// One traced program with everything that decides whether it fits a call.
struct Entry {
  struct Guard {
    enum Kind : uint8_t { cell, item, attribute, call };
    Kind kind;
    py::object object, key, expected;
    py::object what;  // how reasons name it
  };
  struct Captured {
    py::object handle;
    Aval type;
  };
  struct Write {
    py::object handle;  // of a capture; else:
    uint32_t leaf = 0;  // the argument
    uint32_t result = 0;
  };

  py::object in_words;  // the spec as Python wrote it
  Spec in, out;
  engine::JitProgram program;
  std::vector<Captured> reads;    // hidden inputs, after the arguments
  std::vector<Write> writes;      // hidden outputs, after the results
  uint32_t leaf_count = 0;        // of the arguments
  std::vector<uint32_t> donated;  // leaves of the arguments that a call gives away
  bool writes_arguments = false;
  std::vector<Guard> guards;
  std::string reason;  // why it was traced, when another entry was there before
  std::atomic<int64_t> calls{0};
  bool custom_allocator = false;  // of results and temporaries on GPUs

  /// Why the guards do not hold; "" when they do. Raises what Python raises.
  std::string broken_guard() const;
  /// Which captured tensor has another type by now; "" when none has.
  std::string changed_capture() const;
  int visit(visitproc visit, void* arg) const;
};

struct JitEntryObject {
  PyObject_HEAD PyObject* weakrefs;
  Entry* entry;  // null after the garbage collector cleared it
};
extern PyTypeObject* jit_entry_type;
void make_jit_entry_type(py::module_& m);

/// Does the entry fit the call? `reason` is filled when it does not, unless null.
Fit match_entry(const Entry& entry, Match& match, PyObject* const* args, Py_ssize_t count, PyObject* kwnames,
                bool guards, std::string* reason);
/// Runs a matched entry: program, hidden outputs, results. `state` orders calls that write hidden outputs.
PyObject* run_entry(Entry& entry, Match& match, std::mutex& state);

void make_jit_function_type(py::module_& m);

/// Kernels, calls and figures of a program, as a dict and as text.
py::dict entry_details(const Entry& entry);
std::string explain_entry(const Entry& entry);
void bind_graph_trace(py::module_& m);
py::object graph_trace_of(const Graph& graph);

}  // namespace pg::bindings
