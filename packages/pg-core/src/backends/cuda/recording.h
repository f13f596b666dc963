#pragma once
// Runs of a program that are recorded as CUDA graphs and replayed: one request to the driver instead of one
// for each launch.
//
// A replay walks the steps as a run does, without asking the device for anything: it compares the parameters
// of each launch with those of the recording and changes what differs, pointers or numbers. Memory that a run
// takes for itself belongs to the recording and stays where it is. A library's call hides its parameters; so
// a recording of a program with calls fits only where their operands lie where they lay.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/source.h"
#include "compiler/backend.h"
#include "compiler/program.h"

namespace pg::cuda {

enum class GraphUse : uint8_t {
  automatic,  // where launches are many and short
  always,     // wherever it is possible
  never
};
GraphUse graph_use();
void set_graph_use(GraphUse use);

/// One parameter of a kernel.
struct Parameter {
  const void* at;
  size_t bytes;
};
struct Grid {
  unsigned blocks, threads_x, threads_y;
  bool operator==(const Grid&) const = default;
};

/// What reports bad indices: a kernel with its limits, or a call with one.
struct Watched {
  const std::vector<Limit>* limits;
  const pg::Graph* graph;
  bool inside;  // a body of `step`
  Id step;
  const Op* call = nullptr;  // with a limit of its own
  int64_t extent = 0;
};

/// Queues a kernel on the GPU's stream.
void launch(Gpu& gpu, Function function, const Grid& grid, std::span<const Parameter> parameters);

/// One recorded run. Not thread-safe.
class Recording {
 public:
  /// From now on the calling thread's work on the GPU is recorded instead of done; until `close`.
  /// `alone` is the lock on the GPU's `recording`.
  Recording(Gpu& gpu, std::vector<const void*> key, std::unique_lock<std::mutex> alone);
  ~Recording();
  Recording(const Recording&) = delete;

  /// Ends recording. Raises what the driver says of it.
  void close();
  /// Begins a walk that replays.
  void rewind();
  /// Ends a walk: queues the graph.
  void play();

  // For both kinds of walk, in the same order. A replay that does not fit raises.
  void launch(Function function, const Grid& grid, std::span<const Parameter> parameters);
  BufferRef allocate(size_t bytes);
  void copy(Address to, Address from, size_t bytes);
  void begin_call(std::span<void* const> operands);
  void end_call();

  bool recording() const { return open_; }
  const std::vector<const void*>& key() const { return key_; }
  size_t launches() const { return launched_.size(); }

  // Where the run reports, if it does: a replay skips calls, which would say so.
  BufferRef error;
  std::vector<Watched> watched;

 private:
  struct Launched {
    Function function;
    Grid grid;
    std::vector<unsigned char> values;  // of the parameters, one after the other
    std::vector<uint32_t> places;       // of each, and the end
    GraphNode node;
  };
  struct Copied {
    Address to, from;
    size_t bytes;
    bool operator==(const Copied&) const = default;
  };
  struct Called {
    std::vector<void*> operands;
    GraphNode before;                              // what came before it
    size_t launches = 0, copies = 0, scratch = 0;  // how many there were when it returned
  };
  GraphNode last_node() const;
  void stop();

  Gpu& gpu_;
  std::vector<const void*> key_;
  bool open_ = true;
  std::unique_lock<std::mutex> alone_;  // while it is open
  DeviceGraph graph_ = nullptr;
  GraphExec exec_ = nullptr;
  std::vector<Launched> launched_;
  std::vector<Copied> copied_;
  std::vector<Called> called_;
  std::vector<BufferRef> scratch_;
  size_t at_launch_ = 0, at_copy_ = 0, at_call_ = 0, at_scratch_ = 0;
  int64_t bytes_ = 0;
};

/// The recordings of one program.
class Recordings final : public RunMemory {
 public:
  Recordings(Gpu& gpu, const Program& program);

  std::string describe() const override;

  /// What a run on the memory of these inputs and results shall do, with what it must keep until it ends:
  /// replay, record (`fresh`), or neither. `is_number` tells which of them are numbers on the host.
  struct Choice {
    Recording* replay = nullptr;
    bool record = false;
    std::vector<const void*> key;
    std::unique_lock<std::mutex> alone;
  };
  template <class IsNumber> Choice choose(std::span<void* const> memory, const IsNumber& is_number) {
    if (!possible()) return {};
    Choice out{nullptr, false, {}, std::unique_lock(mutex_, std::try_to_lock)};
    if (!out.alone) return {};  // another thread runs the program
    out.key = settings();
    for (const uint32_t slot : fixed_) out.key.push_back(is_number(memory[slot]) ? nullptr : memory[slot]);
    decide(out);
    if (!out.replay && !out.record) return {};
    return out;
  }
  // With the choice's lock held.
  void keep(std::unique_ptr<Recording> made);
  void played() { ++replays_; }
  /// It could not be recorded, or a recording did not fit.
  void give_up(const char* why);

 private:
  bool possible() const;
  void decide(Choice& choice);
  /// What libraries' calls depend on beside their operands, as the first words of a key.
  static std::vector<const void*> settings();

  static constexpr size_t most = 4;  // recordings at a time
  Gpu& gpu_;
  std::vector<uint32_t> fixed_;  // slots of inputs and results that calls and bodies use
  const char* why_not_ = "";     // it can never be recorded
  const char* why_not_automatic_ = "";
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Recording>> made_;  // the one used last is the last
  std::vector<std::vector<const void*>> seen_;    // keys of the last runs
  int64_t runs_ = 0, recorded_ = 0, replays_ = 0;
  const char* given_up_ = nullptr;
};

}  // namespace pg::cuda
