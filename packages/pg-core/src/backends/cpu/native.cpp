#include "backends/cpu/native.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/element.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/format.h"

namespace pg::cpu {
namespace {

[[noreturn]] void fail_unordered(DType dtype) {
  fail(ErrorKind::dtype, concat(name_of(dtype), " has no order; compare pg.abs(x) or pg.real(x)"));
}

template <class W> W maximum(W a, W b) { return a > b || a != a ? a : b; }
template <class W> W minimum(W a, W b) { return a < b || a != a ? a : b; }

// ---- running sums
// ------------------------------------------------------------------------------------------------------

constexpr int64_t strip = 512;  // columns that are carried together when the axis is not the last one
constexpr int64_t piece = 1024,
                  chains = 8;  // a longer line is taken in pieces; so many of them run at a time

// One value needs the one before it, so some lines are carried on side by side.
template <class C> struct Chain {
  int64_t start, length;
  bool fresh;  // begins with its first element, not with `carry`
  C carry;
};

template <class T, class C, class Combine>
void run_chains(const T* in, T* out, Chain<C>* chain, int64_t used, bool reverse, Combine combine) {
  const auto step = [&](int64_t l, int64_t i) __attribute__((always_inline)) {
    const int64_t at = chain[l].start + (reverse ? chain[l].length - 1 - i : i);
    chain[l].carry = combine(chain[l].carry, static_cast<C>(in[at]));
    out[at] = narrow<T>(chain[l].carry);
  };
  int64_t all = chain[0].length;
  for (int64_t l = 0; l < used; ++l) {
    Chain<C>& c = chain[l];
    const int64_t at = c.start + (reverse ? c.length - 1 : 0);
    const C value = static_cast<C>(in[at]);
    c.carry = c.fresh ? value : combine(c.carry, value);
    out[at] = narrow<T>(c.carry);
    all = std::min(all, c.length);
  }
  int64_t i = 1;
  if (used == chains)
    for (; i < all; ++i)
      for (int64_t l = 0; l < chains; ++l) step(l, i);
  for (int64_t l = 0; l < used; ++l)
    for (int64_t k = i; k < chain[l].length; ++k) step(l, k);
}

// The axis is the last one. Each piece of a long line starts with the total of those before it; where pieces
// begin depends on the length alone.
template <class T, class C, class Combine>
void running_along(const T* in, T* out, int64_t lines, int64_t n, bool reverse, Combine combine) {
  if (n == 0) return;
  const int64_t pieces = (n + piece - 1) / piece, count = lines * pieces;
  const auto bounds = [&](int64_t k, int64_t& start,
                          int64_t& length) {  // of piece k, in the order of running
    const int64_t p = reverse ? pieces - 1 - k % pieces : k % pieces;
    start = k / pieces * n + p * piece;
    length = std::min(piece, n - p * piece);
  };
  BufferRef memory;
  C* before = nullptr;
  if (pieces > 1) {
    memory = allocate_items(count, sizeof(C));
    before = static_cast<C*>(memory->data);
    parallel_for(count, 16, [&](int64_t begin, int64_t end, int) {
      for (int64_t k = begin; k < end; ++k) {
        int64_t start, length;
        bounds(k, start, length);
        C totals[chains] = {};
        const int64_t used = std::min(chains, length);
        for (int64_t l = 0; l < used; ++l) totals[l] = static_cast<C>(in[start + l]);
        int64_t i = used;
        for (; i + chains <= length; i += chains)
          for (int64_t l = 0; l < chains; ++l)
            totals[l] = combine(totals[l], static_cast<C>(in[start + i + l]));
        for (; i < length; ++i) totals[0] = combine(totals[0], static_cast<C>(in[start + i]));
        for (int64_t l = 1; l < used; ++l) totals[0] = combine(totals[0], totals[l]);
        before[k] = totals[0];
      }
    });
    for (int64_t line = 0; line < lines; ++line) {
      C sum = before[line * pieces];
      for (int64_t p = 1; p < pieces; ++p) {
        const C own = before[line * pieces + p];
        before[line * pieces + p] = sum;
        sum = combine(sum, own);
      }
    }
  }
  const int64_t groups = (count + chains - 1) / chains;
  const int64_t grain = std::max<int64_t>(1, (1 << 13) / (std::min(n, piece) * chains));
  parallel_for(groups, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t k = begin * chains; k < std::min(count, end * chains); k += chains) {
      Chain<C> chain[chains];
      const int64_t used = std::min(chains, count - k);
      for (int64_t l = 0; l < used; ++l) {
        bounds(k + l, chain[l].start, chain[l].length);
        chain[l].fresh = (k + l) % pieces == 0;
        chain[l].carry = chain[l].fresh ? C() : before[k + l];
      }
      run_chains(in, out, chain, used, reverse, combine);
    }
  });
}

