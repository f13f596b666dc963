#include "backends/cuda/emitter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {

using ir::AtomKind;
using ir::Expr;

namespace {

constexpr int64_t short_row = 512;  // up to here a warp takes a row
constexpr int64_t long_row = 4096;  // from here a block has 512 threads
constexpr unsigned rows_of_block = 4;
constexpr int64_t most_shared = 40 << 10;  // of the 48 KiB that every GPU has

bool has_lanes(const Loop& l) {
  if (l.kind == Loop::Kind::lanes) return true;
  return std::any_of(l.body.begin(), l.body.end(), [](const Statement& s) {
    const auto* inner = std::get_if<Loop*>(&s);
    return inner && has_lanes(**inner);
  });
}

const Update* update_of(const Accumulator& a, const std::vector<Statement>& body) {
  for (const Statement& s : body) {
    if (const auto* u = std::get_if<Update*>(&s); u && (*u)->accumulator == &a) return *u;
    if (const auto* l = std::get_if<Loop*>(&s))
      if (const Update* found = update_of(a, (*l)->body)) return found;
  }
  return nullptr;
}

// As on the CPU: sums and products of floats in float64, bools as integers.
DType state_type(Combine combine, DType value) {
  if (is_bool(value)) return DType::int32;
  if (is_inexact(value) && (combine == Combine::sum || combine == Combine::prod)) return wide_type(value);
  return compute_type(value);
}

std::string_view operation_of(Combine combine) {
  switch (combine) {
  case Combine::sum: return "pg_sum";
  case Combine::prod: return "pg_product";
  case Combine::max:
  case Combine::any: return "pg_larger";
  case Combine::min:
  case Combine::all: break;
  }
  return "pg_smaller";
}

}  // namespace

Target target() {
  Target t;
  t.block = 256;
  t.lane_tile = 1024;
  t.transposed_tile = 1024;
  t.crossed_tile = 0;  // lanes that read across rows share their lines in the cache
  t.min_lanes = warp;
  t.short_lanes = 1024;
  t.row_bytes = 32 << 10;  // of shared memory
  t.split_work = 16 << 10;
  t.enough_points = 512;
  t.most_parts = 512;
  return t;
}

Emitter::Emitter(const Kernel& kernel, const Phase& phase, std::vector<Limit>& limits, bool vectors)
    : kernel_(kernel), phase_(phase), limits_(limits), vectors_(vectors) {}

void Emitter::open(const std::string& head) {
  line(head);
  pad_ += "  ";
}
void Emitter::close() {
  pad_.resize(pad_.size() - 2);
  line("}");
}

void Emitter::scan(const std::vector<Statement>& statements, bool in_lanes) {
  for (const Statement& s : statements) {
    if (const auto* st = std::get_if<Store*>(&s)) {
      if ((*st)->buffer->space == Space::row) shape_.rows = true;
      continue;
    }
    const auto* inner = std::get_if<Loop*>(&s);
    if (!inner) continue;
    const Loop& l = **inner;
    if (l.kind == Loop::Kind::lanes) {
      shape_.longest = std::max(shape_.longest, trips(l));
      shape_.items = std::max(shape_.items, (trips(l) + width_of(l) - 1) / width_of(l));
    }
    if (!l.accumulators.empty() && !in_lanes && has_lanes(l)) shape_.rows = true;
    scan(l.body, in_lanes || l.kind == Loop::Kind::lanes);
  }
}

void Emitter::choose_threads() {
  scan(phase_.body, false);
  const int64_t lanes = std::max<int64_t>(shape_.longest, 1);
  const int64_t most = shape_.rows && lanes >= long_row ? 512 : 256;
  int64_t row_bytes = 0;
  for (const KernelBuffer* b : kernel_.locals)
    if (b->space == Space::row) row_bytes += b->size * size_of(compute_type(b->dtype));
  warp_rows_ = shape_.rows && lanes <= short_row && row_bytes * rows_of_block <= most_shared;
  const int64_t items = std::max<int64_t>(shape_.items, 1);
  launch_->threads_x =
      static_cast<unsigned>(warp_rows_ ? warp : std::min(most, (items + warp - 1) / warp * warp));
  const int64_t points = phase_.grid->extent();
  // Several points share a block where one leaves it small.
  launch_->threads_y = warp_rows_ ? rows_of_block
                       : shape_.rows
                           ? 1
                           : static_cast<unsigned>(std::clamp<int64_t>(points, 1, 256 / launch_->threads_x));
  const int64_t y = launch_->threads_y;
  launch_->blocks = (points + y - 1) / y;
}

