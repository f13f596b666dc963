// The compiler, top to bottom: from a graph to a program whose steps run over planned memory.

#include <chrono>

#include "compiler/passes/runner.h"
#include "compiler/passes/simplify.h"
#include "compiler/program.h"
#include "compiler/schedule.h"
#include "ops/ops.h"
#include "support/format.h"

namespace pg {
namespace {

// Outputs that only rename memory are what they rename: a reshape of x has x's bytes.
Graph strip_output_reshapes(const Graph& graph) {
  Graph out = graph;
  for (Id& id : out.outputs)
    while (out[id].op == &reshape_op) id = out[id].inputs[0];
  return out;
}

}  // namespace

Program compile(Graph graph, const Backend& backend) {
  const auto start = std::chrono::steady_clock::now();
  PassRunner passes;
  graph =
      passes.run("inline", inline_bodies, graph);   // first: what stands in its place is fused with the rest
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
  program.seconds +=
      program.bytes_moved / 8e9 + program.flops / 3e10 + 0.2e-6 * static_cast<double>(program.steps.size());
  program.compile_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return program;
}

std::string kernel_name(const Program& program, const ProgramStep& step) {
  constexpr size_t most = 6;
  const Graph& graph = program.graph;
  std::vector<std::string> ops;
  for (const Id id : step.group.nodes)
    if (graph[id].op->elementwise() || graph[id].op->as<Reduction>()) ops.push_back(graph[id].op->name);
  if (ops.empty())
    for (const Id id : step.group.nodes) ops.push_back(graph[id].op->name);
  const size_t more = ops.size() > most ? ops.size() - most : 0;
  ops.resize(ops.size() - more);
  return join(ops, "_") + (more ? concat("_and_", more, "_more") : "");
}

std::string kernel_text(const Program& program, const ProgramStep& step, const Backend& backend) {
  return to_string(lower(program.graph, step.group, backend.target()));
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

}  // namespace pg
