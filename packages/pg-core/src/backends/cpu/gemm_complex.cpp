// Complex products as four real ones. Our own product takes any strides, so the parts are read where they
// lie: every second number of the operands.

#include "backends/cpu/element.h"
#include "backends/cpu/gemm.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

template <class T> void products(const MatmulDesc& d, const T* a, const T* b, Complex<T>* c) {
  int64_t batch = 1;
  for (const int64_t extent : d.batch) batch *= extent;
  MatmulDesc part = d;
  part.dtype = real_type(d.dtype);
  for (int64_t* stride : {&part.a_row, &part.a_col, &part.b_row, &part.b_col}) *stride *= 2;
  for (int64_t& stride : part.a_batch) stride *= 2;
  for (int64_t& stride : part.b_batch) stride *= 2;
  part.c_row = d.n;
  part.c_col = 1;
  int64_t step = d.m * d.n;
  for (size_t axis = d.batch.size(); axis-- > 0; step *= d.batch[axis]) part.c_batch[axis] = step;

  const int64_t count = batch * d.m * d.n;
  const BufferRef memory = allocate_items(3 * count, sizeof(T));
  T* const real = static_cast<T*>(memory->data);
  T *const minus = real + count, *const imag = minus + count;
  gemm(part, a, b, real);
  gemm(part, a + 1, b + 1, minus);
  gemm(part, a, b + 1, imag);
  gemm(part, a + 1, b, imag, true);

  const auto join = [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row / d.m, at = row % d.m * d.c_row;
      for (size_t axis = d.batch.size(); axis-- > 0; rest /= d.batch[axis])
        at += rest % d.batch[axis] * d.c_batch[axis];
      for (int64_t j = 0, i = row * d.n; j < d.n; ++j, ++i)
        c[at + j * d.c_col] = {real[i] - minus[i], imag[i]};
    }
  };
  parallel_for(batch * d.m, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, d.n)), join);
}

}  // namespace

void complex_gemm(const MatmulDesc& d, const void* a, const void* b, void* c) {
  if (d.dtype == DType::complex64)
    products(d, static_cast<const float*>(a), static_cast<const float*>(b), static_cast<Complex<float>*>(c));
  else
    products(d, static_cast<const double*>(a), static_cast<const double*>(b),
             static_cast<Complex<double>*>(c));
}

}  // namespace pg::cpu
