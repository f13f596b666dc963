// Index expressions: scalars for a vector's first lane where the rest follows, vectors where not.

#include <numeric>

#include "backends/cpu/codegen/emitter.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::codegen {

using ir::Atom;
using ir::AtomKind;
using ir::Expr;

bool Emitter::varies(const Atom* a) const {
  if (a->of) return varies(a->of);
  return a->kind == AtomKind::dynamic ? static_cast<const Value*>(a->value)->varying : a == lane_;
}

bool Emitter::varies(Expr e) const {
  bool out = false;
  ir::for_each_leaf(e, [&](const Atom* a) { out = out || varies(a); });
  return out;
}

std::optional<Emitter::Steps> Emitter::steps_of(Expr e) const {
  Steps out{0, std::abs(e.constant())};
  for (const ir::Term& t : e.terms()) {
    Steps s{0, 1};
    if (t.atom == lane_) {
      s = {1, lane_aligned_ ? w_.lanes() : 1};
    } else if (varies(t.atom)) {
      if (!t.atom->of) return std::nullopt;  // a gathered row
      const auto inner = steps_of(t.atom->of);
      if (!inner) return std::nullopt;
      const int64_t by = t.atom->by, span = inner->stride * w_.lanes();
      if (inner->stride < 0 || (span != 0 && (by % span != 0 || inner->divisor % span != 0)))
        return std::nullopt;
      // All lanes of the vector are in one run of `by`.
      if (t.atom->kind == AtomKind::quotient) s = {0, inner->divisor % by == 0 ? inner->divisor / by : 1};
      else s = {inner->stride, std::gcd(inner->divisor, by)};
    }
    out.stride += s.stride * t.coefficient;
    out.divisor = std::gcd(out.divisor, std::abs(t.coefficient) * s.divisor);
  }
  return out;
}

Emitter::Run Emitter::run_of(Expr e) const {
  if (!varies(e)) return {Run::Kind::uniform, 0};
  bool plain = true;
  for (const ir::Term& t : e.terms()) plain = plain && (t.atom == lane_ || !varies(t.atom));
  if (plain) return {Run::Kind::linear, e.coefficient(lane_)};
  if (const auto steps = steps_of(e)) return {Run::Kind::pieces, steps->stride};
  return {Run::Kind::scattered, 0};
}

// Knows what 0 and 1 do and computes with literals.
std::string Emitter::scalar_op(const char* op, const std::string& a, const std::string& b) {
  const std::string_view name = op;
  if (b == "0" && (name == "add" || name == "sub")) return a;
  if (a == "0" && name == "add") return b;
  if (b == "1" && (name == "mul" || name == "udiv")) return a;
  if (a[0] != '%' && b[0] != '%' && name == "add") return std::to_string(std::stoll(a) + std::stoll(b));
  return w_.put(concat(op, " i64 ", a, ", ", b));
}
std::string Emitter::scalar_op(const char* op, const std::string& a, int64_t b) {
  return scalar_op(op, a, std::to_string(b));
}

std::string Emitter::scalar(Expr e, size_t piece) {
  std::string sum;
  for (const ir::Term& t : e.terms()) {
    std::string x = scalar(t.atom, piece);
    if (t.coefficient != 1) x = scalar_op("mul", x, t.coefficient);
    sum = sum.empty() ? x : scalar_op("add", sum, x);
  }
  if (sum.empty()) return std::to_string(e.constant());
  return e.constant() ? scalar_op("add", sum, e.constant()) : sum;
}

std::string Emitter::scalar(const Atom* a, size_t piece) {
  switch (a->kind) {
  case AtomKind::axis: {
    const std::string& base = axes_.at(a);
    if (a != lane_ || piece == 0) return base;
    return scalar_op("add", base, static_cast<int64_t>(piece) * w_.lanes());
  }
  case AtomKind::dynamic: return values_.at(static_cast<const Value*>(a->value))[0];
  case AtomKind::quotient:
  case AtomKind::remainder: break;
  }
  // Lifted above zero first, where it may be negative: then the unsigned division rounds down.
  const int64_t lift = a->of.low() < 0 ? (-a->of.low() + a->by - 1) / a->by : 0;
  std::string x = scalar(a->of, piece);
  if (lift) x = scalar_op("add", x, lift * a->by);
  x = scalar_op(a->kind == AtomKind::quotient ? "udiv" : "urem", x, a->by);
  return lift && a->kind == AtomKind::quotient ? scalar_op("sub", x, lift) : x;
}

bool Emitter::narrow(Expr e) {
  constexpr int64_t most = int64_t{1} << 31;
  int64_t reach = std::abs(e.constant());
  for (const ir::Term& t : e.terms()) {
    const int64_t largest = std::max(std::abs(t.atom->low), std::abs(t.atom->high));
    if (largest >= most || std::abs(t.coefficient) >= most) return false;
    reach += largest * std::abs(t.coefficient);
    if (reach >= most || (t.atom->of && (!narrow(t.atom->of) || t.atom->by >= most / 2))) return false;
  }
  return reach < most / 2;
}

