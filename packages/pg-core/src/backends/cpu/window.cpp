// Windows row by row: for few slices, along the last axis. Many go through window_lanes.cpp.

#include <algorithm>
#include <limits>
#include <vector>

#include "backends/cpu/element.h"
#include "backends/cpu/native.h"
#include "backends/cpu/window_lanes.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

// A tap of the window along the last axis: outputs [low, high) read in[out * stride + shift].
struct Tap {
  int64_t shift, low, high;
};

// The tensor as (slices, rows, last axis): slices are the leading axes that have no window, so they are
// independent.
class Windows {
 public:
  explicit Windows(const WindowDesc& d) : d_(d), last_(static_cast<int>(d.in.size()) - 1) {
    while (lead_ < last_ && d.size[lead_] == 1 && d.stride[lead_] == 1 && d.low[lead_] == 0 &&
           d.high[lead_] == 0)
      slices *= d.in[lead_++];
    in_stride_.resize(d.in.size(), 1);
    for (int a = last_; a-- > 0;) in_stride_[a] = in_stride_[a + 1] * d.in[a + 1];
    for (int a = lead_; a < last_; ++a) rows *= d.out[a];
    for (int a = lead_; a <= last_; ++a) slice_in *= d.in[a];
    width = last_ < 0 ? 1 : d.out[last_];
    if (last_ < 0) {
      taps_.push_back({0, 0, 1});
      return;
    }
    for (int64_t k = 0; k < d.size[last_]; ++k) {
      const int64_t shift = k * d.dilation[last_] - d.low[last_], room = d.in[last_] - 1 - shift,
                    stride = d.stride[last_];
      const int64_t low = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
      const int64_t high = room < 0 ? 0 : std::min(width, room / stride + 1);
      if (low < high) taps_.push_back({shift, low, high});
    }
    step = d.stride[last_];
  }

  int64_t slices = 1, rows = 1, width = 1,
          step = 1;      // rows of the result in a slice, elements of a row, input step along it
  int64_t slice_in = 1;  // input elements of a slice

  /// f(low, high, offset in the slice of the input of output `low`) for every tap of one row, in row-major
  /// order of taps.
  template <class F> void for_each_tap(int64_t row, F&& f) const {
    if (taps_.empty()) return;
    const int axes = last_ - lead_;
    Ints at(axes > 0 ? axes : 0), tap(axes > 0 ? axes : 0);
    for (int i = axes; i-- > 0; row /= d_.out[lead_ + i]) at[i] = row % d_.out[lead_ + i];
    for (;;) {
      int64_t offset = 0;
      bool inside = true;
      for (int i = 0; i < axes && inside; ++i) {
        const int a = lead_ + i;
        const int64_t position = at[i] * d_.stride[a] + tap[i] * d_.dilation[a] - d_.low[a];
        inside = position >= 0 && position < d_.in[a];
        offset += position * in_stride_[a];
      }
      if (inside)
        for (const Tap& t : taps_) f(t.low, t.high, offset + t.low * step + t.shift);
      int i = axes;
      while (i-- > 0) {
        if (++tap[i] < d_.size[lead_ + i]) break;
        tap[i] = 0;
      }
      if (i < 0) return;
    }
  }

 private:
  const WindowDesc& d_;
  int last_, lead_ = 0;
  Ints in_stride_;
  std::vector<Tap> taps_;
};

template <class T, class C, class Combine>
void reduce(const WindowDesc& d, const T* in, T* out, C start, Combine combine) {
  const Windows w(d);
  const int64_t grain = std::max<int64_t>(1, (1 << 12) / std::max<int64_t>(w.width, 1));
  parallel_for(w.slices * w.rows, grain, [&](int64_t begin, int64_t end, int) {
    const BufferRef memory = allocate_items(w.width, sizeof(C));
    C* const sum = static_cast<C*>(memory->data);
    for (int64_t row = begin; row < end; ++row) {
      const T* const x = in + row / w.rows * w.slice_in;
      std::fill(sum, sum + w.width, start);
      w.for_each_tap(row % w.rows, [&](int64_t low, int64_t high, int64_t offset) {
        if (w.step == 1)
          for (int64_t o = low; o < high; ++o) sum[o] = combine(sum[o], static_cast<C>(x[offset + o - low]));
        else
          for (int64_t o = low; o < high; ++o)
            sum[o] = combine(sum[o], static_cast<C>(x[offset + (o - low) * w.step]));
      });
      for (int64_t o = 0; o < w.width; ++o) out[row * w.width + o] = narrow<T>(sum[o]);
    }
  });
}

