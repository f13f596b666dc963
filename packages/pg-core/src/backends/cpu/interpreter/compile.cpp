// Kernel -> program: locations and registers for values, cells for uniform values and index parts, one instruction per statement.

#include <algorithm>
#include <cstring>
#include <numeric>
#include <unordered_map>

#include "backends/cpu/interpreter/blocks.h"
#include "backends/cpu/interpreter/program.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::interpreter {
namespace {

using ir::Atom;
using ir::AtomKind;
using ir::Expr;

constexpr int64_t largest_block = 1024;

int32_t width_of(DType d) { return static_cast<int32_t>(size_of(compute_type(d))); }

class Compiler {
 public:
  Compiler(Program& program, const Kernel& kernel, const Phase& phase) : program_(program), phase_(phase) {
    for (size_t i = 0; i < kernel.params.size(); ++i) buffers_[kernel.params[i]] = static_cast<int32_t>(i);
    for (size_t i = 0; i < kernel.locals.size(); ++i) buffers_[kernel.locals[i]] = static_cast<int32_t>(kernel.params.size() + i);
  }

  ProgramPhase run() {
    std::vector<int32_t> path;
    scan(phase_.body, 0, false, path);
    out_.block = std::min(largest_block, (longest_ + partial_lanes - 1) / partial_lanes * partial_lanes);
    out_.points = phase_.grid->extent();
    out_.grid_cell = new_cell();
    axis_cell_[phase_.grid] = out_.grid_cell;
    axis_level_[phase_.grid] = 1;
    levels_.resize(2);
    body(phase_.body);
    out_.body = static_cast<int32_t>(levels_[0].code.size());
    out_.code = std::move(levels_[0].code);
    out_.code.insert(out_.code.end(), levels_[1].code.begin(), levels_[1].code.end());
    out_.cost = cost_of(phase_.body);
    out_.register_bytes = out_.block * widest_ + 192;  // not a multiple of the page: registers would fight for cache sets
    finish_locations();
    return std::move(out_);
  }

 private:
  struct Level {
    std::vector<Instruction> code;
    std::vector<const Atom*> atoms;  // forgotten when it closes
  };
  struct Info {
    bool invariant = false;  // does not depend on the grid point
    bool splat = false;      // a uniform value that lane code reads
    const Store* direct = nullptr;
    int32_t cell = -1, location = -1, reg = -1;  // location: of lane values, and of splats
    bool pointed = false;                        // location counts from the first pointer location
  };
  struct Reduction {
    bool blocks = false;  // every lane has its own
    DType value = DType::float32;
    int32_t state = -1, reg = -1;
    Folder folder;
  };

  // ---- what values need, before any code -----------------------------------------------------------------------------------

  void use(const Value* v, bool by_lanes, const std::vector<int32_t>& path) {
    last_use_[v] = path[static_cast<size_t>(v->depth)];
    if (by_lanes && !v->varying) info_[v].splat = true;
  }

  void use_index(Expr e, const std::vector<int32_t>& path) {
    ir::for_each_leaf(e, [&](const Atom* a) {
      if (a->kind == AtomKind::dynamic) use(static_cast<const Value*>(a->value), false, path);
    });
  }

  bool grid_free(Expr e) const {
    bool out = true;
    ir::for_each_leaf(e, [&](const Atom* a) {
      if (a->kind == AtomKind::dynamic) {
        const auto found = info_.find(static_cast<const Value*>(a->value));
        out = out && found != info_.end() && found->second.invariant;
      } else {
        out = false;
      }
    });
    return out;
  }

