// Windows over many independent slices or channels.
//
// A tensor is (slices, windowed axes, channels); windows treat slices and channels alike and independently,
// so a vector holds one position of as many of them. Where channels fill vectors they are used in place;
// otherwise blocks of slices are transposed into memory that stays in the cache, which also widens narrow
// types.

#include "backends/cpu/window_lanes.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "backends/cpu/element.h"
#include "backends/cpu/transpose.h"
#include "ir/isa.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

// Along the last windowed axis: position of the first tap that lies inside, and how many do.
struct LastTaps {
  int64_t first, count;
};

// One row of windows. Positions count elements of one lane; pitches count elements of memory.
struct Row {
  const int64_t* outer;  // positions of the taps along the other axes, in row-major order
  int64_t outers;
  const LastTaps* last;  // per window
  int64_t width;
  int64_t in_pitch, out_pitch, tap_pitch;  // between positions of the input, of the result, taps of a window
  int64_t vectors;                         // of lanes, side by side
};

/// What sums of W add up in.
template <class W> using Total = std::conditional_t<std::is_floating_point_v<W>, W,
                                                    std::conditional_t<sizeof(W) == 4, uint32_t, uint64_t>>;

template <class W> struct RowKernels {
  void (*sum)(const Row&, Total<W> start, const Total<W>* x, Total<W>* y);
  void (*extreme[2])(const Row&, W start, const W* x, W* y);  // max, min
  void (*max_pick)(const Row&, const W* x, const W* t, W* y);
  void (*max_grad[2])(const Row&, const W* x, const Total<W>* ct, Total<W>* dx);  // [disjoint]
  void (*sum_grad)(const Row&, const Total<W>* ct, Total<W>* dx);
};

}  // namespace
}  // namespace pg::cpu

#define PG_ROWS baseline_rows
#define PG_ROWS_TARGET
#include "backends/cpu/window_rows.h"
#undef PG_ROWS
#undef PG_ROWS_TARGET
#if PG_CLONES
#define PG_ROWS avx2_rows
#define PG_ROWS_TARGET PG_TARGET_AVX2
#include "backends/cpu/window_rows.h"
#undef PG_ROWS
#undef PG_ROWS_TARGET
#define PG_ROWS avx512_rows
#define PG_ROWS_TARGET PG_TARGET_AVX512
#include "backends/cpu/window_rows.h"
#undef PG_ROWS
#undef PG_ROWS_TARGET
#endif

namespace pg::cpu {
namespace {

template <class W> const RowKernels<W>& row_kernels() {
#if PG_CLONES
  if (ir::isa() == ir::Isa::avx512) return avx512_rows::kernels<W>;
  if (ir::isa() == ir::Isa::avx2) return avx2_rows::kernels<W>;
#endif
  return baseline_rows::kernels<W>;
}

// What elements of T are compared in.
template <class T> using Ordered =
    std::conditional_t<is_half_type<T>, float, std::conditional_t<(sizeof(T) < 4), int32_t, T>>;
template <class W> constexpr int64_t lanes_of = 64 / static_cast<int64_t>(sizeof(W));
template <class T, class W> constexpr bool in_place =
    sizeof(T) == sizeof(W) && !is_half_type<T> && !std::is_same_v<T, bool>;

class Shape3 {
 public:
  explicit Shape3(const WindowDesc& d) {
    const int rank = static_cast<int>(d.in.size());
    const auto plain = [&](int a) {
      return d.size[a] == 1 && d.stride[a] == 1 && d.low[a] == 0 && d.high[a] == 0;
    };
    int first = 0, end = rank;
    while (first < end && plain(first)) slices *= d.in[first++];
    while (end > first && plain(end - 1)) channels *= d.in[--end];
    for (int a = first; a < end; ++a) {
      axes_.push_back({d.in[a], d.out[a], d.size[a], d.stride[a], d.dilation[a], d.low[a], 1});
      in_size *= d.in[a];
      out_size *= d.out[a];
      disjoint = disjoint && (d.size[a] - 1) * d.dilation[a] < d.stride[a];
      covers = covers && d.dilation[a] == 1 && d.low[a] == 0 && d.size[a] == d.stride[a] &&
               d.out[a] * d.stride[a] == d.in[a];
    }
    for (size_t a = axes_.size(); a-- > 1;) axes_[a - 1].pitch = axes_[a].pitch * axes_[a].in;
    if (axes_.empty()) {
      last_.push_back({0, 1});
      return;
    }
    const Axis& along = axes_.back();
    for (int64_t o = 0; o < along.out; ++o) {
      const auto [begin, end_tap] = taps_inside(along, o);
      last_.push_back({o * along.stride - along.low + begin * along.dilation, end_tap - begin});
    }
    rows = along.out == 0 ? 0 : out_size / along.out;
  }

