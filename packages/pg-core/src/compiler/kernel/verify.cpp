#include <unordered_map>
#include <unordered_set>

#include "compiler/kernel/kernel.h"
#include "support/error.h"
#include "support/format.h"

// A legal kernel:
//  1. a value is defined before its use, in a scope that is still open;
//  2. there is at most one lanes loop on a path, and no varying value outside one;
//  3. every axis used in an index is open;
//  4. an index without conditions lies in 0 .. size-1 by its bounds (for row buffers too: their index counts
//  from the axis's origin);
//  5. an accumulator is updated only inside its loop, and its result is defined after it;
//  6. a written param is never loaded, a read param is never stored;
//  7. values and stores agree in dtype with their buffers; conditions of a load have at most one other value.

namespace pg {
namespace {

struct Verifier {
  std::unordered_set<const Value*> defined;
  std::unordered_set<const ir::Atom*> open;
  std::unordered_set<const Accumulator*> updatable;
  bool lanes = false;
  bool empty = false;  // inside a loop that never runs

  void check(bool ok, const char* what, const std::string& where) const {
    if (!ok) fail(ErrorKind::internal, concat("illegal kernel: ", what, ": ", where));
  }
  static std::string name(const Value& v) { return concat("%", v.id); }

  void use(const Value* v, const std::string& by) const {
    check(defined.contains(v), "value used before its definition", concat(name(*v), " by ", by));
  }

  void expression(ir::Expr e, const std::string& by) const {
    ir::for_each_leaf(e, [&](const ir::Atom* a) {
      if (a->kind == ir::AtomKind::dynamic) use(static_cast<const Value*>(a->value), by);
      else check(open.contains(a), "axis out of scope", concat(a->name, " in ", by));
    });
  }

  void range(ir::Expr e, const KernelBuffer& b, bool guarded) const {
    if (guarded || empty) return;
    check(e.low() >= 0 && e.high() < b.size, "index out of range",
          concat(ir::to_string(e), " spans ", e.low(), " .. ", e.high(), " of ", b.name, "[", b.size, "]"));
  }

  void value(const Value& v) {
    const std::string by = name(v);
    for (const Value* a : v.args) use(a, by);
    check(!v.varying || lanes, "varying value outside a lanes loop", by);
    for (const Condition& c : v.conditions) expression(c.e, by);
    if (v.index) expression(v.index, by);
    switch (v.op) {
    case ValueOp::load:
      check(!(v.buffer->written && v.buffer->space == Space::global), "load of an output", by);
      check(v.dtype == v.buffer->dtype, "load of another dtype", by);
      check(v.args.size() <= (v.conditions.empty() ? 0 : 1),
            "a load has at most one value for elements outside", by);
      range(v.index, *v.buffer, !v.conditions.empty());
      break;
    case ValueOp::elementwise:
      check(v.record && v.record->elementwise(), "not an elementwise record", by);
      check(v.record->arity < 0 || static_cast<size_t>(v.record->arity) == v.args.size(),
            "wrong number of operands", by);
      break;
    case ValueOp::select:
      check(v.args.size() == 3 && is_bool(v.args[0]->dtype), "select takes a bool and two values", by);
      check(v.args[1]->dtype == v.dtype && v.args[2]->dtype == v.dtype, "select of other dtypes", by);
      break;
    case ValueOp::limit:
    case ValueOp::in_range:
      check(v.args.size() == 1 && is_int(v.args[0]->dtype), "limit takes one integer", by);
      break;
    default: break;
    }
    defined.insert(&v);
  }

  void loop(const Loop& l) {
    check(!open.contains(l.axis), "axis opened twice", l.axis->name);
    check(!(lanes && l.kind == Loop::Kind::lanes), "lanes loop inside a lanes loop", l.axis->name);
    expression(l.start, l.axis->name);
    if (l.limit) {
      expression(l.limit, l.axis->name);
      check(l.limit.high() <= l.axis->extent(), "limit of a loop beyond its axis", l.axis->name);
    }
    const auto defined_before = defined;
    const bool lanes_before = lanes, empty_before = empty;
    open.insert(l.axis);
    lanes = lanes || l.kind == Loop::Kind::lanes;
    empty = empty || l.count == 0;
    for (const Accumulator* a : l.accumulators) updatable.insert(a);
    body(l.body);
    for (const Accumulator* a : l.accumulators) updatable.erase(a);
    open.erase(l.axis);
    defined = defined_before;
    lanes = lanes_before;
    empty = empty_before;
    for (const Accumulator* a : l.accumulators) {
      check(a->result && a->result->varying == lanes, "result of an accumulator has the wrong scope",
            l.axis->name);
      defined.insert(a->result);
    }
  }

  void body(const std::vector<Statement>& statements) {
    for (const Statement& s : statements) {
      if (const auto* v = std::get_if<Value*>(&s)) {
        value(**v);
      } else if (const auto* st = std::get_if<Store*>(&s)) {
        const Store& store = **st;
        use(store.value, store.buffer->name);
        expression(store.index, store.buffer->name);
        check(store.buffer->written || store.buffer->space != Space::global, "store to an input",
              store.buffer->name);
        check(store.buffer->dtype == store.value->dtype, "store of another dtype", store.buffer->name);
        range(store.index, *store.buffer, false);
      } else if (const auto* u = std::get_if<Update*>(&s)) {
        use((*u)->value, "an update");
        check(updatable.contains((*u)->accumulator), "update outside the accumulator's loop",
              concat("acc", (*u)->accumulator->id));
      } else {
        loop(*std::get<Loop*>(s));
      }
    }
  }
};

}  // namespace

void verify(const Kernel& k) {
  ir::ExprScope scope(*k.exprs);
  for (const Phase& p : k.phases) {
    Verifier v;
    v.open.insert(p.grid);
    v.empty = p.grid->extent() == 0;
    v.body(p.body);
  }
}

}  // namespace pg
