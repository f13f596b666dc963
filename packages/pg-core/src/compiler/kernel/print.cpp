#include "compiler/kernel/kernel.h"
#include "support/format.h"

namespace pg {
namespace {

using ir::AtomKind;
using ir::Expr;

// Index expressions name dynamic atoms by their value.
std::string text(Expr e) {
  std::string out;
  for (const ir::Term& t : e.terms()) {
    if (!out.empty()) out += " + ";
    if (t.coefficient != 1) out += concat(t.coefficient, "*");
    switch (t.atom->kind) {
    case AtomKind::axis: out += t.atom->name; break;
    case AtomKind::dynamic: out += concat("%", static_cast<const Value*>(t.atom->value)->id); break;
    case AtomKind::quotient: out += concat("((", text(t.atom->of), ")/", t.atom->by, ")"); break;
    case AtomKind::remainder: out += concat("((", text(t.atom->of), ")%", t.atom->by, ")"); break;
    }
  }
  if (e.constant() || out.empty()) out += concat(out.empty() ? "" : " + ", e.constant());
  return out;
}

std::string text(const std::vector<Condition>& conditions) {
  std::string out;
  for (const Condition& c : conditions)
    out += concat(out.empty() ? "" : " and ", c.low, " <= ", text(c.e), " < ", c.high);
  return out;
}

std::string_view name_of(Combine c) {
  constexpr std::string_view names[] = {"sum", "prod", "max", "min", "all", "any"};
  return names[static_cast<int>(c)];
}

std::string constant_text(const Value& v) {
  if (is_inexact(v.dtype)) return concat(bits_as_double(v.bits));
  return is_unsigned(v.dtype) ? concat(static_cast<uint64_t>(v.bits)) : concat(v.bits);
}

std::string text(const Value& v) {
  const auto args = [&] {
    std::vector<std::string> names;
    for (const Value* a : v.args) names.push_back(concat("%", a->id));
    return join(names);
  };
  switch (v.op) {
  case ValueOp::constant: return constant_text(v);
  case ValueOp::index: return text(v.index);
  case ValueOp::load: {
    std::string out = concat(v.buffer->name, "[", text(v.index), "]");
    if (!v.conditions.empty())
      out += concat(" if ", text(v.conditions), " else ", v.args.empty() ? "0" : args());
    return out;
  }
  case ValueOp::elementwise: {
    std::string out = concat(v.record->name, "(", args(), ")");
    if (v.record->show) out += concat(" ", v.record->show(*v.attrs));
    return out;
  }
  case ValueOp::select: return concat("select(", args(), ")");
  case ValueOp::within: return text(v.conditions);
  case ValueOp::limit: return concat("limit(", args(), ") to 0 .. ", v.bits, v.raises ? ", else raise" : "");
  case ValueOp::in_range: return concat("0 <= ", args(), " < ", v.bits);
  case ValueOp::result: return "result";
  }
  return "";
}

void print(const std::vector<Statement>& body, const std::string& pad, std::string& out) {
  for (const Statement& s : body) {
    if (const auto* v = std::get_if<Value*>(&s)) {
      out += concat(pad, "%", (*v)->id, ": ", short_name_of((*v)->dtype), " = ", text(**v), "\n");
    } else if (const auto* st = std::get_if<Store*>(&s)) {
      out += concat(pad, (*st)->buffer->name, "[", text((*st)->index), "] = %", (*st)->value->id, "\n");
    } else if (const auto* u = std::get_if<Update*>(&s)) {
      out += concat(pad, "acc", (*u)->accumulator->id, " ", name_of((*u)->accumulator->combine), "= %",
                    (*u)->value->id, "\n");
    } else {
      const Loop& l = *std::get<Loop*>(s);
      const Expr end = l.start + ir::expr(l.count);
      const bool exact = !l.limit && end.high() <= l.axis->extent();
      const std::string limit = l.limit ? text(l.limit) : concat(l.axis->extent());
      out +=
          concat(pad, l.kind == Loop::Kind::lanes ? "lanes " : "serial ", l.axis->name, " in ", text(l.start),
                 " .. ", exact ? text(end) : concat("min(", text(end), ", ", limit, ")"), ":\n");
      print(l.body, pad + "  ", out);
      for (const Accumulator* a : l.accumulators)
        out += concat(pad, "%", a->result->id, ": ", short_name_of(a->dtype), " = ", name_of(a->combine),
                      " over acc", a->id, "\n");
    }
  }
}

}  // namespace

std::string to_string(const Kernel& k) {
  ir::ExprScope scope(*k.exprs);
  std::vector<std::string> params;
  for (const KernelBuffer* b : k.params)
    params.push_back(
        concat(b->written ? "out " : "", b->name, ": ", short_name_of(b->dtype), "[", b->size, "]"));
  std::string out = concat("kernel(", join(params), ")\n");
  if (k.segments) {
    int64_t total = 0;
    for (const int64_t n : k.segments.lengths) total += n;
    out += concat("  segments: ", k.segments.lengths.size(), " of ", total, " elements together, ",
                  k.segments.tile, " to a point\n");
  }
  for (const KernelBuffer* b : k.locals)
    out += concat("  ", b->space == Space::row ? "row " : "partial ", b->name, ": ", short_name_of(b->dtype),
                  "[", b->size, "]\n");
  for (const Phase& p : k.phases) {
    out += concat("  parallel ", p.grid->name, " in 0 .. ", p.grid->extent(), ":  # ", p.note, "\n");
    print(p.body, "    ", out);
  }
  return out;
}

}  // namespace pg
