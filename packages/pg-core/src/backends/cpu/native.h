#pragma once
// Calls that are not loops over fused expressions: sorting, running sums, scatter, windows. Raw pointers to
// contiguous memory; axes are given as (outer, n, inner) extents around the axis that is worked on. Parallel,
// and the same for any thread count. float16 and bfloat16 compute in float32 and round once.

#include <cstdint>

#include "ops/ops.h"
#include "types/dtype.h"

namespace pg::cpu {

/// Stable; NaN last (also when descending, which keeps equal elements in order too).
void sort(DType dtype, const void* in, void* out, int64_t outer, int64_t n, int64_t inner, bool descending);
/// The first `count` places of the permutation that sorts, as int64.
void argsort(DType dtype, const void* in, int64_t* out, int64_t outer, int64_t n, int64_t inner,
             bool descending, int64_t count);

enum class Cumulative : uint8_t { sum, prod, max, min };  // max and min carry NaN on
void cumulative(Cumulative op, DType dtype, const void* in, void* out, int64_t outer, int64_t n,
                int64_t inner, bool reverse);

/// out = base, then out[rows[i], :] (op)= updates[i, :] in the order of i. `base` may be `out`. Rows outside
/// [0, base_rows) raise IndexError, clip or are dropped.
struct ScatterDesc {
  DType dtype = DType::float32;
  DType index_dtype = DType::int64;
  ScatterMode mode = ScatterMode::set;
  IndexMode index_mode = IndexMode::drop;
  int64_t base_rows = 0, count = 0, row_size = 1;
};
void scatter(const ScatterDesc& desc, const void* base, const void* rows, const void* updates, void* out);

/// Windows over every axis of a tensor (extent 1 where an axis has none). Elements outside contribute
/// nothing; a window of max or min that holds no element gives the lowest or highest value of the type.
struct WindowDesc {
  DType dtype = DType::float32;
  Shape in, out;
  Ints size, stride, dilation, low, high;
};
enum class Window : uint8_t { sum, max, min };
void reduce_window(Window op, const WindowDesc& desc, const void* in, void* out);
/// Gradient of a window sum: dx[j] = sum of the cotangents of the windows that hold j, in a fixed order.
void window_sum_grad(const WindowDesc& desc, const void* ct, void* dx);
/// Gradient of a window maximum: the whole cotangent goes to the first maximum (or first NaN) of its window.
void window_max_grad(const WindowDesc& desc, const void* in, const void* ct, void* dx);
/// Its transpose: out[o] = t[first maximum of window o of `in`].
void window_max_pick(const WindowDesc& desc, const void* in, const void* t, void* out);

}  // namespace pg::cpu
