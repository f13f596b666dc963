// Loops and reductions.

#include <algorithm>
#include <functional>

#include "backends/cpu/codegen/emitter.h"
#include "compiler/kernel/cost.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::codegen {

using ir::Expr;

namespace {

bool has_loop(const std::vector<Statement>& statements) {
  return std::any_of(statements.begin(), statements.end(),
                     [](const Statement& s) { return std::holds_alternative<Loop*>(s); });
}

constexpr int64_t row_block = 4;  // rows that are added together

int64_t trips(const Loop& l) { return std::min(l.count, l.axis->extent()); }

}  // namespace

void Emitter::loop(const Loop& l) {
  for (const Accumulator* a : l.accumulators) begin(*a);
  if (l.kind == Loop::Kind::lanes) lanes(l);
  else serial(l);
  for (const Accumulator* a : l.accumulators) finish(*a);
}

std::string Emitter::end_of(const Loop& l, const std::string& start) {
  const std::string end = scalar_op("add", start, l.count);
  if (!l.limit && (l.start + l.count).high() <= l.axis->extent()) return end;
  const std::string limit = l.limit ? scalar(l.limit, 0) : std::to_string(l.axis->extent());
  return w_.call("i64", "llvm.smin.i64", "i64, i64", concat("i64 ", end, ", i64 ", limit));
}

void Emitter::serial(const Loop& l) {
  if (const auto copy = transposed_copy(l)) return transpose(l, *copy);
  const std::string start = scalar(l.start, 0);
  const ir::Axis around = rows_;
  if (!lane_) rows_ = l.axis;
  counted(start, end_of(l, start), 1, updated_in(l.body), [&](const std::string& i) {
    axes_[l.axis] = i;
    body(l.body);
  });
  rows_ = around;
}

// i = from; while i (`whole`: all of [i, i + step)) lies before `to`: inside, i += step. Answers where it
// stopped.
std::string Emitter::counted(const std::string& from, const std::string& to, int64_t step,
                             const std::vector<Sum*>& carried,
                             const std::function<void(const std::string&)>& inside, bool whole) {
  const std::string head = w_.fresh_label("head"), within = w_.fresh_label("body"),
                    latch = w_.fresh_label("latch"), done = w_.fresh_label("done"), before = w_.block();
  w_.jump(head);
  w_.begin_block(head);
  w_.open_scope();
  const std::string i = w_.fresh();
  const size_t place = w_.mark();  // of the phis, whose later operands the body makes
  std::vector<Registers> first, held;
  for (Sum* s : carried) {
    first.push_back(s->now);
    for (std::string& x : s->now) x = w_.fresh();
    held.push_back(s->now);
  }
  const std::string next = w_.put(concat("add i64 ", i, ", ", step));
  w_.branch(w_.put(whole ? concat("icmp sle i64 ", next, ", ", to) : concat("icmp slt i64 ", i, ", ", to)),
            within, done);
  w_.begin_block(within);
  inside(i);
  w_.jump(latch);
  w_.begin_block(latch);
  w_.jump(head);
  w_.close_scope();
  std::string phis =
      concat("  ", i, " = phi i64 [ ", from, ", %", before, " ], [ ", next, ", %", latch, " ]\n");
  for (size_t k = 0; k < carried.size(); ++k) {
    const std::string type = carried[k]->by_lane || w_.wide
                                 ? Writer::vector(w_.lanes(), register_type(carried[k]->state))
                                 : std::string(register_type(carried[k]->state));
    for (size_t p = 0; p < held[k].size(); ++p)
      phis += concat("  ", held[k][p], " = phi ", type, " [ ", first[k][p], ", %", before, " ], [ ",
                     carried[k]->now[p], ", %", latch, " ]\n");
    carried[k]->now = held[k];
  }
  w_.insert(place, phis);
  w_.begin_block(done);
  return i;
}

// Vectors in flight: four, as a chain of operations takes four times as long as the processor needs for each,
// and so that sums stay in registers; spilled registers cost less than waiting. Two where the code would get
// long.
size_t Emitter::pieces_for(const Loop& l) {
  constexpr int64_t long_body = 1000;
  size_t u = lane_cost(l.body) < long_body ? 4 : 2;
  if (has_loop(l.body) && updated_in(l.body).size() > 2) u = 2;
  while (u > 1 && trips(l) < static_cast<int64_t>(u) * w_.lanes()) u /= 2;
  return u;
}