template <class T, class C, class Combine>
void running(const T* in, T* out, int64_t outer, int64_t n, int64_t inner, bool reverse, Combine combine) {
  if (inner == 1) return running_along<T, C>(in, out, outer, n, reverse, combine);
  const int64_t strips = (inner + strip - 1) / strip;
  const int64_t work = std::max<int64_t>(1, n * std::min(inner, strip));
  parallel_for(outer * strips, std::max<int64_t>(1, (1 << 14) / work), [&](int64_t begin, int64_t end, int) {
    C carry[strip];
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % strips * strip, width = std::min(strip, inner - first);
      const int64_t start = task / strips * n * inner + first;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = start + (reverse ? n - 1 - i : i) * inner;
        for (int64_t j = 0; j < width; ++j) {
          const C value = static_cast<C>(in[row + j]);
          carry[j] = i == 0 ? value : combine(carry[j], value);
          out[row + j] = narrow<T>(carry[j]);
        }
      }
    }
  });
}

// ---- scatter
// -----------------------------------------------------------------------------------------------------------

// Target rows as int64, -1 for those to drop.
BufferRef resolve_rows(const ScatterDesc& d, const void* rows) {
  const BufferRef memory = allocate_items(d.count, sizeof(int64_t));
  int64_t* const out = static_cast<int64_t*>(memory->data);
  with_type(d.index_dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_integral_v<T>) fail(ErrorKind::dtype, "scatter: indices must be integers");
    else
      for (int64_t i = 0; i < d.count; ++i) {
        const T raw = static_cast<const T*>(rows)[i];
        const bool low = std::is_signed_v<T> && static_cast<int64_t>(raw) < 0;
        const bool high = !low && static_cast<uint64_t>(raw) >= static_cast<uint64_t>(d.base_rows);
        if (!low && !high) out[i] = static_cast<int64_t>(raw);
        else if (d.index_mode == IndexMode::clip && d.base_rows > 0) out[i] = low ? 0 : d.base_rows - 1;
        else {
          require(d.index_mode != IndexMode::raise, ErrorKind::index, [&] {
            return concat("index ", +raw, " is out of range for an axis of size ", d.base_rows);
          });
          out[i] = -1;
        }
      }
  });
  return memory;
}

// Each task owns a range of target rows and walks all updates in order, so every element sees its updates in
// order.
template <class T, class C, class Combine>
void apply_updates(const ScatterDesc& d, const int64_t* rows, const T* updates, C* out, Combine combine) {
  // Every task reads all rows, which single elements have as many of as updates: only many pay for that.
  const bool split = d.count * d.row_size >= (1 << 16) && (d.row_size >= 8 || d.count >= (1 << 18));
  const int64_t tasks = split ? std::min<int64_t>(d.base_rows, num_threads()) : 1;
  parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int) {
    const int64_t low = d.base_rows * begin / tasks, high = d.base_rows * end / tasks;
    if (d.row_size == 1) {
      const auto range = static_cast<uint64_t>(high - low);
      C* const targets = out + low;
      for (int64_t i = 0; i < d.count; ++i) {
        const auto at = static_cast<uint64_t>(rows[i] - low);  // huge for what lies below
        if (at < range) targets[at] = combine(targets[at], updates[i]);
      }
      return;
    }
    for (int64_t i = 0; i < d.count; ++i) {
      const int64_t row = rows[i];
      if (row < low || row >= high) continue;
      C* const target = out + row * d.row_size;
      const T* const update = updates + i * d.row_size;
      for (int64_t j = 0; j < d.row_size; ++j) target[j] = combine(target[j], update[j]);
    }
  });
}

