// scatter: rows of updates into rows of a base, each row's updates in their order. The targets are sorted
// (stable), so that those of one row lie side by side, and one thread takes an element of a row through all
// its updates: no atomics, the same result in every run.

#include "backends/cuda/emitter.h"
#include "backends/cuda/kernels.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

const char* const text = R"(
// Rows outside get the number behind the last: they are sorted last and dropped.
extern "C" __global__ void resolve(const Index* __restrict__ rows, long long* __restrict__ targets, long long count,
                                   long long base_rows, int mode, pg_error* error, int slot) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const Index raw = rows[i];
  const long long row = UNSIGNED ? pg_signed((unsigned long long)raw) : (long long)raw;
  long long target = row;
  if (row < 0 || row >= base_rows) {
    target = mode == CLIP && base_rows > 0 ? pg_limit(row, base_rows) : base_rows;
    if (mode == RAISE) pg_report(error, slot, 0, row);
  }
  targets[i] = target;
}

extern "C" __global__ void update(const T* updates, const long long* __restrict__ targets,
                                  const long long* __restrict__ order, T* __restrict__ out, long long count,
                                  long long base_rows, long long row_size) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  const long long first = thread / row_size, column = thread % row_size;
  if (first >= count) return;
  const long long row = targets[order[first]];
  if (row >= base_rows || (first && targets[order[first - 1]] == row)) return;
  T* const target = out + row * row_size + column;
  C sum = read(*target);
  for (long long i = first; i < count && targets[order[i]] == row; ++i)
    sum = combine(sum, read(updates[order[i] * row_size + column]));
  *target = write(sum);
}
)";

struct Way {
  DType computed;
  const char* combined;
};
Way way_of(DType dtype, ScatterMode mode) {
  const DType plain = is_half(dtype) ? DType::float32 : dtype;
  switch (mode) {
  case ScatterMode::set: return {plain, "b"};
  case ScatterMode::add: return {sum_type(dtype, false), "pg_plus(a, b)"};
  case ScatterMode::mul: return {sum_type(dtype, false), "pg_times(a, b)"};
  case ScatterMode::max: return {plain, "a > b || a != a ? a : b"};
  case ScatterMode::min: break;
  }
  return {plain, "a < b || a != a ? a : b"};
}

}  // namespace

void call_scatter(const CallArgs& c) {
  const DType dtype = c.out.dtype, index = c.in[1].dtype;
  const auto mode = static_cast<ScatterMode>(c.attrs[0]);
  int outside = static_cast<int>(c.attrs[1]);
  const int64_t base_rows = c.in[0].shape[0], count = count_of(c.in[1].shape), total = count_of(c.out.shape);
  const Operands in(c);
  CudaRun& run = in.run;
  if (total) run.copy(c.output, in[0], static_cast<size_t>(total * size_of(dtype)));
  if (count == 0) return;

  const Way way = way_of(dtype, mode);
  const std::string all =
      concat("typedef ", memory_type(index), " Index;\n#define UNSIGNED ", is_unsigned(index) ? 1 : 0,
             "\n#define CLIP ", static_cast<int64_t>(IndexMode::clip), "\n#define RAISE ",
             static_cast<int64_t>(IndexMode::raise), "\n", element_text(dtype, way.computed),
             "PG_INLINE C combine(C a, C b) { return ", way.combined, "; }\n", text);
  // Targets and their order.
  const BufferRef memory = run.allocate(static_cast<size_t>(2 * count) * sizeof(int64_t));
  int64_t* const targets = static_cast<int64_t*>(memory->data);
  int64_t* const order = targets + count;
  const void* const rows = in[1];
  auto [error, slot] = outside == static_cast<int>(IndexMode::raise) ? run.report_to(c.op, base_rows)
                                                                     : std::pair<Address, int>();
  launch_fixed(run, {all, "resolve", blocks_for(count), block_threads},
               {&rows, &targets, &count, &base_rows, &outside, &error, &slot});
  if (total == 0) return;
  argsort_lines(run, DType::int64, targets, order, {1, count, 1}, count, false);
  const int64_t row_size = total / base_rows, threads = count * row_size;
  const void* const updates = in[2];
  launch_fixed(run, {all, "update", blocks_for(threads), block_threads},
               {&updates, &targets, &order, &c.output, &count, &base_rows, &row_size});
}

}  // namespace pg::cuda
