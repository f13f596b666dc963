// Put in front of every CUDA C text by the emulated NVRTC: CUDA's keywords and built-in functions as C++.
// Includes no system header, so that a kernel compiles in a twentieth of a second.
#pragma once
#include "module.h"

#define PG_EMULATED 1
#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define PGEMU_SHARED_OF(number) static __attribute__((section("pgemu_memory_" #number)))
#define __shared__ PGEMU_SHARED

static pgemu::Runtime* pgemu_runtime;
static pgemu::Thread pgemu_own;  // where threads never meet: one after the other
#ifdef PGEMU_MEETS
#define PGEMU_THREAD (*pgemu_runtime->current)
#else
#define PGEMU_THREAD pgemu_own
#endif
#define threadIdx (PGEMU_THREAD.index)
#define blockIdx (PGEMU_THREAD.block)
#define blockDim (PGEMU_THREAD.block_size)
#define gridDim (PGEMU_THREAD.grid_size)

// ---- threads that meet
static inline void __syncthreads() { pgemu_runtime->sync_block(); }
static inline void __syncwarp(unsigned mask = 0xffffffffu) { pgemu_runtime->sync_warp(mask); }
template <class T> static inline T pgemu_exchange(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= 8, "an operand of a shuffle has 8 bytes at most");
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  pgemu_runtime->exchange[pgemu_runtime->half()][pgemu_runtime->current->lane] = bits;
  const unsigned half = pgemu_runtime->sync_warp(mask);
  if (!(mask >> source & 1)) pgemu_runtime->fail("a shuffle reads a lane outside of its mask");
  bits = pgemu_runtime->exchange[half][source];
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
template <class T> static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned lane = pgemu_runtime->current->lane;
  return pgemu_exchange(mask, value, (lane & ~(width - 1u)) + (source & (width - 1)));
}
template <class T> static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  const unsigned lane = pgemu_runtime->current->lane, from = lane + by;
  return pgemu_exchange(mask, value, (from & ~(width - 1u)) == (lane & ~(width - 1u)) ? from : lane);
}
template <class T> static inline T __shfl_xor_sync(unsigned mask, T value, int with, int width = 32) {
  const unsigned lane = pgemu_runtime->current->lane, from = lane ^ with;
  return pgemu_exchange(mask, value, (from & ~(width - 1u)) <= (lane & ~(width - 1u)) ? from : lane);
}

// ---- atomics: one emulated thread runs at a time
template <class T> static inline T atomicAdd(T* at, T value) {
  const T before = *at;
  *at = before + value;
  return before;
}
template <class T> static inline T atomicMax(T* at, T value) {
  const T before = *at;
  if (value > before) *at = value;
  return before;
}
template <class T> static inline T atomicMin(T* at, T value) {
  const T before = *at;
  if (value < before) *at = value;
  return before;
}
template <class T> static inline T atomicCAS(T* at, T expected, T value) {
  const T before = *at;
  if (before == expected) *at = value;
  return before;
}

// ---- mathematics
#define PGEMU_UNARY(name)                                                                                    \
  extern "C" float name##f(float) noexcept;                                                                  \
  extern "C" double name(double) noexcept;
#define PGEMU_BINARY(name)                                                                                   \
  extern "C" float name##f(float, float) noexcept;                                                           \
  extern "C" double name(double, double) noexcept;
PGEMU_UNARY(exp)
PGEMU_UNARY(exp2)
PGEMU_UNARY(expm1)
PGEMU_UNARY(log)
PGEMU_UNARY(log2)
PGEMU_UNARY(log10)
PGEMU_UNARY(log1p)
PGEMU_UNARY(sin)
PGEMU_UNARY(cos)
PGEMU_UNARY(tan)
PGEMU_UNARY(asin)
PGEMU_UNARY(acos)
PGEMU_UNARY(atan)
PGEMU_UNARY(sinh)
PGEMU_UNARY(cosh)
PGEMU_UNARY(tanh)
PGEMU_UNARY(asinh)
PGEMU_UNARY(acosh)
PGEMU_UNARY(atanh)
PGEMU_UNARY(erf)
PGEMU_UNARY(erfc)
PGEMU_UNARY(sqrt)
PGEMU_UNARY(fabs)
PGEMU_UNARY(floor)
PGEMU_UNARY(ceil)
PGEMU_UNARY(trunc)
PGEMU_UNARY(rint)
PGEMU_BINARY(pow)
PGEMU_BINARY(atan2)
PGEMU_BINARY(fmod)
extern "C" float fmaf(float, float, float) noexcept;
extern "C" double fma(double, double, double) noexcept;
template <class To, class From> static inline To pgemu_cast(From x) {
  static_assert(sizeof(To) == sizeof(From), "bits of the same width");
  To out;
  __builtin_memcpy(&out, &x, sizeof(To));
  return out;
}
static inline int __float_as_int(float x) { return pgemu_cast<int>(x); }
static inline float __int_as_float(int x) { return pgemu_cast<float>(x); }
static inline long long __double_as_longlong(double x) { return pgemu_cast<long long>(x); }
static inline double __longlong_as_double(long long x) { return pgemu_cast<double>(x); }