std::string Emitter::splat(const std::string& x, std::string_view element) {
  if (x[0] != '%') return concat("splat (", element, " ", x, ")");
  const std::string type = Writer::vector(w_.lanes(), element);
  const std::string one = w_.put(concat("insertelement ", type, " poison, ", element, " ", x, ", i64 0"));
  return w_.put(concat("shufflevector ", type, " ", one, ", ", type, " poison, ",
                       Writer::vector(w_.lanes(), "i32"), " zeroinitializer"));
}

std::string Emitter::vector(Expr e, size_t piece, bool narrow) {
  const std::string_view element = narrow ? "i32" : "i64";
  const std::string type = Writer::vector(w_.lanes(), element);
  // The uniform part is one scalar.
  std::string uniform, sum;
  for (const ir::Term& t : e.terms()) {
    if (varies(t.atom)) {
      std::string x = vector(t.atom, piece, narrow);
      if (t.coefficient != 1)
        x = w_.put(concat("mul ", type, " ", x, ", splat (", element, " ", t.coefficient, ")"));
      sum = sum.empty() ? x : w_.put(concat("add ", type, " ", sum, ", ", x));
      continue;
    }
    std::string x = scalar(t.atom, 0);
    if (t.coefficient != 1) x = scalar_op("mul", x, t.coefficient);
    uniform = uniform.empty() ? x : scalar_op("add", uniform, x);
  }
  if (uniform.empty()) {
    uniform = std::to_string(e.constant());
  } else {
    if (e.constant()) uniform = scalar_op("add", uniform, e.constant());
    if (narrow) uniform = w_.put(concat("trunc i64 ", uniform, " to i32"));
  }
  if (sum.empty()) return splat(uniform, element);
  if (uniform == "0") return sum;
  return w_.put(concat("add ", type, " ", sum, ", ", splat(uniform, element)));
}

std::string Emitter::vector(const Atom* a, size_t piece, bool narrow) {
  const std::string_view element = narrow ? "i32" : "i64";
  const std::string type = Writer::vector(w_.lanes(), element);
  switch (a->kind) {
  case AtomKind::axis: {  // the lanes themselves
    std::string base = scalar(a, piece), count;
    if (narrow) base = w_.put(concat("trunc i64 ", base, " to i32"));
    for (int i = 0; i < w_.lanes(); ++i) count += concat(i ? ", " : "", element, " ", i);
    return w_.put(concat("add ", type, " ", splat(base, element), ", <", count, ">"));
  }
  case AtomKind::dynamic: {
    const std::string& x = values_.at(static_cast<const Value*>(a->value))[piece];
    return narrow ? w_.put(concat("trunc ", Writer::vector(w_.lanes(), "i64"), " ", x, " to ", type)) : x;
  }
  case AtomKind::quotient:
  case AtomKind::remainder: break;
  }
  const int64_t lift = a->of.low() < 0 ? (-a->of.low() + a->by - 1) / a->by : 0;
  std::string x = vector(a->of, piece, narrow);
  const auto with = [&](const char* op, int64_t n) {
    return w_.put(concat(op, " ", type, " ", x, ", splat (", element, " ", n, ")"));
  };
  if (lift) x = with("add", lift * a->by);
  x = with(a->kind == AtomKind::quotient ? "udiv" : "urem", a->by);
  return lift && a->kind == AtomKind::quotient ? with("sub", lift) : x;
}

// An i1, or a vector of them within the lanes.
std::string Emitter::conditions(const std::vector<Condition>& conditions, size_t piece) {
  std::string all;
  for (const Condition& c : conditions) {
    const bool lane_by_lane = w_.wide && varies(c.e), small = lane_by_lane && narrow(c.e) &&
                                                              std::abs(c.low) < (1 << 30) &&
                                                              std::abs(c.high) < (1 << 30);
    const std::string x = lane_by_lane ? vector(c.e, piece, small) : scalar(c.e, piece);
    const std::string_view element = small ? "i32" : "i64";
    const auto test = [&](const char* predicate, int64_t bound) {
      std::string t = lane_by_lane
                          ? w_.put(concat("icmp ", predicate, " ", Writer::vector(w_.lanes(), element), " ",
                                          x, ", splat (", element, " ", bound, ")"))
                          : w_.put(concat("icmp ", predicate, " i64 ", x, ", ", bound));
      if (w_.wide && !lane_by_lane) t = splat(t, "i1");
      all = all.empty() ? t : w_.put(concat("and ", w_.type("i1"), " ", all, ", ", t));
    };
    if (c.e.low() < c.low) test("sge", c.low);
    if (c.e.high() >= c.high) test("slt", c.high);
  }
  return all.empty() ? (w_.wide ? "splat (i1 true)" : "true") : all;
}

}  // namespace pg::codegen
