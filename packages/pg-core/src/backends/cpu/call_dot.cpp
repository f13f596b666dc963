// Labels to strides (compiler/contraction.h). Rows and columns that do not merge become batch axes with
// stride 0 in the operand that lacks them; summed labels that do not merge make a packed copy of an operand.

#include "backends/cpu/call_dot.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "backends/cpu/library.h"
#include "compiler/contraction.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/error.h"

namespace pg {
namespace {

// Which axis is the row and which the column of the products; the other axes become batch axes. The least of
// the estimated cycles, which count vectors, products, columns of c that do not lie side by side (written one
// number at a time) and numbers of the higher operand of which none lie side by side.
std::pair<ContractionAxis, ContractionAxis> choose_matrix(const ContractionAxes& rows,
                                                          const ContractionAxes& columns,
                                                          const ContractionAxis& sum,
                                                          ContractionAxes& batch) {
  constexpr int64_t lanes = 16;
  constexpr double one_product = 60, one_write = 8, one_read = 1;  // cycles
  const ContractionAxes none(1);
  const auto &all_rows = rows.empty() ? none : rows, &all_columns = columns.empty() ? none : columns;
  double elements = 1;
  for (const auto* axes : {&rows, &columns})
    for (const ContractionAxis& axis : *axes) elements *= static_cast<double>(axis.extent);
  const double deep = static_cast<double>(sum.extent);
  double least = 0;
  size_t row = 0, column = 0;
  for (size_t i = 0; i < all_rows.size(); ++i)
    for (size_t j = 0; j < all_columns.size(); ++j) {
      const ContractionAxis &x = all_rows[i], &y = all_columns[j];
      const bool turned = y.extent > 1 && y.c != 1 && (x.extent == 1 || x.c == 1);
      const ContractionAxis &high = turned ? y : x, &wide = turned ? x : y;
      const double height = static_cast<double>(high.extent);
      const double vectors = static_cast<double>((wide.extent + lanes - 1) / lanes);
      const bool scattered = sum.extent > 1 && high.extent > 1 && (turned ? sum.b : sum.a) != 1 &&
                             (turned ? high.b : high.a) != 1;
      const double product =
          height * vectors * (deep / 2 + 1) + (scattered ? one_read * height * deep : 0) + one_product;
      const double cost = elements / std::max(1.0, height * static_cast<double>(wide.extent)) * product +
                          (wide.extent > 1 && wide.c != 1 ? elements * one_write : 0);
      if (least == 0 || cost < least) least = cost, row = i, column = j;
    }
  for (size_t i = 0; i < rows.size(); ++i)
    if (i != row) batch.push_back(rows[i]);
  for (size_t j = 0; j < columns.size(); ++j)
    if (j != column) batch.push_back(columns[j]);
  return {all_rows[row], all_columns[column]};
}

// Copies an operand with its summed axes last, in one order, so that they merge.
BufferRef packed(const void* data, int64_t item, const ContractionAxes& outer, const ContractionAxes& summed,
                 ContractionSide side) {
  std::vector<std::pair<int64_t, int64_t>> axes;  // extent, stride
  for (const ContractionAxis& axis : outer) axes.emplace_back(axis.extent, axis.*side);
  for (const ContractionAxis& axis : summed) axes.emplace_back(axis.extent, axis.*side);
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

ContractionAxes joined(const ContractionAxes& x, const ContractionAxes& y) {
  ContractionAxes out = x;
  out.insert(out.end(), y.begin(), y.end());
  return out;
}

}  // namespace

void call_dot_general(const CallArgs& call) {
  PG_INVARIANT(call.in.size() == 2, "a product with an addend");
  Contraction classes = contraction_of(call.attrs, call.in, call.out);
  const void* a = call.inputs[0];
  const void* b = call.inputs[1];
  BufferRef copy_of_a, copy_of_b;  // alive until the product is done
  if (classes.summed.size() > 1) {
    const int64_t item = size_of(call.in[0].dtype);
    // In a's order first; an operand whose summed axes do not run in that order is copied.
    std::sort(classes.summed.begin(), classes.summed.end(),
              [](const ContractionAxis& x, const ContractionAxis& y) { return x.a > y.a; });
    if (!merges(classes.summed, &ContractionAxis::a)) {
      copy_of_a = packed(a, item, joined(classes.batch, classes.rows), classes.summed, &ContractionAxis::a);
      restride(std::array{&classes.batch, &classes.rows, &classes.summed}, &ContractionAxis::a);
      a = copy_of_a->data;
    }
    if (!merges(classes.summed, &ContractionAxis::b)) {
      copy_of_b =
          packed(b, item, joined(classes.batch, classes.columns), classes.summed, &ContractionAxis::b);
      restride(std::array{&classes.batch, &classes.columns, &classes.summed}, &ContractionAxis::b);
      b = copy_of_b->data;
    }
    merge(classes.summed);
  }

  const ContractionAxis sum = classes.summed.empty() ? ContractionAxis{} : classes.summed[0];
  const auto [row, column] = choose_matrix(classes.rows, classes.columns, sum, classes.batch);
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
  for (const ContractionAxis& axis : classes.batch) {
    desc.batch.push_back(axis.extent);
    desc.a_batch.push_back(axis.a);
    desc.b_batch.push_back(axis.b);
    desc.c_batch.push_back(axis.c);
  }
  cpu::matmul(desc, a, b, call.output);
}

}  // namespace pg
