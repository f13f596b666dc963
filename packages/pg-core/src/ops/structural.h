#pragma once
// What the structural records share: reading attributes, printing them, looking through pending operands.

#include "graph/batch.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::structural {

inline Attrs words(const Ints& values) { return Attrs(values.begin(), values.end()); }

/// attrs[from, from + count) as extents or axes.
inline Ints part(const Attrs& attrs, size_t from, size_t count) {
  PG_INVARIANT(from + count <= attrs.size(), "attributes are too short");
  return Ints(attrs.begin() + from, attrs.begin() + from + count);
}
inline Ints rest(const Attrs& attrs, size_t from = 0) { return part(attrs, from, attrs.size() - from); }

inline Ints zeros(size_t count) { return Ints(count, 0); }
inline Ints ones(size_t count) { return Ints(count, 1); }
inline Ints count_up(size_t count, int64_t start = 0) {
  Ints out(count);
  for (size_t i = 0; i < count; ++i) out[i] = start + static_cast<int64_t>(i);
  return out;
}
inline bool is_count_up(const Ints& values) { return values == count_up(values.size()); }
inline bool contains(const Ints& values, int64_t value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}
/// The axes of a rank that are not in `axes`.
inline Ints other_axes(const Ints& axes, size_t rank) {
  Ints out;
  for (size_t i = 0; i < rank; ++i)
    if (!contains(axes, static_cast<int64_t>(i))) out.push_back(static_cast<int64_t>(i));
  return out;
}

/// Has x this op, and may its operand still be looked through? An evaluated node is a leaf with its own
/// identity.
inline bool pending(const NodeRef& x, const Op& op) {
  return x->op == &op && !x->evaluated() && !x->in_flight && !x->inputs.empty();
}

/// x with another shape if every element of x is one known number (literal or run-time number), else null.
inline NodeRef refilled(const NodeRef& x, const Shape& shape) {
  const Aval type{shape, x->dtype, x->weak, x->device};
  if (x->op == &full_op) return full_node(x->attrs[0], type);
  if (x->op == &number_op && !x->abstract) return number_node(x->attrs[0], type);
  return nullptr;
}

/// Operands of one op must agree in dtype; casts are explicit nodes.
inline void same_dtype(const char* what, std::span<const Aval> in) {
  for (size_t i = 1; i < in.size(); ++i)
    require(in[i].dtype == in[0].dtype, ErrorKind::dtype, [&] {
      return concat(what, ": operands have dtypes ", name_of(in[0].dtype), " and ", name_of(in[i].dtype),
                    "; cast one with .astype(...)");
    });
}
inline void float_dtype(const char* what, const Aval& type) {
  require(is_float(type.dtype), ErrorKind::dtype, [&] {
    return concat(what, ": operands are ", name_of(type.dtype),
                  " but must be floating point; cast with .astype(pg.float32)");
  });
}
inline void integer_dtype(const char* what, const Aval& type) {
  require(is_int(type.dtype), ErrorKind::dtype, [&] {
    return concat(what, ": indices are ", name_of(type.dtype),
                  " but must be integers; cast with .astype(pg.int64)");
  });
}
inline bool all_weak(std::span<const Aval> in) {
  return std::all_of(in.begin(), in.end(), [](const Aval& a) { return a.weak; });
}

// ---- batching rules: the batch axis comes first, so axes shift by one

/// `attrs` behind what the batch axis adds.
inline Attrs behind(std::initializer_list<int64_t> lead, const Attrs& attrs) {
  Attrs out(lead);
  out.reserve(lead.size() + attrs.size());
  for (int64_t word : attrs) out.push_back(word);
  return out;
}
inline Ints shifted(Ints axes) {
  for (int64_t& axis : axes) ++axis;
  return axes;
}
inline Shape behind(int64_t extent, const Shape& shape) {
  Shape out{extent};
  for (int64_t n : shape) out.push_back(n);
  return out;
}
/// x repeated along a new first axis.
inline NodeRef repeated(const NodeRef& x, int64_t size) {
  return broadcast(x, behind(size, x->shape), count_up(x->shape.size(), 1));
}
/// Operand i with a batch axis, its own or a new one.
inline NodeRef full(const BatchArgs& args, size_t i) {
  return args.x[i].batched ? args.x[i].node : repeated(args.x[i].node, args.size);
}
/// Moves axis `from` to `to`; the others keep their order.
inline NodeRef move_axis(const NodeRef& x, size_t from, size_t to) {
  Ints axes;
  for (size_t i = 0; i < x->shape.size(); ++i)
    if (i != from) axes.push_back(static_cast<int64_t>(i));
  axes.insert(to, static_cast<int64_t>(from));
  return permute(x, axes);
}
/// For ops that treat every leading axis alike: the same op on operands that all have the batch axis.
inline Batched batch_leading(const BatchArgs& args) {
  std::vector<NodeRef> x;
  for (size_t i = 0; i < args.x.size(); ++i) x.push_back(full(args, i));
  return {make(args.op, x, args.attrs), true};
}
/// For ops whose first attribute is an axis.
inline Batched batch_along_axis(const BatchArgs& args) {
  std::vector<NodeRef> x;
  for (size_t i = 0; i < args.x.size(); ++i) x.push_back(full(args, i));
  Attrs attrs = args.attrs;
  ++attrs[0];
  return {make(args.op, x, std::move(attrs)), true};
}

inline std::string field(const char* name, const Ints& values) {
  return concat(name, "=", to_string(values));
}

}  // namespace pg::structural
