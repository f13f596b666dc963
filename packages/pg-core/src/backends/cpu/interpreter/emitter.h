#pragma once
// What the translation of a kernel into a program stands on: what every value needs, cells and registers,
// code by loop level, and index expressions. compile.cpp walks the statements on top of it.

#include <unordered_map>

#include "backends/cpu/interpreter/blocks.h"
#include "backends/cpu/interpreter/program.h"

namespace pg::interpreter {

inline int32_t width_of(DType d) { return static_cast<int32_t>(size_of(compute_type(d))); }

/// (output, input) positions that may share memory.
std::vector<std::pair<int, int>> shareable(const Kernel& kernel);

/// Where a kernel's buffers lie in the table that a launch gets: params, then locals.
struct BufferNumbers : std::unordered_map<const KernelBuffer*, int32_t> {
  explicit BufferNumbers(const Kernel& kernel);
};

class Emitter {
 protected:
  Emitter(Program& program, const BufferNumbers& numbers, const Phase& phase);

  struct Info {
    bool invariant = false;                      // does not depend on the grid point
    bool splat = false;                          // a uniform value that lane code reads
    const Store* direct = nullptr;               // computed where it is stored
    int32_t cell = -1, location = -1, reg = -1;  // location: of lane values, and of splats
  };
  struct ReductionInfo {
    bool blocks = false;  // every lane has its own
    DType value = DType::float32;
    int32_t state = -1, reg = -1;
    Folder folder;
  };
  struct Level {
    std::vector<Instruction> code;
    std::vector<const ir::Atom*> atoms;  // their cells are forgotten when it closes
  };

  // ---- what values need, before any code (needs.cpp)
  void scan(const std::vector<Statement>& statements, int32_t depth, bool lanes, std::vector<int32_t>& path);
  bool varies(ir::Expr e) const;
  bool varies(const ir::Atom* atom) const;
  bool contiguous(ir::Expr e) const;

  // ---- cells, registers, locations
  int32_t new_cell() { return out_.cells++; }
  int32_t new_cell(DType dtype) {
    const int32_t first = out_.cells;
    out_.cells += dtype == DType::complex128 ? 2 : 1;
    return first;
  }
  /// Pointer locations follow the registers, whose number is known only at the end: they are negative until
  /// then.
  int32_t new_pointer() { return -2 - out_.locations++; }
  int32_t take_register();
  void give_register(const Value* v);
  /// Frees registers of values of this depth whose last use is here; with `into`, only those that it may
  /// overwrite.
  void release(int32_t depth, int32_t position, const Value* into);
  void finish_locations();
  int32_t cell_of(const Value* v) const { return info_.at(v).cell; }
  int32_t location_of(const Value* v) const { return info_.at(v).location; }

  // ---- code
  int32_t innermost() const { return static_cast<int32_t>(levels_.size()) - 1; }
  Instruction& emit(Code code, int32_t level);
  Instruction& emit(Code code) { return emit(code, innermost()); }

  // ---- index expressions
  /// The uniform part of an expression; terms that vary go to `varying` (null: there are none).
  Linear linear(ir::Expr e, std::vector<ir::Term>* varying);
  LaneIndex lane_index(ir::Expr e);
  Access access(const KernelBuffer* buffer, ir::Expr index, const std::vector<Condition>& conditions);
  /// 16-bit floats are converted on their way from and to memory; row buffers hold register contents.
  static bool converts(const KernelBuffer* b) { return is_half(b->dtype) && b->space != Space::row; }
  int32_t add_access(Access a);
  int32_t add_index(ir::Expr e);
  int32_t add_tests(const std::vector<Condition>& conditions);

  Program& program_;
  const Phase& phase_;
  ProgramPhase out_;
  std::unordered_map<const Value*, Info> info_;
  std::unordered_map<const Accumulator*, ReductionInfo> reductions_;
  std::unordered_map<const ir::Atom*, int32_t> axis_cell_, axis_level_, atom_cell_;
  std::vector<int32_t> free_registers_;
  std::vector<Level> levels_;  // 0: once per range of grid points, 1: grid point, then one per open loop
  ir::Axis lane_ = nullptr;
  int64_t longest_ = 1, widest_ = 4;  // lanes of a block, bytes of an element

 private:
  struct Runs {
    int64_t period = 0, stride = 0, step = 0;
    bool steady = true;
  };
  void use(const Value* v, bool by_lanes, const std::vector<int32_t>& path);
  void use_index(ir::Expr e, const std::vector<int32_t>& path);
  bool grid_free(ir::Expr e) const;
  int32_t level_of(const ir::Atom* leaf) const;
  int32_t level_of(ir::Expr e) const;
  int32_t atom_cell(const ir::Atom* a);
  int32_t tree(int64_t base, const std::vector<ir::Term>& terms, int32_t depth);
  Runs find_runs(const std::vector<ir::Term>& terms) const;

  const BufferNumbers& numbers_;
  std::unordered_map<const KernelBuffer*, int32_t> buffers_;  // in out_.buffers
  std::unordered_map<const Value*, int32_t> last_use_;        // statement of the body the value is defined in
  std::unordered_map<int32_t, std::vector<const Value*>> live_;  // by depth, with a register
  size_t first_operand_, first_tree_;
};

}  // namespace pg::interpreter
