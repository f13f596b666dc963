// Rows of windows over many independent lanes: included once per instruction set by window_lanes.cpp, with
// PG_ROWS naming the namespace and PG_ROWS_TARGET the attribute. Vector types are split for the target of the
// function they are written in, before inlining, so these cannot be one body that is inlined into clones.
// No include guard for that reason.

namespace pg::cpu::PG_ROWS {

// Everything is 64 bytes of lanes: one register or several, as the target has them.
template <class W> struct Lanes {
  typedef W V __attribute__((vector_size(64)));
};

/// y = the sum, largest or smallest element of each window of a row.
template <class W, Window op> PG_ROWS_TARGET void reduce(const Row& r, W start, const W* x, W* y) {
  using V = typename Lanes<W>::V;
  constexpr int64_t lanes = 64 / sizeof(W);
  for (int64_t o = 0; o < r.width; ++o, y += r.out_pitch) {
    const LastTaps last = r.last[o];
    for (int64_t v = 0; v < r.vectors; ++v) {
      V sum = V{} + start;
      for (int64_t e = 0; e < r.outers; ++e) {
        const W* at = x + (r.outer[e] + last.first) * r.in_pitch + v * lanes;
        for (int64_t k = 0; k < last.count; ++k, at += r.tap_pitch) {
          V value;
          std::memcpy(&value, at, sizeof(V));
          if constexpr (op == Window::sum) sum = sum + value;
          else if constexpr (op == Window::max) sum = (sum > value) | (sum != sum) ? sum : value;
          else sum = (sum < value) | (sum != sum) ? sum : value;
        }
      }
      std::memcpy(y + v * lanes, &sum, sizeof(V));
    }
  }
}

/// The first maximum (or NaN) of each window of a row: picks t there into y.
template <class W> PG_ROWS_TARGET void max_pick(const Row& r, const W* x, const W* t, W* y) {
  using V = typename Lanes<W>::V;
  constexpr int64_t lanes = 64 / sizeof(W);
  for (int64_t o = 0; o < r.width; ++o, y += r.out_pitch) {
    const LastTaps last = r.last[o];
    for (int64_t v = 0; v < r.vectors; ++v) {
      V best{}, picked{};
      bool first = true;
      for (int64_t e = 0; e < r.outers; ++e) {
        int64_t at = (r.outer[e] + last.first) * r.in_pitch + v * lanes;
        for (int64_t k = 0; k < last.count; ++k, at += r.tap_pitch) {
          V value, other;
          std::memcpy(&value, x + at, sizeof(V));
          std::memcpy(&other, t + at, sizeof(V));
          if (first) {
            best = value, picked = other, first = false;
            continue;
          }
          const auto takes = (value > best) | ((value != value) & (best == best));
          best = takes ? value : best;
          picked = takes ? other : picked;
        }
      }
      std::memcpy(y + v * lanes, &picked, sizeof(V));
    }
  }
}

/// The first maximum of each window of a row receives its cotangent: dx is written where windows are disjoint
/// and added to otherwise.
template <class W, bool disjoint>
PG_ROWS_TARGET void max_grad(const Row& r, const W* x, const Total<W>* ct, Total<W>* dx) {
  using V = typename Lanes<W>::V;
  using S = typename Lanes<Total<W>>::V;
  using Places = decltype(V{} > V{});
  using Place = std::remove_reference_t<decltype(Places{}[0])>;
  constexpr int64_t lanes = 64 / sizeof(W);
  for (int64_t o = 0; o < r.width; ++o, ct += r.out_pitch) {
    const LastTaps last = r.last[o];
    for (int64_t v = 0; v < r.vectors; ++v) {
      V best{};
      Places place{};
      Place tap = 0;
      for (int64_t e = 0; e < r.outers; ++e) {
        const W* at = x + (r.outer[e] + last.first) * r.in_pitch + v * lanes;
        for (int64_t k = 0; k < last.count; ++k, at += r.tap_pitch, ++tap) {
          V value;
          std::memcpy(&value, at, sizeof(V));
          if (tap == 0) {
            best = value;
            continue;
          }
          const Places takes = (value > best) | ((value != value) & (best == best));
          best = takes ? value : best;
          place = takes ? Places{} + tap : place;
        }
      }
      S given;
      std::memcpy(&given, ct + v * lanes, sizeof(S));
      given = given + S{};  // a sum starts at zero: -0 becomes 0
      tap = 0;
      for (int64_t e = 0; e < r.outers; ++e) {
        Total<W>* at = dx + (r.outer[e] + last.first) * r.in_pitch + v * lanes;
        for (int64_t k = 0; k < last.count; ++k, at += r.tap_pitch, ++tap) {
          S part = place == tap ? given : S{};
          if constexpr (!disjoint) {
            S before;
            std::memcpy(&before, at, sizeof(S));
            part = before + part;
          }
          std::memcpy(at, &part, sizeof(S));
        }
      }
    }
  }
}

/// Every element of a window receives its cotangent; from the last window to the first, which is the order of
/// taps for an element.
template <class S> PG_ROWS_TARGET void sum_grad(const Row& r, const S* ct, S* dx) {
  using V = typename Lanes<S>::V;
  constexpr int64_t lanes = 64 / sizeof(S);
  for (int64_t o = r.width; o-- > 0;) {
    const LastTaps last = r.last[o];
    for (int64_t v = 0; v < r.vectors; ++v) {
      V given;
      std::memcpy(&given, ct + o * r.out_pitch + v * lanes, sizeof(V));
      for (int64_t e = 0; e < r.outers; ++e) {
        S* at = dx + (r.outer[e] + last.first) * r.in_pitch + v * lanes;
        for (int64_t k = 0; k < last.count; ++k, at += r.tap_pitch) {
          V before;
          std::memcpy(&before, at, sizeof(V));
          before = before + given;
          std::memcpy(at, &before, sizeof(V));
        }
      }
    }
  }
}

template <class W> constexpr RowKernels<W> kernels{reduce<Total<W>, Window::sum>,
                                                   {reduce<W, Window::max>, reduce<W, Window::min>},
                                                   max_pick<W>,
                                                   {max_grad<W, false>, max_grad<W, true>},
                                                   sum_grad<Total<W>>};

}  // namespace pg::cpu::PG_ROWS
