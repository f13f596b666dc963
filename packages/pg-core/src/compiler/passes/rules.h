#pragma once
// Rewrite rules as data, and what they are written with. Every rule keeps the value of every element to the
// last bit, the shape and the dtype; signs of zeros and NaN count. A rule that holds under a condition states
// it beside the pattern.

#include <string>
#include <variant>

#include "compiler/passes/runner.h"
#include "compiler/pattern.h"
#include "support/format.h"

namespace pg {

class Rewriter;

/// A record that fits a pattern. Records are handed out as copies: what a rule makes may move the others.
class Match {
 public:
  Match(Rewriter& out, const Pattern& pattern, const PatternFinder& found, const Graph::Record& root)
      : out(out), root(root), pattern_(pattern), found_(found) {}

  Rewriter& out;
  const Graph::Record& root;

  /// The record that a variable stands for.
  Id id(char variable) const;
  Graph::Record operator[](char variable) const;
  /// Operand `i` of the root.
  Graph::Record operand(size_t i = 0) const;
  const Aval& type() const { return root.type; }

  /// New records, on the line of the root. They are rewritten too.
  Id make(const Op& op, SmallVector<Id, 3> inputs, Attrs attrs = {}) const;
  Id full(int64_t bits, const Shape& shape, DType dtype) const;
  /// The number as a literal of the root's type.
  Id number(double value) const;
  Id broadcast(Id x, const Shape& shape, const Ints& axes) const;
  Id reshape(Id x, const Shape& shape) const;

 private:
  const Pattern& pattern_;
  const PatternFinder& found_;
};

struct Rule {
  const char* name;     // as explain() and PG_DUMP show it
  const char* pattern;  // see pattern.h
  bool (*when)(const Match&);
  /// A pattern over the same variables, or a function; nothing where it does not apply after all.
  std::variant<const char*, std::optional<Id> (*)(const Match&)> replacement;
};

// The tables, one for each family. The last two choose between forms by what they cost, the others have one
// form for equal things.
std::span<const Rule> arithmetic_rules();
std::span<const Rule> logic_rules();
std::span<const Rule> view_rules();
std::span<const Rule> join_rules();
std::span<const Rule> reduction_rules();
std::span<const Rule> strength_rules();
std::span<const Rule> broadcast_rules();

/// Adds records to a graph in their simplest form.
class Rewriter {
 public:
  /// `all`: also by the rules that choose by cost.
  Rewriter(std::vector<RuleUse>* uses, bool all) : uses_(uses), all_(all) {}

  /// A record of the source, whose operands were added before.
  Id rewrite(Graph::Record record) {
    fuel_ = most_rewrites;
    return add(std::move(record));
  }
  /// A record that a rule makes.
  Id add(Graph::Record record);
  Id param(Aval type) { return graph_.param(std::move(type)); }
  const Graph::Record& operator[](Id id) const { return graph_[id]; }
  std::span<const Graph::Record> records() const { return graph_.records(); }
  Graph finish(std::vector<Id> outputs) { return graph_.finish(std::move(outputs)); }
  /// How many records were offered to the rules.
  int64_t looked() const { return looked_; }

 private:
  // Rules may make records that other rules rewrite; this many of them for one record of the source. What is
  // left then stays as it is, so that a pass takes linear time.
  static constexpr int most_rewrites = 64;

  std::optional<Id> apply(const Graph::Record& record);
  void note(const char* name);

  GraphBuilder graph_;
  std::vector<RuleUse>* uses_;
  bool all_;
  int fuel_ = 0;
  int64_t looked_ = 0;
};

/// The value of an elementwise record whose operands are literals, as bits of a literal.
std::optional<int64_t> folded(const Graph::Record& record, std::span<const Graph::Record> records);

// ---- conditions and shorthands of the tables
namespace rules {

inline bool whole(const Match& m) { return is_int(m.type().dtype) || is_bool(m.type().dtype); }
inline bool integer(const Match& m) { return is_int(m.type().dtype); }
inline bool inexact(const Match& m) { return is_float(m.type().dtype); }
inline bool real(const Match& m) { return !is_complex(m.type().dtype); }
/// The same of the first operand, for ops whose result has another dtype.
inline bool operand_whole(const Match& m) {
  const DType dtype = m.operand().type.dtype;
  return is_int(dtype) || is_bool(dtype);
}

inline int64_t extent(const Aval& type, size_t axis) { return type.shape[axis]; }
inline bool same_type(const Aval& a, const Aval& b) { return a.shape == b.shape && a.dtype == b.dtype; }
inline bool counts_up(const Attrs& words) {
  for (size_t i = 0; i < words.size(); ++i)
    if (words[i] != static_cast<int64_t>(i)) return false;
  return true;
}

/// An integer as the bits of a literal: its low bits, extended as the dtype's sign says.
inline int64_t wrapped(int64_t value, DType dtype) {
  const int unused = 64 - static_cast<int>(size_of(dtype)) * 8;
  if (is_bool(dtype)) return value & 1;
  if (is_signed_int(dtype)) return static_cast<int64_t>(static_cast<uint64_t>(value) << unused) >> unused;
  return static_cast<int64_t>(static_cast<uint64_t>(value) << unused >> unused);
}

/// The shape and axes of a broadcast.
inline Shape broadcast_shape(const Graph::Record& r) {
  return Shape(r.attrs.begin() + 1, r.attrs.begin() + 1 + r.attrs[0]);
}
inline Ints broadcast_axes(const Graph::Record& r) {
  return Ints(r.attrs.begin() + 1 + r.attrs[0], r.attrs.end());
}

/// The range that a slice takes of an axis.
struct Span {
  int64_t start = 0, step = 1, count = 0;
  int64_t last() const { return start + (count - 1) * step; }
};
inline Span span_of(const Graph::Record& slice, size_t axis) {
  return {slice.attrs[3 * axis], slice.attrs[3 * axis + 2], slice.type.shape[axis]};
}
/// The words of a slice: equal slices get equal ones.
inline void push_span(Attrs& attrs, Span s) {
  if (s.count == 0) s.start = 0;
  if (s.count <= 1) s.step = 1;
  attrs.push_back(s.start);
  attrs.push_back(s.count == 0 ? 0 : s.last() + (s.step > 0 ? 1 : -1));
  attrs.push_back(s.step);
}

/// Integers first, first + step, ... along one axis of a record, the same along all others.
struct Progression {
  size_t axis;
  int64_t first, step, count;
  int64_t last() const { return first + (count - 1) * step; }
  int64_t low() const { return std::min(first, last()); }
  int64_t high() const { return std::max(first, last()); }
};
/// What an integer record counts, if that is plain from it and a few records below; never past its dtype.
std::optional<Progression> progression(const Graph::Record& r, std::span<const Graph::Record> records);

}  // namespace rules

}  // namespace pg
