// Every elementwise record on special values: the scalar IR, read by a slow interpreter, and the block loops
// of every instruction set agree to the last bit; and the values that the documentation promises.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "check.h"
#include "ops/elementwise.h"
#include "scalar_interpreter.h"

using namespace pg;
using scalar_interpreter::bits_of;
using scalar_interpreter::Number;

namespace {

std::mt19937_64 random_bits(11);

std::vector<Number> samples(DType d, int more) {
  std::vector<Number> out;
  if (is_bool(d)) return {{0, 0}, {0, 1}};
  if (is_complex(d)) {
    const double inf = std::numeric_limits<double>::infinity();
    std::vector<double> part{0.0, -0.0, 1.0, -2.5, 1e-20, 3e30, inf, std::nan("")};
    if (more > 3)
      for (const double v : {-1.0, 0.5, 0.7, 25.0, -45.0, 95.0, 720.0, -1e-9, 1e200, 1e-300, -inf})
        part.push_back(v);
    const DType half = real_type(d);
    for (const double re : part)
      for (const double im : part)
        out.push_back({scalar_interpreter::round_to(half, re), 0, scalar_interpreter::round_to(half, im)});
    return out;
  }
  if (is_float(d)) {
    const double inf = std::numeric_limits<double>::infinity();
    for (const double v : {0.0,
                           1.0,
                           0.5,
                           1.5,
                           2.5,
                           0.3,
                           3.0,
                           2.0,
                           7.0,
                           8.0,
                           10.0,
                           1000.0,
                           0.9,
                           0.99999,
                           17.2,
                           21.0,
                           33000.0,
                           65519.0,
                           65520.0,
                           88.7,
                           88.73,
                           89.5,
                           103.9,
                           104.1,
                           127.5,
                           255.5,
                           2147483648.0,
                           4294967296.0,
                           9223372036854775808.0,
                           18446744073709551616.0,
                           1e-5,
                           1e-7,
                           6e-8,
                           1e-30,
                           1e-38,
                           1e-45,
                           3.4e38,
                           1e300,
                           5e-324,
                           inf})
      for (const double sign : {1.0, -1.0}) {
        const double held = scalar_interpreter::round_to(d, sign * v);
        out.push_back({held, 0});
      }
    out.push_back({std::nan(""), 0});
    for (int i = 0; i < more; ++i) {
      const double x = scalar_interpreter::from_bits(d, random_bits()).real;
      out.push_back({std::isnan(x) ? 1.25 : x, 0});
      out.push_back({scalar_interpreter::round_to(
                         d, std::ldexp(static_cast<double>(random_bits() % 2000) - 1000.0, -7)),
                     0});
    }
    return out;
  }
  const int w = scalar_interpreter::width(d);
  for (const int64_t v : {0, 1, 2, 3, 5, 7, 10, 100, -1, -2, -3, -7, -100, w - 1, w, w + 1, -w})
    out.push_back({0, scalar_interpreter::wrap(d, v)});
  for (const int shift : {w - 2, w - 1, w})
    for (const int by : {-1, 0, 1})
      out.push_back({0, scalar_interpreter::wrap(d, (static_cast<__int128>(1) << shift) + by)});
  for (int i = 0; i < more; ++i)
    out.push_back({0, scalar_interpreter::wrap(d, static_cast<int64_t>(random_bits()))});
  return out;
}

// Registers: float16 and bfloat16 live in float32.
void put(std::vector<uint8_t>& block, DType d, size_t i, const Number& v) {
  const DType held = compute_type(d);
  if (is_complex(d)) {
    const DType part = real_type(d);
    put(block, part, 2 * i, {v.real, 0});
    put(block, part, 2 * i + 1, {v.imag, 0});
    return;
  }
  const uint64_t raw = bits_of(held, v);
  std::memcpy(block.data() + i * size_of(held), &raw, size_of(held));
}
Number get(const std::vector<uint8_t>& block, DType d, size_t i) {
  const DType held = compute_type(d);
  if (is_complex(d)) {
    const DType part = real_type(d);
    return {get(block, part, 2 * i).real, 0, get(block, part, 2 * i + 1).real};
  }
  uint64_t raw = 0;
  std::memcpy(&raw, block.data() + i * size_of(held), size_of(held));
  return scalar_interpreter::from_bits(held, raw);
}

bool same(DType d, const Number& a, const Number& b) {
  if (is_complex(d))
    return same(DType::float64, {a.real, 0}, {b.real, 0}) && same(DType::float64, {a.imag, 0}, {b.imag, 0});
  if (!is_float(d)) return a.whole == b.whole;
  if (std::isnan(a.real) || std::isnan(b.real)) return std::isnan(a.real) && std::isnan(b.real);
  return std::bit_cast<uint64_t>(a.real) == std::bit_cast<uint64_t>(b.real);
}

/// A bare infer: the result's dtype, or nothing where the op refuses the operands.
bool result_dtype(const Op& op, const std::vector<DType>& in, const Attrs& attrs, DType& out) {
  std::vector<Aval> avals;
  for (const DType d : in) avals.push_back({Shape{4}, d, false, {}});
  try {
    out = op.infer(avals, attrs).dtype;
    return true;
  } catch (const Error&) {
    return false;
  }
}

int64_t compared = 0;

void compare(const Op& op, const std::vector<DType>& types, const Attrs& attrs) {
  DType out;
  if (!result_dtype(op, types, attrs, out)) return;
  const Elementwise& lower = *op.as<Elementwise>();
  const std::span<const int64_t> words(attrs.data(), attrs.size());
  const ir::BlockFn block = lower.block(types, out, words);
  CHECK(block != nullptr);
  if (!block) return;

  ir::Builder builder;
  std::vector<ir::Sym> operands;
  for (const DType d : types) operands.push_back(builder.input(d));
  const ir::Sym result = lower.emit(operands, words);
  CHECK(result.dtype == out);

  // All pairs of two operands; further ones vary with the position.
  std::vector<std::vector<Number>> values;
  for (const DType d : types) values.push_back(samples(d, types.size() == 1 ? 400 : 3));
  const bool pairs = types.size() > 1;
  const size_t first = types.size() == 3 ? 1 : 0;  // where: the condition is the rest
  const size_t n = pairs ? values[first].size() * values[first + 1].size() : values[0].size();
  std::vector<std::vector<uint8_t>> blocks(types.size(), std::vector<uint8_t>(n * 16));
  std::vector<std::vector<Number>> rows(n, std::vector<Number>(types.size()));
  for (size_t i = 0; i < n; ++i)
    for (size_t k = 0; k < types.size(); ++k) {
      const size_t many = values[k].size(), row = values[first].size();
      const size_t at = !pairs           ? i
                        : k == first     ? i % row
                        : k == first + 1 ? i / row
                                         : (i * 7 + i / 3 + k) % many;
      rows[i][k] = values[k][at];
      put(blocks[k], types[k], i, values[k][at]);
    }
  std::vector<uint8_t> got(n * 16 + 64);
  std::vector<const void*> in;
  for (const auto& b : blocks) in.push_back(b.data());
  block(got.data(), in.data(), static_cast<int64_t>(n));
  if (is_half(out) && &op != &astype_op && &op != &bitcast_op) {
    const void* self[] = {got.data()};
    ir::round_block(out)(got.data(), self, static_cast<int64_t>(n));
  }
  int shown = 0;
  for (size_t i = 0; i < n; ++i) {
    const Number want = scalar_interpreter::evaluate(builder, result.id, rows[i]), have = get(got, out, i);
    ++compared;
    if (same(out, want, have)) continue;
    ++check_failures;
    if (++shown > 3) continue;
    std::fprintf(stderr, "%s: %s ->", op.name.c_str(), std::string(name_of(out)).c_str());
    for (size_t k = 0; k < types.size(); ++k)
      std::fprintf(stderr, " %s %.17g/%lld/%.17g", std::string(name_of(types[k])).c_str(), rows[i][k].real,
                   static_cast<long long>(rows[i][k].whole), rows[i][k].imag);
    std::fprintf(stderr, ": IR %.17g/%lld/%.17g, block %.17g/%lld/%.17g\n", want.real,
                 static_cast<long long>(want.whole), want.imag, have.real, static_cast<long long>(have.whole),
                 have.imag);
  }
}

void compare_all() {
  std::vector<DType> dtypes;
  for (const char* name : {"bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                           "float16", "bfloat16", "float32", "float64", "complex64", "complex128"})
    dtypes.push_back(dtype_from_name(name));
  int records = 0;
  for (const Op* op : all_ops()) {
    if (!op->elementwise()) continue;
    ++records;
    for (const DType d : dtypes) {
      if (op == &astype_op || op == &bitcast_op) {
        for (const DType to : dtypes) compare(*op, {d}, {static_cast<int64_t>(to)});
      } else if (op == &where_op) {
        compare(*op, {DType::bool_, d, d}, {});
      } else if (op == &threefry_op) {
        for (int64_t word = 0; word < 3; ++word) compare(*op, {d, d, d, d}, {word});
      } else {
        compare(*op, std::vector<DType>(op->arity, d), {});
      }
    }
  }
  CHECK(records >= 60);
}

// ---- promised values ------------------------------------------------------------------------------------

template <class T, class R = T> R one(const Op& op, T x, T y = T{}) {
  const DType d = ir::dtype_of<T>;
  const std::vector<DType> types(op.arity, d);
  DType out = d;
  CHECK(result_dtype(op, types, {}, out) && out == ir::dtype_of<R>);
  const void* in[] = {&x, &y};
  R r{};
  op.as<Elementwise>()->block(types, out, {})(&r, in, 1);
  return r;
}
template <class To, class T> To cast(T x) {
  const DType from = ir::dtype_of<T>;
  const void* in[] = {&x};
  To r{};
  astype_op.as<Elementwise>()->block({&from, 1}, ir::dtype_of<To>, {})(&r, in, 1);
  return r;
}
bool minus_zero(float x) { return x == 0 && std::signbit(x); }

void promised_values() {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  constexpr auto least = std::numeric_limits<int32_t>::min(), most = std::numeric_limits<int32_t>::max();
  CHECK(one<int32_t>(floor_divide_op, 7, 0) == 0 && one<int32_t>(remainder_op, 7, 0) == 0 &&
        one<int32_t>(fmod_op, 7, 0) == 0);
  CHECK(one<int32_t>(floor_divide_op, least, -1) == least && one<int32_t>(remainder_op, least, -1) == 0);
  CHECK(one<int32_t>(floor_divide_op, -7, 2) == -4 && one<int32_t>(remainder_op, -7, 2) == 1 &&
        one<int32_t>(fmod_op, -7, 2) == -1);
  CHECK(one<int8_t>(add_op, 127, 1) == -128 && one<int8_t>(mul_op, 100, 100) == 16 &&
        one<int8_t>(neg_op, -128) == -128);
  CHECK(one<int32_t>(shift_left_op, 1, 32) == 0 && one<int32_t>(shift_right_op, -5, 40) == -1 &&
        one<int32_t>(shift_right_op, 5, -1) == 0);
  CHECK(one<int32_t>(pow_op, 3, 5) == 243 && one<int32_t>(pow_op, 0, 0) == 1 &&
        one<int32_t>(pow_op, -1, -3) == -1);
  CHECK(one<int32_t>(pow_op, 2, -1) == 0 && one<uint64_t>(pow_op, 3, 40) == 12157665459056928801ull);
  CHECK(cast<int32_t>(nan) == 0 && cast<int32_t>(inf) == most && cast<int32_t>(-3e9f) == least &&
        cast<int32_t>(-1.9f) == -1);
  CHECK(cast<uint8_t>(-1.0f) == 0 && cast<uint8_t>(300.0f) == 255 && cast<uint8_t>(int32_t{300}) == 44 &&
        cast<bool>(nan));
  CHECK(minus_zero(one(floor_divide_op, -1.0f, inf)) && one(remainder_op, -1.0f, inf) == inf &&
        one(remainder_op, 5.0f, -3.0f) == -1.0f);
  CHECK(one(floor_divide_op, 1.0f, 0.0f) == inf && std::isnan(one(remainder_op, 1.0f, 0.0f)));
  CHECK(minus_zero(one(remainder_op, 6.0f, -3.0f)) && minus_zero(one(minimum_op, 0.0f, -0.0f)));
  CHECK(!minus_zero(one(maximum_op, -0.0f, 0.0f)) && !minus_zero(one(maximum_op, 0.0f, -0.0f)));
  CHECK(std::isnan(one(maximum_op, nan, 1.0f)) && std::isnan(one(maximum_op, 1.0f, nan)) &&
        std::isnan(one(minimum_op, 1.0f, nan)));
  CHECK(one(round_op, 2.5f) == 2.0f && one(round_op, 3.5f) == 4.0f && minus_zero(one(round_op, -0.5f)));
  CHECK(one(sign_op, -3.0f) == -1.0f && one(sign_op, -0.0f) == 0.0f && std::isnan(one(sign_op, nan)));
  CHECK(one(pow_op, nan, 0.0f) == 1.0f && one(pow_op, 1.0f, nan) == 1.0f &&
        one(pow_op, -8.0f, 3.0f) == -512.0f);
  CHECK(one(pow_op, -0.0f, -3.0f) == -inf && std::isnan(one(pow_op, -8.0f, 0.5f)));
  CHECK((one<float, bool>(signbit_op, -0.0f)) && (one<float, bool>(isnan_op, nan)) &&
        !(one<float, bool>(less_op, nan, 1.0f)));

  for (int e = -140; e <= 120; ++e) {
    const float p = std::ldexp(1.0f, e);
    CHECK(one(log2_op, p) == static_cast<float>(e) && one(exp2_op, static_cast<float>(e)) == p);
  }
  float ten = 1;
  for (int e = 0; e <= 10; ++e, ten *= 10) CHECK(one(log10_op, ten) == static_cast<float>(e));
  for (const Op* odd : {&sin_op, &tan_op, &asin_op, &atan_op, &sinh_op, &tanh_op, &asinh_op, &atanh_op,
                        &erf_op, &expm1_op, &log1p_op})
    CHECK(minus_zero(one(*odd, -0.0f)) && !minus_zero(one(*odd, 0.0f)));
  CHECK(one(exp_op, -inf) == 0 && one(exp_op, inf) == inf && one(exp_op, 0.0f) == 1 &&
        std::isnan(one(exp_op, nan)));
  CHECK(one(exp_op, -103.0f) == 1.4012985e-45f &&
        one(log_op, 1.4012985e-45f) == -103.278929f);  // subnormals are kept
  CHECK(one(log_op, 0.0f) == -inf && std::isnan(one(log_op, -1.0f)) && one(log1p_op, -1.0f) == -inf);
  CHECK(one(sin_op, 1e30f) == static_cast<float>(std::sin(double{1e30f})) && std::isnan(one(sin_op, inf)));
  CHECK(one(sigmoid_op, 40.0f) == 1 && one(sigmoid_op, -40.0f) == 4.24835426e-18f &&
        one(sigmoid_op, -800.0f) == 0);
  CHECK(one(rsqrt_op, 0.0f) == inf && one(rsqrt_op, inf) == 0 && one(rsqrt_op, 4.0f) == 0.5f &&
        std::isnan(one(rsqrt_op, -1.0f)));
}

void half_blocks() {
  for (const DType d : {DType::float16, DType::bfloat16}) {
    std::vector<uint16_t> all(65536), back(65536);
    for (int i = 0; i < 65536; ++i) all[i] = static_cast<uint16_t>(i);
    std::vector<float> wide(65536);
    const void *from[] = {all.data()}, *via[] = {wide.data()};
    ir::load_block(d)(wide.data(), from, 65536);
    ir::store_block(d)(back.data(), via, 65536);
    for (int i = 0; i < 65536; ++i) {
      const float want = d == DType::float16 ? half_to_float(all[i]) : bfloat16_to_float(all[i]);
      CHECK(std::isnan(want) ? std::isnan(wide[i])
                             : std::bit_cast<uint32_t>(want) == std::bit_cast<uint32_t>(wide[i]));
      if (!std::isnan(want)) CHECK(back[i] == all[i]);
    }
    for (float& v : wide) v = std::bit_cast<float>(static_cast<uint32_t>(random_bits()));
    std::vector<float> rounded(65536);
    ir::round_block(d)(rounded.data(), via, 65536);
    ir::store_block(d)(back.data(), via, 65536);
    for (int i = 0; i < 65536; ++i) {
      const uint16_t want = d == DType::float16 ? float_to_half(wide[i]) : float_to_bfloat16(wide[i]);
      const float held = d == DType::float16 ? half_to_float(want) : bfloat16_to_float(want);
      CHECK(std::isnan(held) ? std::isnan(rounded[i]) : held == rounded[i]);
      if (!std::isnan(held)) CHECK(back[i] == want);
    }
  }
}

// ---- records --------------------------------------------------------------------------------------------

void errors_and_identities() {
  const Aval f32{Shape{2, 3}, DType::float32, false, {}}, f64{Shape{2, 3}, DType::float64, false, {}};
  const Aval row{Shape{3}, DType::float32, false, {}}, i32{Shape{2, 3}, DType::int32, false, {}};
  const Aval weak{Shape{2, 3}, DType::float32, true, {}};
  const auto add = [](const Aval& a, const Aval& b) {
    const std::array<Aval, 2> in{a, b};
    return add_op.infer(in, {});
  };
  CHECK(raised(ErrorKind::shape, [&] { add(f32, row); }) ==
        "add: the operands have shapes (2, 3) and (3,), but the op takes equal ones; broadcast them to one "
        "shape first");
  CHECK(raised(ErrorKind::dtype, [&] { add(f32, f64); }) ==
        "add: the operands are float32 and float64, but the op takes one dtype; convert one of them with "
        "astype()");
  CHECK(raised(ErrorKind::dtype, [&] { sin_op.infer({&i32, 1}, {}); }) ==
        "sin: not defined for int32; convert with astype() to one of float16, bfloat16, float32, float64, "
        "complex64, complex128");
  CHECK(add(weak, weak).weak && !add(weak, f32).weak);

  const NodeRef x = full_node(3.0, f32), zero = zeros_like(f32), minus = negative_zeros_like(f32),
                one_ = full_node(1.0, f32);
  CHECK(x + minus == x && minus + x == x && x + zero != x && x - zero == x && x - minus != x);
  CHECK(x * one_ == x && one_ * x == x && x / one_ == x && -(-x) == x && astype(x, DType::float32) == x);
  CHECK((minus - x)->op == &neg_op && binary(pow_op, x, one_) == x && binary(maximum_op, x, x) == x);
  CHECK(where(make(less_op, {x, zero}), x, x) == x);
  const NodeRef w = full_node(3.0, weak);
  CHECK(w * one_ != w && w * full_node(1.0, weak) == w);
}

void printing() {
  ir::Builder b;
  const ir::Sym x = b.input(DType::float32), y = b.input(DType::float32);
  const ir::Sym product = x * y, sum = x * y + 1;
  ir::select(x > y, sum, product);
  CHECK(b.print() == "%0:f32 = input 0\n%1:f32 = input 1\n%2:f32 = mul %0 %1\n%3:f32 = literal 1\n%4:f32 = "
                     "add %2 %3\n%5:bool = less %1 %0\n"
                     "%6:f32 = select %5 %4 %2\n");
}

int run_all(const char* isa) {
  setenv("PG_ISA", isa, 1);
  compare_all();
  promised_values();
  half_blocks();
  errors_and_identities();
  printing();
  std::printf("%s: %lld values\n", isa, static_cast<long long>(compared));
  return finish(isa);
}

}  // namespace

int main() {
  // The instruction set is chosen once per process.
  int failed = 0;
  for (const char* isa : {"baseline", "avx2", "avx512"}) {
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      const int code = run_all(isa);
      std::fflush(nullptr);
      _exit(code);
    }
    int status = 0;
    waitpid(child, &status, 0);
    failed |= status;
  }
  return failed ? 1 : 0;
}
