// Labels to strides: every label is a batch axis (in all three), a row (a and c), a column (b and c) or
// summed (a and b). Neighbouring labels of one class merge into one axis where all their strides allow it.
// Rows and columns that do not merge become batch axes with stride 0 in the operand that lacks them; summed
// labels that do not merge make a packed copy of an operand.

#include "backends/cpu/call_dot.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/library.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/error.h"

namespace pg {
namespace {

struct LabelledAxis {
  int64_t extent = 1;
  int64_t a = 0, b = 0, c = 0;  // strides; 0 where the label is missing
};

struct Classes {
  std::vector<LabelledAxis> batch, rows, columns, summed;
};

int64_t stride_of(std::span<const int64_t> labels, const Ints& strides, int64_t label, bool& present) {
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] == label) {
      present = true;
      return strides[i];
    }
  present = false;
  return 0;
}

// Joins axes i and i+1 when the outer one continues where the inner one ends, in every operand.
void merge(std::vector<LabelledAxis>& axes) {
  std::vector<LabelledAxis> out;
  for (const LabelledAxis& axis : axes) {
    if (axis.extent == 1) continue;
    if (!out.empty()) {
      LabelledAxis& outer = out.back();
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

// Would these axes, in this order, merge into one for one operand alone?
bool merges(const std::vector<LabelledAxis>& axes, int64_t LabelledAxis::* side) {
  for (size_t i = 0; i + 1 < axes.size(); ++i)
    if (axes[i].*side != axes[i + 1].*side * axes[i + 1].extent) return false;
  return true;
}

// The axis with most elements stays; the others become batch axes.
LabelledAxis keep_largest(std::vector<LabelledAxis>& axes, std::vector<LabelledAxis>& batch) {
  if (axes.empty()) return {};
  size_t best = 0;
  for (size_t i = 1; i < axes.size(); ++i)
    if (axes[i].extent > axes[best].extent) best = i;
  for (size_t i = 0; i < axes.size(); ++i)
    if (i != best) batch.push_back(axes[i]);
  return axes[best];
}

// Copies an operand with its summed axes last, in one order, so that they merge.
BufferRef packed(const void* data, int64_t item, const std::vector<LabelledAxis>& outer,
                 const std::vector<LabelledAxis>& summed, int64_t LabelledAxis::* side) {
  std::vector<std::pair<int64_t, int64_t>> axes;  // extent, stride
  for (const LabelledAxis& axis : outer) axes.emplace_back(axis.extent, axis.*side);
  for (const LabelledAxis& axis : summed) axes.emplace_back(axis.extent, axis.*side);
  int64_t count = 1;
  for (const auto& axis : axes) count *= axis.first;
  BufferRef out = allocate_items(count, item);
  char* to = static_cast<char*>(out->data);
  const char* from = static_cast<const char*>(data);
  parallel_for(count, 1 << 14, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t rest = i, at = 0;
      for (size_t d = axes.size(); d-- > 0;) {
        at += rest % axes[d].first * axes[d].second;
        rest /= axes[d].first;
      }
      std::memcpy(to + i * item, from + at * item, static_cast<size_t>(item));
    }
  });
  return out;
}

// Strides of the packed copy.
void restride(const std::vector<std::vector<LabelledAxis>*>& outer, std::vector<LabelledAxis>& summed,
              int64_t LabelledAxis::* side) {
  int64_t stride = 1;
  for (size_t i = summed.size(); i-- > 0;) {
    summed[i].*side = stride;
    stride *= summed[i].extent;
  }
  for (size_t list = outer.size(); list-- > 0;)
    for (size_t i = outer[list]->size(); i-- > 0;) {
      (*outer[list])[i].*side = stride;
      stride *= (*outer[list])[i].extent;
    }
}

std::vector<LabelledAxis> joined(const std::vector<LabelledAxis>& x, const std::vector<LabelledAxis>& y) {
  std::vector<LabelledAxis> out = x;
  out.insert(out.end(), y.begin(), y.end());
  return out;
}

}  // namespace

void call_dot_general(const CallArgs& call) {
  const auto rank = [&](size_t i) { return static_cast<size_t>(call.attrs[i]); };
  const std::span<const int64_t> words(call.attrs.data() + 3, call.attrs.size() - 3);
  const auto la = words.subspan(0, rank(0)), lb = words.subspan(rank(0), rank(1)),
             lc = words.subspan(rank(0) + rank(1), rank(2));
  const Ints sa = strides_of(call.in[0].shape), sb = strides_of(call.in[1].shape),
             sc = strides_of(call.out.shape);

  Classes classes;
  const auto classify = [&](int64_t label, int64_t extent) {
    LabelledAxis axis;
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
    classify(lc[i], call.out.shape[i]);  // in the result's order: stores come out in order
  for (size_t i = 0; i < la.size(); ++i) {
    bool in_c;
    stride_of(lc, sc, la[i], in_c);
    if (!in_c) classify(la[i], call.in[0].shape[i]);
  }
  merge(classes.batch);
  merge(classes.rows);
  merge(classes.columns);
  merge(classes.summed);

  const void* a = call.inputs[0];
  const void* b = call.inputs[1];
  BufferRef copy_of_a, copy_of_b;  // alive until the product is done
  if (classes.summed.size() > 1) {
    const int64_t item = size_of(call.in[0].dtype);
    // In a's order first; an operand whose summed axes do not run in that order is copied.
    std::sort(classes.summed.begin(), classes.summed.end(),
              [](const LabelledAxis& x, const LabelledAxis& y) { return x.a > y.a; });
    if (!merges(classes.summed, &LabelledAxis::a)) {
      copy_of_a = packed(a, item, joined(classes.batch, classes.rows), classes.summed, &LabelledAxis::a);
      restride({&classes.batch, &classes.rows}, classes.summed, &LabelledAxis::a);
      a = copy_of_a->data;
    }
    if (!merges(classes.summed, &LabelledAxis::b)) {
      copy_of_b = packed(b, item, joined(classes.batch, classes.columns), classes.summed, &LabelledAxis::b);
      restride({&classes.batch, &classes.columns}, classes.summed, &LabelledAxis::b);
      b = copy_of_b->data;
    }
    merge(classes.summed);
  }

  const LabelledAxis row = keep_largest(classes.rows, classes.batch),
                     column = keep_largest(classes.columns, classes.batch);
  const LabelledAxis sum = classes.summed.empty() ? LabelledAxis{} : classes.summed[0];
  cpu::MatmulDesc desc;
  desc.dtype = call.out.dtype;
  desc.m = row.extent;
  desc.n = column.extent;
  desc.k = sum.extent;
  desc.a_row = row.a;
  desc.a_col = sum.a;
  desc.b_row = sum.b;
  desc.b_col = column.b;
  desc.c_row = row.c;
  desc.c_col = column.c;
  // An axis of extent 1 has no stride of its own; give it one that looks row-major.
  if (sum.extent == 1) desc.a_col = 1, desc.b_row = column.extent * std::max<int64_t>(column.b, 1);
  if (column.extent == 1) desc.b_col = 1, desc.c_col = 1;
  if (row.extent == 1)
    desc.a_row = sum.extent * std::max<int64_t>(sum.a, 1),
    desc.c_row = column.extent * std::max<int64_t>(column.c, 1);
  for (const LabelledAxis& axis : classes.batch) {
    desc.batch.push_back(axis.extent);
    desc.a_batch.push_back(axis.a);
    desc.b_batch.push_back(axis.b);
    desc.c_batch.push_back(axis.c);
  }
  cpu::matmul(desc, a, b, call.output);
}

}  // namespace pg
