#include "engine/jit.h"

#include "compiler/rewrites.h"
#include "engine/engine.h"
#include "engine/nans.h"
#include "engine/tiers.h"

namespace pg::engine {

JitProgram::JitProgram(std::span<const NodeRef> params, std::span<const NodeRef> outs, uint64_t oldest,
                       std::vector<bool> donated) {
  traced_ = flatten(params, outs, oldest, kept_);
  for (const NodeRef& out : outs) results_.push_back(out->aval());
  std::vector<Node*> pending;
  for (const NodeRef& node : kept_)
    if (!node->evaluated()) pending.push_back(node.get());
  if (!pending.empty()) evaluate(pending);
  if (outs.empty()) return;
  constexpr double likely_runs = 200;  // who asks for a compiled function means to call it often
  executable_ = build(traced_, outs[0]->device, {.donated = std::move(donated)});
  remember_runs(*executable_);
  start_tiers(*executable_, likely_runs);
}

bool JitProgram::current() const {
  return !executable_ || executable_->program.rewrites == current_rewrites_id();
}

void JitProgram::run(SmallVector<Input, 32>& inputs, SmallVector<Buffer*, 4>& outputs) const {
  if (!executable_) return;
  for (const NodeRef& node : kept_) {
    Buffer* buffer = node->buffer.load(std::memory_order_acquire);
    inputs.push_back({buffer->data, buffer});
  }
  const BadIndex bad = run_yielding(*executable_, {inputs.data(), inputs.size()}, outputs);
  if (bad.happened) {
    const Graph& graph = bad.graph ? *bad.graph : executable_->program.graph;
    fail_index(graph, bad, graph[bad.record].where);
  }
  if (nan_check() != NanCheck::off) [[unlikely]]
    check_results(traced_, {inputs.data(), inputs.size()}, {outputs.data(), outputs.size()},
                  [](const Graph::Record& r) { return r.where; });
  note_run(*executable_);
}

}  // namespace pg::engine