  void scan(const std::vector<Statement>& statements, int32_t depth, bool lanes, std::vector<int32_t>& path) {
    path.resize(static_cast<size_t>(depth) + 1);
    for (size_t i = 0; i < statements.size(); ++i) {
      path[static_cast<size_t>(depth)] = static_cast<int32_t>(i);
      const Statement& s = statements[i];
      if (const auto* item = std::get_if<Value*>(&s)) {
        const Value* v = *item;
        Info& info = info_[v];
        info.invariant = depth == 0 && (!v->index || grid_free(v->index)) &&
                         std::all_of(v->args.begin(), v->args.end(), [&](const Value* a) { return info_[a].invariant; }) &&
                         std::all_of(v->conditions.begin(), v->conditions.end(), [&](const Condition& c) { return grid_free(c.e); });
        last_use_[v] = static_cast<int32_t>(i);
        // The value outside of a load's conditions is read from its cell.
        for (const Value* a : v->args) use(a, v->varying && v->op != ValueOp::load, path);
        if (v->index) use_index(v->index, path);
        for (const Condition& c : v->conditions) use_index(c.e, path);
        if (v->varying) widest_ = std::max<int64_t>(widest_, width_of(v->dtype));
      } else if (const auto* item = std::get_if<Store*>(&s)) {
        const Store& st = **item;
        use(st.value, lanes && ir_varies(st.index), path);
        use_index(st.index, path);
        Value* v = st.value;
        const bool computed = v->op == ValueOp::elementwise || v->op == ValueOp::select;
        const bool same_size = !is_half(v->dtype) || st.buffer->space == Space::row;
        if (v->varying && computed && v->depth == depth && same_size && !info_[v].direct && contiguous(st.index))
          info_[v].direct = &st;
      } else if (const auto* item = std::get_if<Update*>(&s)) {
        use((*item)->value, true, path);
        reductions_[(*item)->accumulator].value = (*item)->value->dtype;
      } else {
        const Loop& l = *std::get<Loop*>(s);
        use_index(l.start, path);
        const bool is_lanes = l.kind == Loop::Kind::lanes;
        if (is_lanes) {
          lane_ = l.axis;
          longest_ = std::max(longest_, std::min(l.count, l.axis->extent()));
        }
        for (const Accumulator* a : l.accumulators) reductions_[a].blocks = lanes;
        scan(l.body, depth + 1, lanes || is_lanes, path);
        path.resize(static_cast<size_t>(depth) + 1);
        if (is_lanes) lane_ = nullptr;
        for (const Accumulator* a : l.accumulators) {
          last_use_[a->result] = static_cast<int32_t>(i);
          if (!reductions_[a].blocks) continue;
          widest_ = std::max<int64_t>({widest_, width_of(a->dtype), size_of(state_type(a->combine, reductions_[a].value))});
        }
      }
    }
  }

  bool ir_varies(Expr e) const {
    bool out = false;
    ir::for_each_leaf(e, [&](const Atom* a) {
      out = out || (a->kind == AtomKind::dynamic ? static_cast<const Value*>(a->value)->varying : a == lane_);
    });
    return out;
  }

  bool contiguous(Expr e) const {
    if (!lane_ || e.coefficient(lane_) != 1) return false;
    for (const ir::Term& t : e.terms())
      if (t.atom != lane_ && atom_varies(t.atom)) return false;
    return true;
  }

  bool atom_varies(const Atom* a) const {
    if (a->of) return ir_varies(a->of);
    return a->kind == AtomKind::dynamic ? static_cast<const Value*>(a->value)->varying : a == lane_;
  }

  static int64_t cost_of(const std::vector<Statement>& statements) {
    int64_t out = 0;
    for (const Statement& s : statements) {
      if (const auto* l = std::get_if<Loop*>(&s)) out += std::min((*l)->count, (*l)->axis->extent()) * cost_of((*l)->body);
      else ++out;
    }
    return out;
  }

  // ---- cells, registers, locations -----------------------------------------------------------------------------------------

  int32_t new_cell() { return out_.cells++; }

  int32_t take_register() {
    if (!free_registers_.empty()) {
      const int32_t r = free_registers_.back();
      free_registers_.pop_back();
      return r;
    }
    return out_.registers++;
  }

  // Pointer locations follow the registers, whose number is known only at the end: they are negative until then.
  int32_t new_pointer() { return -2 - out_.locations++; }

