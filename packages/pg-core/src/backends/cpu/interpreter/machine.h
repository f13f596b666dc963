#pragma once
// One thread's run of a phase: scratch memory, and the instructions on it.

#include <algorithm>
#include <atomic>

#include "backends/cpu/interpreter/program.h"

namespace pg::interpreter {

/// The first index outside of a gather, from any thread.
struct Failure {
  std::atomic<bool> seen{false};
  LaunchStatus status;
  void report(Id record, int64_t index, int64_t extent) {
    if (!seen.exchange(true)) status = {false, record, index, extent};
  }
};

class Machine {
 public:
  /// Takes this thread's scratch memory; one machine at a time per thread.
  Machine(const Program& program, const ProgramPhase& phase, void* const* buffers, Failure& failure);
  void run(int64_t begin, int64_t end);

 private:
  char* register_at(int32_t i) const { return registers_ + i * phase_.register_bytes; }
  char* state(int32_t i) const { return states_ + i * partial_lanes * largest_element; }
  void* cell(int32_t i) const { return &cells_[i]; }
  int64_t* index_block(int depth) const { return indices_ + depth * phase_.block; }

  int64_t eval(const Linear& l) const {
    int64_t out = l.base;
    const LinearTerm* t = program_.terms.data() + l.first;
    for (int32_t i = 0; i < l.count; ++i) out += t[i].coefficient * cells_[t[i].cell];
    return out;
  }
  int64_t limit_of(const Instruction& loop) const {
    return loop.b < 0 ? loop.extent : eval(program_.linears[loop.b]);
  }
  int64_t eval(const Tree& tree, int64_t lane) const;
  /// out[i] = tree(lane + i); index blocks below `depth` are in use.
  void eval_block(const Tree& tree, int64_t lane, int64_t n, int64_t* out, int depth) const;
  template <class F> void each_run(const LaneIndex& e, int64_t from, int64_t n, F&& run) const;
  /// The index of lanes [from, from + n), one by one.
  void indices(const LaneIndex& e, int64_t from, int64_t n, int64_t* out, int depth) const;

  struct Region {
    int64_t low, high;  // lanes outside fail
    bool masked;        // lanes inside pass where mask_ is set
  };
  Region region(const std::vector<Test>& tests) const;
  void within(const std::vector<Test>& tests, uint8_t* out) const;
  /// Elements of lanes [from, from + n) to `out`, which holds elements of the compute type.
  void copy(const Access& a, char* out, int64_t from, int64_t n) const;
  void gather(const Access& a, char* out, int64_t from, int64_t n, int depth) const;
  void load(const Instruction& i);
  void load_cell(const Instruction& i);
  void store(const Instruction& i);
  void store_cell(const Instruction& i);
  void transpose(const Transposition& t);
  void limit(const Instruction& i, int64_t* out, const void* in, int64_t n);
  void in_range(const Instruction& i, uint8_t* out, const void* in, int64_t n);
  void apply_many(const Instruction& i);
  void execute(const Instruction* pc, const Instruction* stop);

  const Program& program_;
  const ProgramPhase& phase_;
  Failure& failure_;
  char* registers_;
  char* states_;
  int64_t* cells_;
  char** locations_;
  char** buffers_;
  int64_t* indices_;
  uint8_t* mask_;
  int64_t n_ = 0;  // lanes of the current block
};

}  // namespace pg::interpreter
