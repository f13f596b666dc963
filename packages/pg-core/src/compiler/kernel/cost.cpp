#include "compiler/kernel/cost.h"

#include <algorithm>
#include <map>

namespace pg {
namespace {

int cost_of(const ir::Value& v) {
  switch (v.op) {
  case ir::ScalarOp::input:
  case ir::ScalarOp::literal: return 0;
  case ir::ScalarOp::div:
  case ir::ScalarOp::sqrt: return 4;
  case ir::ScalarOp::scale:
  case ir::ScalarOp::quotient:
  case ir::ScalarOp::rest: return 8;
  case ir::ScalarOp::libm: return 40;
  default: return 1;
  }
}

}  // namespace

int element_cost(const Op& op, std::span<const DType> in, const Attrs& attrs) {
  const Elementwise* e = op.as<Elementwise>();
  if (!e) return op.as<Reduction>() || op.as<Gather>() ? 1 : 0;
  // The arithmetic hardly depends on attributes, so one count per op and dtype is kept.
  static thread_local std::map<std::pair<const Op*, DType>, int> known;
  const auto [found, fresh] = known.try_emplace({&op, in.empty() ? DType::float32 : in.back()}, 0);
  if (fresh) {
    ir::Builder builder;
    std::vector<ir::Sym> operands;
    for (DType d : in) operands.push_back(builder.input(d));
    e->emit(operands, std::span<const int64_t>(attrs.begin(), attrs.size()));
    for (const ir::Value& v : builder.values()) found->second += cost_of(v);
  }
  return found->second;
}

int element_cost(const Graph& graph, Id id) {
  SmallVector<DType, 4> in;
  for (Id i : graph[id].inputs) in.push_back(graph[i].type.dtype);
  return element_cost(*graph[id].op, {in.data(), in.size()}, graph[id].attrs);
}

int64_t lane_cost(const std::vector<Statement>& statements) {
  int64_t out = 0;
  for (const Statement& s : statements) {
    if (const auto* l = std::get_if<Loop*>(&s)) {
      out += std::min((*l)->count, (*l)->axis->extent()) * lane_cost((*l)->body);
      continue;
    }
    ++out;
    const auto* v = std::get_if<Value*>(&s);
    if (!v || (*v)->op != ValueOp::elementwise) continue;
    SmallVector<DType, 4> in;
    for (const Value* a : (*v)->args) in.push_back(a->dtype);
    out += element_cost(*(*v)->record, {in.data(), in.size()}, *(*v)->attrs) / 4;
  }
  return out;
}

}  // namespace pg
