#include "compiler/passes/fuse.h"

#include <algorithm>

namespace pg {

// One record a kernel, until the fuser lands.
std::vector<Step> fuse(const Graph& graph) {
  std::vector<bool> needed(graph.size(), false);
  for (const Id id : graph.outputs) needed[id] = true;
  for (Id id = static_cast<Id>(graph.size()); id-- > 0;)
    if (needed[id])
      for (const Id input : graph[id].inputs) needed[input] = true;
  std::vector<Step> steps;
  for (Id id = 0; id < graph.size(); ++id) {
    const Graph::Record& r = graph[id];
    if (!needed[id] || r.op->as<Leaf>()) continue;
    Step step;
    step.record = id;
    if (r.op->as<Call>()) {
      step.kind = Step::Kind::call;
    } else if (r.op->as<Identity>() || r.op->name == "reshape") {
      step.kind = Step::Kind::alias;
      step.source = r.inputs[0];
    } else {
      step.group.nodes = {id};
      for (const Id input : r.inputs)
        if (std::find(step.group.inputs.begin(), step.group.inputs.end(), input) == step.group.inputs.end()) step.group.inputs.push_back(input);
      step.group.outputs = {id};
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace pg
