#include "compiler/pattern.h"

#include <cctype>
#include <charconv>
#include <limits>

#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

constexpr Id nothing = static_cast<Id>(-2);

struct Parser {
  std::string_view text;
  size_t at = 0;
  Pattern out = {};

  void check(bool fine) const { PG_INVARIANT(fine, concat("no pattern: ", std::string(text))); }
  char next() {
    while (at < text.size() && text[at] == ' ') ++at;
    return at < text.size() ? text[at] : '\0';
  }
  bool take(char c) {
    if (next() != c) return false;
    ++at;
    return true;
  }

  uint32_t enter(Pattern::Item item, char letter = 0) {
    out.items.push_back(std::move(item));
    out.variables.push_back(letter);
    return static_cast<uint32_t>(out.items.size()) - 1;
  }

  uint32_t number() {
    const size_t start = at;
    while (at < text.size() && (text[at] == '-' || text[at] == '.' || std::isdigit(text[at]))) ++at;
    Pattern::Item item{Pattern::Kind::number};
    const auto read = std::from_chars(text.data() + start, text.data() + at, item.number);
    check(read.ec == std::errc());
    return enter(item);
  }

  uint32_t item() {
    const char c = next();
    if (c == '-' || std::isdigit(c)) return number();
    const size_t start = at;
    while (at < text.size() && (std::isalnum(text[at]) || text[at] == '_')) ++at;
    const std::string_view name = text.substr(start, at - start);
    if (name.size() == 1) {
      for (uint32_t i = 0; i < out.variables.size(); ++i)
        if (out.variables[i] == c) return i;
      return enter({c == 'k' || c == 'l' ? Pattern::Kind::literal : Pattern::Kind::variable}, c);
    }
    if (name == "ones") return enter({Pattern::Kind::ones});
    if (name == "elementwise") return enter({Pattern::Kind::elementwise});
    Pattern::Item made{Pattern::Kind::record, find_op(name)};
    check(made.op != nullptr);
    made.any_operands = next() != '(';
    if (!made.any_operands) {
      do {
        ++at;
        made.operands.push_back(item());
      } while (next() == ',');
      check(take(')'));
    }
    return enter(std::move(made));
  }
};

}  // namespace

Pattern Pattern::parse(std::string_view text) {
  Parser parser{text};
  parser.item();
  parser.check(parser.next() == '\0');
  return std::move(parser.out);
}

bool is_number(const Graph::Record& r, double number) {
  if (r.op != &full_op || is_complex(r.type.dtype)) return false;
  return r.attrs[0] == (is_inexact(r.type.dtype) ? scalar_bits(number) : static_cast<int64_t>(number));
}

bool is_ones(const Graph::Record& r) {
  if (r.op != &full_op || is_inexact(r.type.dtype)) return false;
  if (is_bool(r.type.dtype)) return r.attrs[0] == 1;
  const int bits = static_cast<int>(size_of(r.type.dtype)) * 8;
  const uint64_t all = bits == 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1;
  return (static_cast<uint64_t>(r.attrs[0]) & all) == all;
}

bool commutes(const Op& op) {
  return &op == &add_op || &op == &mul_op || &op == &and_op || &op == &or_op || &op == &xor_op ||
         &op == &equal_op || &op == &not_equal_op;
}

bool PatternFinder::find(Accept accept) {
  found_ = SmallVector<Id, 8>(pattern_.items.size(), nothing);
  goals_ = {{static_cast<uint32_t>(pattern_.items.size()) - 1, root}};
  steps_ = 64 * pattern_.items.size();
  return solve(0, accept);
}

bool PatternFinder::solve(size_t at, Accept accept) {
  if (at == goals_.size()) return true;
  if (steps_ == 0) return false;
  --steps_;
  const Goal goal = goals_[at];
  if (found_[goal.item] != nothing) return found_[goal.item] == goal.id && solve(at + 1, accept);
  const Pattern::Item& item = pattern_.items[goal.item];
  const Graph::Record& r = record(goal.id);
  const bool fits = item.kind == Pattern::Kind::variable ||
                    (item.kind == Pattern::Kind::literal && r.op == &full_op) ||
                    (item.kind == Pattern::Kind::number && is_number(r, item.number)) ||
                    (item.kind == Pattern::Kind::ones && is_ones(r)) ||
                    (item.kind == Pattern::Kind::elementwise && r.op->elementwise()) ||
                    (item.kind == Pattern::Kind::record && r.op == item.op &&
                     (item.any_operands || r.inputs.size() == item.operands.size()));
  if (!fits || !accept(goal.item, goal.id)) return false;
  found_[goal.item] = goal.id;
  const size_t known = goals_.size(), count = item.operands.size();
  for (size_t turn = 0; turn < (item.op && count == 2 && commutes(*item.op) ? 2u : 1u); ++turn) {
    for (size_t i = 0; i < count; ++i)
      goals_.push_back({item.operands[turn ? count - 1 - i : i], r.inputs[i]});
    if (solve(at + 1, accept)) return true;
    goals_.resize(known);
  }
  found_[goal.item] = nothing;
  return false;
}

}  // namespace pg
