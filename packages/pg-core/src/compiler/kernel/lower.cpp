// Size: one class, the way from a group to its loops; coordinates.cpp, tiles.cpp and builder.cpp hold the
// rest.
#include "compiler/kernel/lower.h"

#include <algorithm>
#include <limits>

#include "compiler/kernel/builder.h"
#include "compiler/kernel/coordinates.h"
#include "compiler/kernel/cost.h"
#include "compiler/kernel/tiles.h"
#include "support/error.h"
#include "support/format.h"
#include "support/integers.h"

namespace pg {
namespace {

using ir::Axis;
using ir::Expr;
using Kind = Loop::Kind;

class Scheduler {
 public:
  Scheduler(Kernel& kernel, const Graph& graph, const Group& group, const Target& target)
      : kernel_(kernel), group_(graph, group), target_(target) {
    for (Id id : group.nodes) operations_ += element_cost(graph, id);
    const auto param = [&](std::string name, Id id, bool written) {
      const Aval& type = graph[id].type;
      kernel.buffers.push_back({std::move(name), type.dtype, count_of(type.shape), Space::global, written});
      kernel.params.push_back(&kernel.buffers.back());
      return &kernel.buffers.back();
    };
    for (size_t i = 0; i < group.inputs.size(); ++i) param(concat("in", i), group.inputs[i], false);
    if (kernel.segments) kernel.params.push_back(&kernel.buffers.emplace_back("length", DType::int64, 1));
    kernel.inputs = kernel.params.size();
    for (size_t i = 0; i < group.outputs.size(); ++i)
      roots_.push_back({.node = group.outputs[i], .buffer = param(concat("out", i), group.outputs[i], true)});
  }

  void run() {
    const std::vector<Id>& reductions = group_.reductions();
    if (reductions.empty()) {
      if (roots_.size() == 1 && !group_.is_input(roots_[0].node) && group_[roots_[0].node].op->as<Concat>())
        return pieces();
      return maps();
    }
    const Graph::Record& first = group_[reductions[0]];
    Domain domain{group_.shape(first.inputs[0]), Ints(first.attrs.begin(), first.attrs.end())};
    for (Id id : reductions)
      PG_INVARIANT(group_.shape(group_[id].inputs[0]) == domain.shape && group_[id].attrs == first.attrs,
                   "reductions of one group have one domain");
    const int64_t kept = domain.kept_count(), reduced = domain.reduced_count();
    for (Root& r : roots_) {
      const int64_t n = count_of(group_.shape(r.node));
      PG_INVARIANT(n == kept || n == kept * reduced,
                   "an output of a reducing group has the full or the kept shape");
      r.full = n != kept || (reduced == 1 && group_.depth(r.node) == 0);
    }
    if (reduced == 0) return empty_reductions(domain);
    if (kept == 0) return nothing();
    reduce(domain);
  }

 private:
  // ---- maps ----------------------------------------------------------------------------------------------
  void nothing() { kernel_.phases.push_back({ir::axis("point", 0), {}, "nothing to compute"}); }

  /// One phase for the outputs of each shape (as a rule there is one).
  void maps() {
    std::vector<Root> left = roots_;
    while (!left.empty()) {
      const Shape shape = group_.shape(left[0].node);
      std::vector<Root> now;
      std::erase_if(left, [&](const Root& r) {
        const bool same = count_of(group_.shape(r.node)) == count_of(shape);
        if (same) now.push_back(r);
        return same;
      });
      map({shape, {}}, now);
    }
  }

  /// Every operand of a concat goes to its part of the result.
  void pieces() {
    const Graph::Record& r = group_[roots_[0].node];
    const int axis = r.op->as<Concat>()->axis(r.attrs);
    int64_t start = 0;
    for (Id in : r.inputs) {
      Root piece{.node = in,
                 .buffer = roots_[0].buffer,
                 .offset = Ints(r.type.shape.size(), 0),
                 .into = r.type.shape};
      piece.offset[axis] = start;
      start += group_.shape(in)[axis];
      if (count_of(group_.shape(in)) != 0) map({group_.shape(in), {}}, {piece});
    }
    if (kernel_.phases.empty()) nothing();
  }

