// Kernel -> program: locations and registers for values, cells for uniform values and index parts, one
// instruction per statement.

#include <algorithm>
#include <cstring>

#include "backends/cpu/interpreter/emitter.h"
#include "compiler/kernel/cost.h"
#include "compiler/kernel/tiles.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::interpreter {
namespace {

using ir::Atom;

constexpr int64_t largest_block = 1024;

class Compiler : Emitter {
 public:
  Compiler(Program& program, const BufferNumbers& numbers, const Phase& phase)
      : Emitter(program, numbers, phase) {}

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
    out_.cost = lane_cost(phase_.body);
    out_.register_bytes =
        out_.block * widest_ + 192;  // not a multiple of the page: registers would fight for cache sets
    finish_locations();
    return std::move(out_);
  }

 private:
  // ---- code
  // ------------------------------------------------------------------------------------------------------------------

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

  void value(const Value& v) {
    Info& info = info_[&v];
    const int32_t level = info.invariant ? 0 : static_cast<int32_t>(levels_.size()) - 1;
    if (v.varying) return lane_value(v, info);
    info.cell = new_cell(v.dtype);
    cell_value(v, info, level);
    if (!info.splat) return;
    if (info.invariant)
      info.reg = info.location = out_.registers++;  // for the whole phase, also for code that stands before
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
      if (v.dtype != DType::complex128) return;
      Instruction& imag = emit(Code::constant, level);
      imag.dst = info.cell + 1;
      imag.imm = is_negative_zero(v) ? v.bits : 0;
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
      i.size = static_cast<uint8_t>(width_of(v.dtype));
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

  static bool is_negative_zero(const Value& v) { return v.bits == scalar_bits(-0.0); }

  /// The first word of a constant. Of complex ones the imaginary part is zero.
  static int64_t constant_bits(const Value& v) {
    int64_t out = 0;
    if (real_type(v.dtype) == DType::float64) return v.bits;
    if (is_inexact(v.dtype)) {
      const float f[2] = {static_cast<float>(bits_as_double(v.bits)), is_negative_zero(v) ? -0.0f : 0.0f};
      std::memcpy(&out, f, is_complex(v.dtype) ? 2 * sizeof(float) : sizeof(float));
      return out;
    }
    return v.bits;  // little endian: the low bytes are the value
  }

  static ir::BlockFn block_loop(const Value& v) {
    std::vector<DType> in;
    for (const Value* a : v.args) in.push_back(a->dtype);
    const Elementwise* e = v.record->as<Elementwise>();
    const ir::BlockFn fn = e->block(in, v.dtype, std::span<const int64_t>(v.attrs->begin(), v.attrs->size()));
    if (!fn)
      fail(ErrorKind::not_implemented,
           concat(v.record->name, " of ", name_of(v.args.empty() ? v.dtype : v.args[0]->dtype),
                  " has no loop on the CPU"));
    return fn;
  }

  /// Where a computed lane value goes: into its output when it is only copied there anyway, else into a
  /// register.
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
      if (is_half(v.dtype))
        round(Code::round, v.dtype, info.location, static_cast<int32_t>(levels_.size()) - 1);
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
      if (is_half(v.dtype))
        round(Code::round, v.dtype, info.location, static_cast<int32_t>(levels_.size()) - 1);
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
    const ReductionInfo& r = reductions_.at(u.accumulator);
    Instruction& i = emit(r.blocks ? Code::fold_block : Code::fold);
    i.a = location_of(u.value);
    i.dst = r.blocks ? r.reg : r.state;
    i.fn = r.blocks ? r.folder.fold_block : r.folder.fold;
  }

  /// Tiles that are read across their rows: one instruction instead of a short block per column.
  bool transposes(const Loop& l) {
    const auto copy = transposed_copy(l);
    if (!copy || converts(copy->load->buffer)) return false;
    const Loop& inner = *copy->inner;
    const auto corner = [&](ir::Expr e) {
      return ir::substitute(e, [&](const Atom* a) {
        return a == l.axis ? l.start : a == inner.axis ? inner.start : ir::Expr();
      });
    };
    const Access from = access(copy->load->buffer, corner(copy->load->index), {});
    const Access to = access(copy->store->buffer, corner(copy->store->index), {});
    if (from.size != 4 || to.size != 4) return false;
    Transposition t;
    t.from = add_access(from);
    t.to = add_access(to);
    t.row = linear(l.start, nullptr);
    t.column = linear(inner.start, nullptr);
    t.rows = l.count;
    t.row_limit = l.axis->extent();
    t.columns = inner.count;
    t.column_limit = inner.axis->extent();
    t.from_pitch = copy->from_pitch;
    t.to_pitch = copy->to_pitch;
    emit(Code::transpose).a = static_cast<int32_t>(program_.transpositions.size());
    program_.transpositions.push_back(t);
    return true;
  }

  void loop(const Loop& l) {
    if (transposes(l)) return;
    const bool is_lanes = l.kind == Loop::Kind::lanes;
    const int32_t position = position_;
    for (const Accumulator* a : l.accumulators) {
      ReductionInfo& r = reductions_.at(a);
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
    if (l.limit) {
      const Linear limit = linear(l.limit, nullptr);
      head.b = static_cast<int32_t>(program_.linears.size());
      program_.linears.push_back(limit);
    }
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
    ReductionInfo& r = reductions_.at(&a);
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
    info.cell = new_cell(a.dtype);
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

  int32_t position_ = 0;  // statement of the innermost body
};

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
    const int64_t bytes =
        (b->size * (row ? size_of(compute_type(b->dtype)) : size_of(b->dtype)) + 63) / 64 * 64;
    program->locals.push_back({bytes, row});
    (row ? program->row_bytes : program->partial_bytes) += bytes;
  }
  const BufferNumbers numbers(kernel);
  for (const Phase& p : kernel.phases) program->phases.push_back(Compiler(*program, numbers, p).run());
  std::vector<std::pair<int, int>> in_place = shareable(kernel);
  cpu::SegmentTable segments(kernel);
  if (!segments.empty()) in_place = segments.all(in_place);
  return {std::move(program), std::move(in_place), std::move(segments)};
}

}  // namespace pg
