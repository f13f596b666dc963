// Loads and stores.

#include "backends/cpu/codegen/emitter.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::codegen {

using ir::Expr;

namespace {

constexpr int64_t streamed_bytes = 32 << 20;  // outputs beyond the caches are written around them
constexpr int64_t near_bytes = 1 << 10, far_bytes = 32 << 10;  // rows that are fetched ahead

}  // namespace

// Row buffers hold register contents.
std::string_view Emitter::element(const KernelBuffer* b) {
  return b->space == Space::row && is_half(b->dtype) ? register_type(b->dtype) : memory_type(b->dtype);
}
std::string Emitter::stored(const std::string& x, const KernelBuffer* b) {
  return b->space == Space::row && is_half(b->dtype) ? x : math_.to_memory(x, b->dtype);
}
std::string Emitter::loaded(const std::string& x, const KernelBuffer* b) {
  return b->space == Space::row && is_half(b->dtype) ? x : math_.from_memory(x, b->dtype);
}

int64_t Emitter::size_in_memory(const KernelBuffer* b) {
  return b->space == Space::row ? size_of(compute_type(b->dtype)) : size_of(b->dtype);
}

std::string Emitter::pointer(const KernelBuffer* b, const std::string& index) {
  return w_.put(concat("getelementptr ", element(b), ", ptr ", buffers_.at(b), ", i64 ", index));
}

bool Emitter::aligned_to(Expr e, int64_t elements) const {
  const auto steps = steps_of(e);
  return steps && steps->divisor % elements == 0;
}

// Outside of the conditions the first element is read instead, and its value not used.
std::string Emitter::load_scalar(const Value& v) {
  if (v.buffer->size == 0) return v.args.empty() ? w_.literal(v.dtype, 0) : operands_of(v.args[0])[0];
  const std::string_view mem = element(v.buffer);
  std::string index = scalar(v.index, 0), guard;
  if (!v.conditions.empty()) {
    guard = conditions(v.conditions, 0);
    index = w_.put(concat("select i1 ", guard, ", i64 ", index, ", i64 0"));
  }
  std::string x = loaded(w_.effect(concat("load ", mem, ", ptr ", pointer(v.buffer, index), ", align ",
                                          size_in_memory(v.buffer))),
                         v.buffer);
  if (guard.empty()) return x;
  const std::string otherwise = v.args.empty() ? w_.literal(v.dtype, 0) : operands_of(v.args[0])[0];
  return math_.select(guard, v.dtype, x, otherwise);
}

std::string Emitter::gather(const Value& v, size_t piece, const Run& run, const std::string& mask,
                            const std::string& otherwise) {
  const std::string_view mem = element(v.buffer);
  const int64_t size = size_in_memory(v.buffer);
  const std::string type = w_.type(mem);
  std::string at, index;
  if (run.kind == Run::Kind::scattered) {
    const bool small = narrow(v.index);
    index = concat(Writer::vector(w_.lanes(), small ? "i32" : "i64"), " ", vector(v.index, piece, small));
    at = buffers_.at(v.buffer);
  } else {  // a base and constant offsets
    std::string offsets;
    const bool small = std::abs(run.stride) * w_.lanes() < (int64_t{1} << 30);
    const std::string_view element = small ? "i32" : "i64";
    for (int i = 0; i < w_.lanes(); ++i) offsets += concat(i ? ", " : "", element, " ", i * run.stride);
    index = concat(Writer::vector(w_.lanes(), element), " <", offsets, ">");
    at = pointer(v.buffer, scalar(v.index, piece));
  }
  const std::string places = w_.put(concat("getelementptr ", mem, ", ptr ", at, ", ", index));
  const std::string pointers = w_.type("ptr"), bools = w_.type("i1");
  const std::string passed = mask.empty() ? "poison" : otherwise;
  const std::string name = concat("llvm.masked.gather.", w_.suffix(mem), ".v", w_.lanes(), "p0");
  return w_.load_call(type, name, concat(pointers, ", ", bools, ", ", type),
                      concat(pointers, " align ", size, " ", places, ", ", bools, " ",
                             mask.empty() ? "splat (i1 true)" : mask, ", ", type, " ", passed));
}

// Rows of the next iteration around the lanes, or of the next grid point: the processor itself stops fetching
// ahead where a page ends.
void Emitter::prefetch(const Value& v, const std::string& at) {
  const int64_t bytes = v.index.coefficient(rows_ ? rows_ : grid_) * size_in_memory(v.buffer);
  if (v.buffer->space != Space::global || bytes < near_bytes || (!rows_ && bytes > far_bytes)) return;
  const auto [first, fresh] = fetched_.try_emplace(v.buffer, &v);
  if (!fresh && first->second != &v) return;  // a later stage finds it in the cache
  const std::string next = w_.put(concat("getelementptr i8, ptr ", at, ", i64 ", bytes));
  w_.call_void("llvm.prefetch.p0", "ptr, i32, i32, i32",
               concat("ptr ", next, ", i32 0, i32 ", bytes <= 8 << 10 ? 3 : 2, ", i32 1"));
}

