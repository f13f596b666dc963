#pragma once
// The register kernels of gemm: c[MR, NR] (+)= a[k, MR]^T * b[k, NR] over packed panels.

#include <cstdint>

namespace pg::cpu {

/// c has row stride ldc; `add` adds to what is there. Reads k * mr of a and k * nr of b, both contiguous.
template <class T> struct Kernel {
  int mr = 0, nr = 0;
  void (*run)(int64_t k, const T* a, const T* b, T* c, int64_t ldc, bool add) = nullptr;
};

/// The fastest kernel of this machine, T one of float, double, uint32_t, uint64_t.
template <class T> Kernel<T> best_kernel();

}  // namespace pg::cpu
