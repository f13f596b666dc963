// Sorting, running sums, scatter and windows against plain loops, for several thread counts.

#include <algorithm>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "backends/cpu/element.h"
#include "backends/cpu/native.h"
#include "check.h"
#include "runtime/threads.h"

using namespace pg;
using namespace pg::cpu;

namespace {

std::mt19937 random_words(1);
const float nan_value = std::numeric_limits<float>::quiet_NaN();

std::vector<float> some(int64_t count, int spread = 50) {
  std::vector<float> out(count);
  for (float& v : out) v = static_cast<float>(static_cast<int>(random_words() % spread) - spread / 2);
  return out;
}

template <class T> std::vector<T> as(const std::vector<float>& in) {
  std::vector<T> out;
  for (float v : in) out.push_back(T(v));
  return out;
}

bool same(float a, float b) { return a == b || (a != a && b != b); }

void sorting() {
  for (const auto& [outer, n, inner] :
       {std::array<int64_t, 3>{1, 100000, 1}, {3, 7, 5}, {40, 300, 1}, {1, 1, 1}, {2, 0, 3}, {1, 70000, 2}})
    for (bool descending : {false, true}) {
      std::vector<float> x = some(outer * n * inner), y(x.size());
      for (size_t i = 0; i < x.size(); i += 11) x[i] = nan_value;
      std::vector<int64_t> order(x.size());
      sort(DType::float32, x.data(), y.data(), outer, n, inner, descending);
      argsort(DType::float32, x.data(), order.data(), outer, n, inner, descending, n);
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t c = 0; c < inner; ++c) {
          const auto at = [&](int64_t i) { return (o * n + i) * inner + c; };
          std::vector<int64_t> expected(n);
          for (int64_t i = 0; i < n; ++i) expected[i] = i;
          std::stable_sort(expected.begin(), expected.end(), [&](int64_t i, int64_t j) {
            const float a = x[at(i)], b = x[at(j)];
            if (a != a || b != b) return b != b && a == a;
            return descending ? a > b : a < b;
          });
          bool ok = true;
          for (int64_t i = 0; i < n; ++i)
            ok = ok && order[at(i)] == expected[i] && same(y[at(i)], x[at(expected[i])]);
          CHECK(ok);
        }
    }
  const std::vector<int8_t> bytes{3, -128, 127, 0, -1};
  std::vector<int8_t> sorted(5);
  sort(DType::int8, bytes.data(), sorted.data(), 1, 5, 1, false);
  CHECK((sorted == std::vector<int8_t>{-128, -1, 0, 3, 127}));
  const std::vector<Float16> halves = as<Float16>({2.5f, -1, nan_value, 0.5f});
  std::vector<Float16> half_sorted(4);
  sort(DType::float16, halves.data(), half_sorted.data(), 1, 4, 1, true);
  CHECK(half_sorted[0] == 2.5f && half_sorted[2] == -1 && half_sorted[3] != half_sorted[3]);
}

void running_sums() {
  for (const auto& [outer, n, inner] :
       {std::array<int64_t, 3>{2, 50, 1}, {3, 7, 1100}, {1, 1, 1}, {0, 4, 2}, {5, 0, 2}})
    for (bool reverse : {false, true})
      for (Cumulative op : {Cumulative::sum, Cumulative::prod, Cumulative::max, Cumulative::min}) {
        std::vector<float> x = some(outer * n * inner, 4), y(x.size());
        if (x.size() > 20) x[17] = nan_value;
        cumulative(op, DType::float32, x.data(), y.data(), outer, n, inner, reverse);
        bool ok = true;
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t c = 0; c < inner; ++c) {
            float carry = 0;
            for (int64_t i = 0; i < n; ++i) {
              const int64_t at = (o * n + (reverse ? n - 1 - i : i)) * inner + c;
              const float v = x[at];
              const bool bad = carry != carry || v != v;
              if (i == 0) carry = v;
              else if (op == Cumulative::sum) carry += v;
              else if (op == Cumulative::prod) carry *= v;
              else carry = bad ? nan_value : op == Cumulative::max ? std::max(carry, v) : std::min(carry, v);
              ok = ok && same(y[at], carry);
            }
          }
        CHECK(ok);
      }
  const std::vector<int32_t> wrap{2147483647, 1, 1};
  std::vector<int32_t> sums(3);
  cumulative(Cumulative::sum, DType::int32, wrap.data(), sums.data(), 1, 3, 1, false);
  CHECK(sums[1] == -2147483647 - 1);
  const std::vector<BFloat16> small = as<BFloat16>(std::vector<float>(1024, 1.0f));
  std::vector<BFloat16> total(1024);
  cumulative(Cumulative::sum, DType::bfloat16, small.data(), total.data(), 1, 1024, 1, false);
  CHECK(total[1023] == 1024.0f);  // would stick at 256 if it rounded at every step
}

