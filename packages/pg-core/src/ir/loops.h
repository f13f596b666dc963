#pragma once
// Block loops from generic lambdas: one template, compiled once per instruction set.

#include <span>
#include <utility>

#include "ir/block.h"
#include "ir/isa.h"
#include "ir/native.h"

namespace pg::ir {

template <class T> PG_INLINE Val<T> load(const void* base, int64_t i) {
  if constexpr (std::is_same_v<T, bool>) return {static_cast<const uint8_t*>(base)[i] != 0};
  else return {static_cast<const T*>(base)[i]};
}
template <class T> PG_INLINE void store(void* base, int64_t i, Val<T> value) {
  if constexpr (std::is_same_v<T, bool>) static_cast<uint8_t*>(base)[i] = value.v;
  else static_cast<T*>(base)[i] = value.v;
}

/// out[i] = F(in[0][i], in[1][i], ...). Operands may be the result's own memory, hence ivdep instead of
/// restrict.
template <class F, class... A> struct Map {
  template <size_t... k>
  static PG_INLINE void run(void* out, const void* const* in, int64_t n, std::index_sequence<k...>) {
    const void* const operand[] = {in[k]...};
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) store(out, i, F{}(load<A>(operand[k], i)...));
  }
  static PG_INLINE void run(void* out, const void* const* in, int64_t n) {
    run(out, in, n, std::index_sequence_for<A...>{});
  }
};

/// The same for a function with a costly form for rare operands (math.h, Sine): chunks without one take the
/// fast loop.
template <class F, class... A> struct MapRare {
  template <size_t... k>
  static PG_INLINE void run(void* out, const void* const* in, int64_t n, std::index_sequence<k...>) {
    constexpr int64_t chunk = 64;
    const void* const operand[] = {in[k]...};  // not reread after every store
    for (int64_t start = 0; start < n; start += chunk) {
      const int64_t end = start + chunk < n ? start + chunk : n;
      uint32_t any = 0;
      for (int64_t i = start; i < end; ++i) any |= F::rare(load<A>(operand[k], i)...).v ? 1u : 0u;
      if (any) {
        for (int64_t i = start; i < end; ++i)
          store(out, i,
                F::rare(load<A>(operand[k], i)...).v ? F::slow(load<A>(operand[k], i)...)
                                                     : F::fast(load<A>(operand[k], i)...));
      } else {
#pragma GCC ivdep
        for (int64_t i = start; i < end; ++i) store(out, i, F::fast(load<A>(operand[k], i)...));
      }
    }
  }
  static PG_INLINE void run(void* out, const void* const* in, int64_t n) {
    run(out, in, n, std::index_sequence_for<A...>{});
  }
};

/// The clones of a loop. `flatten` inlines the whole arithmetic, which then has the clone's instruction set.
/// Where alternating sums and differences of products are vectorised, GCC 12 fuses them in spite of
/// -ffp-contract=off; so arithmetic on complex numbers keeps to `baseline`, which has nothing to fuse with.
template <class Loop> struct Clones {
  __attribute__((flatten)) static void baseline(void* out, const void* const* in, int64_t n) {
    Loop::run(out, in, n);
  }
#if PG_CLONES
  __attribute__((flatten)) PG_TARGET_AVX2 static void avx2(void* out, const void* const* in, int64_t n) {
    Loop::run(out, in, n);
  }
  __attribute__((flatten)) PG_TARGET_AVX512 static void avx512(void* out, const void* const* in, int64_t n) {
    Loop::run(out, in, n);
  }
#endif
  static BlockFn pick() {
#if PG_CLONES
    if (isa() == Isa::avx512) return avx512;
    if (isa() == Isa::avx2) return avx2;
#endif
    return baseline;
  }
};

}  // namespace pg::ir