  int64_t slices = 1, channels = 1, in_size = 1, out_size = 1;  // sizes in positions
  int64_t rows = 1;
  bool disjoint = true;  // no element lies in two windows
  bool covers = true;    // every element lies in exactly one
  int64_t lanes() const { return slices * channels; }

  /// f(row, number of the row) for all rows in order.
  template <class F> void for_each_row(int64_t begin, int64_t end, Row row, F&& f) const {
    row.last = last_.data();
    row.width = static_cast<int64_t>(last_.size());
    row.tap_pitch = (axes_.empty() ? 1 : axes_.back().dilation) * row.in_pitch;
    std::vector<int64_t> outer, wider;
    for (int64_t number = begin; number < end; ++number) {
      outer.assign(1, 0);
      int64_t rest = number, below = rows;
      for (size_t a = 0; a + 1 < axes_.size(); ++a) {
        const Axis& axis = axes_[a];
        below /= axis.out;
        const int64_t o = rest / below;
        rest %= below;
        const auto [first, last] = taps_inside(axis, o);
        wider.clear();
        for (const int64_t before : outer)
          for (int64_t k = first; k < last; ++k)
            wider.push_back(before + (o * axis.stride - axis.low + k * axis.dilation) * axis.pitch);
        outer.swap(wider);
      }
      row.outer = outer.data();
      row.outers = static_cast<int64_t>(outer.size());
      f(row, number);
    }
  }

