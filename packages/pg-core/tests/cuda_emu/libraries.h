// What the emulated mathematical libraries need of the driver, and arithmetic on elements of any type. A
// reference is a plain loop in double precision, rounded once: it shows wrong descriptions, not rounding.
#pragma once

#include <complex>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "queue.h"

#define API extern "C" __attribute__((visibility("default")))

namespace pgemu {

/// In the driver: one thread at a time. `device` is that of the calling thread's context, -1 without one.
struct Entered {
  std::unique_lock<std::recursive_mutex> lock;
  int device;
  Entered();
};

/// NVIDIA's cudaDataType_t.
enum DataType { real32 = 0, real64 = 1, real16 = 2, complex32 = 4, complex64 = 5, brain16 = 14 };

inline size_t size_of(int type) {
  switch (type) {
  case real32: return 4;
  case real64: return 8;
  case real16: return 2;
  case brain16: return 2;
  case complex32: return 8;
  case complex64: return 16;
  default: return 0;
  }
}

struct Half {
  uint16_t bits;
  operator double() const {
    const int sign = bits >> 15, exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double value = exponent == 0    ? __builtin_ldexp(fraction, -24)
                         : exponent == 31 ? (fraction ? __builtin_nan("") : __builtin_inf())
                                          : __builtin_ldexp(fraction + 1024, exponent - 25);
    return sign ? -value : value;
  }
  static Half of(double x) {
    const _Float16 half = static_cast<_Float16>(x);
    Half out;
    std::memcpy(&out.bits, &half, sizeof half);
    return out;
  }
};
struct Brain {
  uint16_t bits;
  operator double() const {
    const uint32_t all = static_cast<uint32_t>(bits) << 16;
    float out;
    std::memcpy(&out, &all, sizeof out);
    return out;
  }
  static Brain of(double x) {
    const float single = static_cast<float>(x);
    uint32_t all;
    std::memcpy(&all, &single, sizeof all);
    if (single != single) return {static_cast<uint16_t>(all >> 16 | 0x40)};
    return {static_cast<uint16_t>((all + 0x7fff + (all >> 16 & 1)) >> 16)};
  }
};

/// The type in which elements are summed, and the way back.
template <class T> struct Sum {
  using type = double;
  static T back(double x) { return static_cast<T>(x); }
};
template <> struct Sum<Half> {
  using type = double;
  static Half back(double x) { return Half::of(x); }
};
template <> struct Sum<Brain> {
  using type = double;
  static Brain back(double x) { return Brain::of(x); }
};
template <class T> struct Sum<std::complex<T>> {
  using type = std::complex<double>;
  static std::complex<T> back(std::complex<double> x) { return std::complex<T>(x); }
};
template <class T> typename Sum<T>::type wide(T x) { return static_cast<typename Sum<T>::type>(x); }

/// Calls f with a null pointer to the element type.
template <class F> Result with_type(int type, F f) {
  switch (type) {
  case real32: return f(static_cast<float*>(nullptr));
  case real64: return f(static_cast<double*>(nullptr));
  case real16: return f(static_cast<Half*>(nullptr));
  case brain16: return f(static_cast<Brain*>(nullptr));
  case complex32: return f(static_cast<std::complex<float>*>(nullptr));
  case complex64: return f(static_cast<std::complex<double>*>(nullptr));
  default: return wrong(invalid_value, "data type %d is not emulated", type);
  }
}

inline Address address(const void* at) { return reinterpret_cast<Address>(at); }

}  // namespace pgemu
