#pragma once
// What a part of a graph looks like, and how it is found. Rewrite rules state patterns as text; patterns of
// users come from graphs that were traced.
//
//   where(not(c), x, y)    records of these ops; a single letter is a variable and stands for any record
//   reshape(reshape)       an op without operands: any operands
//   mul(x, k)              the variables k and l stand for literals only
//   mul(x, 1)              a number: a literal whose elements are all that number, -0 is not 0
//   and(x, ones)           a literal whose bits are all set
//   elementwise            any elementwise op, any operands

#include <optional>
#include <span>
#include <string_view>

#include "graph/graph.h"
#include "support/function_ref.h"

namespace pg {

struct Pattern {
  enum class Kind : uint8_t { variable, literal, number, ones, elementwise, record };
  struct Item {
    Kind kind = Kind::variable;
    const Op* op = nullptr;                  // record
    bool any_operands = false;               // record
    SmallVector<uint32_t, 3> operands = {};  // record: earlier items
    double number = 0;
  };
  std::vector<Item> items;      // operands before their users; the last one is the root
  std::vector<char> variables;  // their letters, by item; 0 where the item is none

  /// Reads the text; raises InternalError where it is none.
  static Pattern parse(std::string_view text);
  /// May a record of this op be the root?
  bool root_fits(const Op& op) const {
    return items.back().kind == Kind::elementwise ? op.elementwise() : items.back().op == &op;
  }
};

/// Is the record a literal of this number, or of bits that are all set?
bool is_number(const Graph::Record& r, double number);
bool is_ones(const Graph::Record& r);
/// May the operands of the op change places without any bit of a result changing?
bool commutes(const Op& op);

/// Where the items of a pattern were found. The root may be a record that is not in the graph yet.
class PatternFinder {
 public:
  static constexpr Id root = static_cast<Id>(-1);
  /// What besides the shape of the graph an item must satisfy.
  using Accept = FunctionRef<bool(size_t item, Id id)>;

  PatternFinder(const Pattern& pattern, std::span<const Graph::Record> records,
                const Graph::Record& candidate)
      : pattern_(pattern), records_(records), candidate_(candidate) {}
  /// Is the candidate what the pattern says? Gives up (no) after a number of steps that grows with the
  /// pattern only.
  bool find(Accept accept);
  /// The record of an item, after it was found.
  Id operator[](size_t item) const { return found_[item]; }
  const Graph::Record& record(Id id) const { return id == root ? candidate_ : records_[id]; }

 private:
  struct Goal {
    uint32_t item;
    Id id;
  };
  bool solve(size_t at, Accept accept);

  const Pattern& pattern_;
  std::span<const Graph::Record> records_;
  const Graph::Record& candidate_;
  SmallVector<Goal, 8> goals_;
  SmallVector<Id, 8> found_;
  size_t steps_ = 0;
};

}  // namespace pg
