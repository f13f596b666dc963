// Logic on bools, bits of integers, random bits.
#include "ops/elementwise.h"
#include "ops/structural.h"

namespace pg {

const Op& not_op = elementwise<1>("not", "Logical not of bools, every bit of integers inverted.",
                                  bits_and_bools, [](auto x) { return ~x; }, {no_derivative()},
                                  {.simplify = [](std::span<const NodeRef> x, const Attrs&) {
                                    return structural::pending(x[0], not_op) ? x[0]->input(0) : NodeRef();
                                  }});
const Op& and_op = elementwise<2>("and", "x & y of bools or bits.", bits_and_bools,
                                  [](auto x, auto y) { return x & y; }, {no_derivative(), no_derivative()});
const Op& or_op = elementwise<2>("or", "x | y of bools or bits.", bits_and_bools,
                                 [](auto x, auto y) { return x | y; }, {no_derivative(), no_derivative()});
const Op& xor_op = elementwise<2>("xor", "x ^ y of bools or bits.", bits_and_bools,
                                  [](auto x, auto y) { return x ^ y; }, {no_derivative(), no_derivative()});
const Op& shift_left_op =
    elementwise<2>("shift_left", "x << y; 0 when y is negative or at least the width of the dtype.",
                   sign_free_ints, [](auto x, auto y) { return x << y; }, {no_derivative(), no_derivative()});
const Op& shift_right_op =
    elementwise<2>("shift_right",
                   "x >> y, arithmetic for signed integers; the sign when y "
                   "is negative or at least the width of the dtype.",
                   ints, [](auto x, auto y) { return x >> y; }, {no_derivative(), no_derivative()});

// ---- threefry: Threefry-2x32 with 20 rounds (Salmon et al. 2011). (k0, k1) is the key, (c0, c1) the
// counter.
namespace {

enum class Word { first, second, mixed };

template <class X> PG_INLINE X rotate(X x, int by) { return (x << by) | (x >> (32 - by)); }

/// One round: a += b, then b is rotated and mixed with a.
template <int by, class X> PG_INLINE void mix(X& a, X& b) {
  a = a + b;
  b = rotate(b, by) ^ a;
}
// Written out, since GCC does not unroll the rounds and then cannot vectorise the loop over elements.
template <class X> PG_INLINE void four_rounds(X& a, X& b) {
  mix<13>(a, b), mix<15>(a, b), mix<26>(a, b), mix<6>(a, b);
}
template <class X> PG_INLINE void four_other_rounds(X& a, X& b) {
  mix<17>(a, b), mix<29>(a, b), mix<16>(a, b), mix<24>(a, b);
}

template <Word word> struct Threefry {
  template <class X> PG_INLINE X operator()(X k0, X k1, X c0, X c1) const {
    const X k2 = k0 ^ k1 ^ 0x1BD11BDAu;
    X a = c0 + k0, b = c1 + k1;
    four_rounds(a, b);
    a = a + k1, b = b + k2 + 1;
    four_other_rounds(a, b);
    a = a + k2, b = b + k0 + 2;
    four_rounds(a, b);
    a = a + k0, b = b + k1 + 3;
    four_other_rounds(a, b);
    a = a + k1, b = b + k2 + 4;
    four_rounds(a, b);
    a = a + k2, b = b + k0 + 5;
    return word == Word::first ? a : word == Word::second ? b : a ^ b;
  }
};

template <Word word> ir::Sym emit_word(std::span<const ir::Sym> in) {
  return Threefry<word>{}(in[0], in[1], in[2], in[3]);
}

ir::Sym emit_threefry(std::span<const ir::Sym> in, std::span<const int64_t> attrs) {
  switch (static_cast<Word>(attrs[0])) {
  case Word::first: return emit_word<Word::first>(in);
  case Word::second: return emit_word<Word::second>(in);
  default: return emit_word<Word::mixed>(in);
  }
}

template <Word word> ir::BlockFn word_loop() {
  return ir::Clones<ir::Map<Threefry<word>, uint32_t, uint32_t, uint32_t, uint32_t>>::pick();
}

ir::BlockFn block_threefry(std::span<const DType>, DType, std::span<const int64_t> attrs) {
  switch (static_cast<Word>(attrs[0])) {
  case Word::first: return word_loop<Word::first>();
  case Word::second: return word_loop<Word::second>();
  default: return word_loop<Word::mixed>();
  }
}

Aval infer_threefry(std::span<const Aval> in, const Attrs& attrs) {
  PG_INVARIANT(attrs.size() == 1 && attrs[0] >= 0 && attrs[0] <= 2, "threefry takes the word to return");
  Aval out = detail::infer_same("threefry", detail::accepted(false, {DType::uint32}), false, in);
  out.weak = false;
  return out;
}

const Op& define_threefry() {
  Op op;
  op.name = "threefry";
  op.doc = "Random bits: the counter (c0, c1) enciphered by the key (k0, k1); one word of the result, or "
           "both mixed by xor.";
  op.arity = 4;
  op.infer = infer_threefry;
  op.lower = Elementwise{emit_threefry, block_threefry};
  op.facts = {no_derivative()};
  op.show = [](const Attrs& attrs) { return concat("word=", attrs[0]); };
  return define(std::move(op));
}

}  // namespace

const Op& threefry_op = define_threefry();

}  // namespace pg
