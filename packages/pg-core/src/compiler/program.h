#pragma once
// A compiled graph: steps over slots of memory. Immutable once made, so any number of threads may run it.

#include <string>

#include "compiler/backend.h"
#include "compiler/passes/fuse.h"
#include "compiler/passes/runner.h"

namespace pg {

/// Where a value lies while the program runs. Slots are numbered inputs first, then outputs, then
/// temporaries.
struct Slot {
  static constexpr uint32_t own = static_cast<uint32_t>(-1);
  size_t bytes = 0;
  size_t offset = 0;
  // Temporaries: the result in whose buffer they lie, else (own) the arena. Results: the donated input whose
  // buffer they take when a call gives it away.
  uint32_t base = own;
};

/// What one run needs, beside what its library calls take for themselves.
struct MemoryNeed {
  size_t inputs = 0;
  size_t outputs = 0;      // of new memory
  size_t donated = 0;      // outputs in the buffers of donated inputs
  size_t temporaries = 0;  // the arena, with those of bodies
  size_t live = 0;         // the most bytes of the arena that are in use at once: no plan needs fewer
  size_t unshared = 0;     // what temporaries would need without reuse
  size_t total() const { return inputs + outputs + temporaries; }
};

struct Program;

struct ProgramStep {
  std::unique_ptr<CompiledKernel> kernel;  // or a library call:
  CallFn call = nullptr;
  const HostFunction* host = nullptr;  // or a function of the host, which the record owns,
  std::vector<Program> bodies;         // or control flow over these, in the order of the record's payloads
  Id record = 0;                       // of the call
  SmallVector<uint32_t, 6> slots;      // operands, then results
  uint32_t reads = 0;                  // how many of them are operands
  bool changes_first = false;          // the result of the call may lie over its first operand
  std::vector<Aval> in, out;           // of the call
  std::vector<Group> groups;           // of the kernel: one, or its segments
};

struct ProgramOutput {
  bool is_input = false;  // shares the memory of input `index`
  uint32_t index = 0;     // else: the index-th output slot
  bool repeated = false;  // an earlier output has the same slot
};

struct Program {
  Graph graph;  // what was compiled, after the passes; step records refer to it
  std::vector<ProgramStep> steps;
  std::vector<Slot> slots;
  uint32_t inputs = 0, results = 0;    // slots of either kind
  std::vector<ProgramOutput> outputs;  // per graph output
  size_t arena_bytes = 0;
  MemoryNeed memory;
  int64_t kernels = 0, calls = 0;     // launched by one run, without those of bodies
  bool yields = false;                // may take any time, or run Python code: other threads must be let run
  double bytes_moved = 0, flops = 0;  // estimates, without bodies
  double seconds = 0;  // of one run with its bodies, estimated: long programs let other threads run meanwhile
  double compile_seconds = 0;
  std::vector<RuleUse> rules = {};     // that were applied to the graph, without bodies
  uint64_t rewrites = 0;               // the set of user patterns that it was compiled with
  std::vector<RuleUse> patterns = {};  // of them, that were found, without bodies
  std::vector<PassTime> passes = {};   // what compiling it went through, without bodies
};

/// Where a program stands.
struct Placing {
  bool body = false;       // of control flow: its caller chooses where results lie
  bool on_strips = false;  // a body that works on strips is not cut again
  // Inputs whose buffers results may take; shorter than all inputs: the rest not.
  std::vector<bool> donated{};
};

/// The pipeline. Raises NotImplementedByBackend when a call has no implementation on the backend.
Program compile(Graph graph, const Backend& backend, const Placing& placing = {});

}  // namespace pg
