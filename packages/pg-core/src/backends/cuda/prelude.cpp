// What the text of every kernel begins with. It includes no header, so that NVRTC needs none beside it. The
// conversions of 16-bit floats alone are instructions of the GPU; where there is no GPU (PG_EMULATED) they
// are spelled out.

#include "backends/cuda/source.h"

namespace pg::cuda {

const char* const prelude = R"(
#pragma nv_diag_suppress 177  // what a kernel does not use
#define PG_INLINE static __device__ __forceinline__
#define PG_INF __int_as_float(0x7f800000)
#define PG_NAN __int_as_float(0x7fc00000)
#define PG_INF_DOUBLE __longlong_as_double(0x7ff0000000000000ll)
#define PG_NAN_DOUBLE __longlong_as_double(0x7ff8000000000000ll)

struct __align__(8) pg_c64 { float re, im; };
struct pg_c128 { double re, im; };
struct pg_f16 { unsigned short bits; };
struct pg_bf16 { unsigned short bits; };

// An operand of one element: a number given at the launch, or one in memory.
template <class T> struct pg_in {
  const T* at;
  T given;
  __device__ __forceinline__ T get() const { return at ? *at : given; }
};

// Neighbours that are read or written at once.
template <class T, int n> struct __align__(n * sizeof(T)) pg_vector { T at[n]; };

// The first index outside of its axis, of all kernels of a program.
struct pg_error { int seen, slot, limit, unused; long long index; };
static __device__ __noinline__ void pg_report(pg_error* error, int slot, int limit, long long index) {
  if (atomicCAS(&error->seen, 0, 1) != 0) return;
  error->slot = slot;
  error->limit = limit;
  error->index = index;
}
PG_INLINE long long pg_limit(long long x, long long extent) { return x < 0 ? 0 : x < extent ? x : extent - 1; }
PG_INLINE long long pg_signed(unsigned long long x) { return x >> 63 ? 0x7fffffffffffffffll : (long long)x; }
template <class T> PG_INLINE T pg_least(T a, T b) { return a < b ? a : b; }

// ---- bits and conversions
template <class To> PG_INLINE To pg_bits(float x) { return (To)__float_as_int(x); }
template <class To> PG_INLINE To pg_bits(double x) { return (To)__double_as_longlong(x); }
template <class To, class T> struct pg_bits_of { static __device__ __forceinline__ To of(T x) { return (To)x; } };
template <class T> struct pg_bits_of<float, T> {
  static __device__ __forceinline__ float of(T x) { return __int_as_float((int)x); }
};
template <class T> struct pg_bits_of<double, T> {
  static __device__ __forceinline__ double of(T x) { return __longlong_as_double((long long)x); }
};
#define PG_BITS(T) template <class To> PG_INLINE To pg_bits(T x) { return pg_bits_of<To, T>::of(x); }
PG_BITS(bool) PG_BITS(signed char) PG_BITS(short) PG_BITS(int) PG_BITS(long long)
PG_BITS(unsigned char) PG_BITS(unsigned short) PG_BITS(unsigned) PG_BITS(unsigned long long)

PG_INLINE float pg_float(pg_bf16 x) { return __int_as_float((int)((unsigned)x.bits << 16)); }
PG_INLINE float pg_round_bf16(float x) {
  const unsigned all = (unsigned)__float_as_int(x);
  const unsigned rounded = (all + 0x7fffu + ((all >> 16) & 1u)) & 0xffff0000u;
  return __int_as_float((int)((all & 0x7fffffffu) > 0x7f800000u ? all : rounded));
}
PG_INLINE pg_bf16 pg_bf16_of(float x) {
  const unsigned all = (unsigned)__float_as_int(x);
  if ((all & 0x7fffffffu) > 0x7f800000u) return pg_bf16{(unsigned short)(all >> 16 | 0x40u)};
  return pg_bf16{(unsigned short)((unsigned)__float_as_int(pg_round_bf16(x)) >> 16)};
}
#ifdef PG_EMULATED
PG_INLINE float pg_float(pg_f16 x) {
  const unsigned sign = (unsigned)(x.bits & 0x8000u) << 16, magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return __int_as_float((int)(sign | 0x7f800000u | (magnitude & 0x3ffu) << 13));
  const float scaled = __int_as_float((int)(magnitude << 13)) * __int_as_float(0x77800000);  // 2^112
  return __int_as_float((int)(sign | (unsigned)__float_as_int(scaled)));
}
PG_INLINE pg_f16 pg_f16_of(float x) {
  const unsigned all = (unsigned)__float_as_int(x), sign = all >> 16 & 0x8000u, magnitude = all & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return pg_f16{(unsigned short)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu))};
  if (magnitude >= 0x477ff000u) return pg_f16{(unsigned short)(sign | 0x7c00u)};
  if (magnitude < 0x38800000u) {  // multiples of 2^-24, the spacing of floats at 0.5
    const float low = __int_as_float((int)magnitude) + 0.5f;
    return pg_f16{(unsigned short)(sign | ((unsigned)__float_as_int(low) - 0x3f000000u))};
  }
  const unsigned rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return pg_f16{(unsigned short)(sign | (rounded - 0x38000000u) >> 13)};
}
#else
PG_INLINE float pg_float(pg_f16 x) {
  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(x.bits));
  return out;
}
PG_INLINE pg_f16 pg_f16_of(float x) {
  pg_f16 out;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out.bits) : "f"(x));
  return out;
}
#endif
PG_INLINE float pg_round_f16(float x) { return x != x ? x : pg_float(pg_f16_of(x)); }

