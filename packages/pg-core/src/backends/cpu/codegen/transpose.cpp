// Tiles that are read across their rows: squares are transposed in registers.

#include "backends/cpu/codegen/emitter.h"
#include "compiler/kernel/tiles.h"
#include "support/format.h"

namespace pg::codegen {

// Bytes between rows beyond which the processor does not fetch ahead.
constexpr int64_t far_pitch = 1 << 10;

// Whole squares, then those that stick out: their missing columns are masked, their missing rows read the
// last one again, as the tile has room for whole squares.
void Emitter::transpose(const Loop& l, const TransposedCopy& copy) {
  const Loop& inner = *copy.inner;
  const int lanes = w_.lanes();
  const int64_t side = std::min<int64_t>(lanes, lanes * 4 / size_in_memory(copy.load->buffer));
  const std::string start = scalar(l.start, 0), end = end_of(l, start);
  const std::string first = scalar(inner.start, 0), last = end_of(inner, first);
  const auto square = [&](const std::string& column, const std::string& row, bool rows_out,
                          bool columns_out) {
    axes_[l.axis] = column;
    axes_[inner.axis] = row;
    w_.set_lanes(static_cast<int>(side));
    w_.wide = true;
    transpose_square(copy, rows_out ? scalar_op("sub", end, column) : "",
                     columns_out ? scalar_op("sub", last, row) : "");
    w_.wide = false;
    w_.set_lanes(lanes);
  };
  const bool rows_divide = l.axis->extent() % side == 0, columns_divide = inner.axis->extent() % side == 0;
  const auto strip = [&](const std::string& column, bool rows_out) {
    const std::string at =
        counted(first, last, side, {}, [&](const std::string& row) { square(column, row, rows_out, false); });
    if (!columns_divide)
      counted(
          at, last, side, {}, [&](const std::string& row) { square(column, row, rows_out, true); }, false);
  };
  const std::string at =
      counted(start, end, side, {}, [&](const std::string& column) { strip(column, false); });
  if (!rows_divide)
    counted(at, end, side, {}, [&](const std::string& column) { strip(column, true); }, false);
}

// `rows`, `columns`: how many there are, empty for all.
void Emitter::transpose_square(const TransposedCopy& copy, const std::string& rows,
                               const std::string& columns) {
  const KernelBuffer* const from = copy.load->buffer;
  const std::string_view mem = element(from);
  const int side = w_.lanes();
  const int64_t size = size_in_memory(from);
  const std::string type = w_.type(mem);
  const std::string corner = pointer(from, scalar(copy.load->index, 0));
  std::string mask;
  if (!columns.empty()) {
    std::string count;
    for (int k = 0; k < side; ++k) count += concat(k ? ", " : "", "i32 ", k);
    const std::string left = w_.put(concat("trunc i64 ", columns, " to i32"));
    mask = w_.put(concat("icmp slt ", w_.type("i32"), " <", count, ">, ", splat(left, "i32")));
  }
  // Fetched ahead: the rows of the next square where they lie apart, else those of the next grid point.
  const int64_t to_next = copy.load->index.coefficient(grid_) * size;
  const int64_t ahead = copy.from_pitch * size >= far_pitch                 ? side * copy.from_pitch * size
                        : to_next >= far_pitch && to_next <= 32 * far_pitch ? to_next
                                                                            : 0;
  Registers x;
  for (int k = 0; k < side; ++k) {
    std::string at = corner;
    if (k && rows.empty()) {
      at = w_.put(concat("getelementptr ", mem, ", ptr ", corner, ", i64 ", k * copy.from_pitch));
    } else if (k) {
      const std::string row = w_.call("i64", "llvm.smin.i64", "i64, i64",
                                      concat("i64 ", scalar_op("add", rows, -1), ", i64 ", k));
      at = w_.put(
          concat("getelementptr ", mem, ", ptr ", corner, ", i64 ", scalar_op("mul", row, copy.from_pitch)));
    }
    if (rows.empty() && columns.empty() && ahead)
      w_.call_void("llvm.prefetch.p0", "ptr, i32, i32, i32",
                   concat("ptr ", w_.put(concat("getelementptr i8, ptr ", at, ", i64 ", ahead)),
                          ", i32 0, i32 2, i32 1"));
    x.push_back(mask.empty() ? w_.effect(concat("load ", type, ", ptr ", at, ", align ", size))
                             : w_.load_call(type, concat("llvm.masked.load.", w_.suffix(mem), ".p0"),
                                            concat("ptr, ", w_.type("i1"), ", ", type),
                                            concat("ptr align ", size, " ", at, ", ", w_.type("i1"), " ",
                                                   mask, ", ", type, " zeroinitializer")));
  }
  // In rounds, which swap the off-diagonal parts of ever smaller squares.
  for (int d = side / 2; d > 0; d /= 2) {
    std::string upper, lower;
    for (int j = 0; j < side; ++j) {
      upper += concat(j ? ", " : "", "i32 ", j & d ? j - d + side : j);
      lower += concat(j ? ", " : "", "i32 ", j & d ? j + side : j + d);
    }
    for (int i = 0; i < side; ++i) {
      if (i & d) continue;
      std::string &a = x[static_cast<size_t>(i)], &b = x[static_cast<size_t>(i + d)];
      const auto mixed = [&](const std::string& order) {
        return w_.put(concat("shufflevector ", type, " ", a, ", ", type, " ", b, ", ", w_.type("i32"), " <",
                             order, ">"));
      };
      const std::string one = mixed(upper), other = mixed(lower);
      a = one;
      b = other;
    }
  }
  const KernelBuffer* const to = copy.store->buffer;
  const std::string place = pointer(to, scalar(copy.store->index, 0));
  // Of an axis that runs as a whole, only what there is; the shuffles of the rest vanish.
  const Loop& inner = *copy.inner;
  const bool whole = inner.start.is_constant(0) && inner.count >= inner.axis->extent();
  const int64_t left = inner.axis->extent() % side;
  const int64_t last = !columns.empty() && whole && left ? left : side;
  for (int k = 0; k < last; ++k) {
    const std::string value = stored(loaded(x[static_cast<size_t>(k)], from), to);
    const std::string at =
        k ? w_.put(concat("getelementptr ", element(to), ", ptr ", place, ", i64 ", k * copy.to_pitch))
          : place;
    w_.line(concat("store ", w_.type(element(to)), " ", value, ", ptr ", at, ", align ", size_in_memory(to)));
  }
}

}  // namespace pg::codegen
