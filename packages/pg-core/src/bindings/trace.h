#pragma once
// Traces as Python opens them, and what a jit trace notes about handles from outside.

#include <unordered_map>
#include <unordered_set>

#include "bindings/common.h"

namespace pg::bindings {

/// A handle from outside that a jit trace met.
struct Capture {
  py::object handle;  // the Tensor
  NodeRef original;   // what it named when the trace met it
  NodeRef param;      // the placeholder that ops of the trace read; null when it was only written
  NodeRef written;    // what it names at the end of the trace, when the trace rebound it
};

/// One open trace. In an abstract one there are placeholders. Such a trace either captures: it is a jit
/// trace, where handles from outside become hidden inputs, and rebinding them a hidden output. Or it does
/// not: it is a vmap trace, where handles from outside are what they are around it.
class Trace {
 public:
  Trace(bool abstract, bool captures);
  virtual ~Trace();
  void enter();
  /// Closes the trace; rebound handles name again what they named before.
  virtual void exit();

  bool open() const { return static_cast<bool>(trace_); }
  bool abstract() const { return abstract_; }
  bool capturing() const { return capturing_; }
  uint64_t start() const { return start_; }
  int64_t id() const { return id_; }
  const std::vector<Capture>& captures() const { return captures_; }
  /// Null for a handle that the trace did not meet.
  const Capture* find_capture(TensorObject* handle) const;

  /// Notes a placeholder of this trace; the function may rebind its handle.
  void add_param(TensorObject* handle, NodeRef node) { params_[handle] = std::move(node); }
  /// What the handle of a placeholder named at first; null for any other handle.
  NodeRef param_of(TensorObject* handle) const;

  /// Was the handle made while this trace was open?
  bool made(const TensorObject* handle) const {
    return handle->trace == id_ || (handle->trace && inner_.contains(handle->trace));
  }
  /// Must the present value of the handle not be read, because a jit trace around has it as an input?
  bool hides(const TensorObject* handle) const;

  virtual NodeRef read(TensorObject* handle);
  virtual void write(TensorObject* handle, NodeRef node);

 protected:
  virtual std::unique_ptr<OpenTrace> open_trace() const;
  /// The handle as the traces around this one see it.
  NodeRef read_outside(TensorObject* handle);

 private:
  Capture& capture(TensorObject* handle);
  bool depends_on_params(const NodeRef& node) const;

  bool abstract_, capturing_;
  uint64_t start_ = 0;
  int64_t id_ = 0;
  std::unique_ptr<OpenTrace> trace_;
  Trace* outer_ = nullptr;
  std::unordered_set<int64_t> inner_;  // abstract traces that opened and closed while this one was open
  std::vector<Capture> captures_;
  std::unordered_map<TensorObject*, size_t> known_;
  std::unordered_map<TensorObject*, NodeRef> params_;
};

/// The trace of a body: a closed graph is made of it afterwards. Handles from outside that it rebinds name
/// again what they named, and their new values are results that somebody has to thread.
class Body final : public Trace {
 public:
  Body() : Trace(true, false) {}
  ~Body() override;
  void exit() override;
  NodeRef read(TensorObject* handle) override;
  void write(TensorObject* handle, NodeRef node) override;
  NodeRef param(Aval type);
  /// While the body is open the handle names `node`.
  void bind(TensorObject* handle, NodeRef node);
  /// The handles that the body changed, and their values at its end.
  py::list written() const;

 private:
  struct Entry {
    py::object handle;
    NodeRef original, bound, last;
  };
  Entry& entry(TensorObject* handle);
  std::unique_ptr<OpenTrace> open_trace() const override;

  std::vector<Entry> entries_;
  std::unordered_map<TensorObject*, size_t> known_;
};

/// A closed body as Python holds it.
struct ClosedBody {
  PayloadRef payload;
};

/// The innermost open abstract trace of this thread.
Trace* current_trace();

/// The nodes of a sequence of tensors; None is null where it is allowed.
std::vector<NodeRef> nodes_of(const py::sequence& tensors, bool none_allowed = false);
/// All results of a node. Outside of traces they are computed at once, so that nothing runs twice.
py::list computed_results(const NodeRef& node);
/// A tensor for each node; None for null.
py::list tensors_of(std::span<const NodeRef> nodes);

}  // namespace pg::bindings
