#pragma once
// The state of fusion: which groups exist, which records lie in them, at which index of a group's domain each
// record is computed.

#include <unordered_set>

#include "compiler/kernel/reader.h"

namespace pg {

/// A record inside a group. `frame` is the index at which it is computed, over the group's axes (-1: at
/// several, or one that is known only when the kernel runs); `evaluations` is how often.
struct Placement {
  int32_t group;
  int32_t frame;
  bool by_number;  // reached through the table of a gather
  double evaluations;
  double debt;  // operations spent here that a stored value would save, per element
};

struct Cluster {
  int32_t merged_into = -1;
  Shape shape;                  // the domain
  std::vector<ir::Expr> index;  // its coordinates
  Ints reduced;                 // axes, when it has reductions
  bool reduces = false;
  bool joins = false;              // its only root is a concat, whose operands are stored piece by piece
  std::vector<Id> nodes, roots;    // newest first
  std::unordered_set<Id> pending;  // read but not inside: inputs, unless they join later
  Id last = 0;                     // largest record inside
  Id first_root = 0;               // smallest root
};

/// What a record's consumers in one group ask for.
struct Demand {
  int32_t group;
  int32_t frame;
  bool by_number;
  bool inner;  // some consumer runs over reduced axes
  double evaluations;
  double debt;
};

class Clusters {
 public:
  explicit Clusters(const Graph& graph);

  const Graph& graph;
  Points points;
  std::vector<Cluster> all;
  std::vector<SmallVector<Placement, 1>> places;  // by record
  struct Read {
    Id consumer;
    size_t slot;
  };
  std::vector<std::vector<Id>> uses;     // live consumers of a record, once each
  std::vector<std::vector<Read>> reads;  // every operand that a record is
  std::vector<bool> live;
  std::vector<bool> renamed;  // shares its operand's memory, whether or not groups compute it as well
  int64_t looked = 0;         // records met by `demands` and `reaches`

  int32_t find(int32_t group) const;
  Cluster& operator[](int32_t group) { return all[static_cast<size_t>(find(group))]; }
  int64_t count(Id id) const { return count_of(graph[id].type.shape); }
  const Op& op(Id id) const { return *graph[id].op; }

  /// A new group whose root is `id`.
  void start(Id id);
  /// Puts a record into the group of a demand.
  void place(Id id, const Demand& demand);
  void add_root(Id id, int32_t group);
  /// What the consumers of a record ask for, one entry per group.
  std::vector<Demand> demands(Id id);

  /// Is the index the whole domain in order / the kept part of it?
  bool covers(const Cluster& c, Id id, int32_t frame);
  bool covers_kept(const Cluster& c, Id id, int32_t frame);
  /// Turns coordinates of `from` into `index`, of the domain of `to` (all of it, or its kept part), and joins
  /// the groups.
  void merge(int32_t to, int32_t from, const std::vector<ir::Expr>& index);
  /// Elements of the same order, so that the result may share the operand's memory.
  bool renames(Id id);
  /// Do readers outside of all groups find the value in memory that another record was written to?
  bool in_memory(Id id) const { return places[id].empty() || renamed[id]; }
  /// May data flow from a root of `from` to `to` (through other groups or calls)? Unsure counts as yes.
  bool reaches(Id root, int32_t to);
  bool reaches_from_group(int32_t from, int32_t to);

  ir::Axis domain_axis(size_t position, int64_t extent);
  std::vector<ir::Expr> kept(const Cluster& c) const;

 private:
  int32_t operand_frame(const Read& read, const Placement& at);
  double evaluations(const Cluster& c, Id id, int32_t frame) const;

  ir::ExprContext context_;
  ir::ExprScope scope_{context_};
  std::unordered_map<uint64_t, ir::Axis> axes_;
  std::unordered_map<Id, std::vector<int64_t>> starts_;  // of the operands of a concat along its axis
};

}  // namespace pg
