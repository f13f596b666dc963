#include "compiler/passes/simplify.h"

#include <cmath>
#include <cstring>

#include "ops/ops.h"

namespace pg {
namespace {

bool counts_up(const Attrs& words) {
  for (size_t i = 0; i < words.size(); ++i)
    if (words[i] != static_cast<int64_t>(i)) return false;
  return true;
}

bool same_type(const Aval& a, const Aval& b) { return a.shape == b.shape && a.dtype == b.dtype; }

// Rewrites one record whose inputs are already those of the new graph. Returns true when the record is just
// `same`.
struct Rules {
  GraphBuilder& out;

  const Graph::Record& operand(const Graph::Record& r, size_t i = 0) const { return out[r.inputs[i]]; }

  bool vanishes(Graph::Record& r, Id& same) const {
    if (r.inputs.empty()) return false;
    const Graph::Record& x = operand(r);
    const bool no_effect = r.op->as<Identity>() || (r.op == &reshape_op && same_type(x.type, r.type)) ||
                           (r.op == &permute_op && counts_up(r.attrs)) ||
                           (r.op == &broadcast_op && same_type(x.type, r.type)) ||
                           (r.op == &astype_op && x.type.dtype == r.type.dtype);
    if (no_effect) {
      same = r.inputs[0];
      return true;
    }
    // A value filled with one number is that number in any shape.
    if (x.op == &full_op &&
        (r.op == &reshape_op || r.op == &permute_op || r.op == &broadcast_op || r.op == &slice_op)) {
      r.op = &full_op;
      r.attrs = x.attrs;
      r.inputs.clear();
      return false;
    }
    if (r.op == &reshape_op && x.op == &reshape_op) r.inputs[0] = x.inputs[0];
    if (r.op == &permute_op && x.op == &permute_op) {
      for (int64_t& axis : r.attrs) axis = x.attrs[static_cast<size_t>(axis)];
      r.inputs[0] = x.inputs[0];
      if (counts_up(r.attrs)) {
        same = r.inputs[0];
        return true;
      }
    }
    if (r.op == &reshape_op && same_type(operand(r).type, r.type)) {
      same = r.inputs[0];
      return true;
    }
    return false;
  }
};

// Copies a graph record by record through `rewrite(record, builder) -> Id`.
template <class Rewrite> Graph rebuilt(const Graph& graph, Rewrite&& rewrite) {
  GraphBuilder out;
  std::vector<Id> renamed(graph.size(), 0);
  for (const Id id : graph.inputs) renamed[id] = out.param(graph[id].type);
  for (Id id = 0; id < graph.size(); ++id) {
    if (graph[id].op == &param_op) continue;
    Graph::Record record = graph[id];
    for (Id& input : record.inputs) input = renamed[input];
    renamed[id] = rewrite(std::move(record), out);
  }
  std::vector<Id> outputs;
  for (const Id id : graph.outputs) outputs.push_back(renamed[id]);
  return out.finish(std::move(outputs));
}

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

Graph simplify(const Graph& graph) {
  return rebuilt(graph, [](Graph::Record record, GraphBuilder& out) {
    Id same = 0;
    if (Rules{out}.vanishes(record, same)) return same;
    return out.add(std::move(record));
  });
}

Graph fold_constants(const Graph& graph) {
  return rebuilt(graph, [](Graph::Record record, GraphBuilder& out) {
    const auto* elementwise = record.op->as<Elementwise>();
    bool literal = elementwise && !record.inputs.empty();
    std::vector<DType> types;
    for (const Id input : record.inputs) {
      literal = literal && out[input].op == &full_op;
      types.push_back(out[input].type.dtype);
    }
    literal = literal && !is_complex(record.type.dtype);  // a complex literal holds real numbers only
    const ir::BlockFn block =
        literal ? elementwise->block(types, record.type.dtype, {record.attrs.data(), record.attrs.size()})
                : nullptr;
    if (!block) return out.add(std::move(record));
    std::vector<Element> operands;
    for (const Id input : record.inputs)
      operands.push_back(element_of(out[input].attrs[0], out[input].type.dtype));
    std::vector<const void*> pointers;
    for (const Element& e : operands) pointers.push_back(e.bytes);
    Element result;
    block(result.bytes, pointers.data(), 1);
    record.op = &full_op;
    record.inputs.clear();
    record.attrs = {bits_of(result, record.type.dtype)};
    return out.add(std::move(record));
  });
}

Graph select_calls(const Graph& graph) {
  return rebuilt(graph, [](Graph::Record record, GraphBuilder& out) {
    if (record.op != &dot_general_op) return out.add(std::move(record));
    // attrs: |a|, |b|, |c|, labels of a, b, c. Reading a permuted operand in place: label i of the result of
    // the permute belongs to axis axes[i] of its operand.
    size_t at = 3;
    for (size_t side = 0; side < 2; ++side) {
      const size_t rank = static_cast<size_t>(record.attrs[side]);
      const Graph::Record& x = out[record.inputs[side]];
      if (x.op == &permute_op) {
        const Attrs labels(record.attrs.begin() + at, record.attrs.begin() + at + rank);
        for (size_t i = 0; i < rank; ++i) record.attrs[at + static_cast<size_t>(x.attrs[i])] = labels[i];
        record.inputs[side] = x.inputs[0];
      }
      at += rank;
    }
    return out.add(std::move(record));
  });
}

}  // namespace pg