// Vectors of 16 bytes.
struct __align__(16) float4 {
  float x, y, z, w;
};
struct __align__(16) int4 {
  int x, y, z, w;
};
struct __align__(16) uint4 {
  unsigned x, y, z, w;
};
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

// ---- calls with parameters as the driver gives them
template <class T> inline constexpr bool pgemu_is_pointer = false;
template <class T> inline constexpr bool pgemu_is_pointer<T*> = true;
template <class T> inline constexpr bool pgemu_is_pointer<T* __restrict> = true;
template <class T> inline constexpr bool pgemu_is_pointer<T* const> = true;
template <unsigned... i> struct pgemu_indices {};
template <unsigned n> using pgemu_below = pgemu_indices<__integer_pack(n)...>;
template <auto f> struct pgemu_kernel;
template <class... A, void (*f)(A...)> struct pgemu_kernel<f> {
  template <unsigned... i>
  static inline __attribute__((always_inline)) void call(void** p, pgemu_indices<i...>) {
    f(*static_cast<A*>(p[i])...);
  }
  static void thread(void** p) { call(p, pgemu_below<sizeof...(A)>{}); }
  static void block(void** p, pgemu::Dim3 b, pgemu::Dim3 grid_size, pgemu::Dim3 size) {
    pgemu_own.block = b;
    pgemu_own.grid_size = grid_size;
    pgemu_own.block_size = size;
    for (unsigned z = 0; z < size.z; ++z)
      for (unsigned y = 0; y < size.y; ++y)
        for (unsigned x = 0; x < size.x; ++x) {
          pgemu_own.index = {x, y, z};
          call(p, pgemu_below<sizeof...(A)>{});
        }
  }
  static const pgemu::Parameter* parameters(unsigned* count) {
    static const pgemu::Parameter all[] = {{sizeof(A), pgemu_is_pointer<A>}..., {0, false}};
    *count = sizeof...(A);
    return all;
  }
};
#define PGEMU_EXPORT extern "C" __attribute__((visibility("default")))
#define PGEMU_KERNEL(number, name)                                                                           \
  PGEMU_EXPORT void pgemu_thread_##number##_##name(void** p) {                                               \
    pgemu_kernel<pgemu_unit##number::name>::thread(p);                                                       \
  }                                                                                                          \
  PGEMU_EXPORT void pgemu_block_##number##_##name(void** p, pgemu::Dim3 b, pgemu::Dim3 g, pgemu::Dim3 s) {   \
    pgemu_kernel<pgemu_unit##number::name>::block(p, b, g, s);                                               \
  }                                                                                                          \
  PGEMU_EXPORT const pgemu::Parameter* pgemu_parameters_##number##_##name(unsigned* count) {                 \
    return pgemu_kernel<pgemu_unit##number::name>::parameters(count);                                        \
  }
// Where the shared memory of a text begins and ends.
#define PGEMU_UNIT(number)                                                                                   \
  extern "C" char __start_pgemu_memory_##number[] __attribute__((weak, visibility("hidden")));               \
  extern "C" char __stop_pgemu_memory_##number[] __attribute__((weak, visibility("hidden")));                \
  PGEMU_EXPORT void pgemu_shared_##number(char** begin, char** end) {                                        \
    *begin = __start_pgemu_memory_##number;                                                                  \
    *end = __stop_pgemu_memory_##number;                                                                     \
  }
PGEMU_EXPORT void pgemu_bind(pgemu::Runtime* runtime) { pgemu_runtime = runtime; }
#ifdef PGEMU_MEETS
PGEMU_EXPORT const int pgemu_meets = 1;
#else
PGEMU_EXPORT const int pgemu_meets = 0;
#endif
