#include "backends/cpu/interpreter/emitter.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"

namespace pg::interpreter {

using ir::Atom;
using ir::AtomKind;
using ir::Expr;

BufferNumbers::BufferNumbers(const Kernel& kernel) {
  for (const KernelBuffer* b : kernel.params) emplace(b, static_cast<int32_t>(size()));
  for (const KernelBuffer* b : kernel.locals) emplace(b, static_cast<int32_t>(size()));
}

Emitter::Emitter(Program& program, const BufferNumbers& numbers, const Phase& phase)
    : program_(program), phase_(phase), numbers_(numbers), first_operand_(program.operands.size()),
      first_tree_(program.trees.size()) {}

int32_t Emitter::take_register() {
  if (!free_registers_.empty()) {
    const int32_t r = free_registers_.back();
    free_registers_.pop_back();
    return r;
  }
  return out_.registers++;
}

void Emitter::finish_locations() {
  const auto fix = [&](int32_t& at) {
    if (at <= -2) at = out_.registers + (-2 - at);
  };
  for (Instruction& i : out_.code) {
    if (i.dst_is_location) fix(i.dst);
    fix(i.a);
    fix(i.b);
    fix(i.c);
  }
  for (size_t k = first_operand_; k < program_.operands.size(); ++k) fix(program_.operands[k]);
  for (size_t k = first_tree_; k < program_.trees.size(); ++k)
    for (TreeTerm& t : program_.trees[k].terms)
      if (t.kind == TreeTerm::Kind::block) fix(t.at);
  out_.locations += out_.registers;
}

void Emitter::release(int32_t depth, int32_t position, const Value* into) {
  auto& live = live_[depth];
  std::erase_if(live, [&](const Value* v) {
    if (last_use_.at(v) != position) return false;
    if (into && (v == into || width_of(v->dtype) < width_of(into->dtype) || !v->varying)) return false;
    free_registers_.push_back(info_.at(v).reg);
    return true;
  });
}

void Emitter::give_register(const Value* v) {
  Info& info = info_[v];
  info.reg = info.location = take_register();
  live_[v->depth].push_back(v);
}

Instruction& Emitter::emit(Code code, int32_t level) {
  Instruction i{};
  i.code = code;
  levels_[static_cast<size_t>(level)].code.push_back(i);
  return levels_[static_cast<size_t>(level)].code.back();
}
int32_t Emitter::level_of(const Atom* leaf) const {
  if (leaf->kind != AtomKind::dynamic) return axis_level_.at(leaf);
  const Value* v = static_cast<const Value*>(leaf->value);
  return info_.at(v).invariant ? 0 : v->depth + 1;
}

int32_t Emitter::level_of(Expr e) const {
  int32_t out = 0;
  ir::for_each_leaf(e, [&](const Atom* a) { out = std::max(out, level_of(a)); });
  return out;
}

// ---- index expressions
// -----------------------------------------------------------------------------------------------------

/// The cell of an atom that is the same for all lanes.
int32_t Emitter::atom_cell(const Atom* a) {
  if (a->kind == AtomKind::axis) return axis_cell_.at(a);
  if (a->kind == AtomKind::dynamic) return cell_of(static_cast<const Value*>(a->value));
  const auto found = atom_cell_.find(a);
  if (found != atom_cell_.end()) return found->second;
  const int32_t level = level_of(a->of);
  Instruction i{};
  i.code = a->kind == AtomKind::quotient ? Code::divide : Code::modulo;
  const Linear of = linear(a->of, nullptr);
  i.access = static_cast<int32_t>(program_.linears.size());
  program_.linears.push_back(of);
  i.imm = a->by;
  i.dst = new_cell();
  levels_[static_cast<size_t>(level)].code.push_back(i);
  levels_[static_cast<size_t>(level)].atoms.push_back(a);
  return atom_cell_[a] = i.dst;
}

Linear Emitter::linear(Expr e, std::vector<ir::Term>* varying) {
  std::vector<LinearTerm> terms;
  for (const ir::Term& t : e.terms()) {
    if (varying && varies(t.atom)) varying->push_back(t);
    else terms.push_back({atom_cell(t.atom), t.coefficient});
  }
  Linear out{e.constant(), static_cast<int32_t>(program_.terms.size()), static_cast<int32_t>(terms.size())};
  program_.terms.insert(program_.terms.end(), terms.begin(), terms.end());
  return out;
}

int32_t Emitter::tree(int64_t base, const std::vector<ir::Term>& terms, int32_t depth) {
  program_.tree_depth = std::max(program_.tree_depth, depth);
  Tree out{base, {}};
  for (const ir::Term& t : terms) {
    TreeTerm term{};
    term.coefficient = t.coefficient;
    term.by = t.atom->by;
    if (t.atom == lane_) {
      term.kind = TreeTerm::Kind::lane;
    } else if (!varies(t.atom)) {
      term.kind = TreeTerm::Kind::cell;
      term.at = atom_cell(t.atom);
    } else if (t.atom->kind == AtomKind::dynamic) {
      term.kind = TreeTerm::Kind::block;
      term.at = location_of(static_cast<const Value*>(t.atom->value));
    } else {
      term.kind = t.atom->kind == AtomKind::quotient ? TreeTerm::Kind::quotient : TreeTerm::Kind::remainder;
      const Expr of = t.atom->of;
      term.at = tree(of.constant(), {of.terms().begin(), of.terms().end()}, depth + 1);
    }
    out.terms.push_back(term);
  }
  program_.trees.push_back(std::move(out));
  return static_cast<int32_t>(program_.trees.size()) - 1;
}

// Runs: every division below is of the bare lane axis, or of such a quotient; then whole periods of the
// smallest common step are affine. Returns the period and the stride within a run, or zero.
Emitter::Runs Emitter::find_runs(const std::vector<ir::Term>& terms) const {
  Runs out;
  for (const ir::Term& t : terms) {
    if (t.atom == lane_) {
      out.stride += t.coefficient;
      continue;
    }
    const Atom* a = t.atom;
    bool below_quotient = false;
    while (a->of) {
      const Expr of = a->of;
      if (of.constant() != 0 || of.terms().size() != 1 || of.terms()[0].coefficient != 1) return {};
      const Atom* next = of.terms()[0].atom;
      if (next == lane_) break;
      if (next->kind != AtomKind::quotient) return {};
      below_quotient = true;
      a = next;
    }
    if (!a->of) return {};
    out.period = out.period ? std::gcd(out.period, a->by) : a->by;
    if (!below_quotient && a->kind == AtomKind::remainder) out.stride += t.coefficient;
  }
  for (const ir::Term& t : terms) {
    const bool direct = t.atom->of && t.atom->by == out.period && t.atom->of.terms()[0].atom == lane_;
    out.steady = out.steady && (t.atom == lane_ || direct);
    if (t.atom == lane_) out.step += t.coefficient * out.period;
    else if (t.atom->kind == AtomKind::quotient) out.step += t.coefficient;
  }
  return out.period >= 2 ? out : Runs{};
}

LaneIndex Emitter::lane_index(Expr e) {
  LaneIndex out;
  out.lane = lane_ ? axis_cell_.at(lane_) : -1;
  std::vector<ir::Term> varying;
  out.linear = linear(e, &varying);
  if (varying.empty()) return out;
  if (varying.size() == 1 && varying[0].atom == lane_) {
    out.pattern = Pattern::affine;
    out.stride = varying[0].coefficient;
    out.linear = linear(e, nullptr);
    return out;
  }
  const Runs runs = find_runs(varying);
  out.pattern = runs.period ? Pattern::runs : Pattern::general;
  out.period = runs.period;
  out.stride = runs.stride;
  out.step = runs.step;
  out.steady = runs.steady;
  out.tree = tree(0, varying, 1);
  return out;
}

Access Emitter::access(const KernelBuffer* buffer, Expr index, const std::vector<Condition>& conditions) {
  Access out;
  const auto [place, fresh] = buffers_.try_emplace(buffer, static_cast<int32_t>(out_.buffers.size()));
  if (fresh) out_.buffers.push_back(numbers_.at(buffer));
  out.buffer = place->second;
  const bool widened = buffer->space == Space::row;  // rows hold register contents
  out.size = static_cast<int32_t>(widened ? width_of(buffer->dtype) : size_of(buffer->dtype));
  out.at = lane_index(index);
  for (const Condition& c : conditions) out.tests.push_back({lane_index(c.e), c.low, c.high});
  return out;
}

int32_t Emitter::add_access(Access a) {
  program_.accesses.push_back(std::move(a));
  return static_cast<int32_t>(program_.accesses.size()) - 1;
}

int32_t Emitter::add_index(Expr e) {
  const LaneIndex at = lane_index(e);
  program_.indices.push_back(at);
  return static_cast<int32_t>(program_.indices.size()) - 1;
}

int32_t Emitter::add_tests(const std::vector<Condition>& conditions) {
  std::vector<Test> tests;
  for (const Condition& c : conditions) tests.push_back({lane_index(c.e), c.low, c.high});
  program_.tests.push_back(std::move(tests));
  return static_cast<int32_t>(program_.tests.size()) - 1;
}

}  // namespace pg::interpreter