  /// Reductions over no elements are constants; outputs of the full shape have no elements.
  void empty_reductions(const Domain& domain) {
    Domain kept;
    for (size_t d = 0; d < domain.shape.size(); ++d)
      if (!domain.is_reduced(static_cast<int64_t>(d))) kept.shape.push_back(domain.shape[d]);
    std::vector<Root> roots;
    for (const Root& r : roots_)
      if (count_of(group_.shape(r.node)) != 0) roots.push_back({.node = r.node, .buffer = r.buffer});
    if (roots.empty()) return nothing();
    map(kept, roots);
  }

  Expr moved(Expr e) const {
    for (const auto& to : replace_) e = ir::substitute(e, to);
    return e;
  }
  std::vector<Expr> moved(const std::vector<Expr>& index) const {
    std::vector<Expr> out;
    for (Expr e : index) out.push_back(moved(e));
    return out;
  }

  /// One grid axis for all outer axes and tiles; returns the position of each.
  std::vector<Expr> make_grid(const std::vector<Axis>& outer, const Ints& extents) {
    int64_t n = 1;
    for (int64_t e : extents) n *= e;
    grid_ = ir::axis("point", n);
    std::vector<Expr> position = ir::unflatten(ir::expr(grid_), extents);
    std::vector<std::pair<Axis, Expr>> to;
    for (size_t i = 0; i < outer.size(); ++i) to.emplace_back(outer[i], position[i]);
    replace_.push_back([to](const ir::Atom* x) {
      for (const auto& [axis, e] : to)
        if (axis == x) return e;
      return Expr();
    });
    return position;
  }

  /// Fewer lanes per grid point where each costs much, so that a costly map of medium size has work for
  /// several threads.
  int64_t lane_tile() const {
    int64_t tile = target_.lane_tile;
    for (int64_t cost = operations_; cost >= 128 && tile > 2 * target_.block; cost /= 2) tile /= 2;
    return tile;
  }

  void map(const Domain& domain, const std::vector<Root>& roots) {
    if (count_of(domain.shape) == 0) return nothing();
    Coordinates c = choose_axes(group_, domain, roots);
    replace_.clear();
    std::vector<Axis> outer = c.kept;
    const Axis lane = best(c.kept, c.accesses);
    if (lane) {
      std::erase(outer, lane);
      const bool tiles = target_.crossed_tile != 0;
      if (const Axis cross = crossing(lane, outer, c.accesses, tiles ? 2 * tile_side : 4 * tile_side)) {
        std::erase(outer, cross);
        return tiles ? map_tiles(domain, roots, c, outer, lane, cross)
                     : map_across(domain, roots, c, outer, lane, cross);
      }
    }
    map_lanes(domain, roots, c, outer, lane);
  }

  void map_lanes(const Domain& domain, const std::vector<Root>& roots, const Coordinates& c,
                 std::vector<Axis> outer, Axis lane) {
    if (!lane) {
      make_grid({}, {});
      Builder b(kernel_, group_, grid_, 0);
      return compute(b, domain, roots, c, "map of one element");
    }
    stride_ = store_stride(lane, c.accesses);
    lengthen(lane, outer, target_.short_lanes, stride_, c.accesses, replace_);
    const int64_t tile = std::min(lane->extent(), lane_tile());
    Ints extents = extents_of(outer);
    extents.push_back(ceil_div(lane->extent(), tile));
    const Expr start = make_grid(outer, extents).back() * tile;
    Builder b(kernel_, group_, grid_, 0);
    Expr limit;
    if (kernel_.segments) {  // the length of the one at hand, which is walked in the order of its memory
      PG_INVARIANT(outer.empty());
      kernel_.segments.tile = tile;
      Value* const length = b.load(kernel_.params[kernel_.inputs - 1], ir::expr(0), DType::int64);
      limit = ir::dynamic(length, 0, lane->extent());
    }
    b.open(lane, Kind::lanes, start, tile, limit);
    compute(b, domain, roots, c, concat("map: lanes over ", lane->name, "=", lane->extent()));
  }

