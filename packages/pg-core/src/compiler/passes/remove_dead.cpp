#include "compiler/passes/passes.h"

namespace pg {

Graph remove_dead(const Graph& graph) {
  std::vector<bool> needed(graph.size(), false);
  for (const Id id : graph.inputs) needed[id] = true;
  for (const Id id : graph.outputs) needed[id] = true;
  for (Id id = static_cast<Id>(graph.size()); id-- > 0;)
    if (needed[id])
      for (const Id input : graph[id].inputs) needed[input] = true;

  Graph out;
  std::vector<Id> renamed(graph.size(), 0);
  for (Id id = 0; id < graph.size(); ++id) {
    if (!needed[id]) continue;
    Graph::Record record = graph[id];
    for (Id& input : record.inputs) input = renamed[input];
    renamed[id] = static_cast<Id>(out.nodes.size());
    out.nodes.push_back(std::move(record));
  }
  for (const Id id : graph.inputs) out.inputs.push_back(renamed[id]);
  for (const Id id : graph.outputs) out.outputs.push_back(renamed[id]);
  return out;
}

}  // namespace pg
