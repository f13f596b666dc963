#include "ir/index.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <numeric>

#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"

// Contract of every rule here: same value at every point of the axes' ranges; the result is never larger; it
// terminates because each rule lowers the number of atoms, the divisor, or the coefficients.

namespace pg::ir {

struct ExprContext::Tables {
  std::deque<Atom> atoms;
  std::deque<ExprData> exprs;
  std::vector<const ExprData*> expr_table;  // open addressing
  std::vector<const Atom*> atom_table;      // dynamic, quotient and remainder atoms

  template <class T, class Hash> static void grow(std::vector<const T*>& table, size_t used, Hash hash) {
    if (!table.empty() && used * 2 < table.size()) return;
    std::vector<const T*> wide(std::max<size_t>(64, table.size() * 2), nullptr);
    for (const T* item : table) {
      if (!item) continue;
      size_t at = hash(*item) & (wide.size() - 1);
      while (wide[at]) at = (at + 1) & (wide.size() - 1);
      wide[at] = item;
    }
    table.swap(wide);
  }
};

namespace {

thread_local ExprContext* installed = nullptr;

constexpr int64_t limit = int64_t{1} << 62;

// Bounds saturate: they are only compared, and real indices stay far below.
int64_t clamp_wide(__int128 x) { return x > limit ? limit : x < -limit ? -limit : static_cast<int64_t>(x); }
int64_t add_sat(int64_t a, int64_t b) { return clamp_wide(static_cast<__int128>(a) + b); }
int64_t mul_sat(int64_t a, int64_t b) { return clamp_wide(static_cast<__int128>(a) * b); }

uint64_t hash_of(const Atom& a) {
  uint64_t h = hash_mix(static_cast<uint64_t>(a.kind) + 1, reinterpret_cast<uint64_t>(a.of.get()));
  h = hash_mix(h, static_cast<uint64_t>(a.by));
  h = hash_mix(h, reinterpret_cast<uint64_t>(a.value));
  h = hash_mix(h, static_cast<uint64_t>(a.low));
  return hash_mix(h, static_cast<uint64_t>(a.high));
}

uint64_t hash_of(const std::vector<Term>& terms, int64_t constant) {
  uint64_t h = hash_mix(0x1234, static_cast<uint64_t>(constant));
  for (const Term& t : terms) h = hash_mix(hash_mix(h, t.atom->id), static_cast<uint64_t>(t.coefficient));
  return h;
}

bool same_terms(const std::vector<Term>& a, const std::vector<Term>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Term& x, const Term& y) {
    return x.atom == y.atom && x.coefficient == y.coefficient;
  });
}

bool term_less(const Term& a, const Term& b) {
  const int64_t x = std::abs(a.coefficient), y = std::abs(b.coefficient);
  return x != y ? x > y : a.atom->id < b.atom->id;
}

// Terms must have distinct atoms; zero coefficients are dropped.
Expr make(std::vector<Term> terms, int64_t constant) {
  std::erase_if(terms, [](const Term& t) { return t.coefficient == 0; });
  std::sort(terms.begin(), terms.end(), term_less);
  auto& t = ExprContext::current().tables();
  ExprContext::Tables::grow(t.expr_table, t.exprs.size(), [](const ExprData& d) { return d.hash; });
  const uint64_t hash = hash_of(terms, constant);
  const size_t mask = t.expr_table.size() - 1;
  size_t at = hash & mask;
  while (const ExprData* found = t.expr_table[at]) {
    if (found->hash == hash && found->constant == constant && same_terms(found->terms, terms))
      return Expr(found);
    at = (at + 1) & mask;
  }
  ExprData data;
  data.constant = data.low = data.high = constant;
  for (const Term& term : terms) {
    const int64_t a = mul_sat(term.coefficient, term.atom->low),
                  b = mul_sat(term.coefficient, term.atom->high);
    data.low = add_sat(data.low, std::min(a, b));
    data.high = add_sat(data.high, std::max(a, b));
  }
  data.hash = hash;
  data.id = static_cast<uint32_t>(t.exprs.size());
  data.terms = std::move(terms);
  t.exprs.push_back(std::move(data));
  return Expr(t.expr_table[at] = &t.exprs.back());
}