void Emitter::lanes(const Loop& l) {
  lane_start_ = scalar(l.start, 0);
  lane_end_ = end_of(l, lane_start_);
  const auto begins_at = steps_of(l.start);
  lane_divisor_ = begins_at ? begins_at->divisor : 1;
  lane_ = l.axis;
  lane_aligned_ = lane_divisor_ % w_.lanes() == 0;
  w_.wide = true;
  if (const Loop* rows = rows_of(l)) columns(l, *rows);
  else sweep(l, pieces_for(l), [&] { body(l.body); });
  w_.wide = false;
  lane_ = nullptr;
}

// The lanes of a loop from first to last, several vectors at a time, then one by one under a mask.
void Emitter::sweep(const Loop& l, size_t pieces, const std::function<void()>& inside) {
  const int64_t width = w_.lanes(), step = static_cast<int64_t>(pieces) * width;
  pieces_ = pieces;
  // Partial results of sums across the lanes stay in registers where the body holds all of them.
  std::vector<Sum*> across;
  for (Sum* s : updated_in(l.body))
    if (!s->by_lane && step == partial_lanes && width == 16) across.push_back(s);
  std::string at = lane_start_;
  if (trips(l) >= step) {
    for (Sum* s : across) {
      s->in_registers = true;
      load_partials(*s, "0");
    }
    at = counted(lane_start_, lane_end_, step, across, [&](const std::string& i) {
      axes_[l.axis] = i;
      inside();
    });
    for (Sum* s : across) {
      store_partials(*s, "0");
      s->in_registers = false;
    }
  }
  // Loops inside take about as long for one vector as for several.
  if (pieces == 4 && has_loop(l.body) && trips(l) % step >= 2 * width) {
    pieces_ = 2;
    at = counted(at, lane_end_, 2 * width, {}, [&](const std::string& i) {
      axes_[l.axis] = i;
      inside();
    });
  }
  if (l.limit || lane_divisor_ % step != 0 || l.count % step != 0 || l.axis->extent() % step != 0) {
    pieces_ = 1;
    const auto masked = [&](const std::string& i) {
      axes_[l.axis] = i;
      std::string count;
      for (int64_t k = 0; k < width; ++k) count += concat(k ? ", " : "", "i32 ", k);
      const std::string left = w_.put(concat("trunc i64 ", scalar_op("sub", lane_end_, i), " to i32"));
      mask_ = w_.put(concat("icmp slt ", w_.type("i32"), " <", count, ">, ", splat(left, "i32")));
      inside();
      mask_.clear();
    };
    counted(at, lane_end_, width, {}, masked, false);
  }
  pieces_ = 1;
}

// ---- sums of long columns -------------------------------------------------------------------------------

// The loop over rows inside of the loop over lanes, when the rows are long and it is the only one.
const Loop* Emitter::rows_of(const Loop& l) {
  const Loop* rows = nullptr;
  for (const Statement& s : l.body) {
    const auto* inner = std::get_if<Loop*>(&s);
    if (!inner) continue;
    if (rows || has_loop((*inner)->body)) return nullptr;
    rows = *inner;
  }
  constexpr int64_t long_row = 256, most_rows = 1024;
  const bool pays = rows && trips(l) >= long_row && trips(l) <= most_rows && trips(*rows) >= 2 * row_block &&
                    !rows->accumulators.empty() && rows->accumulators.size() <= 4;
  return pays ? rows : nullptr;
}

