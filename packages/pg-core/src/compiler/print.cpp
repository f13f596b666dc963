#include "compiler/print.h"

#include "support/format.h"

namespace pg {
namespace {

std::string names(std::span<const Id> ids) {
  std::vector<std::string> out;
  for (const Id id : ids) out.push_back(concat("%", id));
  return join(out);
}

}  // namespace

std::string kernel_name(const Program& program, const ProgramStep& step) {
  constexpr size_t most = 6;
  const Graph& graph = program.graph;
  std::vector<std::string> ops;
  const std::vector<Id>& nodes = step.groups[0].nodes;
  for (const Id id : nodes)
    if (graph[id].op->elementwise() || graph[id].op->as<Reduction>()) ops.push_back(graph[id].op->name);
  if (ops.empty())
    for (const Id id : nodes) ops.push_back(graph[id].op->name);
  const size_t more = ops.size() > most ? ops.size() - most : 0;
  ops.resize(ops.size() - more);
  return join(ops, "_") + (more ? concat("_and_", more, "_more") : "") +
         (step.groups.size() > 1 ? concat("_x", step.groups.size()) : "");
}

std::string kernel_text(const Program& program, const ProgramStep& step, const Backend& backend) {
  return backend.text(lower(program.graph, step.groups, backend.target()));
}

std::string call_text(const Program& program, const ProgramStep& step) {
  const Graph::Record& r = program.graph[step.record];
  std::vector<std::string> operands;
  for (const Aval& type : step.in) operands.push_back(to_string(type));
  const std::string attrs = r.op->show ? r.op->show(r.attrs) : "";
  std::vector<std::string> results;
  for (const Aval& type : step.out) results.push_back(to_string(type));
  return concat(r.op->name, "(", join(operands), attrs.empty() ? "" : ", ", attrs, ") -> ", join(results));
}

std::string steps_text(const Graph& graph, std::span<const Step> steps) {
  std::string out;
  for (const Step& step : steps) {
    const Graph::Record& r = graph[step.record];
    switch (step.kind) {
    case Step::Kind::kernel: {
      std::vector<std::string> ops;
      for (const Id id : step.group.nodes) ops.push_back(graph[id].op->name);
      out += concat("  kernel {", join(ops), "}");
      if (step.segments.empty())
        out += concat(": ", names(step.group.inputs), " -> ", names(step.group.outputs), "\n");
      else out += concat(" over ", step.segments.size(), " segments:\n");
      for (const Group& g : step.segments)
        out += concat("    ", names(g.inputs), " -> ", names(g.outputs), "\n");
      break;
    }
    case Step::Kind::call:
      out += concat("  call ", r.op->name, ": ", names({r.inputs.data(), r.inputs.size()}), " -> %",
                    step.record, "\n");
      break;
    case Step::Kind::alias: out += concat("  alias %", step.record, " of %", step.source, "\n"); break;
    }
  }
  return out;
}

std::string program_text(const Program& program) {
  const auto place = [&](uint32_t slot) {
    if (slot < program.inputs) return concat("input ", slot);
    if (slot < program.inputs + program.results) {
      const uint32_t donor = program.slots[slot].base;
      return concat("result ", slot - program.inputs, donor == Slot::own ? "" : concat(" of input ", donor));
    }
    const Slot& s = program.slots[slot];
    return concat(s.base == Slot::own ? "arena" : concat("result ", s.base - program.inputs), "+", s.offset);
  };
  std::string out;
  for (const ProgramStep& step : program.steps) {
    std::vector<std::string> places;
    for (const uint32_t slot : step.slots)
      places.push_back(concat(place(slot), " ", program.slots[slot].bytes));
    out += concat("  ", step.kernel ? "kernel" : "call", " (", join(places), ")\n");
  }
  return out + concat("  arena of ", program.arena_bytes, " bytes\n");
}

}  // namespace pg
