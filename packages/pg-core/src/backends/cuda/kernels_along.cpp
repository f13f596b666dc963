// Running sums, products and extremes along an axis.
//
// Where the axis is not the last one and there are many lines, a thread takes a line and neighbours read
// neighbours. Else a block takes a piece of a line: pieces' totals first, then what is before each piece,
// then the running values within it (a scan in shared memory; Hillis and Steele 1986).

#include "backends/cuda/emitter.h"
#include "backends/cuda/kernels.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

constexpr int64_t each = 8;  // elements of a thread of a piece
constexpr int64_t piece = each * block_threads;
constexpr int64_t many_lines = 1024;

const char* const text = R"(
extern "C" __global__ void by_line(const T* __restrict__ in, T* __restrict__ out, long long lines, long long n,
                                   long long inner, int reverse) {
  const long long line = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (line >= lines) return;
  const long long step = reverse ? -inner : inner;
  long long at = line / inner * n * inner + line % inner + (reverse ? (n - 1) * inner : 0);
  C sum = read(in[at]);
  out[at] = write(sum);
  for (long long i = 1; i < n; ++i) {
    at += step;
    sum = combine(sum, read(in[at]));
    out[at] = write(sum);
  }
}

// Inclusive, over the threads of a block in order.
PG_INLINE C scanned(C own, C* memory) {
  const int t = threadIdx.x, size = blockDim.x;
  memory[t] = own;
  __syncthreads();
  for (int d = 1; d < size; d *= 2) {
    C sum = memory[t];
    if (t >= d) sum = combine(memory[t - d], sum);
    __syncthreads();
    memory[t] = sum;
    __syncthreads();
  }
  return memory[t];
}

// Where element i, in the order of running, of a line lies.
PG_INLINE long long place(long long line, long long i, long long n, long long inner, int reverse) {
  return line / inner * n * inner + line % inner + (reverse ? n - 1 - i : i) * inner;
}

extern "C" __global__ void total(const T* __restrict__ in, C* __restrict__ totals, long long n, long long inner,
                                 int reverse, long long pieces) {
  __shared__ C memory[THREADS];
  const long long line = blockIdx.x / pieces;
  const long long first = blockIdx.x % pieces * THREADS * EACH + threadIdx.x * EACH;
  C sum;
  if (first < n) sum = read(in[place(line, first, n, inner, reverse)]);
  for (int e = 1; e < EACH; ++e)
    if (first + e < n) sum = combine(sum, read(in[place(line, first + e, n, inner, reverse)]));
  // Threads beyond the end carry on what the last one has.
  const int last = (int)pg_least((n - 1 - blockIdx.x % pieces * THREADS * EACH) / EACH, (long long)THREADS - 1);
  if (first >= n) sum = read(in[place(line, n - 1, n, inner, reverse)]);
  scanned(sum, memory);
  if (threadIdx.x == 0) totals[blockIdx.x] = memory[last];
}

// Each piece's total becomes what is before it; the first of a line has nothing there.
extern "C" __global__ void before(C* __restrict__ totals, long long pieces) {
  __shared__ C memory[THREADS];
  C* const mine = totals + blockIdx.x * pieces;
  C carried;
  for (long long start = 0; start < pieces; start += THREADS) {
    const long long i = start + threadIdx.x;
    const int last = (int)pg_least(pieces - 1 - start, (long long)THREADS - 1);
    C sum = mine[i < pieces ? i : pieces - 1];
    if (start && threadIdx.x == 0) sum = combine(carried, sum);
    scanned(sum, memory);
    __syncthreads();
    if (i < pieces && threadIdx.x) mine[i] = memory[threadIdx.x - 1];
    if (threadIdx.x == 0 && start) mine[i] = carried;
    carried = memory[last];
    __syncthreads();
  }
}

extern "C" __global__ void by_piece(const T* __restrict__ in, T* __restrict__ out, const C* __restrict__ carried,
                                    long long n, long long inner, int reverse, long long pieces) {
  __shared__ C memory[THREADS];
  const long long line = blockIdx.x / pieces, number = blockIdx.x % pieces;
  const long long first = number * THREADS * EACH + threadIdx.x * EACH;
  C own[EACH];
  C sum = read(in[place(line, first < n ? first : n - 1, n, inner, reverse)]);
  if (number && threadIdx.x == 0) sum = combine(carried[blockIdx.x], sum);
  own[0] = sum;
#pragma unroll
  for (int e = 1; e < EACH; ++e) {
    if (first + e < n) sum = combine(sum, read(in[place(line, first + e, n, inner, reverse)]));
    own[e] = sum;
  }
  scanned(sum, memory);
  const bool follows = threadIdx.x > 0;
  C earlier;
  if (follows) earlier = memory[threadIdx.x - 1];
#pragma unroll
  for (int e = 0; e < EACH; ++e)
    if (first + e < n)
      out[place(line, first + e, n, inner, reverse)] = write(follows ? combine(earlier, own[e]) : own[e]);
}
)";

}  // namespace

void call_cumulative(const CallArgs& c) {
  const Around a = around(c.in[0].shape, c.attrs[0]);
  const int64_t lines = a.outer * a.inner;
  if (lines * a.n == 0) return;
  const bool sums = &c.op == &cumulative_sum_op, products = &c.op == &cumulative_prod_op;
  const DType dtype = c.out.dtype;
  require(sums || products || !is_complex(dtype), ErrorKind::dtype,
          [&] { return concat(name_of(dtype), " has no order; compare pg.abs(x) or pg.real(x)"); });
  // Running totals of a million float32 in float32 would lose their last four digits.
  const DType computed = sums || products ? sum_type(dtype, true) : is_half(dtype) ? DType::float32 : dtype;
  const char* combined = sums                          ? "pg_plus(a, b)"
                         : products                    ? "pg_times(a, b)"
                         : &c.op == &cumulative_max_op ? "a > b || a != a ? a : b"
                                                       : "a < b || a != a ? a : b";
  const std::string all =
      concat("#define THREADS ", block_threads, "\n#define EACH ", each, "\n", element_text(dtype, computed),
             "PG_INLINE C combine(C a, C b) { return ", combined, "; }", text);
  const Operands in(c);
  const void* const x = in[0];
  int reverse = c.attrs[1] != 0;
  if (a.n == 1 || (a.inner > 1 && lines >= many_lines)) {
    launch_fixed(in.run, {all, "by_line", blocks_for(lines), block_threads},
                 {&x, &c.output, &lines, &a.n, &a.inner, &reverse});
    return;
  }
  const int64_t pieces = (a.n + piece - 1) / piece;
  BufferRef totals;
  const void* carried = nullptr;
  if (pieces > 1) {
    totals = in.run.allocate(static_cast<size_t>(lines * pieces * size_of(computed)));
    carried = totals->data;
    launch_fixed(in.run, {all, "total", lines * pieces, block_threads},
                 {&x, &carried, &a.n, &a.inner, &reverse, &pieces});
    launch_fixed(in.run, {all, "before", lines, block_threads}, {&carried, &pieces});
  }
  const unsigned threads =
      pieces > 1 ? block_threads : static_cast<unsigned>(((a.n + each - 1) / each + warp - 1) / warp * warp);
  launch_fixed(in.run, {all, "by_piece", lines * pieces, threads},
               {&x, &c.output, &carried, &a.n, &a.inner, &reverse, &pieces});
}

}  // namespace pg::cuda