// Row by row instead of column by column, a few rows at a time, so that memory is read in its order; the
// results of all lanes wait on the stack. Every lane still adds its rows from first to last.
void Emitter::columns(const Loop& l, const Loop& rows) {
  constexpr size_t pieces = 2;
  const auto place = std::find_if(l.body.begin(), l.body.end(),
                                  [](const Statement& s) { return std::holds_alternative<Loop*>(s); });
  const std::vector<Statement> before(l.body.begin(), place), after(place + 1, l.body.end());
  pieces_ = pieces;
  std::vector<Sum*> sums;
  const int64_t width = w_.lanes(), room = (trips(l) + width - 1) / width * width;
  for (const Accumulator* a : rows.accumulators) {
    begin(*a);
    Sum& s = sums_.at(a);
    s.memory = w_.stack(concat("[", room, " x ", register_type(s.state), "]"), 64);
    sums.push_back(&s);
  }
  const auto lane = [&] { return scalar_op("sub", axes_.at(l.axis), lane_start_); };
  sweep(l, pieces, [&] {
    for (const Accumulator* a : rows.accumulators) {
      const std::string memory = sums_.at(a).memory;
      begin(*a);
      sums_.at(a).memory = memory;
    }
    for (Sum* s : sums) store_partials(*s, lane());
  });
  const auto add = [&](const std::string& first, int64_t count) {
    sweep(l, pieces, [&] {
      body(before);
      for (Sum* s : sums) load_partials(*s, lane());
      const auto one = [&](const std::string& row) {
        axes_[rows.axis] = row;
        body(rows.body);
      };
      if (count == 1) one(first);
      else counted(first, scalar_op("add", first, count), 1, sums, one);
      for (Sum* s : sums) store_partials(*s, lane());
    });
  };
  const std::string start = scalar(rows.start, 0), end = end_of(rows, start);
  const std::string left =
      counted(start, end, row_block, {}, [&](const std::string& row) { add(row, row_block); });
  const auto from = steps_of(rows.start);
  if (trips(rows) % row_block != 0 || rows.axis->extent() % row_block != 0 || !from ||
      from->divisor % row_block != 0)
    counted(left, end, 1, {}, [&](const std::string& row) { add(row, 1); });
  sweep(l, pieces, [&] {
    body(before);
    for (Sum* s : sums) load_partials(*s, lane());
    for (const Accumulator* a : rows.accumulators) finish(*a);
    body(after);
  });
}

// ---- reductions -----------------------------------------------------------------------------------------

void Emitter::begin(const Accumulator& a) {
  const auto update = std::find_if(kernel_.updates.begin(), kernel_.updates.end(),
                                   [&](const Update& u) { return u.accumulator == &a; });
  PG_INVARIANT(update != kernel_.updates.end());
  const DType value = update->value->dtype;
  if (is_complex(value) || is_complex(a.dtype)) throw Unsupported{"complex numbers"};
  Sum& s = sums_[&a] = Sum{};
  s.combine = a.combine;
  s.value = value;
  s.result = a.dtype;
  const bool total = a.combine == Combine::sum || a.combine == Combine::prod;
  s.state = is_float(value) && total ? DType::float64 : is_bool(value) ? DType::uint8 : compute_type(value);
  const int64_t identity =
      is_bool(value) ? identity_bits(a.combine, DType::bool_) : identity_bits(a.combine, s.state);
  if (lane_) {
    s.by_lane = s.in_registers = true;
    s.now.assign(pieces_, w_.literal(s.state, identity));
    return;
  }
  const std::string_view element = register_type(s.state);
  s.memory = w_.stack(concat("[", partial_lanes, " x ", element, "]"), 64);
  w_.wide = true;
  const std::string first = w_.literal(s.state, identity);
  for (int64_t i = 0; i < partial_lanes; i += w_.lanes())
    w_.line(concat("store ", w_.type(element), " ", first, ", ptr ",
                   partial_at(s, static_cast<size_t>(i / w_.lanes()), "0"), ", align 64"));
  w_.wide = false;
}

std::string Emitter::partial_at(const Sum& s, size_t piece, const std::string& first) {
  const std::string_view element = register_type(s.state);
  std::string at = s.memory;
  if (first != "0") at = w_.put(concat("getelementptr ", element, ", ptr ", at, ", i64 ", first));
  if (piece == 0) return at;
  return w_.put(
      concat("getelementptr ", element, ", ptr ", at, ", i64 ", static_cast<int64_t>(piece) * w_.lanes()));
}

std::string Emitter::combine(const Sum& s, const std::string& a, const std::string& b) {
  const std::string_view element = register_type(s.state);
  const bool real = is_float(s.state);
  const auto larger = [&](bool max) {
    const char* order = real                     ? (max ? "ogt" : "olt")
                        : is_signed_int(s.state) ? (max ? "sgt" : "slt")
                                                 : (max ? "ugt" : "ult");
    const std::string better = math_.select(math_.compare(order, s.state, a, b), s.state, a, b);
    // NaN from either side wins: a comparison with one fails, which gives b.
    return real ? math_.select(math_.compare("uno", s.state, a, a), s.state, a, better) : better;
  };
  switch (s.combine) {
  case Combine::sum: return math_.binary(real ? "fadd" : "add", element, a, b);
  case Combine::prod: return math_.binary(real ? "fmul" : "mul", element, a, b);
  case Combine::max:
  case Combine::any: return larger(true);
  case Combine::min:
  case Combine::all: break;
  }
  return larger(false);
}

