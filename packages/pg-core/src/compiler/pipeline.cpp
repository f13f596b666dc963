// The compiler, top to bottom: from a graph to a program whose steps run over planned memory.

#include <chrono>
#include <cmath>
#include <unordered_map>

#include "compiler/passes/memory.h"
#include "compiler/passes/runner.h"
#include "compiler/passes/simplify.h"
#include "compiler/program.h"
#include "ops/ops.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

int64_t bytes_of(const Aval& type) { return count_of(type.shape) * size_of(type.dtype); }

// Outputs that only rename memory are what they rename: a reshape of x has x's bytes.
Graph strip_output_reshapes(const Graph& graph) {
  Graph out = graph;
  for (Id& id : out.outputs)
    while (out[id].op == &reshape_op) id = out[id].inputs[0];
  return out;
}

// Which memory every value of the program is in.
class SlotPlan {
 public:
  SlotPlan(const Graph& graph, std::span<const Step> steps, Program& program)
      : graph_(graph), program_(program) {
    for (const Step& step : steps)
      if (step.kind == Step::Kind::alias) source_.emplace(step.record, step.source);
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

 private:
  Id root_of(Id id) const {
    for (auto found = source_.find(id); found != source_.end(); found = source_.find(id)) id = found->second;
    return id;
  }
  uint32_t add(Id id) {
    const uint32_t slot = static_cast<uint32_t>(program_.slots.size());
    program_.slots.push_back({static_cast<size_t>(bytes_of(graph_[id].type)), 0});
    slot_.emplace(id, slot);
    return slot;
  }

  const Graph& graph_;
  Program& program_;
  std::unordered_map<Id, Id> source_;
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
    std::vector<Id> reads, writes;
    if (step.kind == Step::Kind::kernel) {
      const Kernel kernel = lower(graph, step.group, backend.target());
      if (env_flag("PG_VERIFY")) verify(kernel);
      out.kernel = backend.compile(kernel);
      out.group = step.group;
      reads = step.group.inputs;
      writes = step.group.outputs;
      ++program.kernels;
    } else {
      const Graph::Record& r = graph[step.record];
      out.call = backend.call(*r.op);
      require(out.call != nullptr, ErrorKind::not_implemented, [&] {
        const std::string place = describe_location && r.where.code ? describe_location(r.where) : "";
        return concat("the op ", r.op->name, " is not implemented on ", backend.name(),
                      place.empty() ? "" : " (called at " + place + ")");
      });
      out.record = step.record;
      for (const Id id : r.inputs) {
        reads.push_back(id);
        out.in.push_back(graph[id].type);
      }
      writes = {step.record};
      program.flops += flops_of(graph, r);
      ++program.calls;
    }
    for (const Id id : reads) out.slots.push_back(plan.slot_of(id));
    for (const Id id : writes) out.slots.push_back(plan.slot_of(id));
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

}  // namespace

Program compile(Graph graph, const Backend& backend) {
  const auto start = std::chrono::steady_clock::now();
  PassRunner passes;
  graph = passes.run("simplify", simplify, graph);  // also deduplicates: the builder is hash-consed
  graph = passes.run("fold", fold_constants,
                     graph);  // after simplify, which turns views of literals into literals
  graph = passes.run("select_calls", select_calls, graph);  // after simplify: looks through composed permutes
  graph = passes.run("strip_reshapes", strip_output_reshapes,
                     graph);  // after simplify, which uncovers reshapes below identities
  graph =
      passes.run("remove_dead", remove_dead, graph);  // before fuse: dead readers would keep values in memory
  Program program;
  schedule(graph, fuse(graph), backend, program);
  program.graph = std::move(graph);
  program.compile_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return program;
}

std::string kernel_text(const Program& program, const ProgramStep& step, const Backend& backend) {
  return to_string(lower(program.graph, step.group, backend.target()));
}

std::string call_text(const Program& program, const ProgramStep& step) {
  const Graph::Record& r = program.graph[step.record];
  std::vector<std::string> operands;
  for (const Aval& type : step.in) operands.push_back(to_string(type));
  const std::string attrs = r.op->show ? r.op->show(r.attrs) : "";
  return concat(r.op->name, "(", join(operands), attrs.empty() ? "" : ", ", attrs, ") -> ",
                to_string(r.type));
}

}  // namespace pg
