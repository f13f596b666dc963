// Convolution as three bilinear records that are closed under transposition; each is one library call.
//
// image [N, C, in...], kernel [O, C / groups, k...], result [N, O, out...] with
// out = floor((in + low + high - (k - 1) * dilation - 1) / stride) + 1. Negative margins crop.
// attrs: spatial rank s, groups, strides[s], low[s], high[s], dilation[s]; the gradient records add the
// spatial extents of the operand that they compute: in[s] for conv_input_grad(result, kernel), k[s] for
// conv_weight_grad(image, result). A rank of -s means that images and results lie as [N, in..., C]; only the
// compiler says so (passes/layout.cpp), so no derivative rule sees it. Kernels lie the same either way.
// conv(image, kernel, bias) adds one number per output channel; that, too, only the compiler writes.

#include <algorithm>

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

struct Window {
  size_t rank;
  bool channels_last;
  int64_t groups;
  Ints strides, low, high, dilation, missing;
};

Window window_of(const Attrs& attrs) {
  const size_t s = static_cast<size_t>(std::abs(attrs[0]));
  Window w{s,
           attrs[0] < 0,
           attrs[1],
           part(attrs, 2, s),
           part(attrs, 2 + s, s),
           part(attrs, 2 + 2 * s, s),
           part(attrs, 2 + 3 * s, s),
           {}};
  w.missing = rest(attrs, 2 + 4 * s);
  return w;
}

/// [N, C, in...] for a shape that lies as [N, in..., C], and the way back.
Shape channels_first(Shape shape, const Window& w) {
  if (w.channels_last) std::rotate(shape.begin() + 1, shape.end() - 1, shape.end());
  return shape;
}
Shape as_laid_out(Shape shape, const Window& w) {
  if (w.channels_last) std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  return shape;
}

/// The attributes with another list of spatial extents at the end.
Attrs with_missing(const Attrs& attrs, const Shape& shape_with_spatial, bool none = false) {
  PG_INVARIANT(attrs[0] > 0, "a rule of a convolution with the channels last");
  const size_t s = static_cast<size_t>(attrs[0]);
  Attrs out(attrs.begin(), attrs.begin() + 2 + 4 * s);
  if (!none)
    for (size_t i = 0; i < s; ++i) out.push_back(shape_with_spatial[shape_with_spatial.size() - s + i]);
  return out;
}
Attrs without_missing(const Attrs& attrs) { return with_missing(attrs, {}, true); }

std::string show_conv(const Attrs& attrs) {
  const Window w = window_of(attrs);
  std::string out =
      concat(field("strides", w.strides), ", ", field("low", w.low), ", ", field("high", w.high));
  if (w.dilation != ones(w.rank)) out += ", " + field("dilation", w.dilation);
  if (w.groups != 1) out += concat(", groups=", w.groups);
  if (!w.missing.empty()) out += ", " + field("extents", w.missing);
  if (w.channels_last) out += ", channels last";
  return out;
}

void check_window(const char* what, const Window& w, std::span<const Aval> in) {
  require(in.size() == 2, ErrorKind::type,
          [&] { return concat(what, " takes 2 operands, got ", in.size()); });
  same_dtype(what, in);
  float_dtype(what, in[0]);
  for (const Aval& operand : in)
    require(operand.shape.size() == w.rank + 2, ErrorKind::shape, [&] {
      return concat(what, ": operands of shapes ", to_string(in[0].shape), " and ", to_string(in[1].shape),
                    " given, but a convolution over ", w.rank, " spatial axes needs ", w.rank + 2,
                    " axes each: batch, channels, space and outputs, inputs, space");
    });
  require(w.rank >= 1 && w.rank <= 3, ErrorKind::shape,
          [&] { return concat(what, ": ", w.rank, " spatial axes given; 1 to 3 are supported"); });
  require(w.groups >= 1, ErrorKind::value,
          [&] { return concat(what, ": groups is ", w.groups, " but must be at least 1"); });
  for (size_t i = 0; i < w.rank; ++i)
    require(w.strides[i] >= 1 && w.dilation[i] >= 1, ErrorKind::value, [&] {
      return concat(what, ": strides ", to_string(w.strides), " and dilation ", to_string(w.dilation),
                    " must be at least 1");
    });
}

int64_t result_extent(const char* what, const Window& w, size_t axis, int64_t in, int64_t k) {
  const int64_t span = (k - 1) * w.dilation[axis] + 1, padded = in + w.low[axis] + w.high[axis];
  require(k >= 1 && padded >= span, ErrorKind::shape, [&] {
    return concat(what, ": a kernel of extent ", k, " with dilation ", w.dilation[axis], " spans ", span,
                  ", more than the padded extent ", padded, " of spatial axis ", axis,
                  "; use a smaller kernel or more padding");
  });
  return (padded - span) / w.strides[axis] + 1;
}

