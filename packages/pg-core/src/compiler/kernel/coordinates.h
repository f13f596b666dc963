#pragma once
// Coordinates of a domain in as few and as regular axes as possible: an axis is split where an index divides
// it, and neighbours are merged where every access walks them as one (kernel-ir.md section 2).

#include "compiler/kernel/reader.h"

namespace pg {

struct Access {
  ir::Expr e;
  int weight;  // 0 condition or counted value, 1 load, 2 store
  bool condition = false;
  int64_t elements = 1;  // extents of the axes it uses, multiplied
};

struct Coordinates {
  std::vector<ir::Axis> kept, reduced;  // in the order of the domain's axes
  std::vector<ir::Expr> index;          // of each domain axis
  std::vector<Access> accesses;
};

Coordinates choose_axes(const GroupReader& group, const Domain& domain, const std::vector<Root>& roots);

/// Every index expression of the roots at these coordinates.
std::vector<Access> accesses_of(const GroupReader& group, const Domain& domain,
                                const std::vector<Root>& roots, const std::vector<ir::Expr>& index);

/// How well the accesses run along an axis: contiguous counts 2, uniform 1, anything else -1, stores twice.
/// Small operands (a vector beside matrices) have no say.
int lane_score(ir::Axis axis, const std::vector<Access>& accesses);

/// Substitutions of atoms, one after the other.
using Substitutions = std::vector<std::function<ir::Expr(const ir::Atom*)>>;

/// Joins a lane axis shorter than `enough` with the axis of `outer` that continues it in the first output,
/// where it has this stride, so that blocks are long.
void lengthen(ir::Axis& lane, std::vector<ir::Axis>& outer, int64_t enough, int64_t stride,
              const std::vector<Access>& accesses, Substitutions& replace);

}  // namespace pg
