#pragma once
// Fused group -> kernel: choose coordinates, choose what the lanes run over, then build the loop tree stage
// by stage (kernel-ir.md section 4).

#include "compiler/kernel/group.h"
#include "compiler/kernel/kernel.h"

namespace pg {

/// What the schedule should know about the tier that will run the kernel.
struct Target {
  int64_t block = 1024;           // lanes computed together
  int64_t lane_tile = 16384;      // elements of the lane axis per grid point of a map
  int64_t transposed_tile = 128;  // the same when an operand is read across its rows
  int64_t crossed_tile = 64;      // rows of such a tile, which is transposed in memory of its own; 0: none is
  int64_t min_lanes = 32;         // a reduced axis shorter than this does not carry the lanes
  int64_t short_lanes = 256;      // a lane axis of a map shorter than this is merged with its neighbours
  int64_t row_bytes = 512 << 10;  // most scratch for values kept between the stages of a row
  int64_t narrow_columns = 128;   // fewest lanes of a grid point when columns are read by several stages
  int64_t split_work =
      64 << 10;                // reductions of more elements per grid point are split when the grid is small
  int64_t enough_points = 32;  // a grid of fewer is small
  int64_t most_parts = 64;
};

/// The kernel reads graph[group.inputs] and writes graph[group.outputs]; params are in that order. Several
/// groups are of one structure and become segments of it (passes/segments.cpp).
Kernel lower(const Graph& graph, std::span<const Group> groups, const Target& target = {});
inline Kernel lower(const Graph& graph, const Group& group, const Target& target = {}) {
  return lower(graph, std::span(&group, 1), target);
}

}  // namespace pg
