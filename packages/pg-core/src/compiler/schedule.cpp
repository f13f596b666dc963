// From steps to a program: what each of them runs, and the memory that it reads and writes.

#include "compiler/schedule.h"

#include <cmath>
#include <unordered_map>

#include "compiler/passes/memory.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

int64_t bytes_of(const Aval& type) { return count_of(type.shape) * size_of(type.dtype); }

// Which memory every value of the program is in.
class SlotPlan {
 public:
  SlotPlan(const Graph& graph, std::span<const Step> steps, Program& program)
      : graph_(graph), program_(program) {
    for (const Step& step : steps) {
      if (step.kind != Step::Kind::alias) continue;
      const Graph::Record& r = graph[step.record];
      if (r.op->as<Pick>()) picks_[step.source].emplace_back(r.attrs[0], step.record);
      else source_.emplace(step.record, step.source);
    }
    for (const Id id : graph.inputs) add(id);
    program.inputs = static_cast<uint32_t>(program.slots.size());
    for (const Id id : graph.outputs) {
      const Id root = root_of(id);
      const auto found = slot_.find(root);
      const uint32_t slot = found != slot_.end() ? found->second : add(root);
      program.outputs.push_back(slot < program.inputs
                                    ? ProgramOutput{true, slot, false}
                                    : ProgramOutput{false, slot - program.inputs, found != slot_.end()});
    }
    program.results = static_cast<uint32_t>(program.slots.size()) - program.inputs;
  }

  uint32_t slot_of(Id id) {
    const Id root = root_of(id);
    const auto found = slot_.find(root);
    return found != slot_.end() ? found->second : add(root);
  }
  uint32_t first_temporary() const { return program_.inputs + program_.results; }
  /// Where the results of a call lie; one that nobody reads still needs memory.
  std::vector<uint32_t> slots_of_results(Id id, std::span<const Aval> types) {
    if (!graph_[id].op->several()) return {slot_of(id)};
    std::vector<uint32_t> out(types.size(), none);
    for (const auto& [index, record] : picks_[id]) out[static_cast<size_t>(index)] = slot_of(record);
    for (size_t i = 0; i < out.size(); ++i)
      if (out[i] == none) out[i] = add_bytes(types[i]);
    return out;
  }

 private:
  static constexpr uint32_t none = static_cast<uint32_t>(-1);
  Id root_of(Id id) const {
    for (auto found = source_.find(id); found != source_.end(); found = source_.find(id)) id = found->second;
    return id;
  }
  uint32_t add(Id id) {
    const uint32_t slot = add_bytes(graph_[id].type);
    slot_.emplace(id, slot);
    return slot;
  }
  uint32_t add_bytes(const Aval& type) {
    program_.slots.push_back({static_cast<size_t>(bytes_of(type)), 0});
    return static_cast<uint32_t>(program_.slots.size()) - 1;
  }

  const Graph& graph_;
  Program& program_;
  std::unordered_map<Id, Id> source_;
  std::unordered_map<Id, std::vector<std::pair<int64_t, Id>>> picks_;
  std::unordered_map<Id, uint32_t> slot_;
};

// Multiply-adds of a call, roughly: enough to decide whether to let other threads run meanwhile.
double flops_of(const Graph& graph, const Graph::Record& r) {
  const double out = static_cast<double>(count_of(r.type.shape));
  if (r.inputs.size() < 2) return out * 8;
  const double a = static_cast<double>(count_of(graph[r.inputs[0]].type.shape));
  const double b = static_cast<double>(count_of(graph[r.inputs[1]].type.shape));
  if (r.op == &dot_general_op) return 2 * std::sqrt(a * b * out);
  if (r.op == &conv_op || r.op == &conv_input_grad_op || r.op == &conv_weight_grad_op)
    return 2 * std::sqrt(a * b) * 32;
  return out * 8;
}