 private:
  struct Axis {
    int64_t in, out, size, stride, dilation, low, pitch;
  };
  // The taps [first, second) of window o that do not lie in a margin.
  static std::pair<int64_t, int64_t> taps_inside(const Axis& a, int64_t o) {
    const int64_t start = o * a.stride - a.low;
    const int64_t begin = start >= 0 ? 0 : (-start + a.dilation - 1) / a.dilation;
    const int64_t room = a.in - 1 - start, end = room < 0 ? 0 : std::min(a.size, room / a.dilation + 1);
    return {std::min(begin, a.size), std::max(end, std::min(begin, a.size))};
  }
  std::vector<Axis> axes_;
  std::vector<LastTaps> last_;
};

// A block of lanes of a tensor with `positions` per lane, as [position][lane]; missing lanes are zero.
template <class W, class T>
void gather_lanes(const Shape3& s, const T* from, int64_t positions, int64_t block, W* to) {
  constexpr int64_t lanes = lanes_of<W>;
  const int64_t first = block * lanes, count = std::min(lanes, s.lanes() - first);
  int64_t start[lanes];
  for (int64_t i = 0; i < count; ++i)
    start[i] = (first + i) / s.channels * positions * s.channels + (first + i) % s.channels;
  if constexpr (sizeof(T) == 4 && lanes == 16)
    if (s.channels == 1 && count == lanes)
      return transpose_words(from + start[0], positions, lanes, positions, to, lanes);
  for (int64_t p = 0; p < positions; ++p) {
    W* const row = to + p * lanes;
    for (int64_t i = 0; i < count; ++i) row[i] = static_cast<W>(from[start[i] + p * s.channels]);
    for (int64_t i = count; i < lanes; ++i) row[i] = W(0);
  }
}

// The way back; rounds once.
template <class T, class W>
void scatter_lanes(const Shape3& s, const W* from, int64_t positions, int64_t block, T* to) {
  constexpr int64_t lanes = lanes_of<W>;
  const int64_t first = block * lanes, count = std::min(lanes, s.lanes() - first);
  int64_t start[lanes];
  for (int64_t i = 0; i < count; ++i)
    start[i] = (first + i) / s.channels * positions * s.channels + (first + i) % s.channels;
  if constexpr (sizeof(T) == 4 && lanes == 16)
    if (s.channels == 1 && count == lanes)
      return transpose_words(from, lanes, positions, lanes, to + start[0], positions);
  for (int64_t p = 0; p < positions; ++p)
    for (int64_t i = 0; i < count; ++i) to[start[i] + p * s.channels] = narrow<T>(from[p * lanes + i]);
}

// Memory for one thread's blocks: `parts` tensors of W, each aligned to a vector.
template <class W> class Blocks {
 public:
  explicit Blocks(std::initializer_list<int64_t> positions) {
    int64_t total = 0;
    for (const int64_t count : positions) total += count;
    memory_ = allocate_items(total * lanes_of<W>, sizeof(W));
    W* at = static_cast<W*>(memory_->data);
    for (const int64_t count : positions) {
      parts_.push_back(at);
      at += count * lanes_of<W>;
    }
  }
  W* operator[](size_t i) const { return parts_[i]; }

 private:
  BufferRef memory_;
  std::vector<W*> parts_;
};

// Does a vector at a time pay? Half-filled vectors still do; transposed blocks must stay in the cache.
template <class T, class W> bool lanes_pay(const Shape3& s) {
  if (in_place<T, W> && s.channels % lanes_of<W> == 0) return s.lanes() > 0;
  return s.lanes() >= lanes_of<W> / 2 && (2 * s.in_size + s.out_size) * 64 <= (8 << 20);
}

// Calls work(block) for all blocks of lanes on the threads.
template <class W, class F> void for_each_block(const Shape3& s, F&& work) {
  const int64_t blocks = (s.lanes() + lanes_of<W> - 1) / lanes_of<W>;
  parallel_for(blocks, std::max<int64_t>(1, (1 << 12) / (lanes_of<W> * std::max<int64_t>(s.in_size, 1))),
               [&](int64_t begin, int64_t end, int) { work(begin, end); });
}

// Results per window: run(row, x, second operand or null, y) on lanes of W.
template <class W, class T, class F>
void windows_forward(const Shape3& s, const T* x, const T* t, T* y, F&& run) {
  constexpr int64_t lanes = lanes_of<W>;
  if (in_place<T, W> && s.channels % lanes == 0) {
    const int64_t c = s.channels, width = s.rows == 0 ? 0 : s.out_size / s.rows;
    const auto as = [](auto* p) {
      return reinterpret_cast<
          std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(p)>>, const W*, W*>>(p);
    };
    parallel_for(s.slices * s.rows, std::max<int64_t>(1, (1 << 12) / std::max<int64_t>(c * width, 1)),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t at = begin; at < end;) {
                     const int64_t slice = at / s.rows, row = at % s.rows,
                                   rows = std::min(end - at, s.rows - row);
                     s.for_each_row(row, row + rows, Row{nullptr, 0, nullptr, 0, c, c, 0, c / lanes},
                                    [&](const Row& r, int64_t number) {
                                      run(r, as(x) + slice * s.in_size * c,
                                          t ? as(t) + slice * s.in_size * c : nullptr,
                                          as(y) + (slice * s.out_size + number * width) * c);
                                    });
                     at += rows;
                   }
                 });
    return;
  }
  for_each_block<W>(s, [&](int64_t begin, int64_t end) {
    const Blocks<W> blocks({s.in_size, t ? s.in_size : 0, s.out_size});
    for (int64_t block = begin; block < end; ++block) {
      gather_lanes(s, x, s.in_size, block, blocks[0]);
      if (t) gather_lanes(s, t, s.in_size, block, blocks[1]);
      s.for_each_row(0, s.rows, Row{nullptr, 0, nullptr, 0, lanes, lanes, 0, 1},
                     [&](const Row& r, int64_t number) {
                       run(r, blocks[0], blocks[1], blocks[2] + number * r.width * lanes);
                     });
      scatter_lanes(s, blocks[2], s.out_size, block, y);
    }
  });
}

