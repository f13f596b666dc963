// Labels to matrix products of the library. One product has a batch of one axis; a few further batch axes are
// walked on the host. Operands whose axes do not fit are copied into order first, and so is such a result
// afterwards. Integers, which the library has not, are summed by a kernel of our own.

#include "backends/cuda/call_dot.h"

#include <algorithm>
#include <array>
#include <optional>

#include "backends/cuda/cublas.h"
#include "backends/cuda/fixed.h"
#include "compiler/contraction.h"
#include "support/error.h"

namespace pg::cuda {
namespace {

constexpr ContractionSide side_a = &ContractionAxis::a, side_b = &ContractionAxis::b,
                          side_c = &ContractionAxis::c;
constexpr int64_t most_products = 8;  // walked on the host; beyond that copies into order are cheaper

/// A matrix as the library has it: by columns, or transposed.
struct Matrix {
  bool fits = false, transposed = false;
  int64_t leading = 0;
};
Matrix matrix(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  const bool by_columns = (rows == 1 || row_stride == 1) && (columns == 1 || column_stride >= rows);
  const bool by_rows = (columns == 1 || column_stride == 1) && (rows == 1 || row_stride >= columns);
  // A single row may be either; as a transposed column it lies without gaps.
  if (by_rows && (!by_columns || rows == 1)) return {true, true, rows == 1 ? columns : row_stride};
  if (by_columns) return {true, false, columns == 1 ? rows : column_stride};
  return {};
}

struct Layout {
  Product product;
  bool swapped = false;   // X is b, and D the transposed result
  ContractionAxes outer;  // walked on the host
};

/// How the contraction is done without copies, if it can be.
std::optional<Layout> layout_of(const Contraction& c, DType dtype) {
  if (c.summed.size() > 1) return {};
  Layout out;
  ContractionAxes batch = c.batch;
  const ContractionAxis row = keep_largest(c.rows, batch), column = keep_largest(c.columns, batch),
                        sum = c.summed.empty() ? ContractionAxis{} : c.summed[0];
  const auto result_fits = [](const ContractionAxis& r, const ContractionAxis& c) {
    return (r.extent == 1 || r.c == 1) && (c.extent == 1 || c.c >= r.extent);
  };
  out.swapped = result_fits(column, row) && !(column.extent == 1 && result_fits(row, column));
  if (!out.swapped && !result_fits(row, column)) return {};
  Product& p = out.product;
  p.dtype = dtype;
  p.m = out.swapped ? column.extent : row.extent;
  p.n = out.swapped ? row.extent : column.extent;
  p.k = sum.extent;
  const Matrix x = out.swapped ? matrix(p.m, p.k, column.b, sum.b) : matrix(p.m, p.k, row.a, sum.a),
               y = out.swapped ? matrix(p.k, p.n, sum.a, row.a) : matrix(p.k, p.n, sum.b, column.b);
  if (!x.fits || !y.fits) return {};
  p.x_transposed = x.transposed;
  p.x_leading = x.leading;
  p.y_transposed = y.transposed;
  p.y_leading = y.leading;
  p.d_leading = p.n == 1 ? p.m : out.swapped ? row.c : column.c;

  merge(batch);
  const ContractionAxis inner = keep_largest(batch, out.outer);
  p.batch = inner.extent;
  p.x_stride = out.swapped ? inner.b : inner.a;
  p.y_stride = out.swapped ? inner.a : inner.b;
  p.d_stride = inner.c;
  int64_t products = 1;
  for (const ContractionAxis& axis : out.outer) products *= axis.extent;
  if (products > most_products) return {};
  return out;
}

/// Does one operand lie as one batch of matrices?
bool tidy(const Contraction& c, const ContractionAxes& outer, const ContractionAxes& inner,
          ContractionSide side) {
  if (!merges(c.batch, side) || !merges(outer, side) || !merges(inner, side)) return false;
  const auto begins = [&](const ContractionAxes& axes) { return axes.empty() || axes.back().*side == 1; };
  return (outer.empty() && inner.empty()) || (!outer.empty() && begins(outer)) ||
         (!inner.empty() && begins(inner));
}

/// Copies between an operand and its form with the axes in the order of the lists.
struct Order {
  BufferRef memory;
  std::vector<CopyAxis> axes;  // from the operand to the ordered form
};
Order put_in_order(CudaRun& run, std::span<ContractionAxes* const> lists, ContractionSide side,
                   int64_t item) {
  Order out;
  int64_t count = 1;
  for (const ContractionAxes* axes : lists)
    for (const ContractionAxis& axis : *axes) {
      out.axes.push_back({axis.extent, axis.*side, 0});
      count *= axis.extent;
    }
  restride(lists, side);
  size_t i = 0;
  for (const ContractionAxes* axes : lists)
    for (const ContractionAxis& axis : *axes) out.axes[i++].to = axis.*side;
  out.memory = run.allocate(static_cast<size_t>(count * item));
  return out;
}

/// Places of what is multiplied, and added: nothing, an array that lies like the result, or a bias of its
/// last axis.
struct Places {
  const void *a, *b;
  void* c;
  const void *added = nullptr, *bias = nullptr;
};

void multiply(CudaRun& run, const Layout& layout, const Places& at) {
  const int64_t item = size_of(layout.product.dtype);
  const auto offset = [&](const ContractionAxes& axes, int64_t i, ContractionSide side) {
    int64_t place = 0;
    for (size_t d = axes.size(); d-- > 0; i /= axes[d].extent) place += i % axes[d].extent * axes[d].*side;
    return place * item;
  };
  int64_t products = 1;
  for (const ContractionAxis& axis : layout.outer) products *= axis.extent;
  for (int64_t i = 0; i < products; ++i) {
    const char* const a = static_cast<const char*>(at.a) + offset(layout.outer, i, side_a);
    const char* const b = static_cast<const char*>(at.b) + offset(layout.outer, i, side_b);
    const int64_t in_c = offset(layout.outer, i, side_c);
    ProductOperands operands;
    operands.x = layout.swapped ? b : a;
    operands.y = layout.swapped ? a : b;
    if (at.added) operands.added = static_cast<const char*>(at.added) + in_c;
    operands.bias = at.bias;
    operands.d = static_cast<char*>(at.c) + in_c;
    product(run, layout.product, operands);
  }
}

/// The third operand, repeated over the axes that it lacks, in the place of the result.
void spread_addend(CudaRun& run, const CallArgs& call, const void* addend) {
  const Ints strides = strides_of(call.in[2].shape), out = strides_of(call.out.shape);
  const size_t rank = call.out.shape.size(), added = strides.size();
  const int64_t* const labels = call.attrs.data() + call.attrs.size() - rank - added;
  std::vector<CopyAxis> axes;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t* const found = std::find(labels + rank, labels + rank + added, labels[i]);
    axes.push_back(
        {call.out.shape[i], found == labels + rank + added ? 0 : strides[found - labels - rank], out[i]});
  }
  strided_copy(run, axes, size_of(call.out.dtype), addend, call.output);
}

void sum_integers(CudaRun& run, const Contraction& c, DType dtype, const void* a, const void* b, void* to) {
  std::vector<SumAxis> kept, summed;
  for (const ContractionAxes* axes : {&c.batch, &c.rows, &c.columns})
    for (const ContractionAxis& axis : *axes) kept.push_back({axis.extent, axis.a, axis.b, axis.c});
  for (const ContractionAxis& axis : c.summed) summed.push_back({axis.extent, axis.a, axis.b, 0});
  sum_products(run, kept, summed, dtype, a, b, to);
}

}  // namespace