Expr intern_atom(Atom atom) {
  auto& t = ExprContext::current().tables();
  ExprContext::Tables::grow(t.atom_table, t.atoms.size(), [](const Atom& a) { return hash_of(a); });
  const size_t mask = t.atom_table.size() - 1;
  size_t at = hash_of(atom) & mask;
  while (const Atom* found = t.atom_table[at]) {
    if (found->kind == atom.kind && found->of == atom.of && found->by == atom.by &&
        found->value == atom.value && found->low == atom.low && found->high == atom.high)
      return expr(found);
    at = (at + 1) & mask;
  }
  atom.id = static_cast<uint32_t>(t.atoms.size());
  t.atoms.push_back(std::move(atom));
  return expr(t.atom_table[at] = &t.atoms.back());
}

Expr quotient(Expr of, int64_t by) {
  return intern_atom({.kind = AtomKind::quotient,
                      .of = of,
                      .by = by,
                      .low = floor_div(of.low(), by),
                      .high = floor_div(of.high(), by)});
}
Expr remainder(Expr of, int64_t by) {
  return intern_atom({.kind = AtomKind::remainder, .of = of, .by = by, .low = 0, .high = by - 1});
}

// Terms whose coefficient is (or is not) a multiple of c; the constant is split by floor.
Expr multiples(Expr e, int64_t c) {
  std::vector<Term> out;
  for (const Term& t : e.terms())
    if (t.coefficient % c == 0) out.push_back({t.atom, t.coefficient / c});
  return make(std::move(out), floor_div(e.constant(), c));
}
Expr others(Expr e, int64_t c) {
  std::vector<Term> out;
  for (const Term& t : e.terms())
    if (t.coefficient % c != 0) out.push_back(t);
  return make(std::move(out), floor_mod(e.constant(), c));
}

struct Split {
  int64_t g = 0;
  Expr big, small;
};
// e = g*big + small with 0 <= small < g and g dividing c; g = 0 when there is none (rule D3).
Split split_small(Expr e, int64_t c) {
  SmallVector<int64_t, 8> candidates;
  for (const Term& t : e.terms()) {
    const int64_t g = std::gcd(t.coefficient, c);
    if (g > 1 && std::find(candidates.begin(), candidates.end(), g) == candidates.end())
      candidates.push_back(g);
  }
  std::sort(candidates.begin(), candidates.end(), std::greater<>());
  for (int64_t g : candidates) {
    const Expr big = multiples(e, g), small = others(e, g);
    if (!big.is_constant() && small.low() >= 0 && small.high() < g) return {g, big, small};
  }
  return {};
}

// The atom when e is exactly one atom with coefficient one.
const Atom* single(Expr e) {
  const auto terms = e.terms();
  return terms.size() == 1 && e.constant() == 0 && terms[0].coefficient == 1 ? terms[0].atom : nullptr;
}

Expr add_terms(Expr a, Expr b) {
  std::vector<Term> sum(a.terms().begin(), a.terms().end());
  for (const Term& t : b.terms()) {
    const auto found = std::find_if(sum.begin(), sum.end(), [&](const Term& s) { return s.atom == t.atom; });
    if (found == sum.end()) sum.push_back(t);
    else found->coefficient += t.coefficient;
  }
  return make(std::move(sum), a.constant() + b.constant());
}

}  // namespace

// ---- contexts
// ----------------------------------------------------------------------------------------------------------

ExprContext::ExprContext() : tables_(std::make_unique<Tables>()) {}
ExprContext::~ExprContext() = default;
ExprContext& ExprContext::current() {
  PG_INVARIANT(installed, "index expressions need an ExprScope on this thread");
  return *installed;
}
ExprScope::ExprScope(ExprContext& context) : before_(std::exchange(installed, &context)) {}
ExprScope::~ExprScope() { installed = before_; }

