#pragma once
// A program as the body of another one's step.

#include <algorithm>
#include <cstring>
#include <vector>

#include "engine/control.h"
#include "runtime/pool.h"

namespace pg::engine {

/// A body on memory that its caller chooses; its temporaries live as long as this does.
class Body {
 public:
  Body(const Program& program, DeviceRun* on) : program_(program), on_(on), memory_(program.slots.size()) {
    if (!program.arena_bytes) return;
    arena_ = allocate_on(on, program.arena_bytes);
    for (size_t slot = program.inputs + program.results; slot < memory_.size(); ++slot)
      memory_[slot] = static_cast<char*>(arena_->data) + program.slots[slot].offset;
  }

  /// Inputs may be outputs only where the body hands them on unchanged.
  BadIndex run(std::span<void* const> inputs, std::span<void* const> outputs, Launches& launches) {
    std::copy(inputs.begin(), inputs.end(), memory_.begin());
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ProgramOutput& out = program_.outputs[i];
      if (!out.is_input && !out.repeated) memory_[program_.inputs + out.index] = outputs[i];
    }
    BadIndex bad = run_steps(program_, memory_.data(), launches, nullptr, on_);
    if (bad.happened) {
      const Graph::Record& r = program_.graph[bad.record];
      if (!bad.op) {
        bad.op = r.op;
        bad.where = r.where;
      }
      return bad;
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      const ProgramOutput& out = program_.outputs[i];
      if (!out.is_input && !out.repeated) continue;
      const size_t slot = out.is_input ? out.index : program_.inputs + out.index;
      if (memory_[slot] != outputs[i]) copy_on(on_, outputs[i], memory_[slot], program_.slots[slot].bytes);
    }
    return bad;
  }

  /// Does output i only hand input k on?
  bool hands_on(size_t i, size_t k) const {
    return program_.outputs[i].is_input && program_.outputs[i].index == k;
  }

 private:
  const Program& program_;
  DeviceRun* on_;
  std::vector<void*> memory_;
  BufferRef arena_;
};

}  // namespace pg::engine
