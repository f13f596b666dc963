#pragma once
// Operands that are read across their rows: a tile of them is copied to memory of the grid point first, a few
// whole rows at a time, and read from there along the lanes.

#include <optional>

#include "compiler/kernel/coordinates.h"

namespace pg {

/// Both sides of a tile are multiples of this, or padded to one: generated code moves squares of it.
constexpr int64_t tile_side = 16;

/// The axis along which a large operand is contiguous that is strided along the lanes, if there is one.
ir::Axis crossing(ir::Axis lane, const std::vector<ir::Axis>& outer, const std::vector<Access>& accesses,
                  int64_t shortest_lane);

/// A range of two axes; both parts begin at multiples of their counts, which are multiples of tile_side.
struct Tile {
  ir::Axis across;  // along which operands lie contiguous
  ir::Expr across_start;
  int64_t rows;
  ir::Axis along;  // of the lanes
  ir::Expr along_start;
  int64_t pitch;
};
/// Loads in `body`, in which loops run over the tile, that are contiguous across and strided along the lanes
/// then read a row buffer instead, which loops put before `body` fill.
void stage_tiles(Kernel& kernel, std::vector<Statement>& body, const Tile& tile);

/// What such a filling loop does: to[row, column] = from[column, row].
struct TransposedCopy {
  const Loop* inner;
  const Value* load;
  const Store* store;
  int64_t from_pitch,
      to_pitch;  // elements from one iteration of the outer loop to the next, and of the inner
};
std::optional<TransposedCopy> transposed_copy(const Loop& outer);

}  // namespace pg
