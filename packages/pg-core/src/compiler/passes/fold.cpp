// Elementwise records whose operands are all literals: the block loops of the record compute them.

#include <cmath>
#include <cstring>

#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {
namespace {

// One element of a dtype as block loops hold it, from and to the bits of a literal.
struct Element {
  alignas(8) unsigned char bytes[16] = {};
};

Element element_of(int64_t bits, DType dtype) {
  Element e;
  const auto put = [&](auto value) { std::memcpy(e.bytes, &value, sizeof(value)); };
  if (is_inexact(dtype)) {
    const double re = bits_as_double(bits), im = std::signbit(re) && re == 0 ? re : 0.0;
    if (dtype == DType::complex128) put(ir::Complex<double>{re, im});
    else if (dtype == DType::complex64)
      put(ir::Complex<float>{static_cast<float>(re), static_cast<float>(im)});
    else if (dtype == DType::float64) put(re);
    else put(static_cast<float>(re));
  } else {
    std::memcpy(e.bytes, &bits, static_cast<size_t>(size_of(dtype)));  // little-endian, two's complement
  }
  return e;
}

int64_t bits_of(const Element& e, DType dtype) {
  const auto get = [&]<class T>(T value) {
    std::memcpy(&value, e.bytes, sizeof(T));
    return value;
  };
  switch (dtype) {
  case DType::bool_:
  case DType::uint8: return get(uint8_t{});
  case DType::int8: return get(int8_t{});
  case DType::int16: return get(int16_t{});
  case DType::int32: return get(int32_t{});
  case DType::uint16: return get(uint16_t{});
  case DType::uint32: return get(uint32_t{});
  case DType::int64:
  case DType::uint64: return get(int64_t{});
  case DType::float64: return scalar_bits(get(double{}));
  default: break;
  }
  const float value = get(float{});
  if (dtype == DType::float16) return scalar_bits(half_to_float(float_to_half(value)));
  if (dtype == DType::bfloat16) return scalar_bits(bfloat16_to_float(float_to_bfloat16(value)));
  return scalar_bits(value);
}

}  // namespace

std::optional<int64_t> folded(const Graph::Record& record, std::span<const Graph::Record> records) {
  const auto* elementwise = record.op->as<Elementwise>();
  // A complex literal holds real numbers only.
  if (!elementwise || record.inputs.empty() || is_complex(record.type.dtype)) return std::nullopt;
  std::vector<DType> types;
  for (const Id input : record.inputs) {
    if (records[input].op != &full_op) return std::nullopt;
    types.push_back(records[input].type.dtype);
  }
  const ir::BlockFn block =
      elementwise->block(types, record.type.dtype, {record.attrs.data(), record.attrs.size()});
  if (!block) return std::nullopt;
  std::vector<Element> operands;
  for (const Id input : record.inputs)
    operands.push_back(element_of(records[input].attrs[0], records[input].type.dtype));
  std::vector<const void*> pointers;
  for (const Element& e : operands) pointers.push_back(e.bytes);
  Element result;
  block(result.bytes, pointers.data(), 1);
  return bits_of(result, record.type.dtype);
}

}  // namespace pg
