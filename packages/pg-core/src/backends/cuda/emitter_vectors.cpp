// Neighbouring elements at once: where a loop's memory allows it, a thread reads and writes up to 16 bytes,
// and computes element by element in between.

#include <algorithm>

#include "backends/cuda/emitter.h"
#include "support/format.h"

namespace pg::cuda {

using ir::AtomKind;
using ir::Expr;

namespace {

bool is_multiple(Expr e, int64_t of, ir::Axis except) {
  return e.constant() % of == 0 && std::all_of(e.terms().begin(), e.terms().end(), [&](const ir::Term& t) {
           return t.atom == except || t.coefficient % of == 0;
         });
}

// The lane alone counts up by one; nothing else in the index depends on it.
bool follows_lanes(Expr e, ir::Axis lane) {
  if (e.coefficient(lane) != 1) return false;
  for (const ir::Term& t : e.terms()) {
    if (t.atom != lane && ir::expr(t.atom).uses(lane)) return false;
    bool varies = false;
    ir::for_each_leaf(ir::expr(t.atom), [&](const ir::Atom* leaf) {
      varies = varies || (leaf->kind == AtomKind::dynamic && static_cast<const Value*>(leaf->value)->varying);
    });
    if (varies) return false;
  }
  return true;
}

constexpr int64_t vector_bytes = 16;
constexpr int64_t most_width = 8;

}  // namespace

bool Emitter::in_vectors(const KernelBuffer* b, Expr at, const Loop& l, int64_t width) const {
  return b->space == Space::global && b->size > 1 && follows_lanes(at, l.axis) &&
         is_multiple(at, width, l.axis) && size_of(b->dtype) * width <= vector_bytes;
}

int64_t Emitter::width_of(const Loop& l) const {
  if (!vectors_ || trips(l) < 4 * warp) return 1;
  int64_t largest = 0;
  const auto note = [&](const KernelBuffer* b, Expr at) {
    if (b->space == Space::global && follows_lanes(at, l.axis))
      largest = std::max(largest, size_of(b->dtype));
  };
  for (const Statement& s : l.body) {
    if (std::holds_alternative<Loop*>(s)) return 1;
    if (const auto* st = std::get_if<Store*>(&s)) note((*st)->buffer, (*st)->index);
    if (const auto* v = std::get_if<Value*>(&s); v && (*v)->op == ValueOp::load && (*v)->conditions.empty())
      note((*v)->buffer, (*v)->index);
  }
  if (largest == 0) return 1;
  const int64_t width = std::min(most_width, vector_bytes / largest);
  if (width < 2 || l.count % width || l.axis->extent() % width || !is_multiple(l.start, width, nullptr))
    return 1;
  for (const Statement& s : l.body) {
    if (const auto* st = std::get_if<Store*>(&s); st && in_vectors((*st)->buffer, (*st)->index, l, width))
      return width;
    if (const auto* v = std::get_if<Value*>(&s); v && (*v)->op == ValueOp::load && (*v)->conditions.empty() &&
                                                 in_vectors((*v)->buffer, (*v)->index, l, width))
      return width;
  }
  return 1;
}

// Loads before the elements of a vector, stores after them.
void Emitter::vectors_of(const Loop& l, int64_t width, bool stores) {
  const auto vector = [&](const KernelBuffer* b, Expr at) {
    used_.insert(b);
    alignments_[b] = std::max(alignments_[b], size_of(b->dtype) * width);
    const std::string type = concat("pg_vector<", memory_type(b->dtype), ", ", width, ">");
    return std::pair(type, concat("*(", stores ? "" : "const ", type, "*)(", b->name, " + ", index(at), ")"));
  };
  for (const Statement& s : l.body) {
    if (const auto* v = std::get_if<Value*>(&s); v && !stores && (*v)->op == ValueOp::load &&
                                                 (*v)->conditions.empty() &&
                                                 in_vectors((*v)->buffer, (*v)->index, l, width)) {
      const auto [type, at] = vector((*v)->buffer, (*v)->index);
      const std::string name = vector_names_[*v] = concat("in_v", (*v)->id);
      line(concat("const ", type, " ", name, " = ", at, ";"));
    }
    const auto* st = std::get_if<Store*>(&s);
    if (!st || !in_vectors((*st)->buffer, (*st)->index, l, width)) continue;
    const auto [type, at] = vector((*st)->buffer, (*st)->index);
    if (stores) {
      line(concat(at, " = ", vector_names_.at(*st), ";"));
    } else {
      const std::string name = vector_names_[*st] = concat("out_v", vector_names_.size());
      line(concat(type, " ", name, ";"));
    }
  }
}

void Emitter::sweep(const Loop& l, const std::string& name, int64_t width) {
  vectors_of(l, width, false);
  line("#pragma unroll");
  open(concat("for (int lane = 0; lane < ", width, "; ++lane) {"));
  const std::string element = name + "_lane";
  line(concat(l.axis->extent() > most_int ? "const long long " : "const int ", element, " = ", name,
              " + lane;"));
  axes_[l.axis] = element;
  body(l.body);
  axes_[l.axis] = name;
  close();
  vectors_of(l, width, true);
  vector_names_.clear();
}

}  // namespace pg::cuda
