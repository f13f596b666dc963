#pragma once
// A traced function as a program. Inputs are the placeholders of the trace and the values it met; outputs are
// its results.

#include "engine/run.h"

namespace pg::engine {

class JitProgram {
 public:
  /// Compiles what lies between `params` and `outs`, which were made in an abstract trace that began at
  /// serial `oldest`. Values that the trace met (arrays made inside, literals' buffers) are kept. `donated`
  /// says which params may be given away by a call.
  JitProgram(std::span<const NodeRef> params, std::span<const NodeRef> outs, uint64_t oldest,
             std::vector<bool> donated = {});

  const Graph& traced() const { return traced_; }  // before the passes
  const Executable* executable() const {
    return executable_.get();
  }  // null when the function returns no tensor
  std::span<const Aval> results() const { return results_; }
  /// Was it compiled with the user patterns that are registered now?
  bool current() const;

  /// Runs on the values of the params; appends the kept values to `inputs`. One owned buffer per result comes
  /// back. Lets other threads run during long programs. Raises IndexError, naming the line, for a bad index.
  void run(SmallVector<Input, 32>& inputs, SmallVector<Buffer*, 4>& outputs) const;

 private:
  Graph traced_;
  ExecutableRef executable_;
  std::vector<NodeRef> kept_;
  std::vector<Aval> results_;
};

}  // namespace pg::engine
