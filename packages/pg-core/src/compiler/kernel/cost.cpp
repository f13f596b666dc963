#include "compiler/kernel/cost.h"

#include <map>

namespace pg {
namespace {

int cost_of(const ir::Value& v) {
  switch (v.op) {
  case ir::ScalarOp::input:
  case ir::ScalarOp::literal: return 0;
  case ir::ScalarOp::div:
  case ir::ScalarOp::sqrt: return 4;
  case ir::ScalarOp::quotient:
  case ir::ScalarOp::rest: return 8;
  case ir::ScalarOp::libm: return 40;
  default: return 1;
  }
}

}  // namespace

int element_cost(const Graph& graph, Id id) {
  const Graph::Record& r = graph[id];
  const Elementwise* e = r.op->as<Elementwise>();
  if (!e) return r.op->as<Reduction>() || r.op->as<Iota>() || r.op->as<Gather>() ? 1 : 0;
  // The arithmetic hardly depends on attributes, so one count per op and dtype is kept.
  static thread_local std::map<std::pair<const Op*, DType>, int> known;
  const DType dtype = r.inputs.empty() ? r.type.dtype : graph[r.inputs.back()].type.dtype;
  const auto [found, fresh] = known.try_emplace({r.op, dtype}, 0);
  if (fresh) {
    ir::Builder builder;
    std::vector<ir::Sym> in;
    for (Id i : r.inputs) in.push_back(builder.input(graph[i].type.dtype));
    e->emit(in, std::span<const int64_t>(r.attrs.begin(), r.attrs.size()));
    for (const ir::Value& v : builder.values()) found->second += cost_of(v);
  }
  return found->second;
}

}  // namespace pg
