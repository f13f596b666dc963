#pragma once
// Calls that no library serves, as kernels of fixed CUDA C: running sums, sorting, scatter, windows,
// triangular systems. Their texts take extents as parameters, so each is compiled once for a dtype.
// The order of every sum depends on shapes only, so results are the same on every GPU and in every run.

#include <string>

#include "backends/cuda/run.h"
#include "compiler/backend.h"

namespace pg::cuda {

/// One launch of `function` in `text` (behind the prelude). Compiles the text when it is new to the GPU and
/// keeps it. `parameters` point to the values, as the driver takes them.
struct FixedLaunch {
  const std::string& text;
  const char* function;
  int64_t blocks;
  unsigned threads;
};
void launch_fixed(CudaRun& run, const FixedLaunch& what, std::initializer_list<const void*> parameters);

/// Definitions that a text begins with: T, an element in memory, C, what it counts as in registers, and
/// their conversions read(T) and write(C).
std::string element_text(DType dtype, DType computed);
/// What sums (or products) of a dtype are taken in: unsigned words for integers, which wrap; float64 where
/// `exact` asks for it.
DType sum_type(DType dtype, bool exact);

/// The operands of a call on the device, numbers among them in memory.
class Operands {
 public:
  explicit Operands(const CallArgs& c);
  CudaRun& run;
  const void* operator[](size_t i) const { return in_[i]; }

 private:
  SmallVector<const void*, 4> in_;
};

/// Extents around one axis.
struct Around {
  int64_t outer = 1, n = 1, inner = 1;
};
Around around(const Shape& shape, int64_t axis);

constexpr unsigned block_threads = 256;
inline int64_t blocks_for(int64_t threads) { return (threads + block_threads - 1) / block_threads; }

/// The places of the first `count` elements in sorted order of each line, as int64: stable, NaN last.
void argsort_lines(CudaRun& run, DType dtype, const void* in, int64_t* out, const Around& lines,
                   int64_t count, bool descending);

void call_cumulative(const CallArgs& c);  // all four
void call_sort(const CallArgs& c);
void call_argsort(const CallArgs& c);
void call_scatter(const CallArgs& c);
void call_windows(const CallArgs& c);  // all five
void call_triangular_solve(const CallArgs& c);

}  // namespace pg::cuda