void scattering() {
  for (int64_t row_size : {int64_t{1}, int64_t{40}})
    for (ScatterMode mode :
         {ScatterMode::set, ScatterMode::add, ScatterMode::mul, ScatterMode::min, ScatterMode::max}) {
      const int64_t base_rows = 90, count = 3000;
      std::vector<float> base = some(base_rows * row_size), updates = some(count * row_size, 3),
                         out(base.size());
      std::vector<int32_t> rows(count);
      for (auto& row : rows) row = static_cast<int32_t>(random_words() % 100) - 5;
      ScatterDesc d{DType::float32, DType::int32, mode, IndexMode::drop, base_rows, count, row_size};
      scatter(d, base.data(), rows.data(), updates.data(), out.data());
      std::vector<float> expected = base;
      for (int64_t i = 0; i < count; ++i)
        for (int64_t j = 0; j < row_size && rows[i] >= 0 && rows[i] < base_rows; ++j) {
          float& e = expected[rows[i] * row_size + j];
          const float u = updates[i * row_size + j];
          e = mode == ScatterMode::set   ? u
              : mode == ScatterMode::add ? e + u
              : mode == ScatterMode::mul ? e * u
              : mode == ScatterMode::min ? std::min(e, u)
                                         : std::max(e, u);
        }
      CHECK(out == expected);
    }
  std::vector<int64_t> rows{0, 7, -3};
  std::vector<float> base(5, 0), updates{1, 2, 3}, out(5);
  ScatterDesc d{DType::float32, DType::int64, ScatterMode::add, IndexMode::clip, 5, 3, 1};
  scatter(d, base.data(), rows.data(), updates.data(), out.data());
  CHECK((out == std::vector<float>{4, 0, 0, 0, 2}));
  d.index_mode = IndexMode::raise;
  const std::string message =
      raised(ErrorKind::index, [&] { scatter(d, base.data(), rows.data(), updates.data(), out.data()); });
  CHECK(message.find("index 7 is out of range for an axis of size 5") != std::string::npos);
  std::vector<BFloat16> half_base = as<BFloat16>({0}), ones = as<BFloat16>(std::vector<float>(1000, 1.0f)),
                        half_out(1);
  const std::vector<uint8_t> zeros(1000, 0);
  scatter({DType::bfloat16, DType::uint8, ScatterMode::add, IndexMode::raise, 1, 1000, 1}, half_base.data(),
          zeros.data(), ones.data(), half_out.data());
  CHECK(half_out[0] == 1000.0f);
}

// Calls f(output element, input element or -1) for every pair of a window, in row-major order of outputs and
// taps.
void walk(const WindowDesc& d, const std::function<void(int64_t, int64_t)>& f) {
  const int64_t outs = count_of(d.out), taps = count_of(d.size);
  for (int64_t o = 0; o < outs; ++o)
    for (int64_t t = 0; t < taps; ++t) {
      int64_t o_rest = o, t_rest = t, offset = 0, scale = 1;
      bool inside = true;
      for (int a = static_cast<int>(d.in.size()); a-- > 0;) {
        const int64_t p = o_rest % d.out[a] * d.stride[a] + t_rest % d.size[a] * d.dilation[a] - d.low[a];
        inside = inside && p >= 0 && p < d.in[a];
        offset += p * scale;
        scale *= d.in[a];
        o_rest /= d.out[a];
        t_rest /= d.size[a];
      }
      f(o, inside ? offset : -1);
    }
}

