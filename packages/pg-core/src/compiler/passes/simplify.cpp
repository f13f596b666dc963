#include "compiler/passes/passes.h"
#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {

namespace {

Graph rewritten(const Graph& graph, bool all, std::vector<RuleUse>* uses, int64_t* looked) {
  Rewriter out(uses, all);
  std::vector<Id> renamed(graph.size(), 0);
  for (const Id id : graph.inputs) renamed[id] = out.param(graph[id].type);
  for (Id id = 0; id < graph.size(); ++id) {
    if (graph[id].op == &param_op) continue;
    Graph::Record record = graph[id];
    for (Id& input : record.inputs) input = renamed[input];
    renamed[id] = out.rewrite(std::move(record));
  }
  if (looked) *looked += out.looked();
  std::vector<Id> outputs;
  for (const Id id : graph.outputs) outputs.push_back(renamed[id]);
  return out.finish(std::move(outputs));
}

}  // namespace

Graph simplify(const Graph& graph, std::vector<RuleUse>* uses, int64_t* looked) {
  return rewritten(graph, true, uses, looked);
}

Graph normalize(const Graph& graph) { return rewritten(graph, false, nullptr, nullptr); }

}  // namespace pg
