#include "backends/cuda/recording.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "backends/cuda/cublas.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

std::atomic<GraphUse> use{GraphUse::automatic};

[[noreturn]] void misfit(const char* what) { fail(ErrorKind::device, what); }

// CUDA_KERNEL_NODE_PARAMS
struct NodeParameters {
  Function function;
  unsigned grid[3], block[3], shared;
  void **parameters, **extra;
  void *kernel, *context;
};

// What one run launches, and how long it may take on a large GPU.
struct Work {
  double launches = 0, seconds = 0;
  const char* why_not = "";
};

Work work_of(const Program& program) {
  Work out;
  out.launches = static_cast<double>(program.kernels + program.calls);
  out.seconds = std::max(program.bytes_moved / 3e12, program.flops / 3e13);
  for (const ProgramStep& step : program.steps) {
    const Graph::Record& r = program.graph[step.record];
    if (step.host) out.why_not = "it calls a function of the host";
    if (step.call && r.op == &fft_op) out.why_not = "plans of Fourier transforms come and go";
    double times = 1;
    if (!step.bodies.empty()) {
      if (r.op == &scan_op) times = static_cast<double>(Scan(r.attrs).length);
      else if (r.op != &call_op) out.why_not = "the host reads a condition";
    }
    for (const Program& body : step.bodies) {
      const Work inner = work_of(body);
      out.launches += times * inner.launches;
      out.seconds += times * inner.seconds;
      if (*inner.why_not) out.why_not = inner.why_not;
    }
  }
  return out;
}

}  // namespace

GraphUse graph_use() { return use.load(std::memory_order_relaxed); }
void set_graph_use(GraphUse how) { use.store(how, std::memory_order_relaxed); }

void launch(Gpu& gpu, Function function, const Grid& grid, std::span<const Parameter> parameters) {
  SmallVector<void*, 24> places;
  for (const Parameter& p : parameters) places.push_back(const_cast<void*>(p.at));
  check(driver().launch(function, grid.blocks, 1, 1, grid.threads_x, grid.threads_y, 1, 0, gpu.stream,
                        places.data(), nullptr),
        "to launch a kernel");
}

// ---- one recording

Recording::Recording(Gpu& gpu, std::vector<const void*> key, std::unique_lock<std::mutex> alone)
    : gpu_(gpu), key_(std::move(key)), alone_(std::move(alone)) {
  gpu.enter();
  if (!gpu.side) check(driver().stream_create(&gpu.side, CU_STREAM_NON_BLOCKING), "to make a stream");
  check(graphs()->begin(gpu.side, CU_STREAM_CAPTURE_MODE_RELAXED), "to record");
  gpu.stream.record_into(gpu.side);
}

Recording::~Recording() {
  if (open_) stop();
  // A context that is gone took all of it along. What runs is finished first.
  if (driver().set_current(gpu_.context) == CUDA_SUCCESS) {
    if (exec_) graphs()->exec_destroy(exec_);
    if (graph_) graphs()->destroy(graph_);
  }
  if (exec_) {
    --gpu_.graphs;
    gpu_.graph_bytes -= bytes_;
  }
}

void Recording::stop() {
  open_ = false;
  gpu_.stream.record_into(nullptr);
  if (driver().set_current(gpu_.context) == CUDA_SUCCESS) graphs()->end(gpu_.side, &graph_);
  alone_.unlock();
}

void Recording::close() {
  gpu_.enter();
  open_ = false;
  gpu_.stream.record_into(nullptr);
  const Result ended = graphs()->end(gpu_.side, &graph_);
  alone_.unlock();
  check(ended, "to record");
  check(graphs()->instantiate(&exec_, graph_, 0), "to make a graph");
  for (const BufferRef& buffer : scratch_) bytes_ += static_cast<int64_t>(buffer->bytes);
  ++gpu_.graphs;
  gpu_.graph_bytes += bytes_;
  at_launch_ = launched_.size();
  at_copy_ = copied_.size();
  at_call_ = called_.size();
}

void Recording::rewind() { at_launch_ = at_copy_ = at_call_ = at_scratch_ = 0; }

void Recording::play() {
  if (at_launch_ != launched_.size() || at_copy_ != copied_.size() || at_call_ != called_.size())
    misfit("a recorded run was longer");
  gpu_.enter();
  check(graphs()->launch(exec_, gpu_.stream), "to run a graph");
  ++gpu_.graph_launches;
}

GraphNode Recording::last_node() const {
  int status = 0;
  const GraphNode* last = nullptr;
  size_t count = 0;
  check(graphs()->capture_info(gpu_.side, &status, nullptr, nullptr, &last, &count), "to record");
  return count == 1 ? last[0] : nullptr;
}

void Recording::launch(Function function, const Grid& grid, std::span<const Parameter> parameters) {
  if (open_) {
    cuda::launch(gpu_, function, grid, parameters);
    Launched made{function, grid, {}, {}, last_node()};
    if (!made.node) misfit("a launch was not recorded");
    for (const Parameter& p : parameters) {
      made.places.push_back(static_cast<uint32_t>(made.values.size()));
      const auto* bytes = static_cast<const unsigned char*>(p.at);
      made.values.insert(made.values.end(), bytes, bytes + p.bytes);
      made.values.resize((made.values.size() + 15) / 16 * 16);
    }
    launched_.push_back(std::move(made));
    return;
  }
  if (at_launch_ == launched_.size()) misfit("a recorded run was shorter");
  Launched& known = launched_[at_launch_++];
  if (known.function != function || known.grid != grid || known.places.size() != parameters.size())
    misfit("a recorded run launched something else");
  bool same = true;
  for (size_t i = 0; i < parameters.size(); ++i)
    if (std::memcmp(known.values.data() + known.places[i], parameters[i].at, parameters[i].bytes)) {
      std::memcpy(known.values.data() + known.places[i], parameters[i].at, parameters[i].bytes);
      same = false;
    }
  if (same) return;
  SmallVector<void*, 24> places;
  for (const uint32_t at : known.places) places.push_back(known.values.data() + at);
  const NodeParameters changed{
      function, {grid.blocks, 1, 1}, {grid.threads_x, grid.threads_y, 1}, 0, places.data(), nullptr, nullptr,
      nullptr};
  gpu_.enter();
  const Result result = graphs()->set_parameters(exec_, known.node, &changed);
  // What the graph holds is not known then; the next walk shall not take it for the same.
  if (result != CUDA_SUCCESS)
    std::fill(known.values.begin(), known.values.end(), static_cast<unsigned char>(0xa5));
  check(result, "to change a graph");
}

