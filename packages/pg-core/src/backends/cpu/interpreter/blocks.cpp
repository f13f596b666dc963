#include "backends/cpu/interpreter/blocks.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "backends/cpu/element.h"
#include "ir/loops.h"
#include "support/error.h"

namespace pg::interpreter {
namespace {

// ---- reductions
// --------------------------------------------------------------------------------------------------------

constexpr int lanes = 64;

struct Sum {
  template <class S> static PG_INLINE S apply(S a, S b) { return a + b; }
  template <class S> static constexpr S identity() { return S(0); }
};
struct Prod {
  template <class S> static PG_INLINE S apply(S a, S b) { return a * b; }
  template <class S> static constexpr S identity() { return S(1); }
};
struct Max {  // NaN from either side wins
  template <class S> static PG_INLINE S apply(S a, S b) {
    const S larger = a > b ? a : b;  // b when one of them is NaN
    return a != a ? a : larger;
  }
  template <class S> static constexpr S identity() {
    return std::numeric_limits<S>::has_infinity ? -std::numeric_limits<S>::infinity()
                                                : std::numeric_limits<S>::lowest();
  }
};
struct Min {
  template <class S> static PG_INLINE S apply(S a, S b) {
    const S smaller = a < b ? a : b;
    return a != a ? a : smaller;
  }
  template <class S> static constexpr S identity() {
    return std::numeric_limits<S>::has_infinity ? std::numeric_limits<S>::infinity()
                                                : std::numeric_limits<S>::max();
  }
};

template <class Op, class T, class S> struct Fold {
  static PG_INLINE void run(void* out, const void* const* in, int64_t n) {
    alignas(64) S acc[lanes];
    std::memcpy(acc, out, sizeof acc);
    const T* __restrict x = static_cast<const T*>(in[0]);
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes)
      for (int j = 0; j < lanes; ++j) acc[j] = Op::apply(acc[j], static_cast<S>(x[i + j]));
    for (int j = 0; i + j < n; ++j) acc[j] = Op::apply(acc[j], static_cast<S>(x[i + j]));
    std::memcpy(out, acc, sizeof acc);
  }
};

// The fixed tree: lane i takes lane i + half.
template <class Op, class S, class R> struct Finish {
  static PG_INLINE void run(void* out, const void* const* in, int64_t) {
    S state[lanes];
    std::memcpy(state, in[0], sizeof state);
    for (int half = lanes / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) state[i] = Op::apply(state[i], state[i + half]);
    const R r = static_cast<R>(state[0]);
    std::memcpy(out, &r, sizeof r);
  }
};

template <class Op, class T, class S> struct FoldBlock {
  static PG_INLINE void run(void* out, const void* const* in, int64_t n) {
    S* __restrict acc = static_cast<S*>(out);
    const T* __restrict x = static_cast<const T*>(in[0]);
    for (int64_t i = 0; i < n; ++i) acc[i] = Op::apply(acc[i], static_cast<S>(x[i]));
  }
};

template <class S, class R> struct FinishBlock {
  static PG_INLINE void run(void* out, const void* const* in, int64_t n) {
    const S* __restrict x = static_cast<const S*>(in[0]);
    R* __restrict y = static_cast<R*>(out);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<R>(x[i]);
  }
};

template <class Loop, class S> ir::BlockFn loop() {
  if constexpr (cpu::is_complex_type<S>) return ir::Clones<Loop>::baseline;
  else return ir::Clones<Loop>::pick();
}

template <class Op, class T, class S, class R> Folder make_folder() {
  Folder f;
  f.fold = loop<Fold<Op, T, S>, S>();
  f.finish = loop<Finish<Op, S, R>, S>();
  f.fold_block = loop<FoldBlock<Op, T, S>, S>();
  f.finish_block = loop<FinishBlock<S, R>, S>();
  const S identity = Op::template identity<S>();
  std::memcpy(&f.identity, &identity, std::min(sizeof identity, sizeof f.identity));  // the rest is zero
  return f;
}

// S: state of sums and products, R: result of them.
template <class T, class S, class R> Folder choose(Combine combine) {
  switch (combine) {
  case Combine::sum: return make_folder<Sum, T, S, R>();
  case Combine::prod: return make_folder<Prod, T, S, R>();
  case Combine::max: return make_folder<Max, T, T, T>();
  case Combine::min: return make_folder<Min, T, T, T>();
  case Combine::all: return make_folder<Min, T, T, T>();
  case Combine::any: return make_folder<Max, T, T, T>();
  }
  return {};
}

template <class T> Folder choose_integer(Combine combine) {
  if (combine == Combine::sum || combine == Combine::prod)
    return choose<std::make_unsigned_t<T>, std::make_unsigned_t<T>, std::make_unsigned_t<T>>(combine);
  return choose<T, T, T>(combine);
}

// Only sums and products: complex numbers have no order.
template <class T, class R> Folder choose_complex(Combine combine) {
  using In = cpu::Complex<T>;
  using State = cpu::Complex<double>;
  return combine == Combine::sum ? make_folder<Sum, In, State, cpu::Complex<R>>()
                                 : make_folder<Prod, In, State, cpu::Complex<R>>();
}

template <class F> auto by_size(int32_t size, F&& f) {
  switch (size) {
  case 1: return f(uint8_t{});
  case 2: return f(uint16_t{});
  case 4: return f(uint32_t{});
  case 16: return f(cpu::Complex<double>{});
  default: return f(uint64_t{});
  }
}

template <class F> auto by_type(DType dtype, F&& f) {
  switch (compute_type(dtype)) {
  case DType::bool_: return f(uint8_t{});
  case DType::int8: return f(int8_t{});
  case DType::int16: return f(int16_t{});
  case DType::int32: return f(int32_t{});
  case DType::int64: return f(int64_t{});
  case DType::uint8: return f(uint8_t{});
  case DType::uint16: return f(uint16_t{});
  case DType::uint32: return f(uint32_t{});
  case DType::uint64: return f(uint64_t{});
  case DType::float64: return f(double{});
  default: return f(float{});
  }
}

}  // namespace

