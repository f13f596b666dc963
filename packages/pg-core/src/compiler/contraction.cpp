#include "compiler/contraction.h"

namespace pg {
namespace {

int64_t stride_of(std::span<const int64_t> labels, const Ints& strides, int64_t label, bool& present) {
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] == label) {
      present = true;
      return strides[i];
    }
  present = false;
  return 0;
}

}  // namespace

void merge(ContractionAxes& axes) {
  ContractionAxes out;
  for (const ContractionAxis& axis : axes) {
    if (axis.extent == 1) continue;
    if (!out.empty()) {
      ContractionAxis& outer = out.back();
      if (outer.a == axis.a * axis.extent && outer.b == axis.b * axis.extent &&
          outer.c == axis.c * axis.extent) {
        outer = {outer.extent * axis.extent, axis.a, axis.b, axis.c};
        continue;
      }
    }
    out.push_back(axis);
  }
  axes = std::move(out);
}

bool merges(const ContractionAxes& axes, ContractionSide side) {
  for (size_t i = 0; i + 1 < axes.size(); ++i)
    if (axes[i].*side != axes[i + 1].*side * axes[i + 1].extent) return false;
  return true;
}

ContractionAxis keep_largest(const ContractionAxes& axes, ContractionAxes& batch) {
  if (axes.empty()) return {};
  size_t best = 0;
  for (size_t i = 1; i < axes.size(); ++i)
    if (axes[i].extent > axes[best].extent) best = i;
  for (size_t i = 0; i < axes.size(); ++i)
    if (i != best) batch.push_back(axes[i]);
  return axes[best];
}

void restride(std::span<ContractionAxes* const> lists, ContractionSide side) {
  int64_t stride = 1;
  for (size_t list = lists.size(); list-- > 0;)
    for (size_t i = lists[list]->size(); i-- > 0;) {
      ContractionAxis& axis = (*lists[list])[i];
      axis.*side = stride;
      stride *= axis.extent;
    }
}

Contraction contraction_of(const Attrs& attrs, std::span<const Aval> in, const Aval& out) {
  const auto rank = [&](size_t i) { return static_cast<size_t>(attrs[i]); };
  const std::span<const int64_t> words(attrs.data() + 3, attrs.size() - 3);
  const auto la = words.subspan(0, rank(0)), lb = words.subspan(rank(0), rank(1)),
             lc = words.subspan(rank(0) + rank(1), rank(2));
  const Ints sa = strides_of(in[0].shape), sb = strides_of(in[1].shape), sc = strides_of(out.shape);
  Contraction classes;
  const auto classify = [&](int64_t label, int64_t extent) {
    ContractionAxis axis;
    bool in_a, in_b, in_c;
    axis.extent = extent;
    axis.a = stride_of(la, sa, label, in_a);
    axis.b = stride_of(lb, sb, label, in_b);
    axis.c = stride_of(lc, sc, label, in_c);
    (in_a && in_b && in_c ? classes.batch
     : !in_b              ? classes.rows
     : !in_a              ? classes.columns
                          : classes.summed)
        .push_back(axis);
  };
  for (size_t i = 0; i < lc.size(); ++i)
    classify(lc[i], out.shape[i]);  // in the result's order: stores come out in order
  for (size_t i = 0; i < la.size(); ++i) {
    bool in_c;
    stride_of(lc, sc, la[i], in_c);
    if (!in_c) classify(la[i], in[0].shape[i]);
  }
  merge(classes.batch);
  merge(classes.rows);
  merge(classes.columns);
  merge(classes.summed);
  return classes;
}

}  // namespace pg