void Emitter::load_partials(Sum& s, const std::string& first) {
  s.now.clear();
  for (size_t p = 0; p < pieces_; ++p)
    s.now.push_back(
        w_.effect(concat("load ", w_.type(s.state), ", ptr ", partial_at(s, p, first), ", align 16")));
}

void Emitter::store_partials(const Sum& s, const std::string& first) {
  for (size_t p = 0; p < pieces_; ++p)
    w_.line(
        concat("store ", w_.type(s.state), " ", s.now[p], ", ptr ", partial_at(s, p, first), ", align 16"));
}

void Emitter::update(const Update& u) {
  Sum& s = sums_.at(u.accumulator);
  Registers x = operands_of(u.value);
  for (std::string& value : x) {
    if (is_bool(s.value)) value = math_.cast("zext", value, "i1", "i8");
    else if (s.state == DType::float64 && s.value != DType::float64)
      value = math_.cast("fpext", value, "float", "double");
  }
  const std::string type = w_.type(s.state);
  std::string first;
  if (!s.in_registers)
    first = scalar_op("and", scalar_op("sub", axes_.at(lane_), lane_start_), partial_lanes - 1);
  for (size_t p = 0; p < x.size(); ++p) {
    if (s.in_registers) {
      s.now[p] = combine(s, s.now[p], x[p]);
      continue;
    }
    const std::string place = partial_at(s, p, first);
    const std::string old = w_.effect(concat("load ", type, ", ptr ", place, ", align 16"));
    std::string made = combine(s, old, x[p]);
    if (!mask_.empty()) made = math_.select(mask_, s.state, made, old);
    w_.line(concat("store ", type, " ", made, ", ptr ", place, ", align 16"));
  }
}

void Emitter::finish(const Accumulator& a) {
  Sum& s = sums_.at(&a);
  Registers out = s.now;
  if (!s.by_lane) {  // the fixed tree: lane i takes lane i + half
    out.clear();
    const int lanes = w_.lanes();
    w_.wide = true;
    for (size_t p = 0; p < static_cast<size_t>(partial_lanes / lanes); ++p)
      out.push_back(
          w_.effect(concat("load ", w_.type(s.state), ", ptr ", partial_at(s, p, "0"), ", align 64")));
    for (size_t half = out.size() / 2; half > 0; half /= 2) {
      for (size_t p = 0; p < half; ++p) out[p] = combine(s, out[p], out[p + half]);
      out.resize(half);
    }
    const std::string_view element = register_type(s.state);
    for (int half = lanes / 2; half > 0; half /= 2) {
      std::string part[2];
      for (int k = 0; k < 2; ++k) {
        std::string order;
        for (int i = 0; i < half; ++i) order += concat(i ? ", " : "", "i32 ", i + k * half);
        const std::string from = concat("<", 2 * half, " x ", element, ">");
        part[k] = half == 1 ? w_.put(concat("extractelement ", from, " ", out[0], ", i64 ", k))
                            : w_.put(concat("shufflevector ", from, " ", out[0], ", ", from, " poison, <",
                                            half, " x i32> <", order, ">"));
      }
      w_.set_lanes(half);
      w_.wide = half > 1;
      out[0] = combine(s, part[0], part[1]);
    }
    w_.set_lanes(lanes);
    w_.wide = false;
  }
  for (std::string& x : out) {
    if (is_bool(s.result)) {
      x = math_.compare("ne", DType::uint8, x, w_.integer("i8", 0));
      continue;
    }
    if (!is_float(s.result)) continue;
    x = math_.convert(x, s.state, compute_type(s.result));
    if (is_half(s.result)) x = math_.convert(x, DType::float32, s.result);
  }
  values_[a.result] = std::move(out);
}

std::vector<Emitter::Sum*> Emitter::updated_in(const std::vector<Statement>& statements) {
  std::vector<Sum*> out;
  std::vector<const std::vector<Statement>*> stack{&statements};
  while (!stack.empty()) {
    const auto* body = stack.back();
    stack.pop_back();
    for (const Statement& s : *body) {
      if (const auto* l = std::get_if<Loop*>(&s)) stack.push_back(&(*l)->body);
      const auto* u = std::get_if<Update*>(&s);
      if (!u) continue;
      const auto found = sums_.find((*u)->accumulator);
      if (found != sums_.end() && std::find(out.begin(), out.end(), &found->second) == out.end())
        out.push_back(&found->second);
    }
  }
  return out;
}

}  // namespace pg::codegen
