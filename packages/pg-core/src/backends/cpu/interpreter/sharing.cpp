// Which outputs may be written over which inputs.

#include <algorithm>
#include <unordered_map>

#include "backends/cpu/interpreter/emitter.h"

namespace pg::interpreter {
namespace {

using ir::Expr;

/// Where every input is last read and every output first written, in program order.
struct Order {
  struct Use {
    bool plain = true;  // one index expression, no conditions
    Expr index;
    int32_t last = -1, first_write = -1;
    bool used = false;
  };
  std::unordered_map<const KernelBuffer*, Use> uses;
  std::unordered_map<const Value*, const KernelBuffer*> loads;
  std::unordered_map<const Value*, int32_t> defined;
  int32_t now = 0;

  void touch(const Value* v) {
    const auto found = loads.find(v);
    if (found != loads.end()) uses[found->second].last = now;
  }

  void note(const KernelBuffer* b, Expr index, bool guarded) {
    Use& u = uses[b];
    u.plain = u.plain && !guarded && (!u.used || u.index == index);
    u.used = true;
    u.index = index;
  }

  void walk(const std::vector<Statement>& statements) {
    for (const Statement& s : statements) {
      ++now;
      if (const auto* item = std::get_if<Value*>(&s)) {
        const Value* v = *item;
        defined[v] = now;
        for (const Value* a : v->args) touch(a);
        if (v->op != ValueOp::load) continue;
        loads[v] = v->buffer;
        note(v->buffer, v->index, !v->conditions.empty());
        uses[v->buffer].last = now;
      } else if (const auto* item = std::get_if<Store*>(&s)) {
        touch((*item)->value);
        Use& u = uses[(*item)->buffer];
        // The value may be computed in its place, as early as where it is defined.
        const auto at = defined.find((*item)->value);
        const int32_t write = at == defined.end() ? now : at->second;
        u.first_write = u.first_write < 0 ? write : std::min(u.first_write, write);
        note((*item)->buffer, (*item)->index, false);
      } else if (const auto* item = std::get_if<Update*>(&s)) {
        touch((*item)->value);
      } else {
        walk(std::get<Loop*>(s)->body);
      }
    }
  }
};

}  // namespace

std::vector<std::pair<int, int>> shareable(const Kernel& kernel) {
  Order order;
  for (const Phase& p : kernel.phases) order.walk(p.body);
  std::vector<std::pair<int, int>> out;
  for (size_t o = kernel.inputs; o < kernel.params.size(); ++o) {
    const KernelBuffer* to = kernel.params[o];
    const Order::Use& write = order.uses[to];
    if (!write.plain || write.first_write < 0) continue;
    for (size_t i = 0; i < kernel.inputs; ++i) {
      const KernelBuffer* from = kernel.params[i];
      const Order::Use& read = order.uses[from];
      if (from->size == to->size && from->dtype == to->dtype && read.used && read.plain &&
          read.index == write.index && read.last <= write.first_write)
        out.emplace_back(static_cast<int>(o - kernel.inputs), static_cast<int>(i));
    }
  }
  return out;
}

}  // namespace pg::interpreter
