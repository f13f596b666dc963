#include "compiler/kernel/tiles.h"

#include <algorithm>
#include <map>

#include "support/format.h"

namespace pg {

using ir::Axis;
using ir::Expr;

Axis crossing(Axis lane, const std::vector<Axis>& outer, const std::vector<Access>& accesses,
              int64_t shortest_lane) {
  if (lane->extent() < shortest_lane) return nullptr;
  for (const Access& a : accesses) {
    if (a.weight != 1 || std::abs(a.e.coefficient(lane)) < 2) continue;
    for (Axis o : outer)
      if (a.e.coefficient(o) == 1 && o->extent() >= tile_side) return o;
  }
  return nullptr;
}

namespace {

/// c for an expression axis + ..., or (axis mod n) + ..., with coefficient c and no other use of the axis.
int64_t step_of(Expr e, Axis axis) {
  int64_t out = 0;
  for (const ir::Term& t : e.terms()) {
    if (t.atom == axis) {
      out = t.coefficient;
    } else if (t.atom->of && t.atom->of.uses(axis)) {
      if (t.atom->kind != ir::AtomKind::remainder || t.atom->of != ir::expr(axis)) return 0;
      out = t.coefficient;
    }
  }
  return out;
}

bool can_be_staged(const Value& v, Axis across, Axis along) {
  if (v.op != ValueOp::load || !v.conditions.empty() || v.buffer->space != Space::global) return false;
  if (v.index.coefficient(across) != 1 || std::abs(v.index.coefficient(along)) < 2) return false;
  for (const ir::Term& t : v.index.terms())
    if (t.atom->of && (t.atom->of.uses(across) || t.atom->of.uses(along))) return false;
  bool gathered = false;
  ir::for_each_leaf(v.index,
                    [&](const ir::Atom* a) { gathered = gathered || a->kind == ir::AtomKind::dynamic; });
  return !gathered;
}

}  // namespace

void stage_tiles(Kernel& kernel, std::vector<Statement>& body, const Tile& t) {
  const Expr at = ir::mod(ir::expr(t.across), t.rows) * t.pitch + ir::mod(ir::expr(t.along), t.pitch);
  std::vector<Statement> filling;
  std::map<std::pair<const KernelBuffer*, const ir::ExprData*>, KernelBuffer*> tiles;
  const auto fill = [&](const Value& v) {
    kernel.buffers.push_back(
        {concat("tile", kernel.locals.size()), v.dtype, t.rows * t.pitch, Space::row, true});
    KernelBuffer* const tile = &kernel.buffers.back();
    kernel.locals.push_back(tile);
    kernel.values.push_back(v);
    Value* const load = &kernel.values.back();
    load->id = static_cast<int32_t>(kernel.values.size() + kernel.accumulators.size()) - 1;
    load->depth = 2;
    kernel.stores.push_back({tile, at, load});
    kernel.loops.push_back({.axis = t.across,
                            .kind = Loop::Kind::lanes,
                            .start = t.across_start,
                            .count = t.rows,
                            .body = {load, &kernel.stores.back()}});
    Loop* const inner = &kernel.loops.back();
    kernel.loops.push_back({.axis = t.along,
                            .kind = Loop::Kind::serial,
                            .start = t.along_start,
                            .count = t.pitch,
                            .body = {inner}});
    filling.push_back(&kernel.loops.back());
    return tile;
  };
  std::vector<std::vector<Statement>*> bodies{&body};
  while (!bodies.empty()) {
    std::vector<Statement>* const statements = bodies.back();
    bodies.pop_back();
    for (Statement& s : *statements) {
      if (Loop* const* l = std::get_if<Loop*>(&s)) bodies.push_back(&(*l)->body);
      Value* const* const found = std::get_if<Value*>(&s);
      if (!found || !can_be_staged(**found, t.across, t.along)) continue;
      Value& v = **found;
      KernelBuffer*& tile = tiles[{v.buffer, v.index.get()}];
      if (!tile) tile = fill(v);
      v.buffer = tile;
      v.index = at;
    }
  }
  body.insert(body.begin(), filling.begin(), filling.end());
}

std::optional<TransposedCopy> transposed_copy(const Loop& outer) {
  if (outer.kind != Loop::Kind::serial || outer.body.size() != 1) return std::nullopt;
  Loop* const* const inner = std::get_if<Loop*>(&outer.body[0]);
  if (!inner || (*inner)->kind != Loop::Kind::lanes || (*inner)->body.size() != 2) return std::nullopt;
  Value* const* const load = std::get_if<Value*>(&(*inner)->body[0]);
  Store* const* const store = std::get_if<Store*>(&(*inner)->body[1]);
  if (!load || !store || (*store)->value != *load || (*store)->buffer->space != Space::row)
    return std::nullopt;
  if (!can_be_staged(**load, (*inner)->axis, outer.axis)) return std::nullopt;
  const int64_t pitch = step_of((*store)->index, (*inner)->axis);
  if (step_of((*store)->index, outer.axis) != 1 || pitch % tile_side != 0) return std::nullopt;
  return TransposedCopy{*inner, *load, *store, (*load)->index.coefficient(outer.axis), pitch};
}

}  // namespace pg
