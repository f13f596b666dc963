// Records that assemble a result: concat and iota.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

Aval infer_concat(std::span<const Aval> in, const Attrs& attrs) {
  same_dtype("concatenate", in);
  Aval out = in[0];
  out.weak = all_weak(in);
  const int64_t rank = static_cast<int64_t>(out.shape.size());
  require(rank > 0, ErrorKind::shape, "concatenate: 0-d tensors have no axis to join along; use stack");
  const int64_t axis = normalize_axis(attrs[0], rank, "concatenate");
  for (size_t i = 1; i < in.size(); ++i) {
    Shape expected = in[0].shape;
    const bool fits = in[i].shape.size() == expected.size();
    if (fits) expected[axis] = in[i].shape[axis];
    require(fits && in[i].shape == expected, ErrorKind::shape, [&] {
      return concat("concatenate: operand ", i, " has shape ", to_string(in[i].shape), " and operand 0 ",
                    to_string(in[0].shape), "; all extents except that of axis ", axis, " must be equal");
    });
    out.shape[axis] += in[i].shape[axis];
  }
  return out;
}

NodeRef transpose_concat(const NodeRef& ct, const RuleArgs& args, const Aval& type, int i) {
  const size_t rank = type.shape.size(), axis = static_cast<size_t>(args.attrs[0]);
  Ints start(rank, 0), stop = ct->shape;
  for (int k = 0; k < i; ++k) start[axis] += args.x[k]->shape[axis];
  stop[axis] = start[axis] + type.shape[axis];
  return slice(ct, start, stop, ones(rank));
}

NodeRef simplify_concat(std::span<const NodeRef> x, const Attrs&) {
  return x.size() == 1 && !x[0]->shape.empty() ? x[0] : nullptr;
}

// attrs: dtype, device kind, device index, axis, shape...
Aval infer_iota(std::span<const Aval>, const Attrs& attrs) {
  const DType dtype = static_cast<DType>(attrs[0]);
  const Device device{static_cast<DeviceKind>(attrs[1]), static_cast<uint8_t>(attrs[2])};
  const Shape shape = rest(attrs, 4);
  require(!is_bool(dtype) && !is_complex(dtype), ErrorKind::dtype, [&] {
    return concat("iota: ", name_of(dtype), " cannot count; use an integer or floating dtype");
  });
  require(attrs[3] >= 0 && attrs[3] < static_cast<int64_t>(shape.size()), ErrorKind::index,
          [&] { return concat("iota: axis ", attrs[3], " is out of range for shape ", to_string(shape)); });
  count_of(shape);
  return {shape, dtype, false, device};
}

}  // namespace

const Op& concat_op = define({.name = "concat",
                              .doc = "Operands one after the other along an axis.",
                              .arity = -1,
                              .infer = infer_concat,
                              .lower = Concat{[](const Attrs& a) { return static_cast<int>(a[0]); }},
                              .facts = {linear()},
                              .joint = true,
                              .transpose = transpose_concat,
                              .batch = batch_along_axis,
                              .simplify = simplify_concat,
                              .show = [](const Attrs& a) { return concat("axis=", a[0]); }});

const Op& iota_op = define({.name = "iota",
                            .doc = "The index along one axis, as a number.",
                            .arity = 0,
                            .infer = infer_iota,
                            .lower = Iota{[](const Attrs& a) { return static_cast<int>(a[3]); }},
                            .show = [](const Attrs& a) { return concat("axis=", a[3]); }});

}  // namespace pg