  /// Walks along the operand's own fast axis, so that the lines read across are used again at once; tiles
  /// vary slowest.
  void map_across(const Domain& domain, const std::vector<Root>& roots, const Coordinates& c,
                  std::vector<Axis> outer, Axis lane, Axis cross) {
    const int64_t tile = std::min(lane->extent(), target_.transposed_tile);
    outer.insert(outer.begin(), ir::axis("tile", ceil_div(lane->extent(), tile)));
    outer.push_back(cross);
    const Expr start = make_grid(outer, extents_of(outer)).front() * tile;
    Builder b(kernel_, group_, grid_, 0);
    b.open(lane, Kind::lanes, start, tile);
    compute(b, domain, roots, c, concat("map across rows: lanes over ", lane->name, "=", lane->extent()));
  }

  /// Tiles of both axes; what is read across its rows is transposed into memory of the grid point first.
  void map_tiles(const Domain& domain, const std::vector<Root>& roots, const Coordinates& c,
                 const std::vector<Axis>& outer, Axis lane, Axis cross) {
    const int64_t tile = std::min(padded(lane->extent()), target_.transposed_tile);
    const int64_t rows = std::min(
        padded(cross->extent()), target_.crossed_tile * std::max<int64_t>(1, target_.transposed_tile / tile));
    Ints extents = extents_of(outer);
    extents.push_back(ceil_div(cross->extent(), rows));
    extents.push_back(ceil_div(lane->extent(), tile));
    const std::vector<Expr> position = make_grid(outer, extents);
    Builder b(kernel_, group_, grid_, 0);
    const Tile area{cross, position[outer.size()] * rows, rows, lane, position.back() * tile, tile};
    b.open(cross, Kind::serial, area.across_start, rows);
    b.open(lane, Kind::lanes, area.along_start, tile);
    compute(b, domain, roots, c,
            concat("map of tiles: lanes over ", lane->name, "=", lane->extent(), ", rows over ", cross->name,
                   "=", cross->extent()));
    stage_tiles(kernel_, kernel_.phases.back().body, area);
  }

  /// Stores the roots in the loops that are open.
  void compute(Builder& b, const Domain& domain, const std::vector<Root>& roots, const Coordinates& c,
               std::string note) {
    b.domain_index = moved(c.index);
    constants_for_empty(b, domain);
    for (const Root& r : roots) store(b, domain, r);
    while (b.is_open()) b.close();
    kernel_.phases.push_back({grid_, b.take_body(), std::move(note)});
  }

  static int64_t padded(int64_t n) { return ceil_div(n, tile_side) * tile_side; }
  static Ints extents_of(const std::vector<Axis>& axes) {
    Ints out;
    for (Axis a : axes) out.push_back(a->extent());
    return out;
  }

  void constants_for_empty(Builder& b, const Domain& domain) {
    if (group_.reductions().empty() || !domain.reduced.empty()) return;
    for (Id id : group_.reductions()) {
      const Graph::Record& r = group_[id];
      b.set_result(id, b.domain_index,
                   b.constant(identity_bits(r.op->as<Reduction>()->combine, r.type.dtype), r.type.dtype));
    }
  }

  Axis best(const std::vector<Axis>& axes, const std::vector<Access>& accesses) const {
    Axis out = nullptr;
    std::tuple<int, bool> top{std::numeric_limits<int>::min(), false};
    for (Axis a : axes) {
      const std::tuple<int, bool> score{lane_score(a, accesses), a->extent() >= target_.min_lanes};
      if (out && score < top) continue;
      out = a;
      top = score;
    }
    return out;
  }

  static int64_t store_stride(Axis lane, const std::vector<Access>& accesses) {
    for (const Access& a : accesses)
      if (a.weight == 2) return a.e.coefficient(lane);
    return 1;
  }

  // ---- reductions ----------------------------------------------------------------------------------------