BufferRef Recording::allocate(size_t bytes) {
  if (open_) return scratch_.emplace_back(gpu_.memory->allocate(bytes));
  if (at_scratch_ == scratch_.size() || scratch_[at_scratch_]->bytes != bytes)
    misfit("a recorded run took other memory");
  return scratch_[at_scratch_++];
}

void Recording::copy(Address to, Address from, size_t bytes) {
  const Copied copied{to, from, bytes};
  if (open_) {
    gpu_.copy(to, from, bytes);
    copied_.push_back(copied);
  } else if (at_copy_ == copied_.size() || copied_[at_copy_++] != copied) {
    misfit("a recorded run copied something else");
  }
}

void Recording::begin_call(std::span<void* const> operands) {
  if (open_) {
    called_.push_back({{operands.begin(), operands.end()}, last_node()});
    return;
  }
  if (at_call_ == called_.size()) misfit("a recorded run was shorter");
  const Called& known = called_[at_call_++];
  if (!std::equal(operands.begin(), operands.end(), known.operands.begin(), known.operands.end()))
    misfit("operands of a call lie elsewhere");
  at_launch_ = known.launches;
  at_copy_ = known.copies;
  at_scratch_ = known.scratch;
}

void Recording::end_call() {
  Called& call = called_.back();
  if (call.before == last_node()) misfit("a call was not recorded");
  call.launches = launched_.size();
  call.copies = copied_.size();
  call.scratch = scratch_.size();
}

// ---- those of a program

Recordings::Recordings(Gpu& gpu, const Program& program) : gpu_(gpu) {
  const Work work = work_of(program);
  constexpr double fewest = 3, most_launches = 4000, longest = 15e-6;
  constexpr size_t most_memory = 256 << 20;
  why_not_ = graphs() ? work.why_not : "the driver has no graphs";
  if (work.launches < fewest) why_not_automatic_ = "launches are few";
  else if (work.launches > most_launches) why_not_automatic_ = "launches are very many";
  else if (work.seconds > longest * work.launches) why_not_automatic_ = "kernels are long";
  else if (program.arena_bytes > most_memory) why_not_automatic_ = "temporaries are large";
  for (const ProgramStep& step : program.steps) {
    if (step.kernel) continue;
    for (uint32_t slot : step.slots) {
      if (slot >= program.inputs + program.results) slot = program.slots[slot].base;
      if (slot != Slot::own) fixed_.push_back(slot);
    }
  }
  std::sort(fixed_.begin(), fixed_.end());
  fixed_.erase(std::unique(fixed_.begin(), fixed_.end()), fixed_.end());
}

bool Recordings::possible() const {
  const GraphUse now = graph_use();
  return now != GraphUse::never && !*why_not_ && (now == GraphUse::always || !*why_not_automatic_);
}

std::vector<const void*> Recordings::settings() {
  return {reinterpret_cast<const void*>(static_cast<uintptr_t>(tf32_allowed()))};
}

void Recordings::decide(Choice& choice) {
  if (given_up_) return;
  ++runs_;
  const auto has_key = [&](const auto& recording) { return recording->key() == choice.key; };
  const auto found = std::find_if(made_.begin(), made_.end(), has_key);
  if (found != made_.end()) {
    std::rotate(found, found + 1, made_.end());
    choice.replay = made_.back().get();
    return;
  }
  // Recording costs more than a run: what is recorded must come again. The first run compiles kernels that
  // are compiled late, and asks libraries for their choices.
  constexpr int64_t most_recorded = 32;
  const bool again = std::find(seen_.begin(), seen_.end(), choice.key) != seen_.end();
  choice.record = again && recorded_ < most_recorded;
  if (!again) {
    if (seen_.size() == 2 * most) seen_.erase(seen_.begin());
    seen_.push_back(choice.key);
  }
}

void Recordings::keep(std::unique_ptr<Recording> made) {
  if (made_.size() == most) made_.erase(made_.begin());
  made_.push_back(std::move(made));
  ++recorded_;
}

void Recordings::give_up(const char* why) {
  given_up_ = why;
  made_.clear();
}

std::string Recordings::describe() const {
  if (graph_use() == GraphUse::never) return "CUDA graphs: switched off";
  if (*why_not_) return concat("CUDA graphs: none, ", why_not_);
  if (!possible()) return concat("CUDA graphs: none, ", why_not_automatic_);
  const std::unique_lock lock(mutex_, std::try_to_lock);  // who runs it may wait for the interpreter
  if (!lock) return "CUDA graphs: in use";
  if (given_up_) return concat("CUDA graphs: none, ", given_up_);
  if (made_.empty()) return concat("CUDA graphs: none yet, after ", runs_, " runs");
  return concat("CUDA graphs: ", made_.size(), " of ", made_.back()->launches(), " kernels, replayed ",
                replays_, " times");
}

}  // namespace pg::cuda
