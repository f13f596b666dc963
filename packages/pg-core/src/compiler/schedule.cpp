// From steps to a program: what each of them runs, and the memory that it reads and writes.

#include "compiler/schedule.h"

#include <unordered_map>

#include "compiler/flops.h"
#include "compiler/passes/memory.h"
#include "graph/bytes.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "runtime/threads.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

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
    program_.slots.push_back({bytes_of(type)});
    return static_cast<uint32_t>(program_.slots.size()) - 1;
  }

  const Graph& graph_;
  Program& program_;
  std::unordered_map<Id, Id> source_;
  std::unordered_map<Id, std::vector<std::pair<int64_t, Id>>> picks_;
  std::unordered_map<Id, uint32_t> slot_;
};

// What a call runs: an implementation of the backend, a function of the host, or the programs of its bodies.
void prepare_call(const Graph& graph, const Graph::Record& r, const Backend& backend, ProgramStep& step,
                  Program& program) {
  for (const Id id : r.inputs) step.in.push_back(graph[id].type);
  step.out = output_types(graph, r);
  if (!r.payloads) {
    step.call = backend.call(*r.op);
    step.changes_first = backend.changes_first(*r.op);
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
    step.bodies.push_back(compile(*payload->graph, backend, {.body = true, .on_strips = r.op == &strips_op}));
    const Program& body = step.bodies.back();
    const double times = r.op == &scan_op     ? static_cast<double>(Scan(r.attrs).length)
                         : r.op == &strips_op ? static_cast<double>(Strips(r.attrs).total())
                                              : 1;
    program.seconds += times * body.seconds;
    program.yields = program.yields || body.yields || r.op == &while_op;
  }
}

// (result, operand) positions of a step that may share memory. A body on strips may write a strip over that
// of an operand which is cut in the same way, where its own kernel may and nothing reads the operand later.
std::vector<std::pair<int, int>> in_place(const Graph& graph, const ProgramStep& step) {
  std::vector<std::pair<int, int>> out;
  if (step.kernel) out.assign(step.kernel->in_place().begin(), step.kernel->in_place().end());
  else if (step.changes_first) out.emplace_back(0, 0);
  if (step.kernel && step.groups.size() < 2) return out;
  if (!out.empty()) {
    std::unordered_map<uint32_t, int> readers;  // another segment, or the call, may read the operand later
    for (size_t i = 0; i < step.reads; ++i) ++readers[step.slots[i]];
    std::erase_if(
        out, [&](const auto& pair) { return readers[step.slots[static_cast<size_t>(pair.second)]] > 1; });
    return out;
  }
  if (step.bodies.empty() || graph[step.record].op != &strips_op) return out;
  const Strips strips(graph[step.record].attrs);
  const Program& body = step.bodies[0];
  std::vector<size_t> last_reader(body.slots.size(), 0);
  for (size_t i = 0; i < body.steps.size(); ++i)
    for (size_t k = 0; k < body.steps[i].reads; ++k) last_reader[body.steps[i].slots[k]] = i;
  for (size_t i = 0; i < body.steps.size(); ++i) {
    const ProgramStep& inner = body.steps[i];
    if (!inner.kernel) continue;
    for (const auto& [to, from] : inner.kernel->in_place()) {
      const uint32_t operand = inner.slots[static_cast<size_t>(from)],
                     slot = inner.slots[inner.reads + static_cast<size_t>(to)];
      if (operand >= strips.operands.size() || last_reader[operand] != i) continue;
      for (size_t r = 0; r < body.outputs.size(); ++r) {
        const bool is_it = !body.outputs[r].is_input && body.inputs + body.outputs[r].index == slot;
        if (is_it && strips.results[r] == strips.operands[operand])
          out.emplace_back(static_cast<int>(r), static_cast<int>(operand));
      }
    }
  }
  return out;
}

