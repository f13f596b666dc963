// Logic, bits, comparisons, choice, conversions.

#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {
namespace {

using namespace rules;

bool bools(const Match& m) { return is_bool(m.operand().type.dtype); }
bool unsigned_operand(const Match& m) {
  const DType dtype = m.operand().type.dtype;
  return is_int(dtype) && !is_signed_int(dtype);
}

struct Range {
  int64_t low, high;
};
std::optional<Range> range_of(const Match& m, Id id) {
  const Graph::Record r = m.out[id];
  if (!is_int(r.type.dtype)) return std::nullopt;
  if (r.op == &full_op && (is_signed_int(r.type.dtype) || r.attrs[0] >= 0))
    return Range{r.attrs[0], r.attrs[0]};
  if (const auto p = progression(r, m.out.records())) return Range{p->low(), p->high()};
  return std::nullopt;
}

// Whatever counts up from a known number is below or above another one at every place, or it is not.
std::optional<Id> compare_ranges(const Match& m) {
  const auto x = range_of(m, m.root.inputs[0]), y = range_of(m, m.root.inputs[1]);
  if (!x || !y) return std::nullopt;
  const bool strict = m.root.op == &less_op;
  if (strict ? x->high < y->low : x->high <= y->low) return m.number(1);
  if (strict ? x->low >= y->high : x->low > y->high) return m.number(0);
  return std::nullopt;
}

// ---- conversions

/// Does `to` hold every number of `from`, so that nothing is lost on the way?
bool holds(DType to, DType from) {
  if (is_bool(from) || from == to) return !is_complex(to);
  if (is_bool(to) || is_complex(to) || is_complex(from)) return false;
  const auto bits = [](DType d) { return static_cast<int>(size_of(d)) * 8; };
  if (is_int(from) && is_int(to)) {
    const int wanted = bits(from) + (is_signed_int(to) && !is_signed_int(from));
    return bits(to) >= wanted && (is_signed_int(to) || !is_signed_int(from));
  }
  const auto digits = [](DType d) {
    return d == DType::float64 ? 53 : d == DType::float32 ? 24 : d == DType::float16 ? 11 : 8;
  };
  if (is_int(from))
    return is_float(to) && bits(from) - is_signed_int(from) <= digits(to) && to != DType::float16;
  if (is_int(to)) return false;
  return digits(to) >= digits(from) && (to == DType::float32 || to == DType::float64);
}

// from -> middle -> to in one step, where that gives the same number for every value of `from`.
bool skips_middle(DType from, DType middle, DType to) {
  if (is_complex(from) || is_complex(middle) || is_complex(to)) return false;
  if (is_bool(from)) return !is_bool(middle);
  // Whole numbers wrap: the low bits are all that a narrower dtype keeps.
  if (is_int(from) && is_int(middle) && is_int(to) && size_of(to) <= size_of(middle)) return true;
  if (!holds(middle, from)) return false;
  // To half floats they may go by way of float32, which must not round them first.
  if (is_int(from) && is_float(middle))
    return is_bool(to) || (is_float(to) && (!is_half(to) || size_of(from) <= 2)) || holds(to, from);
  return true;
}

std::optional<Id> direct_cast(const Match& m) {
  const Graph::Record inner = m['y'];
  const Graph::Record x = m.out[inner.inputs[0]];
  if (inner.op != &astype_op || !skips_middle(x.type.dtype, inner.type.dtype, m.type().dtype))
    return std::nullopt;
  return m.make(astype_op, {inner.inputs[0]}, m.root.attrs);
}
std::optional<Id> direct_bitcast(const Match& m) {
  const Graph::Record inner = m['y'];
  if (inner.op != &bitcast_op) return std::nullopt;
  return m.make(bitcast_op, {inner.inputs[0]}, m.root.attrs);
}
bool same_dtype(const Match& m) { return m.operand().type.dtype == m.type().dtype; }

constexpr Rule table[] = {
    {"not not x", "not(not(x))", nullptr, "x"},
    {"x and x", "and(x, x)", nullptr, "x"},
    {"x or x", "or(x, x)", nullptr, "x"},
    {"x xor x", "xor(x, x)", nullptr, "0"},
    {"x and nothing", "and(x, 0)", nullptr, "0"},
    {"x and everything", "and(x, ones)", nullptr, "x"},
    {"x or nothing", "or(x, 0)", nullptr, "x"},
    {"x or everything", "or(x, ones)", nullptr, "ones"},
    {"x xor nothing", "xor(x, 0)", nullptr, "x"},
    {"x xor everything", "xor(x, ones)", nullptr, "not(x)"},
    {"x << 0", "shift_left(x, 0)", nullptr, "x"},
    {"x >> 0", "shift_right(x, 0)", nullptr, "x"},
    {"x == x", "equal(x, x)", operand_whole, "1"},
    {"x != x", "not_equal(x, x)", operand_whole, "0"},
    {"x < x", "less(x, x)", nullptr, "0"},
    {"x <= x", "less_equal(x, x)", operand_whole, "1"},
    {"x < 0, unsigned", "less(x, 0)", unsigned_operand, "0"},
    {"0 <= x, unsigned", "less_equal(0, x)", unsigned_operand, "1"},
    {"x < y by their ranges", "less", operand_whole, compare_ranges},
    {"x <= y by their ranges", "less_equal", operand_whole, compare_ranges},
    {"x == true", "equal(x, 1)", bools, "x"},
    {"x == false", "equal(x, 0)", bools, "not(x)"},
    {"x != true", "not_equal(x, 1)", bools, "not(x)"},
    {"x != false", "not_equal(x, 0)", bools, "x"},
    {"not (x == y)", "not(equal(x, y))", bools, "not_equal(x, y)"},
    {"not (x != y)", "not(not_equal(x, y))", bools, "equal(x, y)"},
    {"where true", "where(1, x, y)", nullptr, "x"},
    {"where false", "where(0, x, y)", nullptr, "y"},
    {"where of equal branches", "where(c, x, x)", nullptr, "x"},
    {"where not", "where(not(c), x, y)", nullptr, "where(c, y, x)"},
    {"where of true and false", "where(c, 1, 0)", real,
     [](const Match& m) -> std::optional<Id> {
       if (is_bool(m.type().dtype)) return m.id('c');
       return m.make(astype_op, {m.id('c')}, {static_cast<int64_t>(m.type().dtype)});
     }},
    {"where of false and true", "where(c, 0, 1)", nullptr,
     [](const Match& m) -> std::optional<Id> {
       if (!is_bool(m.type().dtype)) return std::nullopt;
       return m.make(not_op, {m.id('c')});
     }},
    {"where in where", "where(c, where(c, x, y), z)", nullptr, "where(c, x, z)"},
    {"where in where, else", "where(c, x, where(c, y, z))", nullptr, "where(c, x, z)"},
    {"astype without effect", "astype(x)", same_dtype, "x"},
    {"astype of astype", "astype(y)", nullptr, direct_cast},
    {"bitcast without effect", "bitcast(x)", same_dtype, "x"},
    {"bitcast of bitcast", "bitcast(y)", nullptr, direct_bitcast},
};

}  // namespace

std::span<const Rule> logic_rules() { return table; }

}  // namespace pg