// ---- reading
// -----------------------------------------------------------------------------------------------------------

int64_t Expr::constant() const { return data_->constant; }
std::span<const Term> Expr::terms() const { return data_->terms; }
int64_t Expr::low() const { return data_->low; }
int64_t Expr::high() const { return data_->high; }

int64_t Expr::coefficient(const Atom* atom) const {
  for (const Term& t : data_->terms)
    if (t.atom == atom) return t.coefficient;
  return 0;
}

bool Expr::uses(const Atom* atom) const {
  for (const Term& t : data_->terms)
    if (t.atom == atom || (t.atom->of && t.atom->of.uses(atom))) return true;
  return false;
}

void for_each_leaf(Expr e, const std::function<void(const Atom*)>& visit) {
  for (const Term& t : e.terms())
    if (t.atom->of) for_each_leaf(t.atom->of, visit);
    else visit(t.atom);
}

// ---- making
// ------------------------------------------------------------------------------------------------------------

Expr expr(int64_t constant) { return make({}, constant); }
// An axis of one element is at its start: kept as an atom it would make equal indices look different.
Expr expr(const Atom* atom) {
  return atom->kind == AtomKind::axis && atom->high == 0 ? make({}, 0) : make({{atom, 1}}, 0);
}

Axis axis(std::string name, int64_t extent) {
  auto& atoms = ExprContext::current().tables().atoms;
  atoms.push_back({.kind = AtomKind::axis,
                   .id = static_cast<uint32_t>(atoms.size()),
                   .name = std::move(name),
                   .by = extent,
                   .low = 0,
                   .high = std::max<int64_t>(extent - 1, 0)});
  return &atoms.back();
}

Expr dynamic(const void* value, int64_t low, int64_t high) {
  return intern_atom({.kind = AtomKind::dynamic, .value = value, .low = low, .high = high});
}

Expr operator+(Expr a, Expr b) {
  if (a.is_constant(0)) return b;
  if (b.is_constant(0)) return a;
  Expr out = add_terms(a, b);
  // D5: k*by*(x/by) + k*(x%by) -> k*x, and the same within a larger remainder: k*by*((x/by)%m) + k*(x%by) ->
  // k*(x%(by*m)). Each step removes an atom (the bound only guards the proof).
  bool again = true;
  for (int left = 32; again && left > 0; --left) {
    again = false;
    for (const Term& t : out.terms()) {
      if (t.atom->kind != AtomKind::remainder) continue;
      const Expr quotient = div(t.atom->of, t.atom->by);
      const Atom* q = single(quotient);
      const auto other = std::find_if(out.terms().begin(), out.terms().end(), [&](const Term& o) {
        if (o.coefficient != t.coefficient * t.atom->by || o.atom == t.atom) return false;
        return o.atom == q || (o.atom->kind == AtomKind::remainder && o.atom->of == quotient);
      });
      if (other == out.terms().end()) continue;
      const Expr with = other->atom == q ? t.atom->of : mod(t.atom->of, t.atom->by * other->atom->by);
      std::vector<Term> rest;
      for (const Term& r : out.terms())
        if (r.atom != t.atom && r.atom != other->atom) rest.push_back(r);
      out = add_terms(make(std::move(rest), out.constant()), with * t.coefficient);
      again = true;
      break;
    }
  }
  return out;
}

Expr operator-(Expr a, Expr b) { return a + b * -1; }

Expr operator*(Expr a, int64_t k) {
  if (k == 1) return a;
  std::vector<Term> terms(a.terms().begin(), a.terms().end());
  for (Term& t : terms) t.coefficient *= k;
  return make(std::move(terms), a.constant() * k);
}

