#include <unordered_map>

#include "compiler/passes/passes.h"
#include "support/error.h"

namespace pg {
namespace {

// Adds the records of a graph to the builder, on these operands; returns its outputs.
std::vector<Id> add_all(const Graph& graph, std::span<const Id> inputs, GraphBuilder& out);

struct Inliner {
  GraphBuilder& out;
  std::unordered_map<Id, std::vector<Id>> results;  // of what was put in place, by its record in the source

  Id add(const Graph& graph, Id id, const std::vector<Id>& renamed) {
    Graph::Record record = graph[id];
    if (record.op->as<Pick>())
      if (const auto found = results.find(record.inputs[0]); found != results.end())
        return found->second[static_cast<size_t>(record.attrs[0])];
    for (Id& input : record.inputs) input = renamed[input];
    if (!record.op->as<Inlined>()) return out.add(std::move(record));
    results[id] =
        add_all(*record.payloads->items[0]->graph, {record.inputs.data(), record.inputs.size()}, out);
    return 0;  // read through its picks only
  }
};

std::vector<Id> add_all(const Graph& graph, std::span<const Id> inputs, GraphBuilder& out) {
  Inliner inliner{out, {}};
  std::vector<Id> renamed(graph.size(), 0);
  for (size_t i = 0; i < inputs.size(); ++i) renamed[graph.inputs[i]] = inputs[i];
  for (Id id = 0; id < graph.size(); ++id)
    if (graph[id].op->as<Leaf>() == nullptr) renamed[id] = inliner.add(graph, id, renamed);
  std::vector<Id> outputs;
  for (const Id id : graph.outputs) outputs.push_back(renamed[id]);
  return outputs;
}

}  // namespace

Graph inline_bodies(const Graph& graph) {
  bool any = false;
  for (const Graph::Record& r : graph.nodes) any = any || r.op->as<Inlined>();
  if (!any) return graph;
  GraphBuilder out;
  std::vector<Id> params;
  for (const Id id : graph.inputs) params.push_back(out.param(graph[id].type));
  return out.finish(add_all(graph, params, out));
}

}  // namespace pg
