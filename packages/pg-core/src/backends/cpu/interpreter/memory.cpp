// Indices, conditions, loads and stores of a running program.

#include <cstring>

#include "backends/cpu/interpreter/blocks.h"
#include "backends/cpu/interpreter/machine.h"
#include "backends/cpu/transpose.h"
#include "support/error.h"

namespace pg::interpreter {
namespace {

// Neighbouring lanes mostly have the same quotient: divide again only when the value left the last step.
void divide_block(int64_t* x, int64_t n, int64_t by, bool quotient) {
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

}  // namespace

int64_t Machine::eval(const Tree& tree, int64_t lane) const {
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

void Machine::eval_block(const Tree& tree, int64_t lane, int64_t n, int64_t* out, int depth) const {
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

/// Calls run(first, count, start) for maximal affine pieces of lanes [from, from + n) of the block.
template <class F> void Machine::each_run(const LaneIndex& e, int64_t from, int64_t n, F&& run) const {
  const int64_t uniform = eval(e.linear);
  const Tree& tree = program_.trees[e.tree];
  int64_t lane = cells_[e.lane] + from;
  int64_t left = e.period - lane % e.period;
  int64_t start = uniform + eval(tree, lane);
  for (int64_t i = 0; i < n;) {
    const int64_t count = std::min(left, n - i);
    run(i, count, start);
    // The first run may begin in the middle of a period, so steps count from the second one.
    const bool by_step = e.steady && i > 0;
    i += count;
    lane += count;
    left = e.period;
    if (i < n) start = by_step ? start + e.step : uniform + eval(tree, lane);
  }
}

void Machine::indices(const LaneIndex& e, int64_t from, int64_t n, int64_t* out, int depth) const {
  switch (e.pattern) {
  case Pattern::uniform: std::fill(out, out + n, eval(e.linear)); return;
  case Pattern::affine: {
    const int64_t start = eval(e.linear) + from * e.stride;
    for (int64_t i = 0; i < n; ++i) out[i] = start + i * e.stride;
    return;
  }
  case Pattern::runs:
    Machine::each_run(e, from, n, [&](int64_t i, int64_t count, int64_t start) {
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

// ---- conditions
// --------------------------------------------------------------------------------------------------------

Machine::Region Machine::region(const std::vector<Test>& tests) const {
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

void Machine::within(const std::vector<Test>& tests, uint8_t* out) const {
  const Region r = region(tests);
  std::memset(out, 0, static_cast<size_t>(r.low));
  if (r.masked) std::memcpy(out + r.low, mask_ + r.low, static_cast<size_t>(r.high - r.low));
  else std::memset(out + r.low, 1, static_cast<size_t>(r.high - r.low));
  std::memset(out + r.high, 0, static_cast<size_t>(n_ - r.high));
}

// ---- loads and stores
// ----------------------------------------------------------------------------------------------------

void Machine::copy(const Access& a, char* out, int64_t from, int64_t n) const {
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

void Machine::gather(const Access& a, char* out, int64_t from, int64_t n, int depth) const {
  const char* base = buffers_[a.buffer];
  switch (a.at.pattern) {
  case Pattern::uniform: fill(out, a.size, base + eval(a.at.linear) * a.size, n); return;
  case Pattern::affine:
    copy_strided(out, base + (eval(a.at.linear) + from * a.at.stride) * a.size, a.size, a.at.stride, n);
    return;
  case Pattern::runs:
    Machine::each_run(a.at, from, n, [&](int64_t i, int64_t count, int64_t start) {
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

void Machine::load(const Instruction& i) {
  const Access& a = program_.accesses[i.access];
  char* out = i.reg >= 0 ? register_at(i.reg) : nullptr;
  locations_[i.dst] = out;
  if (a.tests.empty()) return copy(a, out, 0, n_);
  const Region r = region(a.tests);
  const int64_t size = i.size;
  const int64_t zero[2] = {0, 0};
  const void* otherwise = a.otherwise >= 0 ? cell(a.otherwise) : zero;
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

void Machine::load_cell(const Instruction& i) {
  const Access& a = program_.accesses[i.access];
  void* const out = cell(i.dst);
  std::memset(out, 0, static_cast<size_t>(std::max<int>(i.size, 8)));
  for (const Test& t : a.tests) {
    const int64_t v = eval(t.e.linear);
    if (v >= t.low && v < t.high) continue;
    if (a.otherwise >= 0) std::memcpy(out, cell(a.otherwise), i.size);
    return;
  }
  const void* in = buffers_[a.buffer] + eval(a.at.linear) * a.size;
  if (a.convert) a.convert(out, &in, 1);
  else std::memcpy(out, in, static_cast<size_t>(a.size));
}

void Machine::store(const Instruction& i) {
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
    Machine::each_run(a.at, 0, n_, [&](int64_t k, int64_t count, int64_t start) {
      store_strided(base + start * a.size, static_cast<const char*>(in) + k * a.size, a.size, a.at.stride,
                    count);
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

void Machine::store_cell(const Instruction& i) {
  const Access& a = program_.accesses[i.access];
  char* out = buffers_[a.buffer] + eval(a.at.linear) * a.size;
  const void* in = cell(i.a);
  if (a.convert) a.convert(out, &in, 1);
  else std::memcpy(out, in, static_cast<size_t>(a.size));
}

void Machine::transpose(const Transposition& t) {
  const Access &from = program_.accesses[t.from], &to = program_.accesses[t.to];
  const int64_t row = eval(t.row), column = eval(t.column);
  cpu::transpose_words(buffers_[from.buffer] + eval(from.at.linear) * from.size, t.from_pitch,
                       std::min(t.rows, t.row_limit - row), std::min(t.columns, t.column_limit - column),
                       buffers_[to.buffer] + eval(to.at.linear) * to.size, t.to_pitch);
}

// ---- checked indices
// -------------------------------------------------------------------------------------------------------

void Machine::limit(const Instruction& i, int64_t* out, const void* in, int64_t n) {
  to_integers(out, i.dtype, in, n);
  const int64_t extent = i.imm;
  if (i.raises) {
    uint64_t worst = 0;
    for (int64_t k = 0; k < n; ++k)
      worst = std::max(worst, static_cast<uint64_t>(out[k]));  // negative ones are huge
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

void Machine::in_range(const Instruction& i, uint8_t* out, const void* in, int64_t n) {
  int64_t* at = n > 1 ? index_block(0) : indices_;
  to_integers(at, i.dtype, in, n);
  for (int64_t k = 0; k < n; ++k) out[k] = static_cast<uint64_t>(at[k]) < static_cast<uint64_t>(i.imm);
}

}  // namespace pg::interpreter
