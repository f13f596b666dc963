#include "backends/cpu/codegen/emitter.h"

#include <cstddef>

#include "support/error.h"
#include "support/format.h"

namespace pg::codegen {
namespace {

/// Scalars are written while one lives.
struct Narrow {
  explicit Narrow(Writer& w) : writer(w), before(w.wide) { w.wide = false; }
  ~Narrow() { writer.wide = before; }
  Narrow(const Narrow&) = delete;
  Writer& writer;
  bool before;
};

}  // namespace

void Emitter::phase(const Phase& phase, int index) {
  buffers_.clear();
  fetched_.clear();
  grid_ = phase.grid;
  w_.begin_function(concat("void @p", index, "(ptr %buffers, i64 %begin, i64 %end, ptr %runtime) nounwind"));
  int64_t place = 0;
  const auto buffer = [&](const KernelBuffer* b) {
    const std::string at = w_.put(concat("getelementptr ptr, ptr %buffers, i64 ", place++));
    buffers_[b] = w_.effect(concat("load ptr, ptr ", at));
  };
  for (const KernelBuffer* b : kernel_.params) buffer(b);
  for (const KernelBuffer* b : kernel_.locals) buffer(b);
  counted("%begin", "%end", 1, {}, [&](const std::string& point) {
    axes_[phase.grid] = point;
    body(phase.body);
  });
  if (streams_) w_.call_void("llvm.x86.sse.sfence", "", "");
  w_.line("ret void");
  w_.end_function();
}

void Emitter::body(const std::vector<Statement>& statements) {
  for (const Statement& s : statements) {
    if (const auto* v = std::get_if<Value*>(&s)) value(**v);
    else if (const auto* st = std::get_if<Store*>(&s)) store(**st);
    else if (const auto* u = std::get_if<Update*>(&s)) update(**u);
    else loop(*std::get<Loop*>(s));
  }
}

Registers Emitter::operands_of(const Value* v) {
  const size_t n = w_.wide ? pieces_ : 1;
  if (v->op == ValueOp::constant) return Registers(n, w_.literal(v->dtype, v->bits));
  const Registers& held = values_.at(v);
  if (!w_.wide || v->varying) return held;
  return Registers(n, splat(held[0], register_type(v->dtype)));
}

void Emitter::value(const Value& v) {
  if (v.op == ValueOp::constant) return;  // a literal where it is used
  if (!v.varying) {
    const Narrow scalars(w_);
    switch (v.op) {
    case ValueOp::index: values_[&v] = {math_.convert(scalar(v.index, 0), DType::int64, v.dtype)}; return;
    case ValueOp::load: values_[&v] = {load_scalar(v)}; return;
    case ValueOp::within: values_[&v] = {conditions(v.conditions, 0)}; return;
    default: break;
    }
    values_[&v] = elementwise(v);
    return;
  }
  Registers out;
  switch (v.op) {
  case ValueOp::index: {
    const bool small = narrow(v.index);
    for (size_t p = 0; p < pieces_; ++p)
      out.push_back(math_.convert(vector(v.index, p, small), small ? DType::int32 : DType::int64, v.dtype));
    break;
  }
  case ValueOp::load:
    for (size_t p = 0; p < pieces_; ++p) out.push_back(load_piece(v, p));
    break;
  case ValueOp::within:
    for (size_t p = 0; p < pieces_; ++p) out.push_back(conditions(v.conditions, p));
    break;
  default: out = elementwise(v);
  }
  values_[&v] = std::move(out);
}

// What has operands.
Registers Emitter::elementwise(const Value& v) {
  if (v.op == ValueOp::limit || v.op == ValueOp::in_range) return limit(v);
  std::vector<Registers> operands;
  for (const Value* a : v.args) operands.push_back(operands_of(a));
  const size_t pieces = w_.wide ? pieces_ : 1;
  if (v.op == ValueOp::select) {
    Registers out;
    for (size_t p = 0; p < pieces; ++p)
      out.push_back(math_.select(operands[0][p], v.dtype, operands[1][p], operands[2][p]));
    return out;
  }
  PG_INVARIANT(v.op == ValueOp::elementwise);
  ir::Builder builder;
  std::vector<ir::Sym> inputs;
  for (const Value* a : v.args) inputs.push_back(builder.input(a->dtype));
  const ir::Sym made =
      v.record->as<Elementwise>()->emit(inputs, std::span<const int64_t>(v.attrs->begin(), v.attrs->size()));
  return math_.emit(builder, ir::convert(made, v.dtype), operands, pieces);
}

// limit and in_range: integers of any dtype against an extent.
Registers Emitter::limit(const Value& v) {
  const DType from = v.args[0]->dtype;
  const Registers given = operands_of(v.args[0]);
  const std::string type = w_.type("i64");
  Registers out;
  for (size_t p = 0; p < given.size(); ++p) {
    std::string x = math_.convert(given[p], from, DType::int64);
    if (from == DType::uint64)  // beyond int64: its largest value
      x = math_.select(math_.compare("slt", DType::int64, x, w_.integer("i64", 0)), DType::int64,
                       w_.integer("i64", INT64_MAX), x);
    const std::string inside = w_.put(concat("icmp ult ", type, " ", x, ", ", w_.integer("i64", v.bits)));
    if (v.op == ValueOp::in_range) {
      out.push_back(inside);
      continue;
    }
    if (v.raises) {
      std::string bad = math_.binary("xor", "i1", inside, w_.literal(DType::bool_, 1));
      std::string n = "i1";
      if (w_.wide) {
        if (!mask_.empty()) bad = math_.binary("and", "i1", bad, mask_);
        n = concat("i", w_.lanes());
        bad = w_.put(concat("bitcast ", w_.type("i1"), " ", bad, " to ", n));
      }
      const std::string any = w_.put(concat("icmp ne ", n, " ", bad, ", 0"));
      const std::string report = w_.fresh_label("report"), after = w_.fresh_label("reported");
      w_.branch(any, report, after);
      w_.begin_block(report);
      w_.open_scope();
      const std::string place = w_.stack(type, 64);
      w_.line(concat("store ", type, " ", x, ", ptr ", place, ", align 64"));
      const std::string failure = w_.effect("load ptr, ptr %runtime");
      const std::string at =
          w_.put(concat("getelementptr i8, ptr %runtime, i64 ", offsetof(Runtime, report)));
      const std::string f = w_.effect(concat("load ptr, ptr ", at));
      const std::string lanes = w_.put(concat("zext ", n, " ", bad, " to i64"));
      w_.line(concat("call void ", f, "(ptr ", failure, ", i64 ", limits_.size(), ", ptr ", place, ", i64 ",
                     lanes, ")"));
      w_.close_scope();
      w_.jump(after);
      w_.begin_block(after);
    }
    const std::string top = w_.integer("i64", v.bits - 1), zero = w_.integer("i64", 0);
    const std::string low = math_.select(math_.compare("slt", DType::int64, x, top), DType::int64, x, top);
    out.push_back(math_.select(math_.compare("sgt", DType::int64, low, zero), DType::int64, low, zero));
  }
  if (v.op == ValueOp::limit && v.raises) limits_.push_back(&v);
  return out;
}

void Emitter::store(const Store& s) {
  if (lane_ && varies(s.index)) {
    const Registers x = operands_of(s.value);
    for (size_t p = 0; p < pieces_; ++p) store_piece(s, p, x[p]);
    return;
  }
  const Narrow scalars(w_);
  PG_INVARIANT(!s.value->varying, "a lane value is stored at one place");
  const std::string x = stored(operands_of(s.value)[0], s.buffer);
  w_.line(concat("store ", element(s.buffer), " ", x, ", ptr ", pointer(s.buffer, scalar(s.index, 0)),
                 ", align ", size_in_memory(s.buffer)));
}

}  // namespace pg::codegen
