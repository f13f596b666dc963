#include "compiler/passes/rules.h"

#include <limits>

#include "ops/ops.h"
#include "support/error.h"

namespace pg {
namespace {

struct Prepared {
  const Rule* rule;
  Pattern pattern, replacement;
};

// The rules by the op at the root of their pattern.
using PreparedByOp = std::vector<std::vector<Prepared>>;

PreparedByOp* prepare(bool all) {
  auto* out = new PreparedByOp(all_ops().size());
  std::vector<std::span<const Rule>> tables{view_rules(), join_rules(), arithmetic_rules(), logic_rules(),
                                            reduction_rules()};
  if (all) {
    tables.push_back(strength_rules());
    tables.push_back(broadcast_rules());
  }
  for (const std::span<const Rule>& table : tables)
    for (const Rule& rule : table) {
      Prepared p{&rule, Pattern::parse(rule.pattern), {}};
      if (const char* const* text = std::get_if<const char*>(&rule.replacement))
        p.replacement = Pattern::parse(*text);
      for (const Op* op : all_ops())
        if (p.pattern.root_fits(*op)) (*out)[op->id].push_back(p);
    }
  return out;
}

const std::vector<Prepared>& rules_of(const Op& op, bool all) {
  static const auto *every = prepare(true), *without_costs = prepare(false);
  return (all ? *every : *without_costs)[op.id];
}

Id build(const Pattern& replacement, const Match& match) {
  std::vector<Id> made;
  for (size_t i = 0; i < replacement.items.size(); ++i) {
    const Pattern::Item& item = replacement.items[i];
    switch (item.kind) {
    case Pattern::Kind::variable:
    case Pattern::Kind::literal: made.push_back(match.id(replacement.variables[i])); break;
    case Pattern::Kind::number: made.push_back(match.number(item.number)); break;
    case Pattern::Kind::ones:
      made.push_back(
          match.full(rules::wrapped(-1, match.type().dtype), match.type().shape, match.type().dtype));
      break;
    case Pattern::Kind::elementwise: PG_INVARIANT(false, "a replacement names its ops");
    case Pattern::Kind::record: {
      SmallVector<Id, 3> inputs;
      for (const uint32_t operand : item.operands) inputs.push_back(made[operand]);
      made.push_back(match.make(*item.op, std::move(inputs)));
      break;
    }
    }
  }
  return made.back();
}

}  // namespace

Id Match::id(char variable) const {
  for (size_t i = 0; i < pattern_.variables.size(); ++i)
    if (pattern_.variables[i] == variable) return found_[i];
  PG_INVARIANT(false, concat("the pattern has no variable ", std::string(1, variable)));
}

Graph::Record Match::operator[](char variable) const { return out[id(variable)]; }
Graph::Record Match::operand(size_t i) const { return out[root.inputs[i]]; }

Id Match::make(const Op& op, SmallVector<Id, 3> inputs, Attrs attrs) const {
  std::vector<Aval> types;
  for (const Id input : inputs) types.push_back(out[input].type);
  Aval type = op.infer(types, attrs);
  return out.add({&op, std::move(inputs), std::move(attrs), std::move(type), root.where});
}

Id Match::full(int64_t bits, const Shape& shape, DType dtype) const {
  return out.add({&full_op, {}, {bits}, {shape, dtype, false, root.type.device}, root.where});
}

Id Match::number(double value) const {
  const DType dtype = type().dtype;
  return full(is_inexact(dtype) ? scalar_bits(value) : static_cast<int64_t>(value), type().shape, dtype);
}

Id Match::broadcast(Id x, const Shape& shape, const Ints& axes) const {
  Attrs attrs{static_cast<int64_t>(shape.size())};
  for (const int64_t n : shape) attrs.push_back(n);
  for (const int64_t a : axes) attrs.push_back(a);
  return make(broadcast_op, {x}, std::move(attrs));
}

Id Match::reshape(Id x, const Shape& shape) const {
  return make(reshape_op, {x}, Attrs(shape.begin(), shape.end()));
}

void Rewriter::note(const char* name) {
  if (!uses_) return;
  for (RuleUse& use : *uses_)
    if (use.name == name) {
      ++use.times;
      return;
    }
  uses_->push_back({name, 1});
}

std::optional<Id> Rewriter::apply(const Graph::Record& record) {
  for (const Prepared& p : rules_of(*record.op, all_)) {
    PatternFinder finder(p.pattern, records(), record);
    if (!finder.find([](size_t, Id) { return true; })) continue;
    const Match match(*this, p.pattern, finder, record);
    if (p.rule->when && !p.rule->when(match)) continue;
    std::optional<Id> made;
    if (const auto* function = std::get_if<1>(&p.rule->replacement)) made = (*function)(match);
    else made = build(p.replacement, match);
    if (!made) continue;
    PG_INVARIANT(rules::same_type(graph_[*made].type, record.type),
                 concat("the rule '", p.rule->name, "' changes ", to_string(record.type), " to ",
                        to_string(graph_[*made].type)));
    note(p.rule->name);
    return made;
  }
  return std::nullopt;
}

Id Rewriter::add(Graph::Record record) {
  ++looked_;
  if (record.op->as<Identity>()) {  // a mark for derivatives, or a name
    note("identity");
    return record.inputs[0];
  }
  if (const std::optional<int64_t> bits = folded(record, records())) {
    note("literals");
    return graph_.add({&full_op, {}, {*bits}, std::move(record.type), record.where});
  }
  if (fuel_ > 0) {
    --fuel_;
    if (const std::optional<Id> simpler = apply(record)) return *simpler;
  }
  return graph_.add(std::move(record));
}

namespace rules {

std::optional<Progression> progression(const Graph::Record& r, std::span<const Graph::Record> records) {
  if (!is_int(r.type.dtype)) return std::nullopt;
  Progression out{};
  // From the record down to the numbers it is made of: value = number * scale + offset.
  int64_t scale = 1, offset = 0;
  const Graph::Record* at = &r;
  constexpr int deep = 4;
  for (int depth = 0; at->op != &iota_op; ++depth) {
    if (depth == deep || at->inputs.size() != 2) return std::nullopt;
    const Graph::Record *x = &records[at->inputs[0]], *y = &records[at->inputs[1]];
    const bool first = x->op == &full_op;  // the number comes first
    if (first) std::swap(x, y);
    if (y->op != &full_op) return std::nullopt;
    int64_t factor = 1, by = 0;  // of what is below, and what is added to it
    if (at->op == &mul_op) factor = y->attrs[0];
    else if (at->op == &shift_left_op && !first && y->attrs[0] >= 0 && y->attrs[0] < 40)
      factor = int64_t{1} << y->attrs[0];
    else if (at->op == &add_op || at->op == &sub_op) by = y->attrs[0];
    else return std::nullopt;
    if (at->op == &sub_op) {
      if (first) factor = -1;
      else if (__builtin_sub_overflow(int64_t{0}, by, &by)) return std::nullopt;
    }
    if (__builtin_mul_overflow(by, scale, &by) || __builtin_add_overflow(offset, by, &offset) ||
        __builtin_mul_overflow(scale, factor, &scale))
      return std::nullopt;
    at = x;
  }
  if (!is_int(at->type.dtype)) return std::nullopt;
  out.axis = static_cast<size_t>(at->attrs[3]);
  out.count = at->type.shape[out.axis];
  out.first = offset;
  out.step = scale;
  // All of it must fit the dtype, also on the way: half its range is plenty for places in tensors.
  const int bits = std::min<int>(static_cast<int>(size_of(r.type.dtype)) * 8 - 2, 40);
  const int64_t most = int64_t{1} << bits;
  const bool sane = out.count > 0 && out.count < most && std::abs(scale) < most && std::abs(offset) < most &&
                    (scale == 0 || out.count < most / std::max<int64_t>(std::abs(scale), 1)) &&
                    (is_signed_int(r.type.dtype) || (out.low() >= 0));
  if (!sane) return std::nullopt;
  return out;
}

}  // namespace rules

}  // namespace pg
