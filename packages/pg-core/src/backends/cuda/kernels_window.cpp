// Sliding windows over trailing axes and their derivatives, a thread for each element of the result. What a
// window's gradient is added to finds the windows that hold it, so nothing is added by two threads.
// attrs as in ops/windows.cpp.

#include "backends/cuda/emitter.h"
#include "backends/cuda/kernels.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

constexpr size_t most_axes = 6;

// As in the text below.
struct Sliding {
  int64_t threads = 0, slice_in = 1, slice_out = 1;
  int64_t in[most_axes], out[most_axes], size[most_axes], stride[most_axes], low[most_axes],
      dilation[most_axes];
};

const char* const text = R"(
struct Sliding {
  long long threads, slice_in, slice_out;
  long long in[MOST], out[MOST], size[MOST], stride[MOST], low[MOST], dilation[MOST];
};
struct Place { long long at[RANK]; };

PG_INLINE Place place(long long i, const long long* extents) {
  Place p;
  for (int a = RANK - 1; a >= 0; --a) {
    p.at[a] = i % extents[a];
    i /= extents[a];
  }
  return p;
}
PG_INLINE bool next(long long* tap, const long long* ends) {
  for (int a = RANK - 1; a >= 0; --a) {
    if (++tap[a] < ends[a]) return true;
    tap[a] = 0;
  }
  return false;
}
// Where the tap of the window `o` reads, or -1.
PG_INLINE long long source(const Sliding& s, const Place& o, const long long* tap) {
  long long at = 0;
  for (int a = 0; a < RANK; ++a) {
    const long long x = o.at[a] * s.stride[a] + tap[a] * s.dilation[a] - s.low[a];
    if (x < 0 || x >= s.in[a]) return -1;
    at = at * s.in[a] + x;
  }
  return at;
}
// The window whose `tap` reads `x`, or -1.
PG_INLINE long long window(const Sliding& s, const Place& x, const long long* tap, Place* o) {
  long long at = 0;
  for (int a = 0; a < RANK; ++a) {
    const long long reach = x.at[a] + s.low[a] - tap[a] * s.dilation[a];
    if (reach < 0 || reach % s.stride[a] || reach / s.stride[a] >= s.out[a]) return -1;
    o->at[a] = reach / s.stride[a];
    at = at * s.out[a] + o->at[a];
  }
  return at;
}
#define PG_THREAD(extents, slice)                                           \
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;     \
  if (i >= s.threads) return;                                               \
  const long long number = i / slice;                                       \
  const Place here = place(i % slice, extents);                             \
  long long tap[RANK] = {};

extern "C" __global__ void reduce(Sliding s, const T* __restrict__ in, T* __restrict__ out) {
  PG_THREAD(s.out, s.slice_out)
  C sum = START;
  do {
    const long long at = source(s, here, tap);
    if (at >= 0) sum = combine(sum, read(in[number * s.slice_in + at]));
  } while (next(tap, s.size));
  out[i] = write(sum);
}

extern "C" __global__ void sum_grad(Sliding s, const T* __restrict__ ct, T* __restrict__ dx) {
  PG_THREAD(s.in, s.slice_in)
  C sum = (C)0;
  Place o;
  do {
    const long long at = window(s, here, tap, &o);
    if (at >= 0) sum = combine(sum, read(ct[number * s.slice_out + at]));
  } while (next(tap, s.size));
  dx[i] = write(sum);
}

// The first maximum, or the first NaN, of a window; -1 where it holds nothing.
PG_INLINE long long first_maximum(const Sliding& s, const T* in, const Place& o) {
  long long tap[RANK] = {}, place = -1;
  W best = (W)0;
  do {
    const long long at = source(s, o, tap);
    if (at < 0) continue;
    const W x = value(in[at]);
    if (place >= 0 && !(x > best) && !(x != x && best == best)) continue;
    best = x;
    place = at;
  } while (next(tap, s.size));
  return place;
}

