#pragma once
// What the compiler asks of a device. Implementations are in backends/.

#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/kernel/kernel.h"
#include "compiler/kernel/lower.h"
#include "runtime/buffer.h"

namespace pg {

struct Program;

/// A gather or scatter met an index outside its table.
struct BadIndex {
  bool happened = false;
  Id record = 0;  // in the graph that was compiled
  int64_t index = 0;
  int64_t extent = 0;
  std::string text = {};  // what a library call said; else the fields tell
  // Inside the body of a record: the op and its place there; `record` is then the record that holds the body.
  const Op* op = nullptr;
  Location where = {};
  std::exception_ptr raised = {};  // what a function of the host raised, instead of an index
  const Graph* graph = nullptr;    // of `record`, when it is not that of the program that was run
};

/// What a device keeps of the runs of one program to make the next ones shorter. Thread-safe.
class RunMemory {
 public:
  virtual ~RunMemory() = default;
  /// For people.
  virtual std::string describe() const = 0;
};

/// One run of a program on a device that has memory of its own and a queue for its work. The engine makes one
/// for each run and hands it to every step; what steps ask for is done in the order in which they ask. On the
/// CPU there is none: null pointers stand for it, and steps compute at once.
class DeviceRun {
 public:
  virtual ~DeviceRun() = default;

  /// What stands for a run-time number among the pointers of steps. It stays on the host, from where kernels
  /// take it by value; `placed` gives other steps its place on the device. The value is copied.
  virtual void* number(const void* value, size_t bytes) = 0;
  virtual const void* placed(const void* operand, size_t bytes) = 0;

  virtual BufferRef allocate(size_t bytes) = 0;
  /// On the device; `from` may be a number.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  /// To and from the host. `read` waits for what was queued before; `from` may be a number.
  virtual void read(void* to, const void* from, size_t bytes) = 0;
  virtual void write(void* to, const void* from, size_t bytes) = 0;
  /// After the last step: the first bad index that a kernel met. Waits only where a kernel may have met one.
  virtual BadIndex finish() = 0;

  /// Around the steps, once inputs and results have their places: what was kept of earlier runs may stand for
  /// them, or this run be kept. Where a step or `end_steps` raises and `starts_over` says so, nothing has
  /// happened yet, and all steps are to be walked again, without these.
  virtual void begin_steps(std::span<void* const> /*memory*/) {}
  virtual void end_steps() {}
  virtual bool starts_over() { return false; }
  /// Around a call on these operands and results. False: something else stands for it.
  virtual bool begin_call(std::span<void* const> /*operands*/) { return true; }
  virtual void end_call() {}

  /// Kept by the engine: the program whose steps are walked, the outermost one, and its step.
  const Graph* graph = nullptr;
  const Graph* outermost = nullptr;
  Id step = 0;
};

/// A fused group, ready to run. `buffers`: inputs, then outputs, in the group's order. Thread-safe.
class CompiledKernel {
 public:
  virtual ~CompiledKernel() = default;
  virtual BadIndex run(void* const* buffers, DeviceRun* on) const = 0;
  /// (output, input) positions that may share memory.
  virtual std::span<const std::pair<int, int>> in_place() const = 0;
  /// What one run without generated code takes, roughly.
  virtual double seconds() const = 0;
  /// Generates code for the kernel that this was compiled from. Results stay the same to the last bit. May
  /// take long; other threads may run the kernel meanwhile.
  virtual void generate(const Kernel& kernel) const = 0;
  /// Was that done, or found to be impossible?
  virtual bool settled() const = 0;
  /// What runs it now, for people.
  virtual std::string tier() const = 0;
};

/// When a backend wants code to be generated.
enum class Generation : uint8_t { never, when_worth, always };

/// Operands and result of a library call; all buffers are row-major and do not overlap, but for a result over
/// the first operand where the backend `changes_first`.
struct CallArgs {
  const Op& op;
  const Attrs& attrs;
  std::span<const Aval> in;
  const Aval& out;
  const void* const* inputs;
  void* output;
  DeviceRun* on;
};
/// Raises IndexError for a bad index; the caller adds the line.
using CallFn = void (*)(const CallArgs&);

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;
  virtual Target target() const = 0;
  /// All kernels of a program, at once where that is faster.
  virtual std::vector<std::unique_ptr<CompiledKernel>> compile(std::span<const Kernel> kernels) const = 0;
  /// What compile() made of the kernel, for people.
  virtual std::string text(const Kernel& kernel) const = 0;
  virtual Generation generation() const = 0;
  /// The implementation of a Call record, or null when this device has none.
  virtual CallFn call(const Op& op) const = 0;
  /// May the result of this call lie over its first operand, which it then changes?
  virtual bool changes_first(const Op&) const { return false; }
  /// For a program that will run often; null where nothing is worth keeping.
  virtual std::unique_ptr<RunMemory> remember(const Program& /*program*/) const { return nullptr; }
  /// Begins a run, with what was kept of others (or null); null on the CPU.
  virtual std::unique_ptr<DeviceRun> begin(RunMemory* memory) const = 0;
  /// Are convolutions calls of a library that prefers images with the channels last and adds a bias on the
  /// way? Asked when a program has some.
  virtual bool convolves_by_library() const { return false; }
  /// Do kernels run over segments, many arrays of one structure in one launch?
  virtual bool joins_segments() const { return false; }
};

}  // namespace pg
