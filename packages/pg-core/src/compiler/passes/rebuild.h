#pragma once
// How most passes go: over the records in order, into a new graph.

#include "graph/graph.h"

namespace pg {

/// Copies a graph record by record into the builder `out` through `rewrite(record, id) -> Id`: the record
/// with its operands in the new graph, and which record of the old graph it was.
template <class Builder, class Rewrite> Graph rebuilt(const Graph& graph, Builder& out, Rewrite&& rewrite) {
  std::vector<Id> renamed(graph.size(), 0);
  for (const Id id : graph.inputs) renamed[id] = out.param(graph[id].type);
  for (Id id = 0; id < graph.size(); ++id) {
    if (graph[id].op == &param_op) continue;
    Graph::Record record = graph[id];
    for (Id& input : record.inputs) input = renamed[input];
    renamed[id] = rewrite(std::move(record), id);
  }
  std::vector<Id> outputs;
  for (const Id id : graph.outputs) outputs.push_back(renamed[id]);
  return out.finish(std::move(outputs));
}

}  // namespace pg