// A kernel that may write a result over a donated input waits until everything else has read that input, if
// nothing needs what it writes before. Linear: every step moves once at most.
void delay_donated(const Graph& graph, Program& program, const std::vector<bool>& donated) {
  const size_t count = program.steps.size();
  std::vector<size_t> last_reader(program.slots.size(), 0), first_reader(program.slots.size(), count);
  for (size_t i = 0; i < count; ++i)
    for (size_t k = 0; k < program.steps[i].reads; ++k) {
      const uint32_t slot = program.steps[i].slots[k];
      last_reader[slot] = i;
      first_reader[slot] = std::min(first_reader[slot], i);
    }
  std::vector<std::vector<size_t>> delayed(count);  // to after a step
  std::vector<bool> moved(count, false);
  std::vector<size_t> place(count);  // the step after which each comes, or itself
  bool any = false;
  for (size_t i = count; i-- > 0;) {
    place[i] = i;
    const ProgramStep& step = program.steps[i];
    size_t after = i;
    for (const auto& [result, operand] : in_place(graph, step)) {
      const uint32_t from = step.slots[static_cast<size_t>(operand)];
      if (from < std::min<size_t>(donated.size(), program.inputs) && donated[from])
        after = std::max(after, last_reader[from]);
    }
    size_t needed = count;
    for (size_t k = step.reads; k < step.slots.size(); ++k)
      needed = std::min(needed, first_reader[step.slots[k]]);
    if (after == i || needed <= place[after]) continue;
    delayed[after].push_back(i);
    place[i] = place[after];
    moved[i] = any = true;
  }
  if (!any) return;
  std::vector<ProgramStep> ordered;
  ordered.reserve(count);
  std::vector<size_t> stack;
  for (size_t i = 0; i < count; ++i) {
    if (!moved[i]) stack.push_back(i);
    while (!stack.empty()) {
      const size_t at = stack.back();
      stack.pop_back();
      ordered.push_back(std::move(program.steps[at]));
      stack.insert(stack.end(), delayed[at].begin(), delayed[at].end());  // the last comes first
    }
  }
  program.steps = std::move(ordered);
}

// When every value is written and read last, and which may be written over which.
class Lifetimes {
 public:
  Lifetimes(const Graph& graph, Program& program)
      : graph_(graph), program_(program), last_read_(program.inputs, -1) {}

  void step(const ProgramStep& step, int time) {
    const size_t reads = step.reads;
    for (size_t i = 0; i < step.slots.size(); ++i) {
      const uint32_t slot = step.slots[i];
      if (slot < program_.inputs) {
        last_read_[slot] = time;
        continue;
      }
      if (i < reads) value(slot).last = time;
      else value(slot) = {program_.slots[slot].bytes, time, time, -1, is_result(slot), 0};
    }
    for (const auto& [result, operand] : in_place(graph_, step)) {
      const uint32_t to = step.slots[reads + static_cast<size_t>(result)],
                     from = step.slots[static_cast<size_t>(operand)];
      if (from < program_.inputs) over_input_.emplace_back(to, from);
      else if (value(to).over < 0) value(to).over = static_cast<int>(from - program_.inputs);
    }
  }

  /// Results take the buffers of donated inputs: first those that a kernel writes over them, then any that is
  /// written later.
  void donate(const std::vector<bool>& donated) {
    std::vector<bool> given(program_.inputs, true);
    for (size_t i = 0; i < std::min<size_t>(donated.size(), program_.inputs); ++i) given[i] = !donated[i];
    for (const ProgramOutput& out : program_.outputs)
      if (out.is_input) given[out.index] = true;  // handed on as it is
    const auto pair = [&](uint32_t result, uint32_t input, bool in_place) {
      Lifetime& v = value(result);
      Slot& slot = program_.slots[result];
      const bool dead = last_read_[input] < v.first || (in_place && last_read_[input] == v.first);
      if (given[input] || slot.base != Slot::own || !dead || program_.slots[input].bytes != slot.bytes)
        return;
      given[input] = true;
      slot.base = input;
      v.free_from = in_place ? v.first : last_read_[input] + 1;
    };
    for (const auto& [to, from] : over_input_)
      if (is_result(to)) pair(to, from, true);
    // Inputs of one size are tried in order, so that equal ones meet in order.
    std::unordered_map<size_t, std::vector<uint32_t>> by_size;
    for (uint32_t i = 0; i < program_.inputs; ++i)
      if (!given[i]) by_size[program_.slots[i].bytes].push_back(i);
    for (uint32_t i = 0; i < program_.results && !by_size.empty(); ++i) {
      const uint32_t result = program_.inputs + i;
      const auto found = by_size.find(program_.slots[result].bytes);
      if (found == by_size.end()) continue;
      for (const uint32_t input : found->second) {
        pair(result, input, false);
        if (given[input]) break;
      }
      std::erase_if(found->second, [&](uint32_t input) { return given[input]; });
    }
  }