  struct Split {
    Axis axis = nullptr;  // reduced in parts of `count`
    int64_t parts = 1, count = 0;
  };

  void reduce(const Domain& domain) {
    Coordinates c = choose_axes(group_, domain, roots_);
    replace_.clear();
    const Axis kept_best = best(c.kept, c.accesses), reduced_best = best(c.reduced, c.accesses);
    const int64_t kept_total = domain.kept_count();
    const int64_t shortest = target_.min_lanes, row = reduced_best->extent();
    // Short pieces of a long row are read together.
    const bool long_rows = row >= shortest || (row >= 8 && domain.reduced_count() >= 4 * shortest);
    const bool rows =
        !kept_best ||
        (long_rows && (kept_total < 8 || kept_best->extent() < shortest ||
                       lane_score(reduced_best, c.accesses) >= lane_score(kept_best, c.accesses))) ||
        (kept_total < 8 && row > kept_total);
    Axis lane = rows ? reduced_best : kept_best;
    std::vector<Axis> outer = c.kept, reduced = c.reduced;
    int64_t tile = 0, tiles = 1;
    Axis cross = nullptr;  // a short reduced axis along which an operand lies contiguous
    if (rows) {
      std::erase(reduced, lane);
      stride_ = -1;
      if (row < shortest) lengthen(lane, reduced, 8 * shortest, stride_, c.accesses, replace_);
      reduced.push_back(lane);
    } else {
      std::erase(outer, lane);
      stride_ = store_stride(lane, c.accesses);
      lengthen(lane, outer, shortest, stride_, c.accesses, replace_);
      tile = std::min(lane->extent(), target_.block);
      if (in_stages()) {  // no parts then: narrower columns for more threads, which later stages find in the
                          // cache
        int64_t others = 1;
        for (Axis a : outer) others *= a->extent();
        while (tile > target_.narrow_columns && others * ceil_div(lane->extent(), tile) < 16) tile /= 2;
      }
      if (reduced.size() == 1 && reduced[0]->extent() <= target_.crossed_tile)
        cross = crossing(lane, reduced, c.accesses, 2 * tile_side);
      if (cross) tile = std::min(padded(lane->extent()), target_.transposed_tile);
      tiles = ceil_div(lane->extent(), tile);
    }
    Ints extents = extents_of(outer);
    extents.push_back(tiles);
    int64_t points = 1;
    for (int64_t e : extents) points *= e;
    const Split split = choose_split(reduced, points, domain.reduced_count() * (rows ? 1 : tile));

    const std::string note =
        concat(rows ? "rows" : "columns", ": lanes over ", lane->name, "=", lane->extent());
    const auto before = replace_;
    if (!split.axis) {
      const Expr start = make_grid(outer, extents).back() * tile;
      Builder b(kernel_, group_, grid_, rows ? target_.row_bytes : 0);
      b.domain_index = moved(c.index);
      if (!rows) b.open(lane, Kind::lanes, start, tile);
      stages(b, domain, reduced, rows);
      if (!rows) b.close();
      kernel_.phases.push_back({grid_, b.take_body(), note});
      if (cross)
        stage_tiles(kernel_, kernel_.phases.back().body,
                    {cross, ir::expr(0), padded(cross->extent()), lane, start, tile});
      return;
    }

    // Two phases: partial results per part, then the parts.
    Ints with_parts = extents;
    with_parts.insert(0, split.parts);
    std::vector<Axis> outer_parts{ir::axis("part", split.parts)};
    outer_parts.insert(outer_parts.end(), outer.begin(), outer.end());
    const std::vector<Expr> position = make_grid(outer_parts, with_parts);
    std::vector<KernelBuffer*> partials;
    {
      Builder b(kernel_, group_, grid_, 0);
      b.domain_index = moved(c.index);
      if (!rows) b.open(lane, Kind::lanes, position.back() * tile, tile);
      const std::vector<Loop*> loops = open_reduced(b, reduced, rows, split, position[0] * split.count);
      std::vector<Accumulator*> sums;
      for (Id id : group_.reductions()) {
        const Graph::Record& r = group_[id];
        const Combine combine = r.op->as<Reduction>()->combine;
        const bool wide = is_inexact(r.type.dtype) && (combine == Combine::sum || combine == Combine::prod);
        sums.push_back(b.accumulate(loops[0], combine, wide ? wide_type(r.type.dtype) : r.type.dtype,
                                    b.at(r.inputs[0], b.domain_index)));
      }
      for (const Root& r : roots_)
        if (r.full) store(b, domain, r);
      for (size_t i = 0; i < loops.size(); ++i) b.close();
      for (Accumulator* a : sums) {
        kernel_.buffers.push_back({concat("partial", kernel_.locals.size()), a->dtype,
                                   split.parts * kept_total, Space::partial, true});
        kernel_.locals.push_back(&kernel_.buffers.back());
        partials.push_back(&kernel_.buffers.back());
        b.store(partials.back(), position[0] * kept_total + kept_flat(domain, b.domain_index), b.finish(a));
      }
      if (!rows) b.close();
      kernel_.phases.push_back(
          {grid_, b.take_body(), concat(note, ", ", split.parts, " parts of ", split.axis->name)});
    }
    replace_ = before;
    const Expr start = make_grid(outer, extents).back() * tile;
    Builder b(kernel_, group_, grid_, 0);
    b.domain_index = moved(c.index);
    if (!rows) b.open(lane, Kind::lanes, start, tile);
    const Axis part = ir::axis("part", split.parts);
    Loop* loop = b.open(part, rows ? Kind::lanes : Kind::serial, ir::expr(0), split.parts);
    std::vector<Accumulator*> sums;
    for (size_t i = 0; i < partials.size(); ++i) {
      const Graph::Record& r = group_[group_.reductions()[i]];
      const Expr at = ir::expr(part) * kept_total + kept_flat(domain, b.domain_index);
      sums.push_back(b.accumulate(loop, r.op->as<Reduction>()->combine, r.type.dtype,
                                  b.load(partials[i], at, partials[i]->dtype)));
    }
    b.close();
    for (size_t i = 0; i < sums.size(); ++i)
      b.set_result(group_.reductions()[i], kept_index(domain, b.domain_index), b.finish(sums[i]));
    for (const Root& r : roots_)
      if (!r.full) store(b, domain, r);
    if (!rows) b.close();
    kernel_.phases.push_back({grid_, b.take_body(), "parts"});
  }

