#include "backends/cpu/gemm_kernel.h"

#include <cstring>

#include "backends/cpu/gemm_isa.h"
#include "ir/isa.h"

#define PG_TILE_TARGET
#include "backends/cpu/gemm_tile.h"

namespace pg::cpu {
namespace {

// Any machine: 16-byte vectors, which the compiler lowers to whatever there is.
template <class Number> struct Plain {
  using T = Number;
  typedef T V __attribute__((vector_size(16)));
  static constexpr int lanes = 16 / sizeof(T), rows = 4;
  static V zero() { return V{}; }
  static int first(int n) { return n; }
  static V load(const T* x, int n = lanes) {
    V out{};
    if (n == lanes) std::memcpy(&out, x, 16);
    else
      for (int i = 0; i < n; ++i) out[i] = x[i];
    return out;
  }
  static void store(T* x, V v, int n = lanes) {
    if (n == lanes) std::memcpy(x, &v, 16);
    else
      for (int i = 0; i < n; ++i) x[i] = v[i];
  }
  static void stream(T* x, V v) { store(x, v); }
  static V set1(T x) { return zero() + x; }
  static V fma(V a, V b, V c) { return a * b + c; }
  static V add(V a, V b) { return a + b; }
  static T total(V a) {
    T sum = a[0];
    for (int i = 1; i < lanes; ++i) sum += a[i];
    return sum;
  }
  static constexpr auto transpose = transpose_plainly<T>;
};

template <class T> Kernel<T> choose() {
#if PG_CLONES
  if (ir::isa() == ir::Isa::avx512) return avx512_kernel<T>();
  if (ir::isa() == ir::Isa::avx2) return avx2_kernel<T>();
#endif
  return make_kernel<Plain<T>>();
}

}  // namespace

template <> const Kernel<float>& best_kernel<float>() {
  static const Kernel<float> kernel = choose<float>();
  return kernel;
}
template <> const Kernel<double>& best_kernel<double>() {
  static const Kernel<double> kernel = choose<double>();
  return kernel;
}
template <> const Kernel<uint32_t>& best_kernel<uint32_t>() {
  static const Kernel<uint32_t> kernel = make_kernel<Plain<uint32_t>>();
  return kernel;
}
template <> const Kernel<uint64_t>& best_kernel<uint64_t>() {
  static const Kernel<uint64_t> kernel = make_kernel<Plain<uint64_t>>();
  return kernel;
}

}  // namespace pg::cpu
