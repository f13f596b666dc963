// Runs programs: one pass over the instructions per grid point, grid points in parallel where it pays.

#include <cstring>

#include "backends/cpu/interpreter/blocks.h"
#include "backends/cpu/interpreter/machine.h"
#include "backends/cpu/scratch.h"
#include "runtime/threads.h"

namespace pg::interpreter {
namespace {

constexpr int64_t serial_cost = 64 << 10;  // element operations below which threads do not pay
constexpr int64_t grain_cost = 32 << 10;

thread_local cpu::Scratch scratch;   // of the grid points this thread runs
thread_local cpu::Scratch partials;  // of the launches this thread starts

/// n neutral elements of a reduction; those of complex numbers are real.
void clear(void* out, const Instruction& i, int64_t n) {
  const int64_t element[2] = {i.imm, 0};
  fill(out, i.size, element, n);
}

constexpr size_t line(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

}  // namespace

Machine::Machine(const Program& program, const ProgramPhase& phase, void* const* buffers, Failure& failure)
    : program_(program), phase_(phase), failure_(failure) {
  const size_t tables = phase.buffers.size();
  const size_t cells = line(static_cast<size_t>(phase.cells) * 8),
               locations = line(static_cast<size_t>(phase.locations) * 8);
  const size_t registers = static_cast<size_t>(phase.registers) * static_cast<size_t>(phase.register_bytes);
  const size_t states = static_cast<size_t>(phase.states) * partial_lanes * largest_element;
  const size_t indices = static_cast<size_t>(program.tree_depth + 2) * static_cast<size_t>(phase.block) * 8;
  const size_t total = cells + locations + line(tables * 8) + registers + states + indices +
                       line(static_cast<size_t>(phase.block)) + static_cast<size_t>(program.row_bytes);
  char* at = scratch.reserve(total);
  const auto take = [&](size_t bytes) { return std::exchange(at, at + bytes); };
  registers_ = take(line(registers));
  states_ = take(states);
  cells_ = reinterpret_cast<int64_t*>(take(cells));
  locations_ = reinterpret_cast<char**>(take(locations));
  buffers_ = reinterpret_cast<char**>(take(line(tables * 8)));
  indices_ = reinterpret_cast<int64_t*>(take(indices));
  mask_ = reinterpret_cast<uint8_t*>(take(line(static_cast<size_t>(phase.block))));
  for (int32_t i = 0; i < phase.registers; ++i) locations_[i] = register_at(i);
  for (size_t i = 0; i < tables; ++i) {
    const int32_t number = phase.buffers[i];
    const Program::Local* local =
        number < program.params ? nullptr : &program.locals[static_cast<size_t>(number - program.params)];
    buffers_[i] =
        local && local->row ? take(static_cast<size_t>(local->bytes)) : static_cast<char*>(buffers[number]);
  }
}

void Machine::run(int64_t begin, int64_t end) {
  const Instruction* code = phase_.code.data();
  const Instruction* body = code + phase_.body;
  execute(code, body);
  const Instruction* stop = code + phase_.code.size();
  for (int64_t point = begin; point < end; ++point) {
    cells_[phase_.grid_cell] = point;
    execute(body, stop);
  }
}

void Machine::apply_many(const Instruction& i) {
  const bool cells = i.code == Code::apply_cell;
  SmallVector<const void*, 8> in(static_cast<size_t>(i.b), nullptr);
  const int32_t* operands = program_.operands.data() + i.a;
  for (int32_t k = 0; k < i.b; ++k)
    in[static_cast<size_t>(k)] = cells ? cell(operands[k]) : locations_[operands[k]];
  if (cells) i.fn(cell(i.dst), in.data(), 1);
  else i.fn(locations_[i.dst], in.data(), n_);
}

void Machine::execute(const Instruction* pc, const Instruction* stop) {
  while (pc < stop) {
    const Instruction& i = *pc;
    switch (i.code) {
    case Code::divide: cells_[i.dst] = ir::floor_div(eval(program_.linears[i.access]), i.imm); break;
    case Code::modulo: cells_[i.dst] = ir::floor_mod(eval(program_.linears[i.access]), i.imm); break;
    case Code::serial: {
      const int64_t start = eval(program_.linears[i.access]), end = std::min(start + i.imm, limit_of(i));
      cells_[i.dst] = start;
      cells_[i.a] = end;
      if (start >= end) {
        pc += i.jump;
        continue;
      }
      break;
    }
    case Code::serial_end:
      if (++cells_[i.dst] < cells_[i.a]) {
        pc += i.jump;
        continue;
      }
      break;
    case Code::lanes: {
      const int64_t start = eval(program_.linears[i.access]), end = std::min(start + i.imm, limit_of(i));
      cells_[i.dst] = start;
      cells_[i.a] = end;
      if (start >= end) {
        pc += i.jump;
        continue;
      }
      n_ = std::min(phase_.block, end - start);
      break;
    }
    case Code::lanes_end: {
      const int64_t next = cells_[i.dst] += n_;
      if (next < cells_[i.a]) {
        n_ = std::min(phase_.block, cells_[i.a] - next);
        pc += i.jump;
        continue;
      }
      break;
    }
    case Code::constant: cells_[i.dst] = i.imm; break;
    case Code::point: {
      const Access& a = program_.accesses[i.access];
      locations_[i.dst] = buffers_[a.buffer] + eval(a.at.linear) * a.size;
      break;
    }
    case Code::load: load(i); break;
    case Code::load_cell: load_cell(i); break;
    case Code::store: store(i); break;
    case Code::store_cell: store_cell(i); break;
    case Code::transpose: transpose(program_.transpositions[i.a]); break;
    case Code::apply1: {
      const void* in = locations_[i.a];
      i.fn(locations_[i.dst], &in, n_);
      break;
    }
    case Code::apply2: {
      const void* in[] = {locations_[i.a], locations_[i.b]};
      i.fn(locations_[i.dst], in, n_);
      break;
    }
    case Code::apply:
    case Code::apply_cell: apply_many(i); break;
    case Code::round: {
      const void* in = locations_[i.dst];
      i.fn(locations_[i.dst], &in, n_);
      break;
    }
    case Code::round_cell: {
      const void* in = cell(i.dst);
      i.fn(cell(i.dst), &in, 1);
      break;
    }
    case Code::splat: fill(locations_[i.dst], i.size, cell(i.a), i.imm < 0 ? phase_.block : n_); break;
    case Code::select:
      select(locations_[i.dst], locations_[i.a], locations_[i.b], locations_[i.c], i.size, n_);
      break;
    case Code::select_cell:
      std::memcpy(cell(i.dst), cell(*static_cast<const uint8_t*>(cell(i.a)) ? i.b : i.c), i.size);
      break;
    case Code::within: within(program_.tests[i.access], reinterpret_cast<uint8_t*>(locations_[i.dst])); break;
    case Code::within_cell: {
      bool ok = true;
      for (const Test& t : program_.tests[i.access]) {
        const int64_t v = eval(t.e.linear);
        ok = ok && v >= t.low && v < t.high;
      }
      cells_[i.dst] = ok;
      break;
    }
    case Code::index: {
      const LaneIndex& e = program_.indices[i.access];
      if (e.pattern == Pattern::affine) {
        count_up(locations_[i.dst], i.dtype, eval(e.linear), e.stride, n_);
      } else {
        indices(e, 0, n_, index_block(0), 1);
        from_integers(locations_[i.dst], i.dtype, index_block(0), n_);
      }
      break;
    }
    case Code::index_cell: {
      const int64_t v = eval(program_.indices[i.access].linear);
      from_integers(cell(i.dst), i.dtype, &v, 1);
      break;
    }
    case Code::limit: limit(i, reinterpret_cast<int64_t*>(locations_[i.dst]), locations_[i.a], n_); break;
    case Code::limit_cell: limit(i, &cells_[i.dst], cell(i.a), 1); break;
    case Code::in_range:
      in_range(i, reinterpret_cast<uint8_t*>(locations_[i.dst]), locations_[i.a], n_);
      break;
    case Code::in_range_cell: in_range(i, static_cast<uint8_t*>(cell(i.dst)), cell(i.a), 1); break;
    case Code::begin: clear(state(i.dst), i, partial_lanes); break;
    case Code::fold: {
      const void* in = locations_[i.a];
      i.fn(state(i.dst), &in, n_);
      break;
    }
    case Code::finish: {
      const void* in = state(i.a);
      i.fn(cell(i.dst), &in, 1);
      break;
    }
    case Code::begin_block: clear(locations_[i.dst], i, n_); break;
    case Code::fold_block:
    case Code::finish_block: {
      const void* in = locations_[i.a];
      i.fn(locations_[i.dst], &in, n_);
      break;
    }
    }
    ++pc;
  }
}

}  // namespace pg::interpreter

namespace pg {

double seconds_of(const LaunchPlan& plan) {
  if (!plan.segments.empty())
    return static_cast<double>(plan.segments.elements()) * static_cast<double>(plan.segments.cost()) * 1e-10;
  double out = 0;
  for (const interpreter::ProgramPhase& p : plan.program->phases)
    out += static_cast<double>(p.points) * static_cast<double>(p.cost);
  return out * 1e-10;
}

LaunchStatus run(const LaunchPlan& plan, void* const* buffers) {
  using namespace interpreter;
  const Program& program = *plan.program;
  if (!plan.segments.empty()) {
    Failure failure;
    plan.segments.run(buffers, serial_cost, grain_cost, [&](void* const* params, int64_t begin, int64_t end) {
      Machine(program, program.phases[0], params, failure).run(begin, end);
    });
    return failure.status;
  }
  void* const* table = buffers;
  SmallVector<void*, 32> all;
  if (!program.locals.empty()) {
    all.assign(buffers, buffers + program.params);
    char* at = program.partial_bytes ? partials.reserve(static_cast<size_t>(program.partial_bytes)) : nullptr;
    for (const Program::Local& l : program.locals) {
      all.push_back(l.row ? nullptr : at);
      if (!l.row) at += l.bytes;
    }
    table = all.data();
  }
  Failure failure;
  for (const ProgramPhase& phase : program.phases) {
    if (phase.points == 0) continue;
    if (phase.points == 1 || phase.points * phase.cost < serial_cost) {
      Machine(program, phase, table, failure).run(0, phase.points);
      continue;
    }
    const int64_t grain = std::max<int64_t>(1, grain_cost / std::max<int64_t>(1, phase.cost));
    parallel_for(phase.points, grain, [&](int64_t begin, int64_t end, int) {
      Machine(program, phase, table, failure).run(begin, end);
    });
  }
  return failure.status;
}

}  // namespace pg
