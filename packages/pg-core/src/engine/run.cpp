#include "engine/run.h"

#include <chrono>
#include <cstring>
#include <mutex>
#include <unordered_set>

#include "backends/cpu/backend.h"
#include "engine/engine.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::engine {
namespace {

constexpr double long_run = 500e-6;     // seconds: releasing the interpreter for less costs more than it gives
constexpr double worth_timing = 20e-6;  // below, reading the clock would be felt

std::atomic<int64_t> kernel_count{0}, call_count{0}, program_count{0}, build_count{0};

// Prints each distinct fused group once per process.
void show_kernels(const Program& program, const Backend& backend) {
  if (!host.print || !env_flag("PG_KERNEL_DB")) return;
  static std::mutex mutex;
  static auto* shown = new std::unordered_set<std::string>;
  for (const ProgramStep& step : program.steps) {
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

const Backend& backend_for(Device device) {
  require(device.kind == DeviceKind::cpu, ErrorKind::device, [&] {
    return concat("nothing can run on ", to_string(device), ": this build of pequegrad has a CPU backend only");
  });
  return cpu_backend();
}

void destroy(Executable* executable) { delete executable; }

bool is_long(const Executable& executable) { return executable.seconds.load(std::memory_order_relaxed) >= long_run; }

ExecutableRef build(Graph graph, Device device) {
  const Backend& backend = backend_for(device);
  auto made = ExecutableRef::adopt(new Executable);
  {
    const WithoutGil released;
    made->program = compile(std::move(graph), backend);
  }
  const Program& program = made->program;
  made->seconds = program.bytes_moved / 8e9 + program.flops / 3e10 + 0.2e-6 * static_cast<double>(program.steps.size());
  build_count.fetch_add(1, std::memory_order_relaxed);
  show_kernels(program, backend);
  return made;
}

void release(SmallVector<Buffer*, 4>& outputs) {
  for (Buffer* buffer : outputs) BufferRef::adopt(buffer);
  outputs.clear();
}

BadIndex run(Executable& executable, std::span<const Input> inputs, SmallVector<Buffer*, 4>& outputs) {
  const Program& program = executable.program;
  SmallVector<void*, 32> memory(program.slots.size());
  for (size_t i = 0; i < inputs.size(); ++i) memory[i] = inputs[i].data;

  SmallVector<Buffer*, 8> results;
  BufferRef arena;
  BadIndex bad;
  const double expected = executable.seconds.load(std::memory_order_relaxed);
  const auto start = expected >= worth_timing ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  try {
    for (uint32_t i = 0; i < program.results; ++i) {
      const uint32_t slot = program.inputs + i;
      results.push_back(allocate(program.slots[slot].bytes).detach());
      memory[slot] = results[i]->data;
    }
    if (program.arena_bytes) {
      arena = allocate(program.arena_bytes);
      for (size_t slot = program.inputs + program.results; slot < program.slots.size(); ++slot)
        memory[slot] = static_cast<char*>(arena->data) + program.slots[slot].offset;
    }
    SmallVector<void*, 16> pointers;
    for (const ProgramStep& step : program.steps) {
      pointers.clear();
      for (const uint32_t slot : step.slots) pointers.push_back(memory[slot]);
      if (step.kernel) {
        bad = step.kernel->run(pointers.data());
      } else {
        const Graph::Record& r = program.graph[step.record];
        try {
          step.call(CallArgs{*r.op, r.attrs, step.in, r.type, pointers.data(), pointers[step.in.size()]});
        } catch (const Error& e) {
          if (e.kind != ErrorKind::index) throw;
          bad = {true, step.record, 0, 0, e.what()};
        }
      }
      if (bad.happened) break;
    }
    if (!bad.happened)
      for (const ProgramOutput& out : program.outputs) {
        if (!out.is_input) {
          results[out.index]->refs.retain();
          outputs.push_back(results[out.index]);
        } else if (Buffer* buffer = inputs[out.index].buffer) {
          buffer->refs.retain();
          outputs.push_back(buffer);
        } else {
          outputs.push_back(allocate(program.slots[out.index].bytes).detach());
          std::memcpy(outputs.back()->data, inputs[out.index].data, program.slots[out.index].bytes);
        }
      }
  } catch (...) {
    for (Buffer* buffer : results) BufferRef::adopt(buffer);
    release(outputs);
    throw;
  }
  for (Buffer* buffer : results) BufferRef::adopt(buffer);
  if (expected >= worth_timing)
    executable.seconds.store(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), std::memory_order_relaxed);
  program_count.fetch_add(1, std::memory_order_relaxed);
  kernel_count.fetch_add(program.kernels, std::memory_order_relaxed);
  call_count.fetch_add(program.calls, std::memory_order_relaxed);
  return bad;
}

BadIndex run_yielding(Executable& executable, std::span<const Input> inputs, SmallVector<Buffer*, 4>& outputs) {
  if (!is_long(executable)) return run(executable, inputs, outputs);
  // Other threads may drop what we read meanwhile.
  std::vector<BufferRef> held;
  held.reserve(inputs.size());
  for (const Input& input : inputs)
    if (input.buffer) held.push_back(BufferRef::share(input.buffer));
  const WithoutGil released;
  return run(executable, inputs, outputs);
}

void fail_index(const Graph& graph, const BadIndex& bad, Location where) {
  const std::string place = describe_location && where.code ? describe_location(where) : "";
  const std::string called = place.empty() ? "" : " (called at " + place + ")";
  if (!bad.text.empty()) fail(ErrorKind::index, bad.text + called);
  fail(ErrorKind::index, concat(graph[bad.record].op->name, called, ": index ", bad.index,
                                " is out of range for an axis of ", bad.extent, " entries; allowed are 0 to ", bad.extent - 1,
                                ", or choose mode 'clip' or 'drop'"));
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
  return {kernel_count.load(), call_count.load(), program_count.load(), build_count.load(), 0};
}

}  // namespace pg::engine