Expr div(Expr e, int64_t c) {
  PG_INVARIANT(c > 0);
  if (c == 1) return e;
  const Expr whole = multiples(e, c);  // D1
  const Expr rest = others(e, c);
  const int64_t step = floor_div(rest.low(), c);
  if (step == floor_div(rest.high(), c)) return whole + step;                         // D2
  if (const Split s = split_small(rest, c); s.g) return whole + div(s.big, c / s.g);  // D3
  if (const Atom* a = single(rest)) {                                                 // D4
    if (a->kind == AtomKind::quotient) return whole + div(a->of, a->by * c);
    if (a->kind == AtomKind::remainder && a->by % c == 0) return whole + mod(div(a->of, c), a->by / c);
  }
  return whole + quotient(rest, c);
}

Expr mod(Expr e, int64_t c) {
  PG_INVARIANT(c > 0);
  if (c == 1) return expr(0);
  int64_t step = floor_div(e.low(), c);
  if (step == floor_div(e.high(), c)) return e - c * step;  // D2
  const Expr rest = others(e, c);                           // D1
  step = floor_div(rest.low(), c);
  if (step == floor_div(rest.high(), c)) return rest - c * step;
  if (const Split s = split_small(rest, c); s.g) return mod(s.big, c / s.g) * s.g + s.small;  // D3
  if (const Atom* a = single(rest); a && a->kind == AtomKind::remainder && a->by % c == 0)
    return mod(a->of, c);  // D4
  return remainder(rest, c);
}

Expr flatten(std::span<const Expr> index, std::span<const int64_t> shape) {
  PG_INVARIANT(index.size() == shape.size());
  Expr out = expr(0);
  for (size_t i = 0; i < index.size(); ++i) out = out * shape[i] + index[i];
  return out;
}

std::vector<Expr> unflatten(Expr flat, std::span<const int64_t> shape) {
  std::vector<Expr> out(shape.size());
  for (size_t i = shape.size(); i-- > 0;) {
    const int64_t n = std::max<int64_t>(shape[i], 1);
    out[i] = i ? mod(flat, n) : flat;
    flat = div(flat, n);
  }
  return out;
}

Expr substitute(Expr e, const std::function<Expr(const Atom*)>& to) {
  Expr out = expr(e.constant());
  for (const Term& t : e.terms()) {
    Expr with;
    if (t.atom->kind == AtomKind::quotient) with = div(substitute(t.atom->of, to), t.atom->by);
    else if (t.atom->kind == AtomKind::remainder) with = mod(substitute(t.atom->of, to), t.atom->by);
    else with = to(t.atom);
    out = out + (with ? with : expr(t.atom)) * t.coefficient;
  }
  return out;
}

int64_t evaluate(Expr e, const std::function<int64_t(const Atom*)>& value_of) {
  int64_t out = e.constant();
  for (const Term& t : e.terms()) {
    int64_t v;
    if (t.atom->kind == AtomKind::quotient) v = floor_div(evaluate(t.atom->of, value_of), t.atom->by);
    else if (t.atom->kind == AtomKind::remainder) v = floor_mod(evaluate(t.atom->of, value_of), t.atom->by);
    else v = value_of(t.atom);
    out += v * t.coefficient;
  }
  return out;
}

std::string to_string(Expr e) {
  std::string out;
  for (const Term& t : e.terms()) {
    if (!out.empty()) out += " + ";
    if (t.coefficient != 1) out += std::to_string(t.coefficient) + "*";
    switch (t.atom->kind) {
    case AtomKind::axis: out += t.atom->name; break;
    case AtomKind::dynamic: out += "dynamic" + std::to_string(t.atom->id); break;
    case AtomKind::quotient: out += concat("((", to_string(t.atom->of), ")/", t.atom->by, ")"); break;
    case AtomKind::remainder: out += concat("((", to_string(t.atom->of), ")%", t.atom->by, ")"); break;
    }
  }
  if (out.empty()) return std::to_string(e.constant());
  if (e.constant()) out += " + " + std::to_string(e.constant());
  return out;
}

}  // namespace pg::ir