void call_dot_general(const CallArgs& call) {
  CudaRun& run = static_cast<CudaRun&>(*call.on);
  const DType dtype = call.out.dtype;
  const int64_t item = size_of(dtype), count = count_of(call.out.shape);
  if (count == 0) return;
  const auto operand = [&](size_t i) { return run.placed(call.inputs[i], static_cast<size_t>(item)); };
  const bool adds = call.in.size() > 2;
  if (count_of(call.in[0].shape) == 0 || count_of(call.in[1].shape) == 0)  // sums of nothing
    return adds ? spread_addend(run, call, operand(2))
                : clear(run, call.output, static_cast<size_t>(count * item));
  Places at{operand(0), operand(1), call.output};
  Contraction c = contraction_of(call.attrs, call.in, call.out);
  if (!is_inexact(dtype)) return sum_integers(run, c, dtype, at.a, at.b, call.output);

  std::optional<Layout> layout = layout_of(c, dtype);
  Order of_a, of_b, of_c;
  if (!layout) {
    const auto ordered = [&](const void* from, Order& order, const std::array<ContractionAxes*, 3>& lists,
                             ContractionSide side) {
      order = put_in_order(run, lists, side, item);
      strided_copy(run, order.axes, item, from, order.memory->data);
      return order.memory->data;
    };
    if (!tidy(c, c.rows, c.summed, side_a))
      at.a = ordered(at.a, of_a, {&c.batch, &c.rows, &c.summed}, side_a);
    if (!tidy(c, c.columns, c.summed, side_b))
      at.b = ordered(at.b, of_b, {&c.batch, &c.columns, &c.summed}, side_b);
    if (!tidy(c, c.rows, c.columns, side_c)) {
      of_c = put_in_order(run, std::array{&c.batch, &c.rows, &c.columns}, side_c, item);
      at.c = of_c.memory->data;
    }
    for (ContractionAxes* axes : {&c.batch, &c.rows, &c.columns, &c.summed}) merge(*axes);
    layout = layout_of(c, dtype);
    PG_INVARIANT(layout.has_value(), "operands in order are matrices");
  }
  if (adds) {
    const void* const addend = operand(2);
    const bool whole = call.in[2].shape.size() == call.out.shape.size(), in_order = of_c.memory == nullptr;
    // The rows of the library's result are the last axis of ours, or several of the last together.
    const bool is_bias = !whole && in_order && call.in[2].shape.size() == 1 && dtype == DType::float32 &&
                         call.attrs.back() == call.attrs[call.attrs.size() - 2] &&
                         layout->product.m == call.in[2].shape[0] &&
                         reinterpret_cast<uintptr_t>(addend) % 16 == 0;
    if (is_bias) {
      at.bias = addend;
    } else if (whole && in_order) {
      at.added = addend;
    } else {
      if (!whole) spread_addend(run, call, addend);
      if (!in_order) strided_copy(run, of_c.axes, item, whole ? addend : call.output, at.c);
      at.added = at.c;
    }
  }
  multiply(run, *layout, at);
  if (!of_c.memory) return;
  for (CopyAxis& axis : of_c.axes) std::swap(axis.from, axis.to);
  strided_copy(run, of_c.axes, item, at.c, call.output);
}

}  // namespace pg::cuda