std::string Emitter::run(Launch& launch) {
  launch_ = &launch;
  choose_threads();
  const int64_t points = phase_.grid->extent();
  axes_[phase_.grid] = "point";
  body(phase_.body);
  const std::string inside = std::move(out_);
  out_.clear();

  std::string parameters;
  const auto parameter = [&](Argument argument, const std::string& text) {
    launch.arguments.push_back(argument);
    parameters += concat(parameters.empty() ? "" : ", ", text);
  };
  for (size_t i = 0; i < kernel_.params.size(); ++i) {
    const KernelBuffer* b = kernel_.params[i];
    if (!used_.contains(b)) continue;
    const std::string_view type = memory_type(b->dtype);
    if (!b->written && b->size == 1)
      parameter({Argument::Kind::scalar, i}, concat("pg_in<", type, "> ", b->name));
    else
      parameter({Argument::Kind::pointer, i, static_cast<size_t>(std::max<int64_t>(alignments_[b], 1))},
                concat(b->written ? "" : "const ", type, "* __restrict__ ", b->name));
  }
  for (size_t i = 0; i < kernel_.locals.size(); ++i) {
    const KernelBuffer* b = kernel_.locals[i];
    if (b->space == Space::partial && used_.contains(b))
      parameter({Argument::Kind::partial, i}, concat(memory_type(b->dtype), "* ", b->name));
  }
  if (raises_) {
    parameter({Argument::Kind::error, 0}, "pg_error* error");
    parameters += ", int error_slot";
  }

  const unsigned x = launch.threads_x, y = launch.threads_y;
  out_ = concat("// ", phase_.note, "; ", launch.blocks, " blocks of (", x, ", ", y, ")\n",
                "extern \"C\" __global__ void __launch_bounds__(", x * y, ") ", launch.name, "(", parameters,
                ") {\n");
  for (const KernelBuffer* b : kernel_.locals) {
    if (b->space != Space::row || !used_.contains(b)) continue;
    line(concat("__shared__ ", register_type(b->dtype), " ", b->name, "_of[", y, "][", b->size, "];"));
    line(concat(register_type(b->dtype), "* const ", b->name, " = ", b->name, "_of[threadIdx.y];"));
  }
  if (exchanges_ && x > warp) line(concat("__shared__ double slots[", 2 * (x / warp), "];"));
  // The first dimension of a grid may be this long.
  PG_INVARIANT(launch.blocks <= most_int, "a kernel of too many blocks");
  const char* type = points <= most_int ? "int" : "long long";
  if (y > 1) {
    line(concat("const ", type, " point = ", points <= most_int ? "" : "(long long)", "blockIdx.x * ", y,
                " + threadIdx.y;"));
    if (points % y) line(concat("if (point >= ", points, ") return;"));
  } else {
    line(concat("const ", type, " point = blockIdx.x;"));
  }
  return out_ + inside + "}\n";
}

// ---- statements -----------------------------------------------------------------------------------------

void Emitter::body(const std::vector<Statement>& statements) {
  for (const Statement& s : statements) {
    if (const auto* v = std::get_if<Value*>(&s)) value(**v);
    else if (const auto* st = std::get_if<Store*>(&s)) store(**st);
    else if (const auto* u = std::get_if<Update*>(&s)) update(**u);
    else loop(*std::get<Loop*>(s));
  }
}

const std::string& Emitter::named(const Value* v) const { return names_.at(v); }

void Emitter::value(const Value& v) {
  if (v.op == ValueOp::constant) {
    names_[&v] = literal(v.dtype, v.bits);
    return;
  }
  std::string text;
  switch (v.op) {
  case ValueOp::constant:
  case ValueOp::result: PG_INVARIANT(false, "not a statement"); return;
  case ValueOp::index: {
    const bool small = narrow(v.index);
    text = convert(small ? concat("(", index(v.index, false), ")") : concat("(", index(v.index, true), ")"),
                   small ? DType::int32 : DType::int64, v.dtype);
    break;
  }
  case ValueOp::load: text = load(v); break;
  case ValueOp::within: text = conditions(v.conditions); break;
  case ValueOp::limit:
  case ValueOp::in_range: text = limit(v); break;
  case ValueOp::select:
    text = concat(named(v.args[0]), " ? ", named(v.args[1]), " : ", named(v.args[2]));
    break;
  case ValueOp::elementwise: names_[&v] = elementwise(v); return;
  }
  const std::string name = concat("v", v.id);
  line(concat("const ", register_type(v.dtype), " ", name, " = ", text, ";"));
  names_[&v] = name;
}

