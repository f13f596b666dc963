// Triangular systems by substitution: a thread takes a column of right sides, so neighbours read neighbours
// and no two threads wait for each other.

#include "backends/cuda/emitter.h"
#include "backends/cuda/kernels.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

const char* const text = R"(
#ifdef IS_COMPLEX
PG_INLINE C minus_product(C x, C a, C b) { return C{x.re - (a.re * b.re - a.im * b.im), x.im - (a.re * b.im + a.im * b.re)}; }
PG_INLINE C quotient(C a, C b) {  // scaled, so that squares neither overflow nor vanish (Smith 1962)
  if (fabs((double)b.re) >= fabs((double)b.im)) {
    const Part r = b.im / b.re, d = b.re + b.im * r;
    return C{(a.re + a.im * r) / d, (a.im - a.re * r) / d};
  }
  const Part r = b.re / b.im, d = b.re * r + b.im;
  return C{(a.re * r + a.im) / d, (a.im * r - a.re) / d};
}
#else
PG_INLINE C minus_product(C x, C a, C b) { return x - a * b; }
PG_INLINE C quotient(C a, C b) { return a / b; }
#endif

extern "C" __global__ void solve(const C* __restrict__ a, const C* __restrict__ b, C* x, long long columns,
                                 long long n, long long k, int transposed, int forward, int unit) {
  const long long thread = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (thread >= columns) return;
  const long long row = transposed ? 1 : n, column = transposed ? n : 1;
  const C* const matrix = a + thread / k * n * n;
  const long long first = thread / k * n * k + thread % k;
  for (long long step = 0; step < n; ++step) {
    const long long i = forward ? step : n - 1 - step;
    C sum = b[first + i * k];
    for (long long before = 0; before < step; ++before) {
      const long long j = forward ? before : n - 1 - before;
      sum = minus_product(sum, matrix[i * row + j * column], x[first + j * k]);
    }
    x[first + i * k] = unit ? sum : quotient(sum, matrix[i * row + i * column]);
  }
}
)";

}  // namespace

void call_triangular_solve(const CallArgs& c) {
  const size_t rank = c.out.shape.size();
  const int64_t n = c.out.shape[rank - 2], k = c.out.shape[rank - 1], total = count_of(c.out.shape);
  if (total == 0) return;
  const int64_t columns = total / n;
  int transposed = c.attrs[1] != 0, forward = (c.attrs[0] != 0) != (transposed != 0), unit = c.attrs[2] != 0;
  const DType dtype = c.out.dtype;
  std::string all = concat("typedef ", register_type(dtype), " C;\n");
  if (is_complex(dtype))
    all += concat("#define IS_COMPLEX\ntypedef ", dtype == DType::complex64 ? "float" : "double", " Part;\n");
  all += text;
  const Operands in(c);
  const void *const a = in[0], *const b = in[1];
  launch_fixed(in.run, {all, "solve", blocks_for(columns), block_threads},
               {&a, &b, &c.output, &columns, &n, &k, &transposed, &forward, &unit});
}

}  // namespace pg::cuda