std::string Emitter::load_piece(const Value& v, size_t piece) {
  if (v.buffer->size == 0) return v.args.empty() ? w_.literal(v.dtype, 0) : operands_of(v.args[0])[piece];
  const std::string_view mem = element(v.buffer);
  const int64_t size = size_in_memory(v.buffer);
  const std::string type = w_.type(mem);
  const Run run = run_of(v.index);
  std::string guard = v.conditions.empty() ? "" : conditions(v.conditions, piece);
  std::string mask = guard;
  if (!mask_.empty())
    mask = mask.empty() ? mask_ : w_.put(concat("and ", w_.type("i1"), " ", mask, ", ", mask_));
  std::string x;
  if (run.kind != Run::Kind::scattered && run.stride == 0) {
    // One element for the vector, which some lanes may not be allowed to read.
    std::string index = scalar(v.index, piece);
    if (!mask.empty()) {
      const std::string word = concat("i", w_.lanes());
      const std::string any = w_.put(concat(
          "icmp ne ", word, " ", w_.put(concat("bitcast ", w_.type("i1"), " ", mask, " to ", word)), ", 0"));
      index = w_.put(concat("select i1 ", any, ", i64 ", index, ", i64 0"));
    }
    x = splat(w_.effect(concat("load ", mem, ", ptr ", pointer(v.buffer, index), ", align ", size)), mem);
  } else if (run.kind != Run::Kind::scattered && run.stride == 1) {
    const std::string at =
        run.kind == Run::Kind::linear && piece
            ? w_.put(concat("getelementptr ", mem, ", ptr ", pointer(v.buffer, scalar(v.index, 0)), ", i64 ",
                            static_cast<int64_t>(piece) * w_.lanes()))
            : pointer(v.buffer, scalar(v.index, piece));
    if (mask.empty()) {
      prefetch(v, at);
      x = w_.effect(concat("load ", type, ", ptr ", at, ", align ", size));
    } else {
      x = w_.load_call(type, concat("llvm.masked.load.", w_.suffix(mem), ".p0"),
                       concat("ptr, ", w_.type("i1"), ", ", type),
                       concat("ptr align ", size, " ", at, ", ", w_.type("i1"), " ", mask, ", ", type,
                              " zeroinitializer"));
    }
  } else if (run.kind != Run::Kind::scattered && run.stride == -1 && mask.empty()) {
    const std::string last = scalar_op("sub", scalar(v.index, piece), w_.lanes() - 1);
    x = w_.effect(concat("load ", type, ", ptr ", pointer(v.buffer, last), ", align ", size));
    std::string order;
    for (int i = w_.lanes(); i-- > 0;) order += concat(order.empty() ? "" : ", ", "i32 ", i);
    x = w_.put(
        concat("shufflevector ", type, " ", x, ", ", type, " poison, ", w_.type("i32"), " <", order, ">"));
  } else {
    x = gather(v, piece, run, mask, "zeroinitializer");
  }
  x = loaded(x, v.buffer);
  if (guard.empty()) return x;
  std::string otherwise = w_.literal(v.dtype, 0);
  if (!v.args.empty()) {
    otherwise = operands_of(v.args[0])[piece];
  } else if (run.kind == Run::Kind::scattered || run.stride != 0) {
    return x;  // masked loads give zero
  }
  return math_.select(guard, v.dtype, x, otherwise);
}

void Emitter::store_piece(const Store& s, size_t piece, const std::string& value) {
  const KernelBuffer* b = s.buffer;
  const std::string_view mem = element(b);
  const int64_t size = size_in_memory(b);
  const std::string type = w_.type(mem), x = stored(value, b);
  const Run run = run_of(s.index);
  if (run.kind != Run::Kind::scattered && run.stride == 1) {
    const std::string at =
        run.kind == Run::Kind::linear && piece
            ? w_.put(concat("getelementptr ", mem, ", ptr ", pointer(b, scalar(s.index, 0)), ", i64 ",
                            static_cast<int64_t>(piece) * w_.lanes()))
            : pointer(b, scalar(s.index, piece));
    if (!mask_.empty()) {
      w_.call_void(concat("llvm.masked.store.", w_.suffix(mem), ".p0"),
                   concat(type, ", ptr, ", w_.type("i1")),
                   concat(type, " ", x, ", ptr align ", size, " ", at, ", ", w_.type("i1"), " ", mask_));
      return;
    }
    const int64_t bytes = size * w_.lanes();
    const bool streamed = b->space == Space::global && b->size * size >= streamed_bytes && bytes >= 32 &&
                          bytes <= 64 && aligned_to(s.index, w_.lanes());
    streams_ = streams_ || streamed;
    w_.line(concat("store ", type, " ", x, ", ptr ", at, ", align ", streamed ? bytes : size,
                   streamed ? ", !nontemporal !0" : ""));
    return;
  }
  const bool small = narrow(s.index);
  const std::string places =
      w_.put(concat("getelementptr ", mem, ", ptr ", buffers_.at(b), ", ",
                    Writer::vector(w_.lanes(), small ? "i32" : "i64"), " ", vector(s.index, piece, small)));
  const std::string pointers = w_.type("ptr"), bools = w_.type("i1");
  w_.call_void(concat("llvm.masked.scatter.", w_.suffix(mem), ".v", w_.lanes(), "p0"),
               concat(type, ", ", pointers, ", ", bools),
               concat(type, " ", x, ", ", pointers, " align ", size, " ", places, ", ", bools, " ",
                      mask_.empty() ? "splat (i1 true)" : mask_));
}

}  // namespace pg::codegen
