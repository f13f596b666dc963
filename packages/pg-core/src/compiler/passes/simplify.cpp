#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {

namespace {

Graph rewritten(const Graph& graph, bool all, std::vector<RuleUse>* uses, int64_t* looked) {
  Rewriter out(uses, all);
  Graph made = rebuilt(graph, out, [&](Graph::Record record, Id) { return out.rewrite(std::move(record)); });
  if (looked) *looked += out.looked();
  return made;
}

}  // namespace

Graph simplify(const Graph& graph, std::vector<RuleUse>* uses, int64_t* looked) {
  return rewritten(graph, true, uses, looked);
}

Graph normalize(const Graph& graph) { return rewritten(graph, false, nullptr, nullptr); }

}  // namespace pg
