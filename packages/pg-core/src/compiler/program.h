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
  size_t bytes = 0;
  size_t offset = 0;  // temporaries: in the arena
};

struct Program;

struct ProgramStep {
  std::unique_ptr<CompiledKernel> kernel;  // or a library call:
  CallFn call = nullptr;
  const HostFunction* host = nullptr;  // or a function of the host, which the record owns,
  std::vector<Program> bodies;         // or control flow over these, in the order of the record's payloads
  Id record = 0;                       // of the call
  SmallVector<uint32_t, 6> slots;      // operands, then results
  std::vector<Aval> in, out;           // of the call
  Group group;                         // of the kernel
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
  size_t temporary_bytes = 0;         // what temporaries would need without reuse
  int64_t kernels = 0, calls = 0;     // launched by one run, without those of bodies
  bool yields = false;                // may take any time, or run Python code: other threads must be let run
  double bytes_moved = 0, flops = 0;  // estimates, without bodies
  double seconds = 0;  // of one run with its bodies, estimated: long programs let other threads run meanwhile
  double compile_seconds = 0;
  std::vector<PassTime> passes = {};  // what compiling it went through, without bodies
};

/// The pipeline. Raises NotImplementedByBackend when a call has no implementation on the backend. A body that
/// works on strips is not cut again.
Program compile(Graph graph, const Backend& backend, bool on_strips = false);

}  // namespace pg
