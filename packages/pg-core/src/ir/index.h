#pragma once
// Index expressions: constant + sum of coefficient * atom, where an atom is a loop axis, an integer computed
// in the kernel, or a floor quotient or remainder of an expression by a positive constant (kernel-ir.md
// section 2).
//
// Expressions are immutable and interned in the ExprContext installed on this thread: equal after
// simplification = same pointer. The context owns them, so an expression lives as long as its context (a
// kernel keeps the context of its lowering).

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "support/small_vector.h"

namespace pg::ir {

struct ExprData;
struct Atom;
struct Term;

/// A loop counter, 0 <= axis < extent. Every call of axis() makes a new one.
using Axis = const Atom*;

class Expr {
 public:
  Expr() = default;  // no expression; zero is expr(0)
  explicit Expr(const ExprData* data) : data_(data) {}
  const ExprData* get() const { return data_; }
  explicit operator bool() const { return data_ != nullptr; }

  int64_t constant() const;
  std::span<const Term> terms() const;
  /// Bounds over the ranges of the axes: low <= value <= high (exact for a single atom, otherwise safe).
  int64_t low() const;
  int64_t high() const;
  bool is_constant() const { return terms().empty(); }
  bool is_constant(int64_t value) const { return is_constant() && constant() == value; }
  int64_t coefficient(const Atom* atom) const;
  /// Does the atom occur, also inside quotients and remainders?
  bool uses(const Atom* atom) const;

  friend bool operator==(Expr a, Expr b) { return a.data_ == b.data_; }

 private:
  const ExprData* data_ = nullptr;
};

enum class AtomKind : uint8_t { axis, dynamic, quotient, remainder };

struct Atom {
  AtomKind kind;
  uint32_t id = 0;              // order of making, the sorting key of equal coefficients
  std::string name = {};        // of an axis
  Expr of = {};                 // of a quotient or remainder
  int64_t by = 1;               // divisor, or extent of an axis
  const void* value = nullptr;  // of a dynamic atom: whose run-time value it is
  int64_t low = 0, high = 0;
  int64_t extent() const { return by; }
};

struct Term {
  const Atom* atom;
  int64_t coefficient;
};

struct ExprData {
  int64_t constant = 0;
  int64_t low = 0, high = 0;
  uint64_t hash = 0;
  uint32_t id = 0;
  std::vector<Term> terms;  // larger coefficients first, then by atom id; no zero coefficient
};

/// Owner of atoms and expressions.
class ExprContext {
 public:
  ExprContext();
  ~ExprContext();
  ExprContext(const ExprContext&) = delete;
  ExprContext& operator=(const ExprContext&) = delete;
  /// The one installed on this thread; InternalError when there is none.
  static ExprContext& current();

  struct Tables;
  Tables& tables() { return *tables_; }

 private:
  std::unique_ptr<Tables> tables_;
};

/// Installs a context on this thread while it lives.
class ExprScope {
 public:
  explicit ExprScope(ExprContext& context);
  ~ExprScope();
  ExprScope(const ExprScope&) = delete;
  ExprScope& operator=(const ExprScope&) = delete;

 private:
  ExprContext* before_;
};

Expr expr(int64_t constant);
inline Expr expr(int constant) { return expr(int64_t{constant}); }
Expr expr(const Atom* atom);
Axis axis(std::string name, int64_t extent);
/// An integer known only when the kernel runs, already limited to low..high. Equal arguments give the same
/// atom.
Expr dynamic(const void* value, int64_t low, int64_t high);

Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, int64_t k);
inline Expr operator*(int64_t k, Expr a) { return a * k; }
inline Expr operator+(Expr a, int64_t k) { return a + expr(k); }
inline Expr operator-(Expr a, int64_t k) { return a + expr(-k); }

/// Floor division by a positive constant.
Expr div(Expr e, int64_t c);
/// Remainder in 0 .. c-1 for a positive constant.
Expr mod(Expr e, int64_t c);

/// Row-major flat index of a multi-index, and back. The leading coordinate of unflatten is not reduced:
/// `flat` must be in range.
Expr flatten(std::span<const Expr> index, std::span<const int64_t> shape);
std::vector<Expr> unflatten(Expr flat, std::span<const int64_t> shape);
inline Expr flatten(const std::vector<Expr>& index, const Ints& shape) {
  return flatten(std::span<const Expr>(index), std::span<const int64_t>(shape.begin(), shape.size()));
}
inline std::vector<Expr> unflatten(Expr flat, const Ints& shape) {
  return unflatten(flat, std::span<const int64_t>(shape.begin(), shape.size()));
}

/// Replaces axes and dynamic atoms; an atom for which `to` returns no expression stays.
Expr substitute(Expr e, const std::function<Expr(const Atom*)>& to);
int64_t evaluate(Expr e, const std::function<int64_t(const Atom*)>& value_of);
/// Every axis and dynamic atom, also inside quotients and remainders.
void for_each_leaf(Expr e, const std::function<void(const Atom*)>& visit);
std::string to_string(Expr e);

inline int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0) && ((a < 0) != (b < 0))); }
inline int64_t floor_mod(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

}  // namespace pg::ir
