// Runs programs: one pass over the instructions per grid point, grid points in parallel where it pays.

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "backends/cpu/interpreter/blocks.h"
#include "backends/cpu/interpreter/program.h"
#include "runtime/threads.h"
#include "support/error.h"

namespace pg::interpreter {
namespace {

constexpr int64_t serial_cost = 64 << 10;  // element operations below which threads do not pay
constexpr int64_t grain_cost = 32 << 10;

/// Memory that a thread keeps between launches.
class Scratch {
 public:
  ~Scratch() { std::free(base_); }
  char* reserve(size_t bytes) {
    if (bytes <= size_) [[likely]] return base_;
    std::free(base_);
    size_ = (bytes + 4095) / 4096 * 4096;
    base_ = static_cast<char*>(std::aligned_alloc(4096, size_));
    if (!base_) {
      size_ = 0;
      throw std::bad_alloc();
    }
    return base_;
  }

 private:
  char* base_ = nullptr;
  size_t size_ = 0;
};
thread_local Scratch scratch;   // of the grid points this thread runs
thread_local Scratch partials;  // of the launches this thread starts

/// The first index outside of a gather, from any thread.
struct Failure {
  std::atomic<bool> seen{false};
  LaunchStatus status;
  void report(Id record, int64_t index, int64_t extent) {
    if (!seen.exchange(true)) status = {false, record, index, extent};
  }
};

constexpr size_t line(size_t bytes) { return (bytes + 63) & ~size_t{63}; }

class Machine {
 public:
  Machine(const Program& program, const ProgramPhase& phase, void* const* buffers, Failure& failure)
      : program_(program), phase_(phase), failure_(failure) {
    const size_t tables = static_cast<size_t>(program.params) + program.locals.size();
    const size_t cells = line(static_cast<size_t>(phase.cells) * 8), locations = line(static_cast<size_t>(phase.locations) * 8);
    const size_t registers = static_cast<size_t>(phase.registers) * static_cast<size_t>(phase.register_bytes);
    const size_t states = static_cast<size_t>(phase.states) * partial_lanes * 8;
    const size_t indices = static_cast<size_t>(program.tree_depth + 2) * static_cast<size_t>(phase.block) * 8;
    const size_t total = cells + locations + line(tables * 8) + registers + states + indices + line(static_cast<size_t>(phase.block)) +
                         static_cast<size_t>(program.row_bytes);
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
    for (size_t i = 0; i < tables; ++i) buffers_[i] = static_cast<char*>(buffers[i]);
    for (size_t i = 0; i < program.locals.size(); ++i)
      if (program.locals[i].row) buffers_[static_cast<size_t>(program.params) + i] = take(static_cast<size_t>(program.locals[i].bytes));
  }

  void run(int64_t begin, int64_t end) {
    const Instruction* code = phase_.code.data();
    const Instruction* body = code + phase_.body;
    execute(code, body);
    const Instruction* stop = code + phase_.code.size();
    for (int64_t point = begin; point < end; ++point) {
      cells_[phase_.grid_cell] = point;
      execute(body, stop);
    }
  }

 private:
  char* register_at(int32_t i) const { return registers_ + i * phase_.register_bytes; }
  void* cell(int32_t i) const { return &cells_[i]; }

  // ---- indices ---------------------------------------------------------------------------------------------------------

  int64_t eval(const Linear& l) const {
    int64_t out = l.base;
    const LinearTerm* t = program_.terms.data() + l.first;
    for (int32_t i = 0; i < l.count; ++i) out += t[i].coefficient * cells_[t[i].cell];
    return out;
  }

  int64_t eval(const Tree& tree, int64_t lane) const {
    int64_t out = tree.base;
    for (const TreeTerm& t : tree.terms) {
      int64_t v = 0;
      switch (t.kind) {
        case TreeTerm::Kind::lane: v = lane; break;
        case TreeTerm::Kind::cell: v = cells_[t.at]; break;
        case TreeTerm::Kind::block: v = reinterpret_cast<const int64_t*>(locations_[t.at])[0]; break;
        case TreeTerm::Kind::quotient: v = ir::floor_div(eval(program_.trees[t.at], lane), t.by); break;
        case TreeTerm::Kind::remainder: v = ir::floor_mod(eval(program_.trees[t.at], lane), t.by); break;
      }
      out += t.coefficient * v;
    }
    return out;
  }

  int64_t* index_block(int depth) const { return indices_ + depth * phase_.block; }