void check_channels(const char* what, int64_t channels, int64_t per_group, int64_t outputs, int64_t groups) {
  require(channels == per_group * groups, ErrorKind::shape, [&] {
    return concat(what, ": the image has ", channels, " channels but the kernel takes ", per_group, " x ",
                  groups, " groups; they must be equal");
  });
  require(outputs % groups == 0, ErrorKind::shape, [&] {
    return concat(what, ": ", outputs, " output channels do not divide into ", groups, " groups");
  });
}

Aval infer_conv(std::span<const Aval> in, const Attrs& attrs) {
  const Window w = window_of(attrs);
  check_window("conv", w, in.first(std::min<size_t>(in.size(), 2)));
  if (in.size() == 3) {
    same_dtype("conv", in);
    require(in[2].shape == Shape{in[1].shape[0]}, ErrorKind::shape, [&] {
      return concat("conv: the bias has shape ", to_string(in[2].shape), " but there are ", in[1].shape[0],
                    " output channels");
    });
  }
  const Shape x = channels_first(in[0].shape, w), &k = in[1].shape;
  check_channels("conv", x[1], k[1], k[0], w.groups);
  Aval out{{x[0], k[0]}, in[0].dtype, all_weak(in), in[0].device};
  for (size_t i = 0; i < w.rank; ++i) out.shape.push_back(result_extent("conv", w, i, x[2 + i], k[2 + i]));
  out.shape = as_laid_out(std::move(out.shape), w);
  count_of(out.shape);
  return out;
}

void check_result_extents(const char* what, const Window& w, const Shape& result, const Shape& image,
                          const Shape& kernel) {
  for (size_t i = 0; i < w.rank; ++i) {
    const int64_t needed = result_extent(what, w, i, image[i], kernel[i]);
    require(result[2 + i] == needed, ErrorKind::shape, [&] {
      return concat(what, ": the cotangent has extent ", result[2 + i], " on spatial axis ", i,
                    " but the convolution gives ", needed);
    });
  }
}

Aval infer_input_grad(std::span<const Aval> in, const Attrs& attrs) {
  const Window w = window_of(attrs);
  check_window("conv_input_grad", w, in);
  const Shape ct = channels_first(in[0].shape, w), &k = in[1].shape;
  PG_INVARIANT(w.missing.size() == w.rank);
  require(ct[1] == k[0], ErrorKind::shape, [&] {
    return concat("conv_input_grad: the cotangent has ", ct[1], " channels but the kernel gives ", k[0]);
  });
  check_channels("conv_input_grad", k[1] * w.groups, k[1], k[0], w.groups);
  check_result_extents("conv_input_grad", w, ct, w.missing, rest(Attrs(k.begin(), k.end()), 2));
  Aval out{{ct[0], k[1] * w.groups}, in[0].dtype, all_weak(in), in[0].device};
  for (int64_t n : w.missing) out.shape.push_back(n);
  out.shape = as_laid_out(std::move(out.shape), w);
  count_of(out.shape);
  return out;
}

Aval infer_weight_grad(std::span<const Aval> in, const Attrs& attrs) {
  const Window w = window_of(attrs);
  check_window("conv_weight_grad", w, in);
  const Shape x = channels_first(in[0].shape, w), ct = channels_first(in[1].shape, w);
  PG_INVARIANT(w.missing.size() == w.rank);
  require(x[0] == ct[0], ErrorKind::shape, [&] {
    return concat("conv_weight_grad: the image has ", x[0], " examples but the cotangent ", ct[0]);
  });
  require(x[1] % w.groups == 0, ErrorKind::shape, [&] {
    return concat("conv_weight_grad: ", x[1], " channels do not divide into ", w.groups, " groups");
  });
  check_channels("conv_weight_grad", x[1], x[1] / w.groups, ct[1], w.groups);
  check_result_extents("conv_weight_grad", w, ct, rest(Attrs(x.begin(), x.end()), 2), w.missing);
  Aval out{{ct[1], x[1] / w.groups}, in[0].dtype, all_weak(in), in[0].device};
  for (int64_t n : w.missing) out.shape.push_back(n);
  count_of(out.shape);
  return out;
}

NodeRef transpose_conv(const NodeRef& ct, const RuleArgs& args, const Aval& type, int i) {
  PG_INVARIANT(args.x.size() == 2, "a rule of a convolution with a bias");
  const Attrs attrs = with_missing(args.attrs, type.shape);
  return i == 0 ? make(conv_input_grad_op, {ct, args.x[1]}, attrs)
                : make(conv_weight_grad_op, {args.x[0], ct}, attrs);
}

// image = input_grad(result, kernel)
NodeRef transpose_input_grad(const NodeRef& ct, const RuleArgs& args, const Aval& type, int i) {
  if (i == 0) return make(conv_op, {ct, args.x[1]}, without_missing(args.attrs));
  return make(conv_weight_grad_op, {ct, args.x[0]}, with_missing(args.attrs, type.shape));
}

// kernel = weight_grad(image, result)
NodeRef transpose_weight_grad(const NodeRef& ct, const RuleArgs& args, const Aval& type, int i) {
  if (i == 1) return make(conv_op, {args.x[0], ct}, without_missing(args.attrs));
  return make(conv_input_grad_op, {args.x[1], ct}, with_missing(args.attrs, type.shape));
}