  /// Gives every value its place.
  void place(bool rooms) {
    values_.resize(program_.slots.size() - program_.inputs);
    const MemoryPlan plan = plan_memory(values_, rooms);
    program_.arena_bytes = plan.arena_bytes;
    program_.memory.live = plan.live_bytes;
    for (size_t i = program_.results; i < values_.size(); ++i) {
      Slot& slot = program_.slots[program_.inputs + i];
      slot.offset = values_[i].offset;
      if (values_[i].base >= 0) slot.base = program_.inputs + static_cast<uint32_t>(values_[i].base);
      program_.memory.unshared += slot.bytes;
    }
  }

 private:
  bool is_result(uint32_t slot) const { return slot - program_.inputs < program_.results; }
  Lifetime& value(uint32_t slot) {
    const size_t index = slot - program_.inputs;
    if (index >= values_.size()) values_.resize(index + 1);
    return values_[index];
  }

  const Graph& graph_;
  Program& program_;
  std::vector<Lifetime> values_;  // per slot after the inputs
  std::vector<int> last_read_;    // per input
  std::vector<std::pair<uint32_t, uint32_t>> over_input_;
};

MemoryNeed need_of(const Graph& graph, const Program& program) {
  MemoryNeed need = program.memory;
  for (uint32_t i = 0; i < program.inputs; ++i) need.inputs += program.slots[i].bytes;
  for (uint32_t i = program.inputs; i < program.inputs + program.results; ++i)
    (program.slots[i].base == Slot::own ? need.outputs : need.donated) += program.slots[i].bytes;
  size_t bodies = 0;
  for (const ProgramStep& step : program.steps)
    for (const Program& body : step.bodies) {
      const bool per_thread = graph[step.record].op == &strips_op;
      const size_t at_once = per_thread ? static_cast<size_t>(num_threads()) : 1;
      bodies = std::max(bodies, body.memory.temporaries * at_once);
    }
  need.temporaries = program.arena_bytes + bodies;
  return need;
}

}  // namespace

void schedule(const Graph& graph, std::span<const Step> steps, const Backend& backend, const Placing& placing,
              Program& program) {
  SlotPlan plan(graph, steps, program);
  Lifetimes lifetimes(graph, program);
  std::vector<Kernel> kernels;
  std::vector<size_t> of_kernels;  // their steps
  for (const Step& step : steps) {
    if (step.kind == Step::Kind::alias) continue;
    ProgramStep out;
    std::vector<Id> reads;
    std::vector<uint32_t> writes;
    if (step.kind == Step::Kind::kernel) {
      out.groups = step.segments.empty() ? std::vector<Group>{step.group} : step.segments;
      kernels.push_back(lower(graph, out.groups, backend.target()));
      if (env_flag("PG_VERIFY")) verify(kernels.back());
      of_kernels.push_back(program.steps.size());
      for (const Group& g : out.groups) {
        reads.insert(reads.end(), g.inputs.begin(), g.inputs.end());
        for (const Id id : g.outputs) writes.push_back(plan.slot_of(id));
      }
      for (const Id id : reads) out.slots.push_back(plan.slot_of(id));
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
    for (const uint32_t slot : out.slots)
      program.bytes_moved += static_cast<double>(program.slots[slot].bytes);
    out.reads = static_cast<uint32_t>(reads.size());
    program.steps.push_back(std::move(out));
  }
  auto compiled = backend.compile(kernels);
  for (size_t i = 0; i < compiled.size(); ++i) program.steps[of_kernels[i]].kernel = std::move(compiled[i]);
  delay_donated(graph, program, placing.donated);
  for (size_t i = 0; i < program.steps.size(); ++i) lifetimes.step(program.steps[i], static_cast<int>(i));
  lifetimes.donate(placing.donated);
  lifetimes.place(!placing.body);
  program.memory = need_of(graph, program);
}

}  // namespace pg