  /// Is a reduction read by another one, or by a value of the full shape?
  bool in_stages() const {
    return std::any_of(group_.reductions().begin(), group_.reductions().end(),
                       [&](Id id) { return group_.depth(id) > 1; }) ||
           std::any_of(roots_.begin(), roots_.end(),
                       [&](const Root& r) { return r.full && group_.depth(r.node) > 0; });
  }

  // A reduction with few grid points is cut into parts; how many depends on the shape only, so results do not
  // depend on threads.
  Split choose_split(const std::vector<Axis>& reduced, int64_t points, int64_t work) const {
    if (points >= target_.enough_points || work < 2 * target_.split_work || in_stages()) return {};
    const int64_t parts = std::min<int64_t>(target_.most_parts, work / (target_.split_work / 2));
    Axis axis = nullptr;
    for (Axis a : reduced)
      if (!axis || axis->extent() < parts) axis = !axis || a->extent() > axis->extent() ? a : axis;
    int64_t count = ceil_div(axis->extent(), parts);
    if (count > target_.block) count = ceil_div(count, target_.block) * target_.block;
    const int64_t used = ceil_div(axis->extent(), count);
    return used < 2 ? Split{} : Split{axis, used, count};
  }

  std::vector<Expr> kept_index(const Domain& domain, const std::vector<Expr>& index) const {
    std::vector<Expr> out;
    for (size_t d = 0; d < index.size(); ++d)
      if (!domain.is_reduced(static_cast<int64_t>(d))) out.push_back(index[d]);
    return out;
  }