  // out[i] = tree(lane + i); `depth` index blocks are in use.
  void eval_block(const Tree& tree, int64_t lane, int64_t n, int64_t* __restrict out, int depth) const {
    int64_t base = tree.base;
    for (const TreeTerm& t : tree.terms)
      if (t.kind == TreeTerm::Kind::cell) base += t.coefficient * cells_[t.at];
    std::fill(out, out + n, base);
    for (const TreeTerm& t : tree.terms) {
      const int64_t c = t.coefficient;
      if (t.kind == TreeTerm::Kind::lane) {
        for (int64_t i = 0; i < n; ++i) out[i] += c * (lane + i);
      } else if (t.kind == TreeTerm::Kind::block) {
        const int64_t* v = reinterpret_cast<const int64_t*>(locations_[t.at]);
        for (int64_t i = 0; i < n; ++i) out[i] += c * v[i];
      } else if (t.kind != TreeTerm::Kind::cell) {
        int64_t* __restrict inner = index_block(depth);
        eval_block(program_.trees[t.at], lane, n, inner, depth + 1);
        divide_block(inner, n, t.by, t.kind == TreeTerm::Kind::quotient);
        for (int64_t i = 0; i < n; ++i) out[i] += c * inner[i];
      }
    }
  }

  // Neighbouring lanes mostly have the same quotient: divide again only when the value left the last step.
  static void divide_block(int64_t* x, int64_t n, int64_t by, bool quotient) {
    int64_t q = ir::floor_div(x[0], by), low = q * by;
    for (int64_t i = 0; i < n; ++i) {
      int64_t r = x[i] - low;
      if (static_cast<uint64_t>(r) >= static_cast<uint64_t>(by)) {
        q = ir::floor_div(x[i], by);
        low = q * by;
        r = x[i] - low;
      }
      x[i] = quotient ? q : r;
    }
  }

  /// Calls run(first, count, start) for maximal affine pieces of lanes [from, from + n) of the block.
  template <class F>
  void each_run(const LaneIndex& e, int64_t from, int64_t n, F&& run) const {
    const int64_t uniform = eval(e.linear);
    const Tree& tree = program_.trees[e.tree];
    int64_t lane = cells_[e.lane] + from;
    int64_t left = e.period - lane % e.period;
    for (int64_t i = 0; i < n;) {
      const int64_t count = std::min(left, n - i);
      run(i, count, uniform + eval(tree, lane));
      i += count;
      lane += count;
      left = e.period;
    }
  }

  /// The index of lanes [from, from + n), one by one.
  void indices(const LaneIndex& e, int64_t from, int64_t n, int64_t* out, int depth) const {
    switch (e.pattern) {
      case Pattern::uniform: std::fill(out, out + n, eval(e.linear)); return;
      case Pattern::affine: {
        const int64_t start = eval(e.linear) + from * e.stride;
        for (int64_t i = 0; i < n; ++i) out[i] = start + i * e.stride;
        return;
      }
      case Pattern::runs:
        each_run(e, from, n, [&](int64_t i, int64_t count, int64_t start) {
          for (int64_t j = 0; j < count; ++j) out[i + j] = start + j * e.stride;
        });
        return;
      case Pattern::general: {
        PG_INVARIANT(from == 0);  // blocks of dynamic indices count from the block's first lane
        eval_block(program_.trees[e.tree], cells_[e.lane], n, out, depth);
        const int64_t uniform = eval(e.linear);
        for (int64_t i = 0; i < n; ++i) out[i] += uniform;
        return;
      }
    }
  }

  // ---- conditions --------------------------------------------------------------------------------------------------------

  struct Region {
    int64_t low, high;  // lanes outside fail
    bool masked;        // lanes inside pass where mask_ is set
  };

  Region region(const std::vector<Test>& tests) const {
    Region out{0, n_, false};
    for (const Test& t : tests) {
      if (t.e.pattern == Pattern::uniform || t.e.pattern == Pattern::affine) {
        const int64_t v = eval(t.e.linear), c = t.e.stride;
        if (c == 0) {
          if (v < t.low || v >= t.high) return {0, 0, false};
        } else if (c > 0) {
          out.low = std::max(out.low, -ir::floor_div(v - t.low, c));
          out.high = std::min(out.high, -ir::floor_div(v - t.high, c));
        } else {
          out.low = std::max(out.low, ir::floor_div(v - t.high, -c) + 1);
          out.high = std::min(out.high, ir::floor_div(v - t.low, -c) + 1);
        }
        continue;
      }
      int64_t* at = index_block(0);
      indices(t.e, 0, n_, at, 1);
      for (int64_t i = 0; i < n_; ++i) {
        const bool ok = at[i] >= t.low && at[i] < t.high;
        mask_[i] = out.masked ? mask_[i] & ok : ok;
      }
      out.masked = true;
    }
    out.low = std::clamp<int64_t>(out.low, 0, n_);
    out.high = std::clamp<int64_t>(out.high, out.low, n_);
    return out;
  }

