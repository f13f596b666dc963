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

/// `body` holds the loop `across`, whose body holds the loop `along` over lanes; both begin at multiples of
/// their counts, which are multiples of tile_side. Loads that are contiguous in the first and strided in the
/// second then read a row buffer that loops put before `body` fill; answers whether there are any.
bool stage_tiles(Kernel& kernel, std::vector<Statement>& body, const Loop& across, const Loop& along);

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