  Expr kept_flat(const Domain& domain, const std::vector<Expr>& index) const {
    Ints shape;
    for (size_t d = 0; d < index.size(); ++d)
      if (!domain.is_reduced(static_cast<int64_t>(d))) shape.push_back(domain.shape[d]);
    return ir::flatten(kept_index(domain, index), shape);
  }

  std::vector<Loop*> open_reduced(Builder& b, const std::vector<Axis>& reduced, bool rows, const Split& split,
                                  Expr start) {
    std::vector<Loop*> loops;
    for (Axis a : reduced) {
      const Kind kind = rows && a == reduced.back() ? Kind::lanes : Kind::serial;
      loops.push_back(a == split.axis ? b.open(a, kind, start, split.count)
                                      : b.open(a, kind, ir::expr(0), a->extent()));
    }
    return loops;
  }

  void store(Builder& b, const Domain& domain, const Root& r) {
    const std::vector<Expr> index = root_index(group_, r, domain, b.domain_index);
    b.store(r.buffer, store_index(group_, r, index), b.at(r.node, index));
  }

  /// One stage per depth: its reductions, and the full outputs that need only earlier ones. Outputs of the
  /// kept shape follow a stage.
  void stages(Builder& b, const Domain& domain, const std::vector<Axis>& reduced, bool rows) {
    std::vector<Expr> counters;
    Ints extents;
    for (Axis a : reduced) {
      counters.push_back(ir::expr(a));
      extents.push_back(a->extent());
    }
    b.row_index = ir::flatten(counters, extents);
    b.row_size = domain.reduced_count();
    int deepest = 0;
    for (Id id : group_.reductions()) deepest = std::max(deepest, group_.depth(id));
    for (int d = 0; d <= deepest; ++d) {
      std::vector<Id> now;
      std::vector<const Root*> stores;
      for (Id id : group_.reductions())
        if (group_.depth(id) == d + 1) now.push_back(id);
      for (const Root& r : roots_)
        if (r.full && group_.depth(r.node) == d) stores.push_back(&r);
      if (!now.empty() || !stores.empty()) {
        const std::vector<Loop*> loops = open_reduced(b, reduced, rows, {}, {});
        std::vector<Accumulator*> sums;
        for (Id id : now) {
          const Graph::Record& r = group_[id];
          sums.push_back(b.accumulate(loops[0], r.op->as<Reduction>()->combine, r.type.dtype,
                                      b.at(r.inputs[0], b.domain_index)));
        }
        for (const Root* r : stores) store(b, domain, *r);
        if (rows) b.keep_row_values();
        for (size_t i = 0; i < loops.size(); ++i) b.close();
        for (size_t i = 0; i < now.size(); ++i)
          b.set_result(now[i], kept_index(domain, b.domain_index), b.finish(sums[i]));
      }
      for (const Root& r : roots_)
        if (!r.full && (group_.depth(r.node) == d + 1 || (d == 0 && group_.depth(r.node) == 0)))
          store(b, domain, r);
    }
  }

  Kernel& kernel_;
  GroupReader group_;
  const Target& target_;
  std::vector<Root> roots_;
  Substitutions replace_;  // from chosen axes to loop axes
  Axis grid_ = nullptr;
  int64_t operations_ = 0;  // of an element, roughly
  int64_t stride_ = 1;      // of the first output along the lanes
};

}  // namespace

Kernel lower(const Graph& graph, std::span<const Group> groups, const Target& target) {
  PG_INVARIANT(!groups.empty() && !groups[0].outputs.empty());
  const auto length = [&](const Group& g) { return count_of(graph[g.outputs[0]].type.shape); };
  Kernel kernel;
  for (const Group& g : groups.size() > 1 ? groups : groups.first(0))
    kernel.segments.lengths.push_back(length(g));
  ir::ExprScope scope(*kernel.exprs);
  Scheduler(kernel, graph, *std::ranges::max_element(groups, {}, length), target).run();
#ifdef PG_DEV
  verify(kernel);
#endif
  return kernel;
}

}  // namespace pg