void windows() {
  std::vector<WindowDesc> cases{
      {DType::float32,
       {2, 3, 9, 8},
       {},
       {1, 1, 3, 3},
       {1, 1, 2, 2},
       {1, 1, 1, 1},
       {0, 0, 1, 1},
       {0, 0, 1, 1}},
      {DType::float32,
       {2, 9, 8, 3},
       {},
       {1, 2, 3, 1},
       {1, 2, 1, 1},
       {1, 1, 2, 1},
       {0, 0, 2, 0},
       {0, 1, 2, 0}},
      {DType::float32, {11}, {}, {4}, {3}, {2}, {2}, {3}},
      {DType::float32, {5, 6}, {}, {1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}},
      {DType::float32, {3, 4}, {}, {2, 2}, {1, 1}, {1, 1}, {-1, 3}, {0, 3}},
      {DType::float32, {}, {}, {}, {}, {}, {}, {}},
  };
  for (WindowDesc& d : cases) {
    for (size_t a = 0; a < d.in.size(); ++a)
      d.out.push_back((d.in[a] + d.low[a] + d.high[a] - ((d.size[a] - 1) * d.dilation[a] + 1)) / d.stride[a] +
                      1);
    const int64_t ins = count_of(d.in), outs = count_of(d.out);
    std::vector<float> x = some(ins, 5), ct = some(outs), y(outs), dx(ins), expected(outs);
    for (Window op : {Window::sum, Window::max, Window::min}) {
      const float infinity = std::numeric_limits<float>::infinity();
      std::fill(expected.begin(), expected.end(),
                op == Window::sum   ? 0
                : op == Window::max ? -infinity
                                    : infinity);
      walk(d, [&](int64_t o, int64_t i) {
        if (i < 0) return;
        expected[o] = op == Window::sum   ? expected[o] + x[i]
                      : op == Window::max ? std::max(expected[o], x[i])
                                          : std::min(expected[o], x[i]);
      });
      reduce_window(op, d, x.data(), y.data());
      CHECK(y == expected);
    }
    std::vector<float> sums(ins, 0), firsts(ins, 0), best(outs);
    std::vector<int64_t> place(outs, -1);
    walk(d, [&](int64_t o, int64_t i) {
      if (i < 0) return;
      sums[i] += ct[o];
      if (place[o] < 0 || x[i] > best[o]) place[o] = i, best[o] = x[i];
    });
    for (int64_t o = 0; o < outs; ++o)
      if (place[o] >= 0) firsts[place[o]] += ct[o];
    window_sum_grad(d, ct.data(), dx.data());
    CHECK(dx == sums);
    window_max_grad(d, x.data(), ct.data(), dx.data());
    CHECK(dx == firsts);
    const std::vector<float> t = some(ins);
    window_max_pick(d, x.data(), t.data(), y.data());
    for (int64_t o = 0; o < outs; ++o) expected[o] = place[o] >= 0 ? t[place[o]] : 0;
    CHECK(y == expected);
  }
}

// Values of every kind in a dtype: few distinct ones, so that maxima repeat, with zeros of both signs and
// NaN.
std::vector<char> mixed(DType dtype, int64_t count, int seed) {
  std::vector<char> out(static_cast<size_t>(count * size_of(dtype)));
  std::mt19937 random(seed);
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    T* const values = reinterpret_cast<T*>(out.data());
    for (int64_t i = 0; i < count; ++i) {
      const int pick = static_cast<int>(random() % 23);
      if constexpr (std::is_floating_point_v<Wide<T>>)
        values[i] = T(pick == 0   ? std::numeric_limits<float>::quiet_NaN()
                      : pick == 1 ? -0.0f
                      : pick == 2 ? -std::numeric_limits<float>::infinity()
                                  : static_cast<float>(pick - 12) * 0.37f);
      else values[i] = narrow<T>(std::is_same_v<T, bool> ? pick % 3 / 2 : pick - 11);
    }
  });
  return out;
}

// [slices, positions, channels] -> [slices, channels, positions]
std::vector<char> channels_first(const std::vector<char>& x, int64_t positions, int64_t channels,
                                 int64_t item) {
  std::vector<char> out(x.size());
  if (x.empty()) return out;
  const int64_t slices = static_cast<int64_t>(x.size()) / (positions * channels * item);
  for (int64_t s = 0; s < slices; ++s)
    for (int64_t p = 0; p < positions; ++p)
      for (int64_t c = 0; c < channels; ++c)
        std::memcpy(&out[static_cast<size_t>(((s * channels + c) * positions + p) * item)],
                    &x[static_cast<size_t>(((s * positions + p) * channels + c) * item)],
                    static_cast<size_t>(item));
  return out;
}

struct WindowResults {
  std::vector<char> sum, max, min, sum_grad, max_grad, pick;
  bool operator==(const WindowResults&) const = default;
};
WindowResults all_windows(const WindowDesc& d, const char* x, const char* ct, const char* t) {
  const size_t ins = static_cast<size_t>(count_of(d.in) * size_of(d.dtype)),
               outs = static_cast<size_t>(count_of(d.out) * size_of(d.dtype));
  WindowResults r;
  for (std::vector<char>* result : {&r.sum, &r.max, &r.min, &r.pick}) result->resize(outs);
  r.sum_grad.resize(ins), r.max_grad.resize(ins);
  reduce_window(Window::sum, d, x, r.sum.data());
  reduce_window(Window::max, d, x, r.max.data());
  reduce_window(Window::min, d, x, r.min.data());
  window_sum_grad(d, ct, r.sum_grad.data());
  window_max_grad(d, x, ct, r.max_grad.data());
  window_max_pick(d, x, t, r.pick.data());
  return r;
}