DType state_type(Combine combine, DType value) {
  if (is_inexact(value) && (combine == Combine::sum || combine == Combine::prod)) return wide_type(value);
  return compute_type(value);
}

Folder folder(Combine combine, DType value, DType result) {
  const bool wide = real_type(compute_type(result)) == DType::float64;
  switch (compute_type(value)) {
  case DType::float32:
    return wide ? choose<float, double, double>(combine) : choose<float, double, float>(combine);
  case DType::float64:
    return wide ? choose<double, double, double>(combine) : choose<double, double, float>(combine);
  case DType::complex64:
    return wide ? choose_complex<float, double>(combine) : choose_complex<float, float>(combine);
  case DType::complex128:
    return wide ? choose_complex<double, double>(combine) : choose_complex<double, float>(combine);
  case DType::bool_: return choose_integer<uint8_t>(combine);
  default: break;
  }
  PG_INVARIANT(value == result);
  return by_type(value, [&](auto zero) -> Folder {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T>) return choose_integer<T>(combine);
    else return {};
  });
}

// ---- copies
// ------------------------------------------------------------------------------------------------------------

void fill(void* out, int32_t size, const void* element, int64_t n) {
  by_size(size, [&](auto zero) {
    using T = decltype(zero);
    T v;
    std::memcpy(&v, element, sizeof v);
    T* o = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) o[i] = v;
  });
}

void copy_strided(void* out, const void* in, int32_t size, int64_t stride, int64_t n) {
  if (stride == 1) {
    std::memcpy(out, in, static_cast<size_t>(n * size));
    return;
  }
  if (stride == 0) return fill(out, size, in, n);
  by_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* __restrict o = static_cast<T*>(out);
    const T* __restrict x = static_cast<const T*>(in);
    if (stride == -1)
      for (int64_t i = 0; i < n; ++i) o[i] = x[-i];
    else
      for (int64_t i = 0; i < n; ++i) o[i] = x[i * stride];
  });
}

void copy_gather(void* out, const void* in, int32_t size, const int64_t* index, int64_t n) {
  by_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* __restrict o = static_cast<T*>(out);
    const T* __restrict x = static_cast<const T*>(in);
    for (int64_t i = 0; i < n; ++i) o[i] = x[index[i]];
  });
}

void store_strided(void* out, const void* in, int32_t size, int64_t stride, int64_t n) {
  if (stride == 1) {
    if (out != in) std::memmove(out, in, static_cast<size_t>(n * size));
    return;
  }
  by_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* __restrict o = static_cast<T*>(out);
    const T* __restrict x = static_cast<const T*>(in);
    for (int64_t i = 0; i < n; ++i) o[i * stride] = x[i];
  });
}

void store_scatter(void* out, const void* in, int32_t size, const int64_t* index, int64_t n) {
  by_size(size, [&](auto zero) {
    using T = decltype(zero);
    T* __restrict o = static_cast<T*>(out);
    const T* __restrict x = static_cast<const T*>(in);
    for (int64_t i = 0; i < n; ++i) o[index[i]] = x[i];
  });
}

void select(void* out, const void* condition, const void* a, const void* b, int32_t size, int64_t n) {
  by_size(size, [&](auto zero) {
    using T = decltype(zero);
    const uint8_t* c = static_cast<const uint8_t*>(condition);
    const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
    T* o = static_cast<T*>(out);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) {
      const T u = x[i], v = y[i];
      o[i] = c[i] ? u : v;
    }
  });
}

void from_integers(void* out, DType dtype, const int64_t* in, int64_t n) {
  if (is_bool(dtype)) {
    for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(out)[i] = in[i] != 0;
    return;
  }
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* __restrict o = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) o[i] = static_cast<T>(in[i]);
  });
}

void count_up(void* out, DType dtype, int64_t start, int64_t stride, int64_t n) {
  if (is_bool(dtype)) {
    for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(out)[i] = start + i * stride != 0;
    return;
  }
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* __restrict o = static_cast<T*>(out);
    for (int64_t i = 0; i < n; ++i) o[i] = static_cast<T>(start + i * stride);
  });
}

void to_integers(int64_t* out, DType dtype, const void* in, int64_t n) {
  by_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    const T* x = static_cast<const T*>(in);
    for (int64_t i = 0; i < n; ++i) {
      if constexpr (std::is_same_v<T, uint64_t>)
        out[i] = x[i] >> 63 ? std::numeric_limits<int64_t>::max() : static_cast<int64_t>(x[i]);
      else out[i] = static_cast<int64_t>(x[i]);
    }
  });
}

}  // namespace pg::interpreter
