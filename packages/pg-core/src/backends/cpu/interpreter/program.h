#pragma once
// A compiled kernel of the no-compile tier: instructions over blocks of lanes.
//
// Memory of a running phase, one copy per thread: `cells` (64-bit, two for a complex128: uniform values, loop
// counters, index parts), `registers` (one block of lanes each) and accumulator states. Block operands are
// locations: the registers, followed by pointers that instructions set (a load of contiguous elements only
// points into the buffer; a value that is only stored is computed where it belongs).

#include <cstdint>
#include <vector>

#include "backends/cpu/interpreter/launch.h"
#include "graph/op.h"

namespace pg::interpreter {

constexpr int largest_element = 16;  // bytes: a complex128
constexpr int partial_lanes =
    64;  // a reduction over lanes keeps this many partial results, by index modulo 64

enum class Code : uint8_t {
  divide,      // cell[dst] = floor(linear / imm)
  modulo,      // cell[dst] = linear mod imm
  serial,      // begin of a loop; jump: past its end
  serial_end,  // jump: first instruction of the body
  lanes,       // the same for a loop over lanes, block by block
  lanes_end,
  constant,  // cell[dst] = imm
  point,     // location[dst] = address of an element of a buffer
  load,      // register `reg` = elements of a buffer, or location[dst] points to them
  load_cell,
  store,
  store_cell,
  transpose,  // a whole loop nest: see Transposition
  apply1,     // location[dst] = fn(location[a]...)
  apply2,
  apply,       // any number of operands, listed in Program::operands
  apply_cell,  // cell[dst] = fn(cell[a]...), operands listed likewise
  round,       // location[dst] = fn(location[dst])
  round_cell,
  splat,  // location[dst] = cell[a]; imm lanes, or the block's when 0
  select,
  select_cell,
  within,
  within_cell,
  index,
  index_cell,
  limit,
  limit_cell,
  in_range,
  in_range_cell,
  begin,  // clear an accumulator over lanes
  fold,
  finish,
  begin_block,  // clear an accumulator that every lane has
  fold_block,
  finish_block
};

struct Linear {  // base + sum of coefficient * cell
  int64_t base = 0;
  int32_t first = 0, count = 0;
};
struct LinearTerm {
  int32_t cell;
  int64_t coefficient;
};

/// How an index runs along the lanes.
enum class Pattern : uint8_t {
  uniform,
  affine,  // `linear` (which counts the lane itself) + stride * lane of the block
  runs,    // affine with `stride` within runs of `period` lanes of the axis; a run starts at linear +
           // tree(lane)
  general  // linear + tree, lane by lane
};

/// A lane-dependent sum, for patterns runs and general.
struct TreeTerm {
  enum class Kind : uint8_t { lane, cell, block, quotient, remainder } kind;
  int32_t at = 0;  // cell or location, or the tree below
  int64_t by = 1;
  int64_t coefficient = 1;
};
struct Tree {
  int64_t base = 0;
  std::vector<TreeTerm> terms;
};

struct LaneIndex {
  Pattern pattern = Pattern::uniform;
  Linear linear;
  int64_t stride = 0, period = 0;
  int64_t step = 0;     // from the start of a run to the start of the next, where that is always the same
  bool steady = false;  // is it?
  int32_t tree = -1;
  int32_t lane = -1;  // cell of the lane axis
};

struct Test {
  LaneIndex e;
  int64_t low, high;
};

struct Access {
  int32_t buffer = 0;  // of the phase
  int32_t size = 4;    // bytes of an element in memory
  LaneIndex at;
  ir::BlockFn convert = nullptr;  // 16-bit floats to or from float32
  std::vector<Test> tests;        // a load outside of them is `otherwise` (a cell) or zero
  int32_t otherwise = -1;
};

/// to[j * to_pitch + i] = from[i * from_pitch + j] of 4-byte elements, for as many rows i and columns j as
/// there are. Both accesses are uniform.
struct Transposition {
  int32_t from = 0, to = 0;  // accesses, of the first element
  Linear row, column;        // where they start
  int64_t rows = 0, row_limit = 0, columns = 0, column_limit = 0;
  int64_t from_pitch = 0, to_pitch = 0;
};

struct Instruction {
  Code code;
  uint8_t size = 4;  // bytes of an element where that matters
  DType dtype = DType::float32;
  bool raises = false;
  bool dst_is_location = false;
  int32_t dst = -1, reg = -1;
  int32_t a = -1, b = -1, c = -1;  // locations, cells, or the range of Program::operands
  int32_t access = -1;             // Access, LaneIndex, or the Linear of divide, modulo and a loop's start
  int32_t jump = 0;
  Id node = 0;
  int64_t imm = 0;
  int64_t extent = 0;  // of a loop's axis; a loop with a limit of its own has its Linear in `b`
  ir::BlockFn fn = nullptr;
};

struct ProgramPhase {
  std::vector<Instruction> code;  // [0, body): once per range of grid points; [body, end): per grid point
  std::vector<int32_t> buffers;   // that it uses: params, then locals of the program
  int32_t body = 0;
  int64_t points = 0;
  int64_t cost = 0;  // element operations of a grid point
  int32_t grid_cell = -1;
  int32_t cells = 0, registers = 0, locations = 0, states = 0;
  int64_t block = 0;  // most lanes in a block
  int64_t register_bytes = 0;
};

struct Program {
  std::vector<ProgramPhase> phases;
  std::vector<Linear> linears;
  std::vector<LinearTerm> terms;
  std::vector<Tree> trees;
  std::vector<LaneIndex> indices;
  std::vector<Access> accesses;
  std::vector<Transposition> transpositions;
  std::vector<int32_t> operands;
  std::vector<std::vector<Test>> tests;
  int32_t params = 0;
  struct Local {
    int64_t bytes;
    bool row;  // one per thread; else one per launch
  };
  std::vector<Local> locals;
  int64_t row_bytes = 0, partial_bytes = 0;  // sums over locals, each rounded up to a line
  int32_t tree_depth = 0;
};

}  // namespace pg::interpreter