std::string Emitter::elementwise(const Value& v) {
  ir::Builder builder;
  std::vector<ir::Sym> inputs;
  std::vector<std::string> given;
  for (const Value* a : v.args) {
    inputs.push_back(builder.input(a->dtype));
    given.push_back(named(a));
  }
  const ir::Sym made =
      v.record->as<Elementwise>()->emit(inputs, std::span<const int64_t>(v.attrs->begin(), v.attrs->size()));
  return arithmetic(builder, ir::convert(made, v.dtype), given, concat("t", v.id));
}

void Emitter::loop(const Loop& l) {
  for (const Accumulator* a : l.accumulators) begin(*a, l);
  const bool is_lanes = l.kind == Loop::Kind::lanes;
  const Expr end = l.start + l.count;
  const bool wide = !narrow(end) || l.axis->extent() > most_int;
  const char* type = wide ? "long long" : "int";
  const std::string name = concat("i", axes_.size(), "_", l.axis->name);
  const std::string start = index(l.start, wide), stop = index(end, wide);
  const std::string limit = end.high() <= l.axis->extent()
                                ? stop
                                : concat("pg_least(", stop, ", (", type, ")", l.axis->extent(), ")");
  const int64_t width = is_lanes ? width_of(l) : 1;
  const std::string thread = width > 1 ? concat("threadIdx.x * ", width) : "threadIdx.x";
  const std::string first = !is_lanes                ? start
                            : l.start.is_constant(0) ? thread
                                                     : concat(start, " + ", thread);
  const int64_t stride = launch_->threads_x * width;
  const std::string step = is_lanes ? concat(name, " += ", stride) : concat("++", name);
  const bool once = is_lanes && end.high() <= l.axis->extent() && l.count == stride;
  const bool stored_before = std::exchange(stored_rows_, false);
  if (once) {
    open("{");
    line(concat("const ", type, " ", name, " = ", first, ";"));
  } else {
    open(concat("for (", type, " ", name, " = ", first, ", end_", name, " = ", limit, "; ", name, " < end_",
                name, "; ", step, ") {"));
  }
  axes_[l.axis] = name;
  if (is_lanes) lanes_ = &l;
  if (width > 1) sweep(l, name, width);
  else body(l.body);
  if (is_lanes) lanes_ = nullptr;
  close();
  if (stored_rows_ && !lanes_) line(warp_rows_ ? "__syncwarp();" : "__syncthreads();");
  stored_rows_ = stored_rows_ || stored_before;
  for (const Accumulator* a : l.accumulators) finish(*a);
}

void Emitter::store(const Store& s) {
  const KernelBuffer* b = s.buffer;
  std::string x = named(s.value);
  if (b->space == Space::row) stored_rows_ = true;
  else if (is_bool(b->dtype)) x = "(unsigned char)" + x;
  else if (is_half(b->dtype)) x = concat(b->dtype == DType::float16 ? "pg_f16_of(" : "pg_bf16_of(", x, ")");
  const auto vector = vector_names_.find(&s);
  const std::string at = vector != vector_names_.end() ? vector->second + ".at[lane]" : place(b, s.index);
  const std::string text = concat(at, " = ", x, ";");
  line(lanes_ ? text : concat("if (threadIdx.x == 0) ", text));
}

// ---- reductions -----------------------------------------------------------------------------------------

void Emitter::begin(const Accumulator& a, const Loop& l) {
  const Update* u = update_of(a, l.body);
  PG_INVARIANT(u != nullptr, "an accumulator that nothing updates");
  Sum& s = sums_[&a];
  s.combine = a.combine;
  s.value = u->value->dtype;
  s.state = state_type(a.combine, s.value);
  s.result = a.dtype;
  s.across = !lanes_ && has_lanes(l);
  s.name = concat("sum", a.id);
  const int64_t identity =
      is_bool(s.value) ? identity_bits(a.combine, s.value) : identity_bits(a.combine, s.state);
  line(concat(register_type(s.state), " ", s.name, " = ", literal(s.state, identity), ";"));
}

