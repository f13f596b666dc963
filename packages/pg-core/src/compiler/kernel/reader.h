#pragma once
// Reading a group: which operands does a record read, and at which index?

#include <unordered_map>

#include "compiler/kernel/group.h"
#include "compiler/kernel/kernel.h"

namespace pg {

/// Interned multi-indices: equal indices have equal numbers.
class Points {
 public:
  int intern(std::vector<ir::Expr> index);
  const std::vector<ir::Expr>& operator[](int point) const { return points_[point]; }

 private:
  std::deque<std::vector<ir::Expr>> points_;
  std::unordered_multimap<uint64_t, int> table_;
};

/// The index space of a group: the operand of its reductions, or its outputs.
struct Domain {
  Shape shape;
  Ints reduced;  // sorted axes
  int64_t kept_count() const;
  int64_t reduced_count() const;
  bool is_reduced(int64_t axis) const;
};

/// A value of the group that is written. `offset` and `into` place it inside a larger output (an operand of a
/// concat).
struct Root {
  Id node;
  KernelBuffer* buffer;
  bool full = true;  // has an element per domain element, or one per kept element
  Ints offset = {};
  Shape into = {};
};

class GroupReader {
 public:
  GroupReader(const Graph& graph, const Group& group);

  const Graph::Record& operator[](Id id) const { return graph_[id]; }
  const Shape& shape(Id id) const { return graph_[id].type.shape; }
  bool is_input(Id id) const { return inputs_.contains(id); }
  int input_position(Id id) const { return inputs_.at(id); }
  /// Reductions on the longest path below a value, itself included.
  int depth(Id id) const;
  const std::vector<Id>& reductions() const { return reductions_; }

  /// Index of operand 0 of a view, with the conditions that do not hold by range.
  ViewIndex view(Id id, const std::vector<ir::Expr>& index) const;
  /// Operand index of a reduction: kept coordinates from `index`, reduced ones from the domain.
  std::vector<ir::Expr> reduced_operand(Id id, const std::vector<ir::Expr>& index,
                                        const std::vector<ir::Expr>& domain) const;
  /// Leading coordinates of a gather, which index its rows.
  std::vector<ir::Expr> rows_index(Id id, const std::vector<ir::Expr>& index) const;
  /// The table index of a gather, given the row.
  std::vector<ir::Expr> table_index(Id id, const std::vector<ir::Expr>& index, ir::Expr row) const;

 private:
  const Graph& graph_;
  std::unordered_map<Id, int> inputs_, depth_;
  std::vector<Id> reductions_;
};

/// Where a root lies in the domain with these coordinates; where it is stored.
std::vector<ir::Expr> root_index(const GroupReader& group, const Root& root, const Domain& domain,
                                 const std::vector<ir::Expr>& index);
ir::Expr store_index(const GroupReader& group, const Root& root, const std::vector<ir::Expr>& index);

}  // namespace pg