  void within(const std::vector<Test>& tests, uint8_t* out) const {
    const Region r = region(tests);
    std::memset(out, 0, static_cast<size_t>(r.low));
    if (r.masked) std::memcpy(out + r.low, mask_ + r.low, static_cast<size_t>(r.high - r.low));
    else std::memset(out + r.low, 1, static_cast<size_t>(r.high - r.low));
    std::memset(out + r.high, 0, static_cast<size_t>(n_ - r.high));
  }

  // ---- loads and stores ----------------------------------------------------------------------------------------------------

  /// Elements of lanes [from, from + n) to `out`, which holds elements of the compute type.
  void copy(const Access& a, char* out, int64_t from, int64_t n) const {
    if (a.convert) {
      const void* in;
      if (a.at.pattern == Pattern::affine && a.at.stride == 1) {
        in = buffers_[a.buffer] + (eval(a.at.linear) + from) * a.size;
      } else {
        in = index_block(0);
        gather(a, static_cast<char*>(const_cast<void*>(in)), from, n, 1);
      }
      a.convert(out, &in, n);
    } else {
      gather(a, out, from, n, 0);
    }
  }

  void gather(const Access& a, char* out, int64_t from, int64_t n, int depth) const {
    const char* base = buffers_[a.buffer];
    switch (a.at.pattern) {
      case Pattern::uniform: fill(out, a.size, base + eval(a.at.linear) * a.size, n); return;
      case Pattern::affine: copy_strided(out, base + (eval(a.at.linear) + from * a.at.stride) * a.size, a.size, a.at.stride, n); return;
      case Pattern::runs:
        each_run(a.at, from, n, [&](int64_t i, int64_t count, int64_t start) {
          copy_strided(out + i * a.size, base + start * a.size, a.size, a.at.stride, count);
        });
        return;
      case Pattern::general: {
        int64_t* at = index_block(depth);
        indices(a.at, 0, from + n, at, depth + 1);
        copy_gather(out, base, a.size, at + from, n);
        return;
      }
    }
  }

  void load(const Instruction& i) {
    const Access& a = program_.accesses[i.access];
    char* out = i.reg >= 0 ? register_at(i.reg) : nullptr;
    locations_[i.dst] = out;
    if (a.tests.empty()) return copy(a, out, 0, n_);
    const Region r = region(a.tests);
    const int64_t size = i.size;
    const int64_t zero = 0;
    const void* otherwise = a.otherwise >= 0 ? cell(a.otherwise) : &zero;
    if (r.masked) {
      int64_t* at = index_block(1);
      indices(a.at, 0, n_, at, 2);
      fill(out, i.size, otherwise, n_);
      const char* base = buffers_[a.buffer];
      for (int64_t k = r.low; k < r.high; ++k) {
        if (!mask_[k]) continue;
        const void* in = base + at[k] * a.size;
        if (a.convert) a.convert(out + k * size, &in, 1);
        else std::memcpy(out + k * size, in, static_cast<size_t>(size));
      }
      return;
    }
    if (r.low == 0 && r.high == n_ && a.at.pattern == Pattern::affine && a.at.stride == 1 && !a.convert) {
      locations_[i.dst] = buffers_[a.buffer] + eval(a.at.linear) * a.size;
      return;
    }
    fill(out, i.size, otherwise, r.low);
    fill(out + r.high * size, i.size, otherwise, n_ - r.high);
    if (r.low < r.high) copy(a, out + r.low * size, r.low, r.high - r.low);
  }

  void load_cell(const Instruction& i) {
    const Access& a = program_.accesses[i.access];
    int64_t& out = cells_[i.dst];
    out = 0;
    for (const Test& t : a.tests) {
      const int64_t v = eval(t.e.linear);
      if (v >= t.low && v < t.high) continue;
      if (a.otherwise >= 0) out = cells_[a.otherwise];
      return;
    }
    const void* in = buffers_[a.buffer] + eval(a.at.linear) * a.size;
    if (a.convert) a.convert(&out, &in, 1);
    else std::memcpy(&out, in, static_cast<size_t>(a.size));
  }

  void store(const Instruction& i) {
    const Access& a = program_.accesses[i.access];
    const void* in = locations_[i.a];
    char* base = buffers_[a.buffer];
    const bool contiguous = a.at.pattern == Pattern::affine && a.at.stride == 1;
    if (a.convert) {
      char* out = contiguous ? base + eval(a.at.linear) * a.size : reinterpret_cast<char*>(index_block(0));
      a.convert(out, &in, n_);
      in = out;
      if (contiguous) return;
    }
    switch (a.at.pattern) {
      case Pattern::uniform: break;
      case Pattern::affine: store_strided(base + eval(a.at.linear) * a.size, in, a.size, a.at.stride, n_); return;
      case Pattern::runs:
        each_run(a.at, 0, n_, [&](int64_t k, int64_t count, int64_t start) {
          store_strided(base + start * a.size, static_cast<const char*>(in) + k * a.size, a.size, a.at.stride, count);
        });
        return;
      case Pattern::general: {
        int64_t* at = index_block(1);
        indices(a.at, 0, n_, at, 2);
        store_scatter(base, in, a.size, at, n_);
        return;
      }
    }
  }

