// Index expressions and conditions as C, in 32 bits where everything fits.

#include <algorithm>
#include <cstdlib>

#include "backends/cuda/emitter.h"
#include "support/format.h"

namespace pg::cuda {

using ir::AtomKind;
using ir::Expr;

// Does no intermediate result leave 32 bits?
bool Emitter::narrow(Expr e) const {
  __int128 size = std::llabs(e.constant());
  for (const ir::Term& t : e.terms()) {
    const ir::Atom* a = t.atom;
    if ((a->kind == AtomKind::quotient || a->kind == AtomKind::remainder) &&
        (!narrow(a->of) || a->by > most_int))
      return false;
    const Expr alone = ir::expr(a);
    const __int128 largest = std::max(std::llabs(alone.low()), std::llabs(alone.high()));
    size += largest * std::llabs(t.coefficient);
  }
  return size <= most_int;
}

std::string Emitter::index(Expr e, bool wide) const {
  const char* type = wide ? "long long" : "int";
  std::string out;
  for (const ir::Term& t : e.terms()) {
    const ir::Atom* a = t.atom;
    std::string x;
    switch (a->kind) {
    case AtomKind::axis: x = wide ? concat("(long long)", axes_.at(a)) : axes_.at(a); break;
    case AtomKind::dynamic: {
      const std::string& name = named(static_cast<const Value*>(a->value));
      x = wide ? name : concat("(int)", name);
      break;
    }
    case AtomKind::quotient:
    case AtomKind::remainder: {
      // Unsigned division is cheaper; what may be negative is lifted by a multiple first.
      const bool quotient = a->kind == AtomKind::quotient;
      const int64_t lift = a->of.low() < 0 ? -ir::floor_div(a->of.low(), a->by) : 0;
      const Expr lifted = a->of + lift * a->by;
      const bool inner = !narrow(lifted);
      x = concat("(", type, ")((", inner ? "unsigned long long" : "unsigned", ")(", index(lifted, inner),
                 ") ", quotient ? "/ " : "% ", a->by, inner ? "ull)" : "u)");
      if (quotient && lift) x = concat("(", x, " - ", lift, ")");
      break;
    }
    }
    if (t.coefficient == -1) x = "-" + x;
    else if (t.coefficient != 1) x = concat(x, " * ", t.coefficient, wide ? "ll" : "");
    const bool minus = !out.empty() && x[0] == '-';
    out += out.empty() ? x : minus ? concat(" - ", x.substr(1)) : concat(" + ", x);
  }
  if (e.constant() || out.empty()) {
    const int64_t c = e.constant();
    out += out.empty() ? concat(c) : concat(c < 0 ? " - " : " + ", c < 0 ? -c : c);
    if (wide) out += "ll";
  }
  return out;
}

std::string Emitter::conditions(const std::vector<Condition>& all) const {
  std::string out;
  for (const Condition& c : all) {
    const bool wide = !narrow(c.e) || std::llabs(c.low) > most_int || std::llabs(c.high) > most_int;
    const std::string x = index(c.e, wide);
    std::vector<std::string> tests;
    if (c.e.low() < c.low) tests.push_back(concat(x, " >= ", c.low, wide ? "ll" : ""));
    if (c.e.high() >= c.high) tests.push_back(concat(x, " < ", c.high, wide ? "ll" : ""));
    for (const std::string& test : tests) out += concat(out.empty() ? "" : " && ", test);
  }
  return out.empty() ? "true" : concat("(", out, ")");
}

}  // namespace pg::cuda
