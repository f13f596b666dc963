#pragma once
// How elementwise records are written: elementwise<arity>(name, doc, dtypes, arithmetic, {facts}, {extras}).
// The arithmetic is one generic lambda over the vocabulary of ir/; the scalar IR and the block loops both
// come from it.

#include <array>
#include <utility>

#include "ir/complex_math.h"
#include "ir/loops.h"
#include "ir/math.h"
#include "ir/scalar.h"
#include "ops/ops.h"

namespace pg {

using Simplify = NodeRef (*)(std::span<const NodeRef> x, const Attrs&);

/// What only some records state; fields as in Op.
struct Extras {
  bool joint = false;
  Transpose transpose = nullptr;
  Simplify simplify = nullptr;
};

/// The native types of a record's loops. sign_free: signed integers may use the loop of the unsigned type of
/// their width.
template <bool free, class... T> struct TypeSet {
  static constexpr bool sign_free = free;
};
using Complex64 = ir::Complex<float>;
using Complex128 = ir::Complex<double>;
inline constexpr TypeSet<false, float, double> floats;
inline constexpr TypeSet<false, float, double, Complex64, Complex128> floats_and_complex;
inline constexpr TypeSet<false, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t>
    ints;
inline constexpr TypeSet<true, uint8_t, uint16_t, uint32_t, uint64_t> sign_free_ints;
inline constexpr TypeSet<true, bool, uint8_t, uint16_t, uint32_t, uint64_t> bits_and_bools;
inline constexpr TypeSet<false, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
                         float, double>
    numbers;
inline constexpr TypeSet<false, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t,
                         float, double, Complex64, Complex128>
    numbers_and_complex;
inline constexpr TypeSet<true, uint8_t, uint16_t, uint32_t, uint64_t, float, double, Complex64, Complex128>
    sign_free_numbers_and_complex;
inline constexpr TypeSet<false, bool, int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t,
                         uint64_t, float, double>
    everything;
inline constexpr TypeSet<true, bool, uint8_t, uint16_t, uint32_t, uint64_t, float, double, Complex64,
                         Complex128>
    sign_free_everything;

namespace detail {

/// All operands of one shape, device and accepted dtype (bit per DType); the result has the operands' dtype
/// or is bool.
Aval infer_same(const char* name, uint32_t accepts, bool predicate, std::span<const Aval> in);
/// The checks of infer_same on shapes and devices only.
void check_shapes(const char* name, std::span<const Aval> in);
/// Weak only when every operand is.
bool all_weak(std::span<const Aval> in);

constexpr DType unsigned_twin(DType d) {
  constexpr int distance = static_cast<int>(DType::uint8) - static_cast<int>(DType::int8);
  return is_signed_int(d) ? static_cast<DType>(static_cast<int>(d) + distance) : d;
}

constexpr uint32_t accepted(bool sign_free, std::initializer_list<DType> types) {
  uint32_t mask = 0;
  for (int i = 0; i < dtype_count; ++i) {
    const DType d = static_cast<DType>(i), held = compute_type(sign_free ? unsigned_twin(d) : d);
    for (const DType t : types)
      if (t == held) mask |= 1u << i;
  }
  return mask;
}

template <class T, size_t> using Repeat = T;

/// What the function pointers of a record need; one set per lambda type.
template <class F, int arity, class Set> struct Record;
template <class F, int arity, bool sign_free, class... T> struct Record<F, arity, TypeSet<sign_free, T...>> {
  static inline const char* name = nullptr;
  static constexpr uint32_t accepts = accepted(sign_free, {ir::dtype_of<T>...});

  template <class U, size_t... k> static auto result_of(std::index_sequence<k...>)
      -> decltype(F{}(Repeat<ir::Val<U>, k>{}...));
  template <class U> static constexpr bool gives_bool =
      std::is_same_v<decltype(result_of<U>(std::make_index_sequence<arity>())), ir::Val<bool>>;
  static constexpr bool predicate = (gives_bool<T> && ...);

  static Aval infer(std::span<const Aval> in, const Attrs&) {
    return infer_same(name, accepts, predicate, in);
  }

  template <size_t... k> static ir::Sym apply(std::span<const ir::Sym> in, std::index_sequence<k...>) {
    return F{}(in[k]...);
  }
  static ir::Sym emit(std::span<const ir::Sym> in, std::span<const int64_t>) {
    ir::Sym wide[3] = {};
    for (int k = 0; k < arity; ++k) wide[k] = ir::convert(in[k], compute_type(in[k].dtype));
    const ir::Sym z = apply(std::span<const ir::Sym>(wide, arity), std::make_index_sequence<arity>());
    return predicate ? z : ir::convert(z, in[0].dtype);
  }

  template <class U, size_t... k> static ir::BlockFn loop(std::index_sequence<k...>) {
    constexpr bool has_rare =
        std::is_floating_point_v<U> && requires { F::rare(Repeat<ir::Val<U>, k>{}...); };
    using Loop = std::conditional_t<has_rare, ir::MapRare<F, Repeat<U, k>...>, ir::Map<F, Repeat<U, k>...>>;
    if constexpr (ir::is_complex_type<U>) return ir::Clones<Loop>::baseline;
    else return ir::Clones<Loop>::pick();
  }
  static ir::BlockFn block(std::span<const DType> in, DType, std::span<const int64_t>) {
    static const auto table = [] {
      std::array<ir::BlockFn, dtype_count> loops{};
      ((loops[static_cast<int>(ir::dtype_of<T>)] = loop<T>(std::make_index_sequence<arity>())), ...);
      return loops;
    }();
    const DType held = compute_type(in[0]);
    return table[static_cast<int>(sign_free ? unsigned_twin(held) : held)];
  }
};

Op op_of(const char* name, const char* doc, int arity, std::vector<Fact> facts, const Extras& extras = {});

}  // namespace detail

/// Defines a record whose operands have one dtype out of Set; `facts` holds one derivative fact per operand.
template <int arity, class F, class Set> const Op&
elementwise(const char* name, const char* doc, Set, F, std::vector<Fact> facts, const Extras& extras = {}) {
  using Record = detail::Record<F, arity, Set>;
  Record::name = name;
  Op op = detail::op_of(name, doc, arity, std::move(facts), extras);
  op.infer = Record::infer;
  op.lower = Elementwise{Record::emit, Record::block};
  return define(std::move(op));
}

/// For exact identities: x when it has the type the result would have had, else null.
NodeRef same_type(const NodeRef& x, std::span<const NodeRef> operands);

}  // namespace pg