  void store_cell(const Instruction& i) {
    const Access& a = program_.accesses[i.access];
    char* out = buffers_[a.buffer] + eval(a.at.linear) * a.size;
    const void* in = cell(i.a);
    if (a.convert) a.convert(out, &in, 1);
    else std::memcpy(out, in, static_cast<size_t>(a.size));
  }

  // ---- checked indices -------------------------------------------------------------------------------------------------------

  void limit(const Instruction& i, int64_t* out, const void* in, int64_t n) {
    to_integers(out, i.dtype, in, n);
    const int64_t extent = i.imm;
    if (i.raises) {
      uint64_t worst = 0;
      for (int64_t k = 0; k < n; ++k) worst = std::max(worst, static_cast<uint64_t>(out[k]));  // negative ones are huge
      if (n > 0 && worst >= static_cast<uint64_t>(extent)) [[unlikely]] {
        for (int64_t k = 0; k < n; ++k)
          if (static_cast<uint64_t>(out[k]) >= static_cast<uint64_t>(extent)) {
            failure_.report(i.node, out[k], extent);
            break;
          }
      } else {
        return;
      }
    }
    for (int64_t k = 0; k < n; ++k) out[k] = std::max<int64_t>(0, std::min(out[k], extent - 1));
  }

  void in_range(const Instruction& i, uint8_t* out, const void* in, int64_t n) {
    int64_t* at = n > 1 ? index_block(0) : indices_;
    to_integers(at, i.dtype, in, n);
    for (int64_t k = 0; k < n; ++k) out[k] = static_cast<uint64_t>(at[k]) < static_cast<uint64_t>(i.imm);
  }

  // ---- the loop over instructions ----------------------------------------------------------------------------------------------

  void execute(const Instruction* pc, const Instruction* stop) {
    while (pc < stop) {
      const Instruction& i = *pc;
      switch (i.code) {
        case Code::divide: cells_[i.dst] = ir::floor_div(eval(program_.linears[i.access]), i.imm); break;
        case Code::modulo: cells_[i.dst] = ir::floor_mod(eval(program_.linears[i.access]), i.imm); break;
        case Code::serial: {
          const int64_t start = eval(program_.linears[i.access]), end = std::min(start + i.imm, i.extent);
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
          const int64_t start = eval(program_.linears[i.access]), end = std::min(start + i.imm, i.extent);
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
        case Code::apply_cell: {
          const bool cells = i.code == Code::apply_cell;
          const void* few[8];
          std::vector<const void*> many;
          const void** in = few;
          if (i.b > 8) {
            many.resize(static_cast<size_t>(i.b));
            in = many.data();
          }
          const int32_t* operands = program_.operands.data() + i.a;
          for (int32_t k = 0; k < i.b; ++k) in[k] = cells ? cell(operands[k]) : locations_[operands[k]];
          if (cells) i.fn(cell(i.dst), in, 1);
          else i.fn(locations_[i.dst], in, n_);
          break;
        }
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
        case Code::select: select(locations_[i.dst], locations_[i.a], locations_[i.b], locations_[i.c], i.size, n_); break;
        case Code::select_cell: cells_[i.dst] = *static_cast<const uint8_t*>(cell(i.a)) ? cells_[i.b] : cells_[i.c]; break;
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
        case Code::in_range: in_range(i, reinterpret_cast<uint8_t*>(locations_[i.dst]), locations_[i.a], n_); break;
        case Code::in_range_cell: in_range(i, static_cast<uint8_t*>(cell(i.dst)), cell(i.a), 1); break;
        case Code::begin: fill(state(i.dst), i.size, &i.imm, partial_lanes); break;
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
        case Code::begin_block: fill(locations_[i.dst], i.size, &i.imm, n_); break;
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

  char* state(int32_t i) const { return states_ + i * partial_lanes * 8; }

  const Program& program_;
  const ProgramPhase& phase_;
  Failure& failure_;
  char* registers_;
  char* states_;
  int64_t* cells_;
  char** locations_;
  char** buffers_;
  int64_t* indices_;
  uint8_t* mask_;
  int64_t n_ = 0;  // lanes of the current block
};

}  // namespace
}  // namespace pg::interpreter

namespace pg {

LaunchStatus run(const LaunchPlan& plan, void* const* buffers) {
  using namespace interpreter;
  const Program& program = *plan.program;
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
    parallel_for(phase.points, grain, [&](int64_t begin, int64_t end, int) { Machine(program, phase, table, failure).run(begin, end); });
  }
  return failure.status;
}

}  // namespace pg