extern "C" __global__ void max_grad(Sliding s, const T* __restrict__ in, const T* __restrict__ ct,
                                    T* __restrict__ dx) {
  PG_THREAD(s.in, s.slice_in)
  C sum = (C)0;
  Place o;
  do {
    const long long at = window(s, here, tap, &o);
    if (at >= 0 && first_maximum(s, in + number * s.slice_in, o) == i % s.slice_in)
      sum = combine(sum, read(ct[number * s.slice_out + at]));
  } while (next(tap, s.size));
  dx[i] = write(sum);
}

extern "C" __global__ void max_pick(Sliding s, const T* __restrict__ in, const T* __restrict__ t,
                                    T* __restrict__ out) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= s.threads) return;
  const long long number = i / s.slice_out;
  const long long at = first_maximum(s, in + number * s.slice_in, place(i % s.slice_out, s.out));
  out[i] = at >= 0 ? t[number * s.slice_in + at] : write((C)0);
}
)";

std::string lowest(DType dtype) {
  if (is_half(dtype) || dtype == DType::float32) return "-PG_INF";
  if (dtype == DType::float64) return "-PG_INF_DOUBLE";
  return literal(dtype, identity_bits(Combine::max, dtype));
}

}  // namespace

void call_windows(const CallArgs& c) {
  const bool maximum = &c.op == &reduce_window_max_op, sum = &c.op == &reduce_window_sum_op;
  const bool restores = &c.op == &window_sum_grad_op || &c.op == &window_max_grad_op;
  const DType dtype = c.out.dtype;
  // The larger side, which windows slide over, and the smaller one.
  const Shape& large = restores ? c.out.shape : c.in[0].shape;
  const Shape& small = !restores ? c.out.shape : &c.op == &window_max_grad_op ? c.in[1].shape : c.in[0].shape;
  const size_t rank = static_cast<size_t>(c.attrs[0]), lead = large.size() - rank;
  require(rank <= most_axes, ErrorKind::not_implemented, [&] {
    return concat(c.op.name, ": windows over ", rank, " axes; a GPU takes at most ", most_axes);
  });
  require(!is_complex(dtype), ErrorKind::dtype, [&] {
    return concat("this operation is not defined for ", name_of(dtype),
                  "; take pg.real, pg.imag or pg.abs first");
  });
  Sliding s = {};
  s.threads = count_of(c.out.shape);
  if (s.threads == 0) return;
  for (size_t a = 0; a < rank; ++a) {
    s.slice_in *= s.in[a] = large[lead + a];
    s.slice_out *= s.out[a] = small[lead + a];
    s.size[a] = c.attrs[1 + a];
    s.stride[a] = c.attrs[1 + rank + a];
    s.low[a] = c.attrs[1 + 2 * rank + a];
    s.dilation[a] = c.attrs[1 + 4 * rank + a];
  }
  const DType held = is_half(dtype) ? DType::float32 : dtype;
  const DType computed = maximum ? held : sum_type(dtype, false);
  const std::string all =
      concat("#define RANK ", rank, "\n#define MOST ", most_axes, "\n#define START ",
             maximum ? lowest(dtype) : "(C)0", "\n", element_text(dtype, computed), "typedef ",
             register_type(held), " W;\nPG_INLINE W value(T x) { return ",
             is_half(dtype) ? "pg_float(x)" : "x", "; }\nPG_INLINE C combine(C a, C b) { return ",
             maximum ? "a > b || a != a ? a : b" : "pg_plus(a, b)", "; }\n", text);
  const Operands in(c);
  const void* const x = in[0];
  const void* const second = c.in.size() > 1 ? in[1] : nullptr;
  const char* const name = maximum || sum                 ? "reduce"
                           : &c.op == &window_sum_grad_op ? "sum_grad"
                           : &c.op == &window_max_grad_op ? "max_grad"
                                                          : "max_pick";
  const FixedLaunch what{all, name, blocks_for(s.threads), block_threads};
  if (second) launch_fixed(in.run, what, {&s, &x, &second, &c.output});
  else launch_fixed(in.run, what, {&s, &x, &c.output});
}

}  // namespace pg::cuda