// Runs add(row, ct row, dx of the slice) for every row of every slice in order, with dx in the accumulating
// type and zero at first.
template <class T, class AddRow> void backward(const Windows& w, const T* ct, T* dx, AddRow add) {
  using C = Accumulator<T>;
  parallel_for(w.slices, std::max<int64_t>(1, (1 << 13) / std::max<int64_t>(w.slice_in, 1)),
               [&](int64_t begin, int64_t end, int) {
                 const BufferRef memory = allocate_items(w.slice_in, sizeof(C));
                 C* const sum = static_cast<C*>(memory->data);
                 for (int64_t slice = begin; slice < end; ++slice) {
                   std::fill(sum, sum + w.slice_in, C(0));
                   for (int64_t row = 0; row < w.rows; ++row)
                     add(slice, row, ct + (slice * w.rows + row) * w.width, sum);
                   for (int64_t i = 0; i < w.slice_in; ++i) dx[slice * w.slice_in + i] = narrow<T>(sum[i]);
                 }
               });
}

// Where in its slice the first maximum (or the first NaN) of each window of one row lies; -1 for a window
// without elements.
template <class T> class FirstMaxima {
 public:
  using W = Wide<T>;
  FirstMaxima(const Windows& w, const T* x, int64_t row)
      : best_(allocate_items(w.width, sizeof(W))), place_(allocate_items(w.width, sizeof(int64_t))) {
    W* const best = static_cast<W*>(best_->data);
    int64_t* const place = static_cast<int64_t*>(place_->data);
    std::fill(place, place + w.width, -1);
    w.for_each_tap(row, [&](int64_t low, int64_t high, int64_t offset) {
      for (int64_t o = low; o < high; ++o) {
        const int64_t at = offset + (o - low) * w.step;
        const W value = static_cast<W>(x[at]);
        if (place[o] >= 0 && !(value > best[o]) && !(value != value && best[o] == best[o])) continue;
        best[o] = value;
        place[o] = at;
      }
    });
  }
  int64_t place(int64_t o) const { return static_cast<const int64_t*>(place_->data)[o]; }

 private:
  BufferRef best_, place_;
};

template <class W> constexpr W lowest() {
  if constexpr (std::is_floating_point_v<W>) return -std::numeric_limits<W>::infinity();
  else return std::numeric_limits<W>::lowest();
}
template <class W> constexpr W highest() {
  if constexpr (std::is_floating_point_v<W>) return std::numeric_limits<W>::infinity();
  else return std::numeric_limits<W>::max();
}

}  // namespace

void reduce_window(Window op, const WindowDesc& d, const void* in, void* out) {
  if (reduce_window_lanes(op, d, in, out)) return;
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = Accumulator<T>;
    using W = Wide<T>;
    const T* const x = static_cast<const T*>(in);
    T* const y = static_cast<T*>(out);
    switch (op) {
    case Window::sum: return reduce<T, C>(d, x, y, C(0), [](C a, C b) { return C(a + b); });
    case Window::max:
      return reduce<T, W>(d, x, y, lowest<W>(), [](W a, W b) { return a > b || a != a ? a : b; });
    case Window::min:
      return reduce<T, W>(d, x, y, highest<W>(), [](W a, W b) { return a < b || a != a ? a : b; });
    }
  });
}

void window_sum_grad(const WindowDesc& d, const void* ct, void* dx) {
  if (window_sum_grad_lanes(d, ct, dx)) return;
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = Accumulator<T>;
    const Windows w(d);
    backward(w, static_cast<const T*>(ct), static_cast<T*>(dx),
             [&](int64_t, int64_t row, const T* ct_row, C* sum) {
               w.for_each_tap(row, [&](int64_t low, int64_t high, int64_t offset) {
                 for (int64_t o = low; o < high; ++o)
                   sum[offset + (o - low) * w.step] += static_cast<C>(ct_row[o]);
               });
             });
  });
}

void window_max_grad(const WindowDesc& d, const void* in, const void* ct, void* dx) {
  if (window_max_grad_lanes(d, in, ct, dx)) return;
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = Accumulator<T>;
    const Windows w(d);
    const T* const x = static_cast<const T*>(in);
    backward(w, static_cast<const T*>(ct), static_cast<T*>(dx),
             [&](int64_t slice, int64_t row, const T* ct_row, C* sum) {
               const FirstMaxima<T> maxima(w, x + slice * w.slice_in, row);
               for (int64_t o = 0; o < w.width; ++o)
                 if (maxima.place(o) >= 0) sum[maxima.place(o)] += static_cast<C>(ct_row[o]);
             });
  });
}

void window_max_pick(const WindowDesc& d, const void* in, const void* t, void* out) {
  if (window_max_pick_lanes(d, in, t, out)) return;
  with_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    const Windows w(d);
    const T *const x = static_cast<const T*>(in), *const values = static_cast<const T*>(t);
    T* const y = static_cast<T*>(out);
    parallel_for(w.slices * w.rows, std::max<int64_t>(1, (1 << 12) / std::max<int64_t>(w.width, 1)),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t row = begin; row < end; ++row) {
                     const int64_t slice = row / w.rows * w.slice_in;
                     const FirstMaxima<T> maxima(w, x + slice, row % w.rows);
                     for (int64_t o = 0; o < w.width; ++o)
                       y[row * w.width + o] = maxima.place(o) >= 0 ? values[slice + maxima.place(o)] : T(0);
                   }
                 });
  });
}

}  // namespace pg::cpu
