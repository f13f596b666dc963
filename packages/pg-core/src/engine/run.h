#pragma once
// Programs that can be run: compiled, counted, cached.

#include <atomic>
#include <span>
#include <vector>

#include "compiler/program.h"
#include "runtime/pool.h"

namespace pg::engine {

struct Parts;

/// A compiled program with its use by the engine.
struct Executable {
  Executable();
  ~Executable();
  RefCount refs;
  Program program;               // no steps where there are parts
  std::unique_ptr<Parts> parts;  // of a graph over several devices (parts.h)
  Device device{};
  uint64_t hash = 0;
  std::vector<uint64_t> key;          // empty for jit programs
  std::unique_ptr<RunMemory> memory;  // of a jit program, what its device keeps from run to run
  std::atomic<double> seconds{0};     // estimated at first, then as measured last
  std::atomic<uint64_t> last_used{0};
  std::atomic<int64_t> runs{0};
  std::atomic<int64_t> next_look{0};  // the run after which kernels may be worth generating (tiers.h)
};
void destroy(Executable* executable);
using ExecutableRef = Ref<Executable>;

/// Compiles a graph for its device. Lets other threads run meanwhile.
ExecutableRef build(Graph graph, Device device, const Placing& placing = {});

/// It will run often: its device may keep what makes runs shorter.
void remember_runs(Executable& executable);

/// Is the program long enough that other Python threads should run meanwhile?
bool is_long(const Executable& executable);

struct Input {
  void* data;
  Buffer* buffer;        // null for a run-time number
  bool donated = false;  // nobody else holds the buffer, and nobody wants it back
};

/// Runs on the memory of its inputs; `outputs` gets one buffer per output. A bad index is reported, not
/// raised, because only the caller knows the line; the outputs are then not to be used.
BadIndex run(Executable& executable, std::span<const Input> inputs, SmallVector<Buffer*, 4>& outputs);

/// The same; during a long program other Python threads run, and the inputs are kept alive.
BadIndex run_yielding(Executable& executable, std::span<const Input> inputs,
                      SmallVector<Buffer*, 4>& outputs);
/// Raises IndexError for a bad index; `where` is the line of the record, as far as it is known.
[[noreturn]] void fail_index(const Graph& graph, const BadIndex& bad, Location where);

/// The memory of a rank-0 value of a dtype, given its bits as attributes hold them.
uint64_t memory_of_bits(int64_t bits, DType dtype);

/// Drops what `run` returned, after a failure.
void release(SmallVector<Buffer*, 4>& outputs);

const Backend& backend_for(Device device);

}  // namespace pg::engine