  void finish_locations() {
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

  int32_t cell_of(const Value* v) const { return info_.at(v).cell; }
  int32_t location_of(const Value* v) const { return info_.at(v).location; }

  int32_t level_of(const Atom* leaf) const {
    if (leaf->kind != AtomKind::dynamic) return axis_level_.at(leaf);
    const Value* v = static_cast<const Value*>(leaf->value);
    return info_.at(v).invariant ? 0 : v->depth + 1;
  }

  int32_t level_of(Expr e) const {
    int32_t out = 0;
    ir::for_each_leaf(e, [&](const Atom* a) { out = std::max(out, level_of(a)); });
    return out;
  }

  // ---- index expressions -----------------------------------------------------------------------------------------------------

  /// The cell of an atom that is the same for all lanes.
  int32_t atom_cell(const Atom* a) {
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

  /// The uniform part of an expression; terms that vary go to `varying` (null: there are none).
  Linear linear(Expr e, std::vector<ir::Term>* varying) {
    std::vector<LinearTerm> terms;
    for (const ir::Term& t : e.terms()) {
      if (varying && atom_varies(t.atom)) varying->push_back(t);
      else terms.push_back({atom_cell(t.atom), t.coefficient});
    }
    Linear out{e.constant(), static_cast<int32_t>(program_.terms.size()), static_cast<int32_t>(terms.size())};
    program_.terms.insert(program_.terms.end(), terms.begin(), terms.end());
    return out;
  }

  int32_t tree(int64_t base, const std::vector<ir::Term>& terms, int32_t depth) {
    program_.tree_depth = std::max(program_.tree_depth, depth);
    Tree out{base, {}};
    for (const ir::Term& t : terms) {
      TreeTerm term{};
      term.coefficient = t.coefficient;
      term.by = t.atom->by;
      if (t.atom == lane_) {
        term.kind = TreeTerm::Kind::lane;
      } else if (!atom_varies(t.atom)) {
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

  // Runs: every division below is of the bare lane axis, or of such a quotient; then whole periods of the smallest common step
  // are affine. Returns the period and the stride within a run, or zero.
  struct Runs {
    int64_t period = 0, stride = 0;
  };
  Runs find_runs(const std::vector<ir::Term>& terms) const {
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
    return out.period >= 2 ? out : Runs{};
  }

  LaneIndex lane_index(Expr e) {
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
    out.tree = tree(0, varying, 1);
    return out;
  }

  Access access(const KernelBuffer* buffer, Expr index, const std::vector<Condition>& conditions) {
    Access out;
    out.buffer = buffers_.at(buffer);
    const bool widened = buffer->space == Space::row;  // rows hold register contents
    out.size = static_cast<int32_t>(widened ? width_of(buffer->dtype) : size_of(buffer->dtype));
    out.at = lane_index(index);
    for (const Condition& c : conditions) out.tests.push_back({lane_index(c.e), c.low, c.high});
    return out;
  }

  static bool converts(const KernelBuffer* b) { return is_half(b->dtype) && b->space != Space::row; }

  int32_t add_access(Access a) {
    program_.accesses.push_back(std::move(a));
    return static_cast<int32_t>(program_.accesses.size()) - 1;
  }

  // ---- code ------------------------------------------------------------------------------------------------------------------

  Instruction& emit(Code code, int32_t level) {
    Instruction i{};
    i.code = code;
    levels_[static_cast<size_t>(level)].code.push_back(i);
    return levels_[static_cast<size_t>(level)].code.back();
  }
  Instruction& emit(Code code) { return emit(code, static_cast<int32_t>(levels_.size()) - 1); }

  void body(const std::vector<Statement>& statements) {
    for (size_t i = 0; i < statements.size(); ++i) {
      const Statement& s = statements[i];
      position_ = static_cast<int32_t>(i);
      if (const auto* v = std::get_if<Value*>(&s)) value(**v);
      else if (const auto* st = std::get_if<Store*>(&s)) store(**st);
      else if (const auto* u = std::get_if<Update*>(&s)) update(**u);
      else loop(*std::get<Loop*>(s));
      position_ = static_cast<int32_t>(i);
      release(static_cast<int32_t>(levels_.size()) - 2, static_cast<int32_t>(i), nullptr);
    }
  }

  /// Frees registers of values of this depth whose last use is here. With `into`, only those it may overwrite.
  void release(int32_t depth, int32_t position, const Value* into) {
    auto& live = live_[depth];
    std::erase_if(live, [&](const Value* v) {
      if (last_use_.at(v) != position) return false;
      if (into && (v == into || width_of(v->dtype) < width_of(into->dtype) || !v->varying)) return false;
      free_registers_.push_back(info_.at(v).reg);
      return true;
    });
  }

  void give_register(const Value* v) {
    Info& info = info_[v];
    info.reg = info.location = take_register();
    live_[v->depth].push_back(v);
  }

  void value(const Value& v) {
    Info& info = info_[&v];
    const int32_t level = info.invariant ? 0 : static_cast<int32_t>(levels_.size()) - 1;
    if (v.varying) return lane_value(v, info);
    info.cell = new_cell();
    cell_value(v, info, level);
    if (!info.splat) return;
    if (info.invariant) info.reg = info.location = out_.registers++;  // for the whole phase, also for code that stands before
    else give_register(&v);
    Instruction& i = emit(Code::splat, level);
    i.dst = info.location;
    i.dst_is_location = true;
    i.a = info.cell;
    i.size = static_cast<uint8_t>(width_of(v.dtype));
    i.imm = lane_ ? 0 : -1;  // outside the lanes: as many as any block has
    widest_ = std::max<int64_t>(widest_, width_of(v.dtype));
  }

  void cell_value(const Value& v, Info& info, int32_t level) {
    switch (v.op) {
      case ValueOp::constant: {
        Instruction& i = emit(Code::constant, level);
        i.dst = info.cell;
        i.imm = constant_bits(v);
        return;
      }
      case ValueOp::index: {
        const int32_t at = add_index(v.index);
        Instruction& i = emit(Code::index_cell, level);
        i.dst = info.cell;
        i.access = at;
        i.dtype = v.dtype;
        break;
      }
      case ValueOp::load: {
        Access a = access(v.buffer, v.index, v.conditions);
        a.otherwise = v.args.empty() ? -1 : cell_of(v.args[0]);
        if (converts(v.buffer)) a.convert = ir::load_block(v.dtype);
        const int32_t at = add_access(std::move(a));
        Instruction& i = emit(Code::load_cell, level);
        i.dst = info.cell;
        i.access = at;
        i.size = static_cast<uint8_t>(width_of(v.dtype));
        return;
      }
      case ValueOp::elementwise: {
        const int32_t first = static_cast<int32_t>(program_.operands.size());
        for (const Value* a : v.args) program_.operands.push_back(cell_of(a));
        Instruction& i = emit(Code::apply_cell, level);
        i.dst = info.cell;
        i.a = first;
        i.b = static_cast<int32_t>(v.args.size());
        i.fn = block_loop(v);
        if (is_half(v.dtype)) round(Code::round_cell, v.dtype, info.cell, level);
        return;
      }
      case ValueOp::select: {
        Instruction& i = emit(Code::select_cell, level);
        i.dst = info.cell;
        i.a = cell_of(v.args[0]);
        i.b = cell_of(v.args[1]);
        i.c = cell_of(v.args[2]);
        return;
      }
      case ValueOp::within: {
        const int32_t at = add_tests(v.conditions);
        Instruction& i = emit(Code::within_cell, level);
        i.dst = info.cell;
        i.access = at;
        return;
      }
      case ValueOp::limit:
      case ValueOp::in_range: {
        Instruction& i = emit(v.op == ValueOp::limit ? Code::limit_cell : Code::in_range_cell, level);
        limits(i, v, info.cell, cell_of(v.args[0]));
        return;
      }
      case ValueOp::result: break;
    }
    if (is_half(v.dtype) && v.op == ValueOp::index) round(Code::round_cell, v.dtype, info.cell, level);
  }

  static void limits(Instruction& i, const Value& v, int32_t dst, int32_t a) {
    i.dst = dst;
    i.a = a;
    i.imm = v.bits;
    i.raises = v.raises;
    i.node = v.node;
    i.dtype = v.args[0]->dtype;
  }

  void round(Code code, DType dtype, int32_t at, int32_t level) {
    Instruction& i = emit(code, level);
    i.dst = at;
    i.dst_is_location = code == Code::round;
    i.fn = ir::round_block(dtype);
  }

  static int64_t constant_bits(const Value& v) {
    int64_t out = 0;
    if (v.dtype == DType::float64) return v.bits;
    if (is_float(v.dtype)) {
      const float f = static_cast<float>(bits_as_double(v.bits));
      std::memcpy(&out, &f, sizeof f);
      return out;
    }
    return v.bits;  // little endian: the low bytes are the value
  }

  static ir::BlockFn block_loop(const Value& v) {
    std::vector<DType> in;
    for (const Value* a : v.args) in.push_back(a->dtype);
    const Elementwise* e = v.record->as<Elementwise>();
    const ir::BlockFn fn = e->block(in, v.dtype, std::span<const int64_t>(v.attrs->begin(), v.attrs->size()));
    if (!fn) fail(ErrorKind::not_implemented, concat(v.record->name, " of ", name_of(v.args.empty() ? v.dtype : v.args[0]->dtype), " has no loop on the CPU"));
    return fn;
  }

  int32_t add_index(Expr e) {
    const LaneIndex at = lane_index(e);
    program_.indices.push_back(at);
    return static_cast<int32_t>(program_.indices.size()) - 1;
  }

  int32_t add_tests(const std::vector<Condition>& conditions) {
    std::vector<Test> tests;
    for (const Condition& c : conditions) tests.push_back({lane_index(c.e), c.low, c.high});
    program_.tests.push_back(std::move(tests));
    return static_cast<int32_t>(program_.tests.size()) - 1;
  }

  /// Where a computed lane value goes: into its output when it is only copied there anyway, else into a register.
  void place(const Value& v, Info& info) {
    if (info.direct) {
      const int32_t at = add_access(access(info.direct->buffer, info.direct->index, {}));
      info.location = new_pointer();
      Instruction& i = emit(Code::point);
      i.dst = info.location;
      i.dst_is_location = true;
      i.access = at;
      return;
    }
    release(static_cast<int32_t>(levels_.size()) - 2, position_, &v);
    give_register(&v);
  }

  void lane_value(const Value& v, Info& info) {
    const auto set_dst = [&](Instruction& i) {
      i.dst = info.location;
      i.dst_is_location = true;
    };
    switch (v.op) {
      case ValueOp::constant:
      case ValueOp::result: PG_INVARIANT(false, "not a lane value"); return;
      case ValueOp::load: {
        Access a = access(v.buffer, v.index, v.conditions);
        a.otherwise = v.args.empty() ? -1 : cell_of(v.args[0]);
        if (converts(v.buffer)) a.convert = ir::load_block(v.dtype);
        const bool direct = a.at.pattern == Pattern::affine && a.at.stride == 1 && !a.convert;
        const bool guarded = !a.tests.empty();
        const int32_t at = add_access(std::move(a));
        int32_t reg = -1;
        if (!direct || guarded) {
          give_register(&v);
          reg = info.reg;
        }
        info.location = new_pointer();
        Instruction& i = emit(direct && !guarded ? Code::point : Code::load);
        set_dst(i);
        i.reg = reg;
        i.access = at;
        i.size = static_cast<uint8_t>(width_of(v.dtype));
        return;
      }
      case ValueOp::index: {
        const int32_t at = add_index(v.index);
        give_register(&v);
        Instruction& i = emit(Code::index);
        set_dst(i);
        i.access = at;
        i.dtype = v.dtype;
        if (is_half(v.dtype)) round(Code::round, v.dtype, info.location, static_cast<int32_t>(levels_.size()) - 1);
        return;
      }
      case ValueOp::within: {
        const int32_t at = add_tests(v.conditions);
        give_register(&v);
        Instruction& i = emit(Code::within);
        set_dst(i);
        i.access = at;
        return;
      }
      case ValueOp::limit:
      case ValueOp::in_range: {
        give_register(&v);
        Instruction& i = emit(v.op == ValueOp::limit ? Code::limit : Code::in_range);
        limits(i, v, info.location, location_of(v.args[0]));
        i.dst_is_location = true;
        return;
      }
      case ValueOp::select: {
        place(v, info);
        Instruction& i = emit(Code::select);
        set_dst(i);
        i.a = location_of(v.args[0]);
        i.b = location_of(v.args[1]);
        i.c = location_of(v.args[2]);
        i.size = static_cast<uint8_t>(width_of(v.dtype));
        return;
      }
      case ValueOp::elementwise: {
        place(v, info);
        const size_t n = v.args.size();
        Instruction& i = emit(n == 1 ? Code::apply1 : n == 2 ? Code::apply2 : Code::apply);
        set_dst(i);
        i.fn = block_loop(v);
        if (n <= 2) {
          i.a = location_of(v.args[0]);
          if (n == 2) i.b = location_of(v.args[1]);
        } else {
          i.a = static_cast<int32_t>(program_.operands.size());
          i.b = static_cast<int32_t>(n);
          for (const Value* a : v.args) program_.operands.push_back(location_of(a));
        }
        if (is_half(v.dtype)) round(Code::round, v.dtype, info.location, static_cast<int32_t>(levels_.size()) - 1);
        return;
      }
    }
  }

  void store(const Store& s) {
    Info& info = info_[s.value];
    if (info.direct == &s) return;
    Access a = access(s.buffer, s.index, {});
    if (converts(s.buffer)) a.convert = ir::store_block(s.buffer->dtype);
    const bool by_lanes = a.at.pattern != Pattern::uniform;
    const int32_t at = add_access(std::move(a));
    Instruction& i = emit(by_lanes ? Code::store : Code::store_cell);
    i.a = by_lanes ? info.location : info.cell;
    i.access = at;
  }

  void update(const Update& u) {
    const Reduction& r = reductions_.at(u.accumulator);
    Instruction& i = emit(r.blocks ? Code::fold_block : Code::fold);
    i.a = location_of(u.value);
    i.dst = r.blocks ? r.reg : r.state;
    i.fn = r.blocks ? r.folder.fold_block : r.folder.fold;
  }

  void loop(const Loop& l) {
    const bool is_lanes = l.kind == Loop::Kind::lanes;
    const int32_t position = position_;
    for (const Accumulator* a : l.accumulators) {
      Reduction& r = reductions_.at(a);
      r.folder = folder(a->combine, r.value, a->dtype);
      if (r.blocks) r.reg = take_register();
      else r.state = out_.states++;
      Instruction& i = emit(r.blocks ? Code::begin_block : Code::begin);
      i.dst = r.blocks ? r.reg : r.state;
      i.size = static_cast<uint8_t>(size_of(state_type(a->combine, r.value)));
      i.imm = r.folder.identity;
    }
    const Linear start = linear(l.start, nullptr);
    Instruction head{};
    head.code = is_lanes ? Code::lanes : Code::serial;
    head.dst = axis_cell_[l.axis] = new_cell();
    head.a = new_cell();  // where it ends
    head.access = static_cast<int32_t>(program_.linears.size());
    program_.linears.push_back(start);
    head.imm = l.count;
    head.extent = l.axis->extent();
    axis_level_[l.axis] = static_cast<int32_t>(levels_.size());
    if (is_lanes) lane_ = l.axis;
    levels_.emplace_back();
    body(l.body);
    for (const Atom* a : levels_.back().atoms) atom_cell_.erase(a);
    std::vector<Instruction> inner = std::move(levels_.back().code);
    levels_.pop_back();
    auto& code = levels_.back().code;
    const int32_t length = static_cast<int32_t>(inner.size());
    head.jump = length + 2;
    Instruction tail{};
    tail.code = is_lanes ? Code::lanes_end : Code::serial_end;
    tail.dst = head.dst;
    tail.a = head.a;
    tail.jump = -length;
    code.push_back(head);
    code.insert(code.end(), inner.begin(), inner.end());
    code.push_back(tail);
    if (is_lanes) lane_ = nullptr;
    position_ = position;
    for (const Accumulator* a : l.accumulators) finish(*a);
  }

  void finish(const Accumulator& a) {
    Reduction& r = reductions_.at(&a);
    Info& info = info_[a.result];
    const int32_t level = static_cast<int32_t>(levels_.size()) - 1;
    if (r.blocks) {
      give_register(a.result);
      Instruction& i = emit(Code::finish_block);
      i.dst = info.location;
      i.dst_is_location = true;
      i.a = r.reg;
      i.fn = r.folder.finish_block;
      free_registers_.push_back(r.reg);
      if (is_half(a.dtype)) round(Code::round, a.dtype, info.location, level);
      return;
    }
    info.cell = new_cell();
    Instruction& i = emit(Code::finish);
    i.dst = info.cell;
    i.a = r.state;
    i.fn = r.folder.finish;
    if (is_half(a.dtype)) round(Code::round_cell, a.dtype, info.cell, level);
    if (!info.splat) return;
    give_register(a.result);
    Instruction& s = emit(Code::splat);
    s.dst = info.location;
    s.dst_is_location = true;
    s.a = info.cell;
    s.size = static_cast<uint8_t>(width_of(a.dtype));
    s.imm = -1;
    widest_ = std::max<int64_t>(widest_, width_of(a.dtype));
  }

  Program& program_;
  const Phase& phase_;
  ProgramPhase out_;
  std::unordered_map<const KernelBuffer*, int32_t> buffers_;
  std::unordered_map<const Value*, Info> info_;
  std::unordered_map<const Value*, int32_t> last_use_;
  std::unordered_map<const Accumulator*, Reduction> reductions_;
  std::unordered_map<const Atom*, int32_t> axis_cell_, axis_level_, atom_cell_;
  std::unordered_map<int32_t, std::vector<const Value*>> live_;  // by depth, with a register
  std::vector<int32_t> free_registers_;
  std::vector<Level> levels_;  // 0: once per range, 1: grid point, then one per open loop
  ir::Axis lane_ = nullptr;
  int32_t position_ = 0;
  int64_t longest_ = 1, widest_ = 4;
  size_t first_operand_ = program_.operands.size(), first_tree_ = program_.trees.size();
};

// ---- sharing of memory ---------------------------------------------------------------------------------------------------------

/// Where every input is last read and every output first written, in program order.
struct Order {
  struct Use {
    bool plain = true;  // one index expression, no conditions
    Expr index;
    int32_t last = -1, first_write = -1;
    bool used = false;
  };
  std::unordered_map<const KernelBuffer*, Use> uses;
  std::unordered_map<const Value*, const KernelBuffer*> loads;
  std::unordered_map<const Value*, int32_t> defined;
  int32_t now = 0;

  void touch(const Value* v) {
    const auto found = loads.find(v);
    if (found != loads.end()) uses[found->second].last = now;
  }

  void note(const KernelBuffer* b, Expr index, bool guarded) {
    Use& u = uses[b];
    u.plain = u.plain && !guarded && (!u.used || u.index == index);
    u.used = true;
    u.index = index;
  }

  void walk(const std::vector<Statement>& statements) {
    for (const Statement& s : statements) {
      ++now;
      if (const auto* item = std::get_if<Value*>(&s)) {
        const Value* v = *item;
        defined[v] = now;
        for (const Value* a : v->args) touch(a);
        if (v->op != ValueOp::load) continue;
        loads[v] = v->buffer;
        note(v->buffer, v->index, !v->conditions.empty());
        uses[v->buffer].last = now;
      } else if (const auto* item = std::get_if<Store*>(&s)) {
        touch((*item)->value);
        Use& u = uses[(*item)->buffer];
        // The value may be computed in its place, as early as where it is defined.
        const auto at = defined.find((*item)->value);
        const int32_t write = at == defined.end() ? now : at->second;
        u.first_write = u.first_write < 0 ? write : std::min(u.first_write, write);
        note((*item)->buffer, (*item)->index, false);
      } else if (const auto* item = std::get_if<Update*>(&s)) {
        touch((*item)->value);
      } else {
        walk(std::get<Loop*>(s)->body);
      }
    }
  }
};

std::vector<std::pair<int, int>> shareable(const Kernel& kernel) {
  Order order;
  for (const Phase& p : kernel.phases) order.walk(p.body);
  std::vector<std::pair<int, int>> out;
  for (size_t o = kernel.inputs; o < kernel.params.size(); ++o) {
    const KernelBuffer* to = kernel.params[o];
    const Order::Use& write = order.uses[to];
    if (!write.plain || write.first_write < 0) continue;
    for (size_t i = 0; i < kernel.inputs; ++i) {
      const KernelBuffer* from = kernel.params[i];
      const Order::Use& read = order.uses[from];
      if (from->size == to->size && from->dtype == to->dtype && read.used && read.plain && read.index == write.index &&
          read.last <= write.first_write)
        out.emplace_back(static_cast<int>(o - kernel.inputs), static_cast<int>(i));
    }
  }
  return out;
}

}  // namespace
}  // namespace pg::interpreter

namespace pg {

LaunchPlan compile_kernel(const Kernel& kernel) {
  using namespace interpreter;
  ir::ExprScope scope(*kernel.exprs);
  auto program = std::make_shared<Program>();
  program->params = static_cast<int32_t>(kernel.params.size());
  for (const KernelBuffer* b : kernel.locals) {
    const bool row = b->space == Space::row;
    const int64_t bytes = (b->size * (row ? size_of(compute_type(b->dtype)) : size_of(b->dtype)) + 63) / 64 * 64;
    program->locals.push_back({bytes, row});
    (row ? program->row_bytes : program->partial_bytes) += bytes;
  }
  for (const Phase& p : kernel.phases) program->phases.push_back(Compiler(*program, kernel, p).run());
  return {std::move(program), shareable(kernel)};
}

}  // namespace pg