// To float, towards the odd neighbour when inexact: a later rounding to 16 bits is then the only one.
PG_INLINE float pg_sticky(float x) { return x; }
PG_INLINE float pg_sticky(double x) {
  const float f = (float)x;
  const int raw = __float_as_int(f);
  const int other = fabs((double)f) < fabs(x) ? raw + 1 : raw - 1;
  return (double)f != x && !(raw & 1) && x == x ? __int_as_float(other) : f;
}
PG_INLINE float pg_sticky(bool x) { return x ? 1.0f : 0.0f; }
PG_INLINE float pg_sticky(signed char x) { return (float)x; }
PG_INLINE float pg_sticky(short x) { return (float)x; }
PG_INLINE float pg_sticky(unsigned char x) { return (float)x; }
PG_INLINE float pg_sticky(unsigned short x) { return (float)x; }
PG_INLINE float pg_sticky(int x) { return pg_sticky((double)x); }
PG_INLINE float pg_sticky(unsigned x) { return pg_sticky((double)x); }
PG_INLINE unsigned long long pg_folded(unsigned long long x) {
  return (x & ~0xfffull) | ((x & 0xfffull) ? 0x800ull : 0ull);
}
PG_INLINE float pg_sticky(unsigned long long x) {
  return pg_sticky((double)(x >= (1ull << 40) ? pg_folded(x) : x));
}
PG_INLINE float pg_sticky(long long x) {
  const bool large = x >= (1ll << 40) || x <= -(1ll << 40);
  return pg_sticky((double)(large ? (long long)pg_folded((unsigned long long)x) : x));
}
template <class To, class From> PG_INLINE To pg_saturate(From x, From low, From past, To least, To most) {
  return x >= past ? most : x < low ? least : x == x ? (To)x : (To)0;
}
PG_INLINE float pg_scale(float x, int n) {  // the first product is exact
  const int half = n >> 1, rest = n - half;
  return x * __int_as_float((half + 127) << 23) * __int_as_float((rest + 127) << 23);
}

// ---- integers: wrap, and are defined everywhere
#define PG_INTEGER(T, U, width)                                                                          \
  PG_INLINE T pg_shift_left(T a, T b) { return (U)b < width ? (T)((U)a << ((U)b & (width - 1))) : (T)0; } \
  PG_INLINE T pg_plus(T a, T b) { return (T)((U)a + (U)b); }                                             \
  PG_INLINE T pg_times(T a, T b) { return (T)((U)a * (U)b); }
#define PG_SIGNED(T, U, width)                                                                           \
  PG_INTEGER(T, U, width)                                                                                \
  PG_INLINE T pg_shift_right(T a, T b) { return (T)(a >> ((U)b < width ? (U)b : (U)(width - 1))); }      \
  PG_INLINE T pg_quotient(T a, T b) { return b == 0 ? (T)0 : b == -1 ? (T)((U)0 - (U)a) : (T)(a / b); }  \
  PG_INLINE T pg_rest(T a, T b) { return b == 0 || b == -1 ? (T)0 : (T)(a % b); }