// Gradients of the input: run(row, x or null, ct, dx) adds to dx, or writes every element once where windows
// cover the input.
template <class W, class T, class F>
void windows_backward(const Shape3& s, bool clear, const T* x, const T* ct, T* dx, F&& run) {
  constexpr int64_t lanes = lanes_of<W>;
  using S = Total<W>;
  if (in_place<T, W> && s.channels % lanes == 0) {
    // Up to 64 channels at a time: whole cache lines, yet enough tasks.
    const int64_t vectors = s.channels / lanes, step = std::min<int64_t>(vectors, 4),
                  groups = (vectors + step - 1) / step, c = s.channels;
    const int64_t work = s.in_size * step * lanes;
    parallel_for(s.slices * groups, std::max<int64_t>(1, (1 << 12) / std::max<int64_t>(work, 1)),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t slice = task / groups, first = task % groups * step,
                                   count = std::min(step, vectors - first);
                     const int64_t in_at = slice * s.in_size * c + first * lanes,
                                   out_at = slice * s.out_size * c + first * lanes;
                     S* const sum = reinterpret_cast<S*>(dx) + in_at;
                     if (clear)
                       for (int64_t p = 0; p < s.in_size; ++p)
                         std::fill(sum + p * c, sum + p * c + count * lanes, S(0));
                     s.for_each_row(0, s.rows, Row{nullptr, 0, nullptr, 0, c, c, 0, count},
                                    [&](const Row& r, int64_t number) {
                                      run(r, x ? reinterpret_cast<const W*>(x) + in_at : nullptr,
                                          reinterpret_cast<const S*>(ct) + out_at + number * r.width * c,
                                          sum);
                                    });
                   }
                 });
    return;
  }
  for_each_block<W>(s, [&](int64_t begin, int64_t end) {
    const Blocks<W> values({x ? s.in_size : 0});
    const Blocks<S> sums({s.out_size, s.in_size});
    for (int64_t block = begin; block < end; ++block) {
      if (x) gather_lanes(s, x, s.in_size, block, values[0]);
      gather_lanes(s, ct, s.out_size, block, sums[0]);
      if (clear) std::fill(sums[1], sums[1] + s.in_size * lanes, S(0));
      s.for_each_row(0, s.rows, Row{nullptr, 0, nullptr, 0, lanes, lanes, 0, 1},
                     [&](const Row& r, int64_t number) {
                       run(r, values[0], sums[0] + number * r.width * lanes, sums[1]);
                     });
      scatter_lanes(s, sums[1], s.in_size, block, dx);
    }
  });
}

template <class W> constexpr W lowest() {
  if constexpr (std::is_floating_point_v<W>) return -std::numeric_limits<W>::infinity();
  else return std::numeric_limits<W>::lowest();
}
template <class W> constexpr W highest() {
  if constexpr (std::is_floating_point_v<W>) return std::numeric_limits<W>::infinity();
  else return std::numeric_limits<W>::max();
}

}  // namespace

bool reduce_window_lanes(Window op, const WindowDesc& d, const void* in, void* out) {
  const Shape3 s(d);
  return with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Ordered<T>;
    if (!lanes_pay<T, W>(s)) return false;
    const T* const x = static_cast<const T*>(in);
    T* const y = static_cast<T*>(out);
    const RowKernels<W>& kernels = row_kernels<W>();
    if (op == Window::sum) {
      using S = Total<W>;
      windows_forward<S>(s, x, static_cast<const T*>(nullptr), y,
                         [&](const Row& r, const S* a, const S*, S* b) { kernels.sum(r, S(0), a, b); });
    } else {
      const W start = static_cast<W>(op == Window::max ? lowest<Wide<T>>() : highest<Wide<T>>());
      const auto run = kernels.extreme[op == Window::min];
      windows_forward<W>(s, x, static_cast<const T*>(nullptr), y,
                         [&](const Row& r, const W* a, const W*, W* b) { run(r, start, a, b); });
    }
    return true;
  });
}

bool window_sum_grad_lanes(const WindowDesc& d, const void* ct, void* dx) {
  const Shape3 s(d);
  return with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Ordered<T>;
    if (!lanes_pay<T, W>(s)) return false;
    windows_backward<W>(s, true, static_cast<const T*>(nullptr), static_cast<const T*>(ct),
                        static_cast<T*>(dx),
                        [&](const Row& r, const W*, const Total<W>* from, Total<W>* sum) {
                          row_kernels<W>().sum_grad(r, from, sum);
                        });
    return true;
  });
}

bool window_max_grad_lanes(const WindowDesc& d, const void* in, const void* ct, void* dx) {
  const Shape3 s(d);
  return with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Ordered<T>;
    if (!lanes_pay<T, W>(s)) return false;
    const auto run = row_kernels<W>().max_grad[s.disjoint];
    windows_backward<W>(
        s, !s.covers, static_cast<const T*>(in), static_cast<const T*>(ct), static_cast<T*>(dx),
        [&](const Row& r, const W* x, const Total<W>* from, Total<W>* sum) { run(r, x, from, sum); });
    return true;
  });
}

bool window_max_pick_lanes(const WindowDesc& d, const void* in, const void* t, void* out) {
  const Shape3 s(d);
  return with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using W = Ordered<T>;
    if (!lanes_pay<T, W>(s)) return false;
    windows_forward<W>(
        s, static_cast<const T*>(in), static_cast<const T*>(t), static_cast<T*>(out),
        [&](const Row& r, const W* x, const W* values, W* y) { row_kernels<W>().max_pick(r, x, values, y); });
    return true;
  });
}

}  // namespace pg::cpu