// Every slice and channel is independent: all of them at once, with channels last, and one by one must give
// the same bits.
void independent_lanes() {
  struct Case {
    Shape in;  // of one lane
    Ints size, stride, dilation, low, high;
    int64_t slices, channels;
  };
  const std::vector<Case> cases{
      {{6, 8}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, 5, 32},
      {{7, 9}, {2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}, 3, 16},
      {{7, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}, 2, 80},
      {{9, 10}, {3, 2}, {1, 3}, {2, 1}, {0, 1}, {2, 0}, 21, 1},
      {{17}, {3}, {2}, {1}, {1}, {1}, 19, 3},
      {{4, 5, 6}, {2, 1, 3}, {2, 1, 3}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}, 2, 17},
      {{3, 3}, {2, 2}, {2, 2}, {1, 1}, {3, 0}, {0, 2}, 4, 8},
      {{5, 0}, {2, 1}, {1, 1}, {1, 1}, {0, 1}, {0, 1}, 4, 16},
  };
  for (const Case& c : cases)
    for (const DType dtype :
         {DType::float32, DType::float64, DType::float16, DType::bfloat16, DType::int8, DType::uint8,
          DType::int16, DType::int32, DType::uint32, DType::int64, DType::uint64}) {
      WindowDesc one{dtype, c.in, {}, c.size, c.stride, c.dilation, c.low, c.high};
      for (size_t a = 0; a < c.in.size(); ++a)
        one.out.push_back(
            (c.in[a] + c.low[a] + c.high[a] - ((c.size[a] - 1) * c.dilation[a] + 1)) / c.stride[a] + 1);
      WindowDesc last = one;
      const auto wrapped = [&](auto list, int64_t front, int64_t back) {
        list.insert(0, front);
        list.push_back(back);
        return list;
      };
      last.in = wrapped(one.in, c.slices, c.channels), last.out = wrapped(one.out, c.slices, c.channels);
      last.size = wrapped(one.size, 1, 1), last.stride = wrapped(one.stride, 1, 1);
      last.dilation = wrapped(one.dilation, 1, 1);
      last.low = wrapped(one.low, 0, 0), last.high = wrapped(one.high, 0, 0);
      WindowDesc first = one;
      const auto headed = [](auto list, int64_t front) {
        list.insert(0, front);
        return list;
      };
      const int64_t lanes = c.slices * c.channels, item = size_of(dtype), ins = count_of(one.in),
                    outs = count_of(one.out);
      first.in = headed(one.in, lanes), first.out = headed(one.out, lanes), first.size = headed(one.size, 1);
      first.stride = headed(one.stride, 1), first.dilation = headed(one.dilation, 1);
      first.low = headed(one.low, 0), first.high = headed(one.high, 0);

      const std::vector<char> x = mixed(dtype, lanes * ins, 1), ct = mixed(dtype, lanes * outs, 2),
                              t = mixed(dtype, lanes * ins, 3);
      WindowResults together = all_windows(last, x.data(), ct.data(), t.data());
      for (std::vector<char>* r : {&together.sum, &together.max, &together.min, &together.pick})
        *r = channels_first(*r, outs, c.channels, item);
      for (std::vector<char>* r : {&together.sum_grad, &together.max_grad})
        *r = channels_first(*r, ins, c.channels, item);
      const std::vector<char> x1 = channels_first(x, ins, c.channels, item),
                              ct1 = channels_first(ct, outs, c.channels, item),
                              t1 = channels_first(t, ins, c.channels, item);
      CHECK(all_windows(first, x1.data(), ct1.data(), t1.data()) == together);
      WindowResults apart;
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const WindowResults r = all_windows(one, x1.data() + lane * ins * item,
                                            ct1.data() + lane * outs * item, t1.data() + lane * ins * item);
        for (std::vector<char> WindowResults::* part :
             {&WindowResults::sum, &WindowResults::max, &WindowResults::min, &WindowResults::sum_grad,
              &WindowResults::max_grad, &WindowResults::pick})
          (apart.*part).insert((apart.*part).end(), (r.*part).begin(), (r.*part).end());
      }
      CHECK(apart == together);
    }
}

}  // namespace

int main() {
  for (int threads : {1, 3}) {
    set_num_threads(threads);
    sorting();
    running_sums();
    scattering();
    windows();
    independent_lanes();
  }
  return finish("native_test");
}