// What a call runs: an implementation of the backend, a function of the host, or the programs of its bodies.
void prepare_call(const Graph& graph, const Graph::Record& r, const Backend& backend, ProgramStep& step,
                  Program& program) {
  for (const Id id : r.inputs) step.in.push_back(graph[id].type);
  step.out = output_types(graph, r);
  if (!r.payloads) {
    step.call = backend.call(*r.op);
    require(step.call != nullptr, ErrorKind::not_implemented, [&] {
      const std::string place = describe_location && r.where.code ? describe_location(r.where) : "";
      return concat("the op ", r.op->name, " is not implemented on ", backend.name(),
                    place.empty() ? "" : " (called at " + place + ")");
    });
    program.flops += flops_of(graph, r);
    ++program.calls;
    return;
  }
  for (const PayloadRef& payload : r.payloads->items) {
    if (payload->host) {
      step.host = payload->host.get();
      program.yields = true;
      ++program.calls;
      continue;
    }
    step.bodies.push_back(compile(*payload->graph, backend, r.op == &strips_op));
    const Program& body = step.bodies.back();
    const double times = r.op == &scan_op     ? static_cast<double>(Scan(r.attrs).length)
                         : r.op == &strips_op ? static_cast<double>(Strips(r.attrs).total())
                                              : 1;
    program.seconds += times * body.seconds;
    program.yields = program.yields || body.yields || r.op == &while_op;
  }
}

}  // namespace

void schedule(const Graph& graph, std::span<const Step> steps, const Backend& backend, Program& program) {
  SlotPlan plan(graph, steps, program);
  std::vector<Lifetime> lifetimes;
  int time = 0;
  const auto touch = [&](uint32_t slot, bool writes) {
    if (slot < plan.first_temporary()) return;
    const size_t index = slot - plan.first_temporary();
    if (index >= lifetimes.size()) lifetimes.resize(index + 1);
    if (writes) lifetimes[index] = {program.slots[slot].bytes, time, time, -1, 0};
    else lifetimes[index].last = time;
  };
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::alias) continue;
    ProgramStep out;
    std::vector<Id> reads;
    std::vector<uint32_t> writes;
    if (step.kind == Step::Kind::kernel) {
      const Kernel kernel = lower(graph, step.group, backend.target());
      if (env_flag("PG_VERIFY")) verify(kernel);
      out.kernel = backend.compile(kernel);
      out.group = step.group;
      reads = step.group.inputs;
      for (const Id id : reads) out.slots.push_back(plan.slot_of(id));
      for (const Id id : step.group.outputs) writes.push_back(plan.slot_of(id));
      ++program.kernels;
    } else {
      const Graph::Record& r = graph[step.record];
      out.record = step.record;
      prepare_call(graph, r, backend, out, program);
      reads.assign(r.inputs.begin(), r.inputs.end());
      for (const Id id : reads) out.slots.push_back(plan.slot_of(id));
      writes = plan.slots_of_results(step.record, out.out);
    }
    for (const uint32_t slot : writes) out.slots.push_back(slot);
    for (size_t i = 0; i < out.slots.size(); ++i) {
      touch(out.slots[i], i >= reads.size());
      program.bytes_moved += static_cast<double>(program.slots[out.slots[i]].bytes);
    }
    if (out.kernel)
      for (const auto& [result, operand] : out.kernel->in_place()) {
        const uint32_t to = out.slots[reads.size() + static_cast<size_t>(result)],
                       from = out.slots[static_cast<size_t>(operand)];
        if (to >= plan.first_temporary() && from >= plan.first_temporary() &&
            lifetimes[to - plan.first_temporary()].over < 0)
          lifetimes[to - plan.first_temporary()].over = static_cast<int>(from - plan.first_temporary());
      }
    program.steps.push_back(std::move(out));
    ++time;
  }
  program.arena_bytes = plan_memory(lifetimes);
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    program.slots[plan.first_temporary() + i].offset = lifetimes[i].offset;
    program.temporary_bytes += lifetimes[i].bytes;
  }
}

}  // namespace pg
