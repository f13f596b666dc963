// The compiler, top to bottom: from a graph to a program whose steps run over planned memory.

#include <chrono>

#include "compiler/passes/passes.h"
#include "compiler/passes/runner.h"
#include "compiler/passes/segments.h"
#include "compiler/print.h"
#include "compiler/rewrites.h"
#include "compiler/schedule.h"

namespace pg {

Program compile(Graph graph, const Backend& backend, const Placing& placing) {
  const auto start = std::chrono::steady_clock::now();
  Program program;
  PassRunner passes;
  graph = passes.run("inline", inline_bodies, graph);  // first: what is put in place is fused with the rest
  if (const auto set = current_rewrites(); set->id && !placing.on_strips) {
    program.rewrites = set->id;
    graph = passes.run("rewrite", [&](const Graph& g) { return rewrite(g, *set, &program.patterns); }, graph);
  }
  graph = passes.run("simplify", [&](const Graph& g) { return simplify(g, &program.rules); }, graph);
  if (has_convolutions(graph) && backend.convolves_by_library()) {
    graph = passes.run("layout", layout, graph);            // before select_calls, which absorbs permutes
    graph = passes.run("absorb_bias", absorb_bias, graph);  // after layout, which knows plain sums
  }
  graph = passes.run("select_calls", select_calls, graph);  // after simplify, which composes permutes
  const bool on_cpu = graph.nodes.empty() || graph.nodes[0].type.device == Device{};
  if (!on_cpu) graph = passes.run("absorb_addends", absorb_addends, graph);
  graph = passes.run("strip_reshapes", strip_reshapes, graph);  // after simplify: reshapes below identities
  graph = passes.run("unused_results", unused_results, graph);  // before remove_dead: operands die with them
  graph = passes.run("remove_dead", remove_dead, graph);  // before fuse: dead readers keep values in memory
  if (!placing.on_strips && on_cpu)                       // other devices have no caches of this kind
    graph = passes.run("strips", strips, graph);          // last: it looks at the steps of fusion
  std::vector<Step> steps;
  const auto text = [&] { return steps_text(graph, steps); };
  passes.run("fuse", [&] { steps = fuse(graph); }, text);
  if (backend.joins_segments())
    passes.run("segments", [&] { steps = segments(graph, std::move(steps)); }, text);
  passes.run(
      "schedule", [&] { schedule(graph, steps, backend, placing, program); },
      [&] { return program_text(program); });
  program.graph = std::move(graph);
  program.passes = passes.times();
  program.seconds +=
      program.bytes_moved / 8e9 + program.flops / 3e10 + 0.2e-6 * static_cast<double>(program.steps.size());
  program.compile_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return program;
}

}  // namespace pg