void Emitter::update(const Update& u) {
  const Sum& s = sums_.at(u.accumulator);
  std::string x = named(u.value);
  if (is_bool(s.value)) x = "(int)" + x;
  else x = convert(x, compute_type(s.value), s.state);
  line(concat(s.name, " = ", operation_of(s.combine), "::of(", s.name, ", ", x, ");"));
}

void Emitter::finish(const Accumulator& a) {
  const Sum& s = sums_.at(&a);
  std::string x = s.name;
  if (s.across) {
    exchanges_ = true;
    const unsigned warps = warp_rows_ ? 1 : launch_->threads_x / warp;
    x = concat("pg_across<", operation_of(s.combine), ", ", warps, ">(", s.name,
               warps > 1 ? ", slots)" : ", (void*)0)");
  }
  const DType held = is_bool(s.value) ? DType::int32 : s.state;
  // Rounds once, also to 16 bits: as on the CPU, through float32.
  if (is_half(s.result)) x = convert(convert(x, held, DType::float32), DType::float32, s.result);
  else x = convert(x, held, s.result);
  const std::string name = concat("v", a.result->id);
  line(concat("const ", register_type(s.result), " ", name, " = ", x, ";"));
  names_[a.result] = name;
}

// ---- memory ---------------------------------------------------------------------------------------------

// Row buffers hold register contents.
std::string Emitter::place(const KernelBuffer* b, Expr at) {
  used_.insert(b);
  if (b->space == Space::global && !b->written && b->size == 1) return b->name + ".get()";
  return concat(b->name, "[", index(at), "]");
}

std::string Emitter::loaded(const KernelBuffer* b, const std::string& at) const {
  if (b->space == Space::row) return at;
  if (is_bool(b->dtype)) return at + " != 0";
  return is_half(b->dtype) ? concat("pg_float(", at, ")") : at;
}

std::string Emitter::load(const Value& v) {
  const std::string otherwise = v.args.empty() ? literal(v.dtype, 0) : named(v.args[0]);
  if (v.buffer->size == 0) return otherwise;
  const auto vector = vector_names_.find(&v);
  const std::string x = loaded(v.buffer, vector != vector_names_.end() ? vector->second + ".at[lane]"
                                                                       : place(v.buffer, v.index));
  return v.conditions.empty() ? x : concat(conditions(v.conditions), " ? ", x, " : ", otherwise);
}

// limit and in_range: integers of any dtype against an extent.
std::string Emitter::limit(const Value& v) {
  const DType from = v.args[0]->dtype;
  std::string x = named(v.args[0]);
  // Beyond int64: its largest value.
  if (from == DType::uint64) x = concat("pg_signed(", x, ")");
  else x = convert(x, from, DType::int64);
  const std::string inside = concat("(unsigned long long)", x, " < ", v.bits, "ull");
  if (v.op == ValueOp::in_range) return inside;
  if (v.raises) {
    raises_ = true;
    line(concat("if (!(", inside, ")) pg_report(error, error_slot, ", limits_.size(), ", ", x, ");"));
    limits_.push_back({v.node, v.bits});
  }
  return concat("pg_limit(", x, ", ", v.bits, "ll)");
}

// ---- the whole kernel -----------------------------------------------------------------------------------

Source write_source(const Kernel& kernel, bool vectors) {
  ir::ExprScope scope(*kernel.exprs);
  Source out;
  for (const KernelBuffer* b : kernel.params)
    out.item_bytes.push_back(static_cast<size_t>(size_of(b->dtype)));
  for (const KernelBuffer* b : kernel.locals)
    out.partial_bytes.push_back(b->space == Space::partial ? static_cast<size_t>(b->size * size_of(b->dtype))
                                                           : 0);
  for (const Phase& phase : kernel.phases) {
    if (phase.grid->extent() == 0) continue;
    Launch launch;
    launch.name = concat("kernel", out.launches.size());
    out.text += Emitter(kernel, phase, out.limits, vectors).run(launch);
    out.launches.push_back(std::move(launch));
  }
  return out;
}

}  // namespace pg::cuda
