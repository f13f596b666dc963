// Conversions of value (astype) and of meaning (bitcast).
#include "ops/elementwise.h"
#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

template <class To> struct ConvertTo {
  template <class X> PG_INLINE auto operator()(X x) const { return ir::convert<To>(x); }
};

template <class To, class From> ir::BlockFn convert_loop() {
  return ir::Clones<ir::Map<ConvertTo<To>, From>>::pick();
}

template <class From> ir::BlockFn to_float(DType to) {
  switch (to) {
  case DType::float16: return convert_loop<ir::Half, From>();
  case DType::bfloat16: return convert_loop<ir::BFloat, From>();
  case DType::float32: return convert_loop<float, From>();
  default: return convert_loop<double, From>();
  }
}

template <class From> ir::BlockFn to_complex(DType to) {
  return to == DType::complex64 ? convert_loop<Complex64, From>() : convert_loop<Complex128, From>();
}

template <class From> ir::BlockFn from_float(DType to) {
  switch (to) {
  case DType::bool_: return convert_loop<bool, From>();
  case DType::int8: return convert_loop<int8_t, From>();
  case DType::int16: return convert_loop<int16_t, From>();
  case DType::int32: return convert_loop<int32_t, From>();
  case DType::int64: return convert_loop<int64_t, From>();
  case DType::uint8: return convert_loop<uint8_t, From>();
  case DType::uint16: return convert_loop<uint16_t, From>();
  case DType::uint32: return convert_loop<uint32_t, From>();
  case DType::uint64: return convert_loop<uint64_t, From>();
  default: return to_float<From>(to);
  }
}

template <class From>
ir::BlockFn from_integer(DType to) {  // the low bits of the result do not depend on its sign
  if (is_bool(to)) return convert_loop<bool, From>();
  if (is_float(to)) return to_float<From>(to);
  switch (size_of(to)) {
  case 1: return convert_loop<uint8_t, From>();
  case 2: return convert_loop<uint16_t, From>();
  case 4: return convert_loop<uint32_t, From>();
  default: return convert_loop<uint64_t, From>();
  }
}

ir::BlockFn block_astype(std::span<const DType> in, DType out, std::span<const int64_t>) {
  switch (compute_type(in[0])) {
  case DType::complex64: return to_complex<Complex64>(out);
  case DType::complex128: return to_complex<Complex128>(out);
  case DType::bool_:
  case DType::uint8: return from_integer<uint8_t>(out);
  case DType::int8: return from_integer<int8_t>(out);
  case DType::int16: return from_integer<int16_t>(out);
  case DType::int32: return from_integer<int32_t>(out);
  case DType::int64: return from_integer<int64_t>(out);
  case DType::uint16: return from_integer<uint16_t>(out);
  case DType::uint32: return from_integer<uint32_t>(out);
  case DType::uint64: return from_integer<uint64_t>(out);
  case DType::float64: return from_float<double>(out);
  default: return from_float<float>(out);
  }
}

DType target(std::span<const int64_t> attrs) { return static_cast<DType>(attrs[0]); }

ir::Sym emit_astype(std::span<const ir::Sym> in, std::span<const int64_t> attrs) {
  return ir::convert(in[0], target(attrs));
}

Aval infer_astype(std::span<const Aval> in, const Attrs& attrs) {
  PG_INVARIANT(attrs.size() == 1 && attrs[0] >= 0 && attrs[0] < dtype_count, "astype takes a dtype");
  const DType from = in[0].dtype, to = static_cast<DType>(attrs[0]);
  require(is_complex(from) == is_complex(to), ErrorKind::dtype, [&] {
    return is_complex(from) ? concat("astype: ", name_of(from), " as ", name_of(to),
                                     " would lose the imaginary part; take pg.real(x), pg.imag(x) or "
                                     "pg.abs(x) first")
                            : concat("astype: ", name_of(from), " becomes ", name_of(to), " with complex");
  });
  return {in[0].shape, static_cast<DType>(attrs[0]), false, in[0].device};
}

std::string show_dtype(const Attrs& attrs) { return concat("dtype=", name_of(static_cast<DType>(attrs[0]))); }

