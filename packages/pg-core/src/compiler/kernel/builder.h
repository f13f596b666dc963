#pragma once
// Builds the body of one phase by demand: at(record, index) is memoised, and a new value goes to the
// outermost open loop in which all its inputs are defined. Hoisting, sharing of equal sub-expressions and
// dead-code freedom follow without a later pass.

#include <map>

#include "compiler/kernel/reader.h"

namespace pg {

class Builder {
 public:
  /// `row_bytes`: most memory for values kept between the stages of a row; 0 keeps none.
  Builder(Kernel& kernel, const GroupReader& group, ir::Axis grid, int64_t row_bytes);

  Loop* open(ir::Axis axis, Loop::Kind kind, ir::Expr start, int64_t count, ir::Expr limit = {});
  void close();                                      // the innermost loop
  bool is_open() const { return open_.size() > 1; }  // is there a loop?
  /// Call when the loops of a stage over rows are about to close: its lane values may be kept for later
  /// stages.
  void keep_row_values();

  Value* at(Id id, std::vector<ir::Expr> index);
  Value* load(KernelBuffer* buffer, ir::Expr index, DType dtype);
  Value* constant(int64_t bits, DType dtype);
  void store(KernelBuffer* buffer, ir::Expr index, Value* value);
  Accumulator* accumulate(Loop* outermost, Combine combine, DType dtype, Value* value);
  /// Defines the accumulator's result, after its loop was closed.
  Value* finish(Accumulator* accumulator);
  void set_result(Id reduction, const std::vector<ir::Expr>& index, Value* value);

  /// Domain index of this phase, whose reduced coordinates reductions run over.
  std::vector<ir::Expr> domain_index;
  /// Where an element of a row buffer lies, and how many there are.
  ir::Expr row_index;
  int64_t row_size = 0;

  std::vector<Statement> take_body() { return std::move(top_); }

 private:
  using Conditions = std::vector<Condition>;
  struct Task {
    Id id;
    int point;
    int conditions;
    friend auto operator<=>(const Task&, const Task&) = default;
  };
  struct Open {
    Loop* loop;  // null for the phase's own body
    std::vector<Statement>* body;
    std::vector<Task> tasks;  // memo entries to forget when it closes
    std::vector<uint64_t> value_keys;
  };
  struct Kept {
    Value* value;
    std::vector<Statement>* body;
    KernelBuffer* row = nullptr;
  };

  Value* add(Value value);
  int32_t depth_of(const ir::Atom* leaf) const;
  bool varies(const ir::Atom* leaf) const;
  int intern_conditions(Conditions conditions);
  Conditions joined(int conditions, const Conditions& more) const;
  Value* find(const Task& task) const;
  Value* kept(const Task& task);
  /// Builds the value if its operands are there, else pushes them.
  Value* build(const Task& task, std::vector<Task>& missing);
  Value* build_view(const Task& task, std::vector<Task>& missing);
  Value* build_concat(const Task& task, std::vector<Task>& missing);
  Value* build_gather(const Task& task, std::vector<Task>& missing);
  Value* need(const Task& task, std::vector<Task>& missing);
  Value* input(const Task& task, Value* otherwise);
  Value* within(Conditions conditions);
  Value* select(Value* condition, Value* a, Value* b);

  Kernel& kernel_;
  const GroupReader& group_;
  std::vector<Statement> top_;
  std::vector<Open> open_;
  std::map<const ir::Atom*, int32_t> axis_depth_;
  ir::Axis lane_ = nullptr;
  Points points_;
  std::vector<Conditions> conditions_{{}};
  std::map<Task, Value*> memo_;
  std::unordered_multimap<uint64_t, Value*> values_;
  std::map<std::pair<Id, int>, Value*> results_;
  std::map<std::pair<Id, int>, Kept> kept_;
  int64_t row_bytes_left_;
  int32_t next_id_;  // counts the kernel's values and accumulators
};

}  // namespace pg