#define PG_UNSIGNED(T, U, width)                                                                         \
  PG_INTEGER(T, U, width)                                                                                \
  PG_INLINE T pg_shift_right(T a, T b) { return (U)b < width ? (T)((U)a >> ((U)b & (width - 1))) : (T)0; } \
  PG_INLINE T pg_quotient(T a, T b) { return b == 0 ? (T)0 : (T)(a / b); }                               \
  PG_INLINE T pg_rest(T a, T b) { return b == 0 ? (T)0 : (T)(a % b); }
PG_SIGNED(signed char, unsigned, 8u) PG_SIGNED(short, unsigned, 16u) PG_SIGNED(int, unsigned, 32u)
PG_SIGNED(long long, unsigned long long, 64u)
PG_UNSIGNED(unsigned char, unsigned, 8u) PG_UNSIGNED(unsigned short, unsigned, 16u)
PG_UNSIGNED(unsigned, unsigned, 32u) PG_UNSIGNED(unsigned long long, unsigned long long, 64u)

// ---- reductions
PG_INLINE float pg_plus(float a, float b) { return a + b; }
PG_INLINE double pg_plus(double a, double b) { return a + b; }
PG_INLINE pg_c64 pg_plus(pg_c64 a, pg_c64 b) { return pg_c64{a.re + b.re, a.im + b.im}; }
PG_INLINE pg_c128 pg_plus(pg_c128 a, pg_c128 b) { return pg_c128{a.re + b.re, a.im + b.im}; }
PG_INLINE float pg_times(float a, float b) { return a * b; }
PG_INLINE double pg_times(double a, double b) { return a * b; }
PG_INLINE pg_c64 pg_times(pg_c64 a, pg_c64 b) {
  return pg_c64{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
PG_INLINE pg_c128 pg_times(pg_c128 a, pg_c128 b) {
  return pg_c128{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
#define PG_COMBINE(name, text) \
  struct name { template <class T> static __device__ __forceinline__ T of(T a, T b) { return text; } };
PG_COMBINE(pg_sum, pg_plus(a, b))
PG_COMBINE(pg_product, pg_times(a, b))
PG_COMBINE(pg_larger, a != a ? a : a > b ? a : b)  // keeps NaN
PG_COMBINE(pg_smaller, a != a ? a : a < b ? a : b)

// The value `d` lanes up.
template <class T> PG_INLINE T pg_down(T x, int d) { return __shfl_down_sync(0xffffffffu, x, d); }
#define PG_DOWN_AS_INT(T) PG_INLINE T pg_down(T x, int d) { return (T)__shfl_down_sync(0xffffffffu, (int)x, d); }
PG_DOWN_AS_INT(signed char) PG_DOWN_AS_INT(short) PG_DOWN_AS_INT(unsigned char) PG_DOWN_AS_INT(unsigned short)
PG_INLINE pg_c128 pg_down(pg_c128 x, int d) { return pg_c128{pg_down(x.re, d), pg_down(x.im, d)}; }
template <class T> PG_INLINE T pg_first(T x) { return __shfl_sync(0xffffffffu, x, 0); }
#define PG_FIRST_AS_INT(T) PG_INLINE T pg_first(T x) { return (T)__shfl_sync(0xffffffffu, (int)x, 0); }
PG_FIRST_AS_INT(signed char) PG_FIRST_AS_INT(short) PG_FIRST_AS_INT(unsigned char) PG_FIRST_AS_INT(unsigned short)
PG_INLINE pg_c128 pg_first(pg_c128 x) { return pg_c128{pg_first(x.re), pg_first(x.im)}; }

// Over the threads of a row: within warps first, then over the warps in order. Every thread gets the result.
template <class Op, int warps, class T> PG_INLINE T pg_across(T x, void* memory) {
  for (int d = 16; d > 0; d >>= 1) x = Op::of(x, pg_down(x, d));
  if (warps == 1) return pg_first(x);
  T* const slots = (T*)memory;
  __syncthreads();
  if ((threadIdx.x & 31) == 0) slots[threadIdx.x >> 5] = x;
  __syncthreads();
  x = slots[0];
  for (int w = 1; w < warps; ++w) x = Op::of(x, slots[w]);
  return x;
}
// ---- kernels
)";

}  // namespace pg::cuda