// ---- batching: the batch axis is folded into the examples, into the channels within each group, or, when
// both operands have one, into the groups

/// [B, ..., g * c, ...] -> [..., g * B * c, ...] at `axis` of the unbatched shape.
NodeRef folded(const NodeRef& x, size_t axis, int64_t groups) {
  Shape split = x->shape;
  if (groups > 1) {
    split[axis + 1] /= groups;
    split.insert(axis + 1, groups);
  }
  Shape out(x->shape.begin() + 1, x->shape.end());
  out[axis] *= x->shape[0];
  return reshape(move_axis(reshape(x, split), 0, groups > 1 ? axis + 1 : axis), out);
}

/// The way back: [..., g * B * c, ...] -> [B, ..., g * c, ...].
NodeRef unfolded(const NodeRef& y, size_t axis, int64_t groups, int64_t size) {
  Shape split = y->shape, out = behind(size, y->shape);
  out[axis + 1] /= size;
  split[axis] /= size * groups;
  split.insert(axis, size);
  if (groups > 1) split.insert(axis, groups);
  return reshape(move_axis(reshape(y, split), groups > 1 ? axis + 1 : axis, 0), out);
}

struct Fold {
  size_t axis;
  bool grouped = false;  // within each group
};
/// Where the batch axis goes: {operand, result} when only that operand has one; {a, b, result} when both do.
struct Folds {
  Fold first[2], second[2];
  size_t both[3];
};

Batched batch_by(const BatchArgs& args, const Folds& folds) {
  if (args.size == 0)
    return {zeros_like({behind(0, args.type.shape), args.type.dtype, args.type.weak, args.type.device}),
            true};
  const NodeRef &a = args.x[0].node, &b = args.x[1].node;
  Attrs attrs = args.attrs;
  const auto groups = [&](const Fold& fold) { return fold.grouped ? attrs[1] : 1; };
  if (args.x[0].batched && args.x[1].batched) {
    attrs[1] *= args.size;
    const NodeRef y = make(args.op, {folded(a, folds.both[0], 1), folded(b, folds.both[1], 1)}, attrs);
    return {unfolded(y, folds.both[2], 1, args.size), true};
  }
  const bool first = args.x[0].batched;
  const Fold &in = (first ? folds.first : folds.second)[0], &out = (first ? folds.first : folds.second)[1];
  const NodeRef lone = folded(first ? a : b, in.axis, groups(in));
  const NodeRef y = first ? make(args.op, {lone, b}, attrs) : make(args.op, {a, lone}, attrs);
  return {unfolded(y, out.axis, groups(out), args.size), true};
}

Batched batch_conv(const BatchArgs& args) {
  return batch_by(args, {{{0}, {0}}, {{0, true}, {1, true}}, {1, 0, 1}});
}
Batched batch_input_grad(const BatchArgs& args) {
  return batch_by(args, {{{0}, {0}}, {{1}, {1, true}}, {1, 0, 1}});
}
Batched batch_weight_grad(const BatchArgs& args) {
  return batch_by(args, {{{1, true}, {1}}, {{1, true}, {0, true}}, {1, 1, 0}});
}

}  // namespace

const Op& conv_op = define({.name = "conv",
                            .doc = "Convolution (cross-correlation) of an image with a kernel.",
                            .arity = -1,
                            .infer = infer_conv,
                            .lower = Call{},
                            .facts = {linear(), linear()},
                            .transpose = transpose_conv,
                            .batch = batch_conv,
                            .show = show_conv});

const Op& conv_input_grad_op =
    define({.name = "conv_input_grad",
            .doc = "Cotangent of a convolution's image, from that of its result and the kernel.",
            .arity = 2,
            .infer = infer_input_grad,
            .lower = Call{},
            .facts = {linear(), linear()},
            .transpose = transpose_input_grad,
            .batch = batch_input_grad,
            .show = show_conv});

const Op& conv_weight_grad_op =
    define({.name = "conv_weight_grad",
            .doc = "Cotangent of a convolution's kernel, from its image and the cotangent of its result.",
            .arity = 2,
            .infer = infer_weight_grad,
            .lower = Call{},
            .facts = {linear(), linear()},
            .transpose = transpose_weight_grad,
            .batch = batch_weight_grad,
            .show = show_conv});

NodeRef conv(const NodeRef& image, const NodeRef& kernel, const Ints& strides, const Ints& low,
             const Ints& high, const Ints& dilation, int64_t groups) {
  const size_t s = strides.size();
  require(low.size() == s && high.size() == s && dilation.size() == s, ErrorKind::value, [&] {
    return concat("conv: ", s, " strides, ", low.size(), " and ", high.size(), " margins and ",
                  dilation.size(), " dilations given; give one of each per spatial axis");
  });
  Attrs attrs{static_cast<int64_t>(s), groups};
  for (const Ints* list : {&strides, &low, &high, &dilation})
    for (int64_t v : *list) attrs.push_back(v);
  return make(conv_op, {image, kernel}, std::move(attrs));
}

}  // namespace pg