const Op& define_astype() {
  Op op;
  op.name = "astype";
  op.doc = "The values in another dtype. Integers wrap; floats become integers by truncation, saturating, "
           "NaN gives 0.";
  op.infer = infer_astype;
  op.lower = Elementwise{emit_astype, block_astype};
  op.facts = {linear()};  // between floats or complex dtypes; integers and bools carry no tangents
  op.transpose = [](const NodeRef& ct, const RuleArgs&, const Aval& type, int) {
    return astype(ct, type.dtype);
  };
  op.simplify = [](std::span<const NodeRef> x, const Attrs& attrs) {
    return !x[0]->weak && x[0]->dtype == static_cast<DType>(attrs[0]) ? x[0] : NodeRef();
  };
  op.show = show_dtype;
  return define(std::move(op));
}

// ---- bitcast. Registers hold 16-bit floats as float32, so those go through their storage form.

template <class T> struct Same {
  PG_INLINE ir::Val<T> operator()(ir::Val<T> x) const { return x; }
};
template <class T> ir::BlockFn copy_loop() { return ir::Clones<ir::Map<Same<T>, T>>::pick(); }

struct HalfAsBFloat {
  PG_INLINE ir::Val<float> operator()(ir::Val<float> x) const {
    return {bfloat16_to_float(float_to_half(x.v))};
  }
};
struct BFloatAsHalf {
  PG_INLINE ir::Val<float> operator()(ir::Val<float> x) const {
    return {half_to_float(float_to_bfloat16(x.v))};
  }
};

ir::BlockFn block_bitcast(std::span<const DType> in, DType out, std::span<const int64_t>) {
  const DType from = in[0];
  if (from != out && is_half(from) && is_half(out)) {
    if (from == DType::float16) return ir::Clones<ir::Map<HalfAsBFloat, float>>::baseline;
    return ir::Clones<ir::Map<BFloatAsHalf, float>>::baseline;
  }
  if (is_half(from) && !is_half(out)) return ir::store_block(from);
  if (is_half(out) && !is_half(from)) return ir::load_block(out);
  switch (size_of(compute_type(from))) {
  case 1: return copy_loop<uint8_t>();
  case 2: return copy_loop<uint16_t>();
  case 4: return copy_loop<uint32_t>();
  case 16: return copy_loop<Complex128>();
  default: return copy_loop<uint64_t>();
  }
}

ir::Sym emit_bitcast(std::span<const ir::Sym> in, std::span<const int64_t> attrs) {
  return ir::bitcast(in[0], target(attrs));
}

Aval infer_bitcast(std::span<const Aval> in, const Attrs& attrs) {
  PG_INVARIANT(attrs.size() == 1 && attrs[0] >= 0 && attrs[0] < dtype_count, "bitcast takes a dtype");
  const DType from = in[0].dtype, to = static_cast<DType>(attrs[0]);
  require(from == to || !(is_complex(from) || is_complex(to)), ErrorKind::dtype, [&] {
    return concat("bitcast: ", name_of(from), " to ", name_of(to),
                  ": complex numbers are taken apart with pg.real and pg.imag, and made with pg.complex");
  });
  require(size_of(from) == size_of(to) && is_bool(from) == is_bool(to), ErrorKind::dtype, [&] {
    return concat(
        "bitcast: ", name_of(from), " has ", size_of(from) * 8, " bits and ", name_of(to), " has ",
        size_of(to) * 8,
        "; the widths must be equal and bool has no bits of its own; use astype() to convert values");
  });
  return {in[0].shape, to, false, in[0].device};
}

const Op& define_bitcast() {
  Op op;
  op.name = "bitcast";
  op.doc = "The same bits read as another dtype of the same width.";
  op.infer = infer_bitcast;
  op.lower = Elementwise{emit_bitcast, block_bitcast};
  op.facts = {no_derivative()};
  op.simplify = [](std::span<const NodeRef> x, const Attrs& attrs) {
    return !x[0]->weak && x[0]->dtype == static_cast<DType>(attrs[0]) ? x[0] : NodeRef();
  };
  op.show = show_dtype;
  return define(std::move(op));
}

}  // namespace

const Op& astype_op = define_astype();
const Op& bitcast_op = define_bitcast();

}  // namespace pg
