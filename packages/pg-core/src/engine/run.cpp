#include "engine/run.h"

#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "backends/cpu/backend.h"
#include "backends/cuda/backend.h"
#include "backends/cuda/memory.h"
#include "compiler/print.h"
#include "engine/control.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "engine/profile.h"
#include "graph/bytes.h"
#include "runtime/interrupt.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::engine {
namespace {

constexpr double long_run = 500e-6;  // seconds: releasing the interpreter for less costs more than it gives
constexpr double worth_timing = 20e-6;  // below, reading the clock would be felt

std::atomic<int64_t> build_count{0};

// Counts of short runs, which hold the interpreter's lock, are not updated by two threads at a time; those of
// others may be.
struct Tally {
  std::atomic<int64_t> kernels{0}, calls{0}, programs{0};
};
Tally short_runs, other_runs;

void count_run(const Launches& launches, bool shared) {
  if (shared || !host.release_gil) {
    other_runs.kernels.fetch_add(launches.kernels, std::memory_order_relaxed);
    other_runs.calls.fetch_add(launches.calls, std::memory_order_relaxed);
    other_runs.programs.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const auto add = [](std::atomic<int64_t>& to, int64_t amount) {
    to.store(to.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  };
  add(short_runs.kernels, launches.kernels);
  add(short_runs.calls, launches.calls);
  add(short_runs.programs, 1);
}

// A function of the host gets copies of what lies on the device.
void call_host(const ProgramStep& step, void* const* operands, DeviceRun* on) {
  if (!on) return step.host->call(step.in, operands, step.out, operands + step.in.size());
  std::vector<BufferRef> held;
  std::vector<void*> copies;
  const auto room = [&](const Aval& type) {
    held.push_back(allocate(bytes_of(type)));
    return copies.emplace_back(held.back()->data);
  };
  for (size_t i = 0; i < step.in.size(); ++i) on->read(room(step.in[i]), operands[i], bytes_of(step.in[i]));
  for (const Aval& type : step.out) room(type);
  void* const* made = copies.data() + step.in.size();
  step.host->call(step.in, copies.data(), step.out, made);
  for (size_t i = 0; i < step.out.size(); ++i)
    on->write(operands[step.in.size() + i], made[i], bytes_of(step.out[i]));
}

BadIndex call(const Program& program, const ProgramStep& step, void* const* operands, DeviceRun* on) {
  const Graph::Record& r = program.graph[step.record];
  if (on && step.host)  // what it sees must be right
    if (BadIndex bad = on->finish(); bad.happened) return bad;
  try {
    if (step.call) {
      if (on && !on->begin_call({operands, step.slots.size()})) return {};
      step.call(CallArgs{*r.op, r.attrs, step.in, r.type, operands, operands[step.in.size()], on});
      if (on) on->end_call();
    } else {
      call_host(step, operands, on);
    }
  } catch (const Error& e) {
    if (e.kind != ErrorKind::index) throw;
    return {.happened = true, .record = step.record, .text = e.what()};
  } catch (...) {
    if (!step.host) throw;
    return {.happened = true, .record = step.record, .raised = std::current_exception()};
  }
  return {};
}

// Prints each distinct fused group once per process.
void show_kernels(const Program& program, const Backend& backend) {
  if (!host.print || !env_flag("PG_KERNEL_DB")) return;
  static std::mutex mutex;
  static auto* shown = new std::unordered_set<std::string>;
  for (const ProgramStep& step : program.steps) {
    for (const Program& body : step.bodies) show_kernels(body, backend);
    if (!step.kernel) continue;
    std::string text = kernel_text(program, step, backend);
    {
      const std::lock_guard lock(mutex);
      if (!shown->insert(text).second) continue;
    }
    host.print(text + "\n");
  }
}

}  // namespace

Watch::Watch() : next_(std::chrono::steady_clock::now() + period) {}

void Watch::look() {
  if (!host.check_signals || std::chrono::steady_clock::now() < next_) return;
  host.check_signals();
  next_ = std::chrono::steady_clock::now() + period;
}

BadIndex run_steps(const Program& program, void* const* memory, Launches& launches, Watch* watch,
                   DeviceRun* on) {
  if (on && !on->outermost) on->outermost = &program.graph;
  launches.kernels += program.kernels;
  launches.calls += program.calls;
  SmallVector<void*, 16> pointers;
  const bool recorded = profiling();
  for (const ProgramStep& step : program.steps) {
    const int64_t start = recorded ? profile_time() : 0;
    pointers.reserve(step.slots.size());
    void** operands = pointers.data();
    for (size_t i = 0; i < step.slots.size(); ++i) operands[i] = memory[step.slots[i]];
    BadIndex bad;
    if (on) {
      on->graph = &program.graph;  // bodies have left theirs
      if (on->graph == on->outermost) on->step = step.record;
    }
    if (step.kernel) bad = step.kernel->run(operands, on);
    else if (step.bodies.empty()) bad = call(program, step, operands, on);
    else bad = run_control(program, step, operands, launches, on);
    if (recorded) [[unlikely]]
      record_step(program, step, start);
    if (bad.happened) [[unlikely]]
      return bad;
    if (watch) watch->look();
  }
  return {};
}

const Backend& backend_for(Device device) {
  return device.kind == DeviceKind::cpu ? cpu_backend() : cuda_backend(device.index);
}

Executable::Executable() = default;
Executable::~Executable() = default;
void destroy(Executable* executable) { delete executable; }

void remember_runs(Executable& executable) {
  if (executable.parts) {
    for (const PartStep& step : executable.parts->steps)
      if (step.program) remember_runs(*step.program);
  } else if (executable.device != Device{}) {
    executable.memory = backend_for(executable.device).remember(executable.program);
  }
}

bool is_long(const Executable& executable) {
  return executable.program.yields || executable.seconds.load(std::memory_order_relaxed) >= long_run;
}

namespace {

// Of several devices: the programs count for themselves.
ExecutableRef build_parts(Graph graph, Device device) {
  auto made = ExecutableRef::adopt(new Executable);
  made->device = device;
  made->parts = std::make_unique<Parts>(split(graph));
  made->program.graph = std::move(graph);
  made->program.yields = true;  // copies wait
  for (const PartStep& step : made->parts->steps)
    if (step.program) made->program.compile_seconds += step.program->program.compile_seconds;
  return made;
}

}  // namespace

ExecutableRef build(Graph graph, Device device, const Placing& placing) {
  if (is_mixed(graph)) return build_parts(std::move(graph), device);
  const Backend& backend = backend_for(device);
  auto made = ExecutableRef::adopt(new Executable);
  made->device = device;
  const int64_t start = profiling() ? profile_time() : 0;
  {
    const WithoutGil released;
    made->program = compile(std::move(graph), backend, placing);
  }
  if (profiling()) record_work("compile", start);
  const Program& program = made->program;
  made->seconds = program.seconds;
  build_count.fetch_add(1, std::memory_order_relaxed);
  show_kernels(program, backend);
  return made;
}

void release(SmallVector<Buffer*, 4>& outputs) {
  for (Buffer* buffer : outputs) BufferRef::adopt(buffer);
  outputs.clear();
}

BadIndex run(Executable& executable, std::span<const Input> inputs, SmallVector<Buffer*, 4>& outputs) {
  if (executable.parts) [[unlikely]]
    return run_parts(*executable.parts, inputs, outputs);
  const Program& program = executable.program;
  constexpr size_t few = 48;
  void* few_places[few];
  std::unique_ptr<void*[]> many_places;
  if (program.slots.size() > few) many_places.reset(new void*[program.slots.size()]);
  void** memory = many_places ? many_places.get() : few_places;
  const std::unique_ptr<DeviceRun> on =
      executable.device == Device{} ? nullptr : backend_for(executable.device).begin(executable.memory.get());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool number = on && (!inputs[i].buffer || inputs[i].buffer->device == Device{});
    memory[i] = number ? on->number(inputs[i].data, program.slots[i].bytes) : inputs[i].data;
  }

  SmallVector<Buffer*, 8> results;  // owned until they are handed over
  BufferRef arena;
  BadIndex bad;
  Launches launches;
  const bool timed = program.yields || executable.seconds.load(std::memory_order_relaxed) >= worth_timing;
  const auto start = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  try {
    for (uint32_t i = 0; i < program.results; ++i) {
      const uint32_t slot = program.inputs + i;
      const uint32_t donor = program.slots[slot].base;
      if (donor != Slot::own && inputs[donor].donated)
        results.push_back(BufferRef::share(inputs[donor].buffer).detach());
      else results.push_back(allocate_on(on.get(), program.slots[slot].bytes).detach());
      memory[slot] = results[i]->data;
    }
    // Places temporaries and walks the steps.
    const auto walk = [&] {
      launches = {};
      if (program.arena_bytes) arena = allocate_on(on.get(), program.arena_bytes);
      for (size_t slot = program.inputs + program.results; slot < program.slots.size(); ++slot) {
        const Slot& s = program.slots[slot];
        memory[slot] = static_cast<char*>(s.base == Slot::own ? arena->data : memory[s.base]) + s.offset;
      }
      if (timed) {
        Watch watch;
        const auto look = [&] { watch.look(); };
        const Interruptible inside_kernels(look);
        bad = run_steps(program, memory, launches, &watch, on.get());
      } else {
        bad = run_steps(program, memory, launches, nullptr, on.get());
      }
    };
    if (!on || profiling()) {
      walk();
    } else {
      try {
        on->begin_steps({memory, program.inputs + program.results});
        walk();
        if (!bad.happened) on->end_steps();
      } catch (const Error&) {
        if (!on->starts_over()) throw;
        walk();
      }
    }
    if (on && !bad.happened) bad = on->finish();
    if (!bad.happened)
      for (const ProgramOutput& out : program.outputs) {
        // What the host holds of a device's program is no buffer of the device.
        Buffer* const given = out.is_input ? inputs[out.index].buffer : nullptr;
        if (!out.is_input) {
          if (out.repeated) results[out.index]->refs.retain();
          outputs.push_back(results[out.index]);
        } else if (given && given->device == executable.device) {
          given->refs.retain();
          outputs.push_back(given);
        } else {
          BufferRef copy = allocate_on(on.get(), program.slots[out.index].bytes);
          copy_on(on.get(), copy->data, memory[out.index], program.slots[out.index].bytes);
          outputs.push_back(copy.detach());
        }
      }
  } catch (...) {
    for (size_t i = 0; i < outputs.size(); ++i)
      if (program.outputs[i].is_input || program.outputs[i].repeated) BufferRef::adopt(outputs[i]);
    for (Buffer* buffer : results) BufferRef::adopt(buffer);
    outputs.clear();
    throw;
  }
  if (bad.happened)
    for (Buffer* buffer : results) BufferRef::adopt(buffer);
  if (timed)
    executable.seconds.store(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
                             std::memory_order_relaxed);
  count_run(launches, timed);
  return bad;
}

BadIndex run_yielding(Executable& executable, std::span<const Input> inputs,
                      SmallVector<Buffer*, 4>& outputs) {
  if (!is_long(executable)) return run(executable, inputs, outputs);
  // Other threads may drop what we read meanwhile.
  std::vector<BufferRef> held;
  held.reserve(inputs.size());
  for (const Input& input : inputs)
    if (input.buffer) held.push_back(BufferRef::share(input.buffer));
  std::optional<cuda::LineScope> line;
  if (executable.device.kind == DeviceKind::cuda) line.emplace();
  const WithoutGil released;
  return run(executable, inputs, outputs);
}

void fail_index(const Graph& graph, const BadIndex& bad, Location where) {
  if (bad.op) where = bad.where;
  const std::string place = describe_location && where.code ? describe_location(where) : "";
  const std::string called = place.empty() ? "" : " (called at " + place + ")";
  if (bad.raised) {
    if (host.rethrow_at) host.rethrow_at(bad.raised, called);
    std::rethrow_exception(bad.raised);
  }
  if (!bad.text.empty()) fail(ErrorKind::index, bad.text + called);
  fail(ErrorKind::index, concat((bad.op ? bad.op : graph[bad.record].op)->name, called, ": index ", bad.index,
                                " is out of range for an axis of ", bad.extent, " entries; allowed are 0 to ",
                                bad.extent - 1, ", or choose mode 'clip' or 'drop'"));
}

uint64_t memory_of_bits(int64_t bits, DType dtype) {
  uint64_t out = 0;
  const auto put = [&](auto value) { std::memcpy(&out, &value, sizeof(value)); };
  switch (dtype) {
  case DType::float16: put(float_to_half(static_cast<float>(bits_as_double(bits)))); break;
  case DType::bfloat16: put(float_to_bfloat16(static_cast<float>(bits_as_double(bits)))); break;
  case DType::float32: put(static_cast<float>(bits_as_double(bits))); break;
  case DType::float64: put(bits_as_double(bits)); break;
  default: std::memcpy(&out, &bits, static_cast<size_t>(size_of(dtype))); break;
  }
  return out;
}

Counters run_counters() {
  return {short_runs.kernels + other_runs.kernels, short_runs.calls + other_runs.calls,
          short_runs.programs + other_runs.programs, build_count.load(), 0};
}

}  // namespace pg::engine
