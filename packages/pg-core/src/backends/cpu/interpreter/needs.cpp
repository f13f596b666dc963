// What values need: which uniform values lane code reads, when registers may be used again, what is computed
// in place.

#include <algorithm>

#include "backends/cpu/interpreter/emitter.h"

namespace pg::interpreter {

using ir::Atom;
using ir::AtomKind;
using ir::Expr;

void Emitter::use(const Value* v, bool by_lanes, const std::vector<int32_t>& path) {
  last_use_[v] = path[static_cast<size_t>(v->depth)];
  if (by_lanes && !v->varying) info_[v].splat = true;
}

void Emitter::use_index(Expr e, const std::vector<int32_t>& path) {
  ir::for_each_leaf(e, [&](const Atom* a) {
    if (a->kind == AtomKind::dynamic) use(static_cast<const Value*>(a->value), false, path);
  });
}

bool Emitter::grid_free(Expr e) const {
  bool out = true;
  ir::for_each_leaf(e, [&](const Atom* a) {
    if (a->kind == AtomKind::dynamic) {
      const auto found = info_.find(static_cast<const Value*>(a->value));
      out = out && found != info_.end() && found->second.invariant;
    } else {
      out = false;
    }
  });
  return out;
}

void Emitter::scan(const std::vector<Statement>& statements, int32_t depth, bool lanes,
                   std::vector<int32_t>& path) {
  path.resize(static_cast<size_t>(depth) + 1);
  for (size_t i = 0; i < statements.size(); ++i) {
    path[static_cast<size_t>(depth)] = static_cast<int32_t>(i);
    const Statement& s = statements[i];
    if (const auto* item = std::get_if<Value*>(&s)) {
      const Value* v = *item;
      Info& info = info_[v];
      info.invariant =
          depth == 0 && (!v->index || grid_free(v->index)) &&
          std::all_of(v->args.begin(), v->args.end(), [&](const Value* a) { return info_[a].invariant; }) &&
          std::all_of(v->conditions.begin(), v->conditions.end(),
                      [&](const Condition& c) { return grid_free(c.e); });
      last_use_[v] = static_cast<int32_t>(i);
      // The value outside of a load's conditions is read from its cell.
      for (const Value* a : v->args) use(a, v->varying && v->op != ValueOp::load, path);
      if (v->index) use_index(v->index, path);
      for (const Condition& c : v->conditions) use_index(c.e, path);
      if (v->varying) widest_ = std::max<int64_t>(widest_, width_of(v->dtype));
    } else if (const auto* item = std::get_if<Store*>(&s)) {
      const Store& st = **item;
      use(st.value, lanes && varies(st.index), path);
      use_index(st.index, path);
      Value* v = st.value;
      const bool computed = v->op == ValueOp::elementwise || v->op == ValueOp::select;
      const bool same_size = !is_half(v->dtype) || st.buffer->space == Space::row;
      if (v->varying && computed && v->depth == depth && same_size && !info_[v].direct &&
          contiguous(st.index))
        info_[v].direct = &st;
    } else if (const auto* item = std::get_if<Update*>(&s)) {
      use((*item)->value, true, path);
      reductions_[(*item)->accumulator].value = (*item)->value->dtype;
    } else {
      const Loop& l = *std::get<Loop*>(s);
      use_index(l.start, path);
      if (l.limit) use_index(l.limit, path);
      const bool is_lanes = l.kind == Loop::Kind::lanes;
      if (is_lanes) {
        lane_ = l.axis;
        longest_ = std::max(longest_, std::min(l.count, l.axis->extent()));
      }
      for (const Accumulator* a : l.accumulators) reductions_[a].blocks = lanes;
      scan(l.body, depth + 1, lanes || is_lanes, path);
      path.resize(static_cast<size_t>(depth) + 1);
      if (is_lanes) lane_ = nullptr;
      for (const Accumulator* a : l.accumulators) {
        last_use_[a->result] = static_cast<int32_t>(i);
        if (!reductions_[a].blocks) continue;
        widest_ = std::max<int64_t>(
            {widest_, width_of(a->dtype), size_of(state_type(a->combine, reductions_[a].value))});
      }
    }
  }
}

bool Emitter::varies(Expr e) const {
  bool out = false;
  ir::for_each_leaf(e, [&](const Atom* a) {
    out = out || (a->kind == AtomKind::dynamic ? static_cast<const Value*>(a->value)->varying : a == lane_);
  });
  return out;
}

bool Emitter::contiguous(Expr e) const {
  if (!lane_ || e.coefficient(lane_) != 1) return false;
  for (const ir::Term& t : e.terms())
    if (t.atom != lane_ && varies(t.atom)) return false;
  return true;
}

bool Emitter::varies(const Atom* a) const {
  if (a->of) return varies(a->of);
  return a->kind == AtomKind::dynamic ? static_cast<const Value*>(a->value)->varying : a == lane_;
}

}  // namespace pg::interpreter