template <class T, class C, class Combine>
void scatter_with(const ScatterDesc& d, const int64_t* rows, const T* updates, T* out, Combine combine) {
  const auto wide_combine = [=](C a, T b) {
    return narrow<C>(combine(static_cast<C>(a), static_cast<C>(b)));
  };
  if constexpr (!is_half_type<T>) {
    apply_updates<T, T>(d, rows, updates, out,
                        [=](T a, T b) { return narrow<T>(combine(static_cast<C>(a), static_cast<C>(b))); });
  } else {  // sums of halves round once, at the end
    const int64_t count = d.base_rows * d.row_size;
    const BufferRef memory = allocate_items(count, sizeof(C));
    C* const wide = static_cast<C*>(memory->data);
    std::copy(out, out + count, wide);
    apply_updates<T, C>(d, rows, updates, wide, wide_combine);
    for (int64_t i = 0; i < count; ++i) out[i] = narrow<T>(wide[i]);
  }
}

}  // namespace

void cumulative(Cumulative op, DType dtype, const void* in, void* out, int64_t outer, int64_t n,
                int64_t inner, bool reverse) {
  with_any_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    // Running totals of a million float32 in float32 would lose their last four digits.
    using Total = std::conditional_t<is_complex_type<T>, Complex<double>, Accumulator<T>>;
    using C = std::conditional_t<std::is_floating_point_v<Total>, double, Total>;
    using W = Wide<T>;
    const T* const x = static_cast<const T*>(in);
    T* const y = static_cast<T*>(out);
    switch (op) {
    case Cumulative::sum:
      return running<T, C>(x, y, outer, n, inner, reverse, [](C a, C b) { return C(a + b); });
    case Cumulative::prod:
      return running<T, C>(x, y, outer, n, inner, reverse, [](C a, C b) { return C(a * b); });
    default: break;
    }
    if constexpr (is_complex_type<T>) fail_unordered(dtype);
    else running<T, W>(x, y, outer, n, inner, reverse, op == Cumulative::max ? maximum<W> : minimum<W>);
  });
}

void scatter(const ScatterDesc& d, const void* base, const void* rows, const void* updates, void* out) {
  const BufferRef resolved = resolve_rows(d, rows);
  const int64_t* const targets = static_cast<const int64_t*>(resolved->data);
  if (base != out) std::memcpy(out, base, static_cast<size_t>(d.base_rows * d.row_size * size_of(d.dtype)));
  with_any_type(d.dtype, [&](auto zero) {
    using T = decltype(zero);
    using C = Accumulator<T>;
    using W = Wide<T>;
    const T* const u = static_cast<const T*>(updates);
    T* const y = static_cast<T*>(out);
    switch (d.mode) {
    case ScatterMode::set: return apply_updates<T, T>(d, targets, u, y, [](T, T b) { return b; });
    case ScatterMode::add: return scatter_with<T, C>(d, targets, u, y, [](C a, C b) { return C(a + b); });
    case ScatterMode::mul: return scatter_with<T, C>(d, targets, u, y, [](C a, C b) { return C(a * b); });
    default: break;
    }
    if constexpr (is_complex_type<T>) fail_unordered(d.dtype);
    else scatter_with<T, W>(d, targets, u, y, d.mode == ScatterMode::max ? maximum<W> : minimum<W>);
  });
}

}  // namespace pg::cpu
