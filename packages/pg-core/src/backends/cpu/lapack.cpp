// Size: one routine of LAPACK after the other, each with what it takes to call it on rows.
#include "backends/cpu/lapack.h"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <complex>
#include <cstring>
#include <mutex>
#include <type_traits>

#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

using Int = int64_t;
using Length = size_t;  // of a character argument, behind all others

template <class T> struct RealOf {
  using type = T;
};
template <class T> struct RealOf<std::complex<T>> {
  using type = T;
};
template <class T> using Real = typename RealOf<T>::type;
template <class T> constexpr bool is_complex = !std::is_same_v<T, Real<T>>;

/// The routines for one type of numbers, under the names of the real ones.
template <class T> struct Routines {
  using R = Real<T>;
  void (*getrf)(const Int* m, const Int* n, T* a, const Int* lda, Int* pivots, Int* info);
  void (*getrs)(const char* trans, const Int* n, const Int* nrhs, const T* a, const Int* lda,
                const Int* pivots, T* b, const Int* ldb, Int* info, Length);
  void (*gesv)(const Int* n, const Int* nrhs, T* a, const Int* lda, Int* pivots, T* b, const Int* ldb,
               Int* info);
  void (*getri)(const Int* n, T* a, const Int* lda, const Int* pivots, T* work, const Int* lwork, Int* info);
  void (*potrf)(const char* uplo, const Int* n, T* a, const Int* lda, Int* info, Length);
  void (*geqrf)(const Int* m, const Int* n, T* a, const Int* lda, T* tau, T* work, const Int* lwork,
                Int* info);
  void (*orgqr)(const Int* m, const Int* n, const Int* k, T* a, const Int* lda, const T* tau, T* work,
                const Int* lwork, Int* info);
  void (*syevd)();  // the complex ones take one array more: cast where they are called
  void (*gesdd)();
};
Routines<float> floats;
Routines<double> doubles;
Routines<std::complex<float>> complex_floats;
Routines<std::complex<double>> complex_doubles;

template <class T> const Routines<T>& routines() {
  if constexpr (std::is_same_v<T, float>) return floats;
  else if constexpr (std::is_same_v<T, double>) return doubles;
  else if constexpr (std::is_same_v<T, std::complex<float>>) return complex_floats;
  else return complex_doubles;
}

template <class T> bool find_all(void* library, char letter, Routines<T>& to) {
  bool all = true;
  const auto find = [&](auto& pointer, std::string name) {
    name = letter + name + "_64_";
    void* found = dlsym(library, ("scipy_" + name).c_str());
    if (!found) found = dlsym(library, name.c_str());
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(found);
    all = all && found;
  };
  find(to.getrf, "getrf");
  find(to.getrs, "getrs");
  find(to.gesv, "gesv");
  find(to.getri, "getri");
  find(to.potrf, "potrf");
  find(to.geqrf, "geqrf");
  find(to.orgqr, is_complex<T> ? "ungqr" : "orgqr");
  find(to.syevd, is_complex<T> ? "heevd" : "syevd");
  find(to.gesdd, "gesdd");
  return all;
}

template <class T> Int as_count(const T& work) { return static_cast<Int>(std::real(work)); }

void (*set_threads)(int) = nullptr;  // the library's own; null where it has none to set
int (*get_threads)() = nullptr;

/// Keeps the library to one thread while it lives, if `wanted`. Its threads slow QR, singular values and
/// Cholesky of moderate matrices down, up to twofold, because they meet after every column. The setting is
/// the process's: the first of these takes it, the last gives it back.
class OneThread {
 public:
  explicit OneThread(bool wanted) : on_(wanted && set_threads && get_threads) {
    if (!on_) return;
    const std::lock_guard lock(mutex);
    if (living++ == 0) {
      before = get_threads();
      set_threads(1);
    }
  }
  ~OneThread() {
    if (!on_) return;
    const std::lock_guard lock(mutex);
    if (--living == 0) set_threads(before);
  }
  OneThread(const OneThread&) = delete;

 private:
  static inline std::mutex mutex;
  static inline int living = 0, before = 1;
  bool on_;
};

/// Working memory, cut into pieces.
class Pieces {
 public:
  template <class... Pointers> explicit Pieces(std::pair<Pointers*&, Int>... wanted) {
    Length bytes = 0;
    ((bytes += size_of(wanted)), ...);
    memory_ = allocate(bytes);
    char* at = static_cast<char*>(memory_->data);
    ((wanted.first = reinterpret_cast<Pointers*>(at), at += size_of(wanted)), ...);
  }

 private:
  BufferRef memory_;

  template <class P> static Length size_of(const std::pair<P*&, Int>& wanted) {
    return (static_cast<Length>(wanted.second) * sizeof(P) + 63) / 64 * 64;
  }
};
template <class P> std::pair<P*&, Int> piece(P*& pointer, Int count) { return {pointer, count}; }

struct Stack {
  Int count, rows, columns;
  Int size() const { return rows * columns; }
};
Stack stack_of(const Aval& type) {
  const Length rank = type.shape.size();
  Stack out{1, type.shape[rank - 2], type.shape[rank - 1]};
  for (Length i = 0; i + 2 < rank; ++i) out.count *= type.shape[i];
  return out;
}

/// one(i) for every matrix, several at a time where each is too small for the library's own threads. `work`
/// is about the arithmetic of one. False when one of them returned false.
template <class F> bool each(const Stack& a, double work, F one) {
  if (a.count == 1) return one(0);
  std::atomic<bool> good{true};
  const Int grain = work > 1e6 ? a.count : std::max<Int>(1, static_cast<Int>(1e6 / (work + 200)));
  parallel_for(a.count, grain, [&](Int begin, Int end, int) {
    for (Int i = begin; i < end && good.load(std::memory_order_relaxed); ++i)
      if (!one(i)) good = false;
  });
  return good;
}
double cube(const Stack& a) {
  return static_cast<double>(a.rows) * static_cast<double>(a.columns) *
         static_cast<double>(std::min(a.rows, a.columns));
}

template <class T> void transpose(const T* from, Int rows, Int columns, T* to) {
  constexpr Int tile = 16;
  for (Int i = 0; i < rows; i += tile)
    for (Int j = 0; j < columns; j += tile)
      for (Int r = i; r < std::min(rows, i + tile); ++r)
        for (Int c = j; c < std::min(columns, j + tile); ++c) to[c * rows + r] = from[r * columns + c];
}

/// The upper triangle of a matrix by columns as rows x columns by rows, zero below.
template <class T> void transpose_upper(const T* from, Int lead, Int rows, Int columns, T* to) {
  constexpr Int tile = 16;
  for (Int i = 0; i < rows; i += tile)
    for (Int j = 0; j < columns; j += tile)
      for (Int r = i; r < std::min(rows, i + tile); ++r)
        for (Int c = j; c < std::min(columns, j + tile); ++c)
          to[r * columns + c] = c < r ? T(0) : from[c * lead + r];
}

template <class T> void copy(const void* from, Int at, Int count, T* to) {
  std::memcpy(to, static_cast<const T*>(from) + at * count, static_cast<Length>(count) * sizeof(T));
}
/// The lower triangle of (a + a^H) / 2 by rows, or by columns; the rest of `to` is left alone.
template <class T> void copy_hermitian(const void* from, Int at, Int n, bool by_rows, T* to) {
  const T* const a = static_cast<const T*>(from) + at * n * n;
  constexpr Int tile = 16;
  for (Int i = 0; i < n; i += tile)
    for (Int j = 0; j <= i; j += tile)
      for (Int r = i; r < std::min(n, i + tile); ++r)
        for (Int c = j; c < std::min(r + 1, j + tile); ++c) {
          T mirrored = a[c * n + r];
          if constexpr (is_complex<T>) mirrored = std::conj(mirrored);
          to[by_rows ? r * n + c : c * n + r] = Real<T>(0.5) * (a[r * n + c] + mirrored);
        }
}
template <class T> T* item(void* base, Int at, Int count) { return static_cast<T*>(base) + at * count; }

using Types = std::span<const Aval>;
using Memory = void* const*;

// ---- LU

// LAPACK's pivots as the order of rows they lead to.
void order_of(const Int* pivots, Int steps, Int rows, Int* order) {
  for (Int i = 0; i < rows; ++i) order[i] = i;
  for (Int i = 0; i < steps; ++i) std::swap(order[i], order[pivots[i] - 1]);
}

template <class T> bool lu(Types in, Memory inputs, Memory outputs, bool strict) {
  const Stack a = stack_of(in[0]);
  const Int steps = std::min(a.rows, a.columns);
  return each(a, cube(a), [&](Int i) {
    const T* const from = static_cast<const T*>(inputs[0]) + i * a.size();
    T* columns;
    Int* pivots;
    const Pieces pieces(piece(columns, a.size()), piece(pivots, steps));
    Int info = 0;
    if (a.size()) {
      transpose(from, a.rows, a.columns, columns);
      routines<T>().getrf(&a.rows, &a.columns, columns, &a.rows, pivots, &info);
      transpose(columns, a.columns, a.rows, item<T>(outputs[0], i, a.size()));
    }
    int32_t* const exchanges = item<int32_t>(outputs[1], i, steps);
    for (Int j = 0; j < steps; ++j) exchanges[j] = static_cast<int32_t>(pivots[j] - 1);
    order_of(pivots, steps, a.rows, item<Int>(outputs[2], i, a.rows));
    return info == 0 || !strict;
  });
}

// A large matrix is not transposed: the factors are those of its transpose, with which getrs solves
// transposed. Of a small one the transpose costs less than a second call does.
template <class T> bool solve(Types in, Memory inputs, Memory outputs) {
  const Stack a = stack_of(in[0]), b = stack_of(in[1]);
  const bool small = a.rows <= 32, column = b.columns == 1;
  return each(a, cube(a) + 2.0 * static_cast<double>(a.rows * b.size()), [&](Int i) {
    if (!a.size()) return true;
    const T* const matrix = static_cast<const T*>(inputs[0]) + i * a.size();
    const T* const right = static_cast<const T*>(inputs[1]) + i * b.size();
    T* const x = item<T>(outputs[0], i, b.size());
    T *factors, *sides;
    Int *pivots, info = 0;
    const Pieces pieces(piece(factors, a.size()), piece(pivots, a.rows), piece(sides, column ? 0 : b.size()));
    if (column) sides = x;
    transpose(right, b.rows, b.columns, sides);
    if (small) {
      transpose(matrix, a.rows, a.rows, factors);
      routines<T>().gesv(&a.rows, &b.columns, factors, &a.rows, pivots, sides, &a.rows, &info);
    } else {
      std::copy(matrix, matrix + a.size(), factors);
      routines<T>().getrf(&a.rows, &a.rows, factors, &a.rows, pivots, &info);
      if (info == 0)
        routines<T>().getrs("T", &a.rows, &b.columns, factors, &a.rows, pivots, sides, &a.rows, &info, 1);
    }
    if (!column) transpose(sides, b.columns, b.rows, x);
    return info == 0;
  });
}

// The inverse of the transpose is the transpose of the inverse.
template <class T> bool inv(Types in, Memory inputs, Memory outputs) {
  const Stack a = stack_of(in[0]);
  return each(a, 3 * cube(a), [&](Int i) {
    if (!a.size()) return true;
    T *work, best;
    Int *pivots, info = 0, query = -1;
    T* const out = item<T>(outputs[0], i, a.size());
    routines<T>().getri(&a.rows, out, &a.rows, nullptr, &best, &query, &info);
    const Int room = as_count(best);
    const Pieces pieces(piece(pivots, a.rows), piece(work, room));
    copy(inputs[0], i, a.size(), out);
    routines<T>().getrf(&a.rows, &a.rows, out, &a.rows, pivots, &info);
    if (info == 0) routines<T>().getri(&a.rows, out, &a.rows, pivots, work, &room, &info);
    return info == 0;
  });
}

/// Calls done(i, factor's diagonal element of step j for all j, whether the number of exchanges is odd).
template <class T, class F> bool determinants(Types in, Memory inputs, F done) {
  const Stack a = stack_of(in[0]);
  return each(a, cube(a), [&](Int i) {
    T* factors;
    Int *pivots, info = 0;
    const Pieces pieces(piece(factors, a.size()), piece(pivots, a.rows));
    copy(inputs[0], i, a.size(), factors);
    if (a.size()) routines<T>().getrf(&a.rows, &a.rows, factors, &a.rows, pivots, &info);
    bool odd = false;
    for (Int j = 0; j < a.rows; ++j) odd ^= pivots[j] != j + 1;
    done(i, [&](Int j) { return factors[j * (a.rows + 1)]; }, a.rows, odd);
    return true;
  });
}

template <class T> bool slogdet(Types in, Memory inputs, Memory outputs) {
  return determinants<T>(in, inputs, [&](Int i, auto main, Int n, bool odd) {
    T sign = odd ? T(-1) : T(1);
    Real<T> size = 0;
    for (Int j = 0; j < n; ++j) {
      const T value = main(j);
      const Real<T> length = std::abs(value);
      if constexpr (is_complex<T>) sign *= length == 0 ? T(0) : value / length;
      else sign *= value > 0 ? T(1) : value < 0 ? T(-1) : value;
      size += std::log(length);
    }
    *item<T>(outputs[0], i, 1) = sign;
    *item<Real<T>>(outputs[1], i, 1) = size;
  });
}

template <class T> bool det(Types in, Memory inputs, Memory outputs) {
  return determinants<T>(in, inputs, [&](Int i, auto main, Int n, bool odd) {
    T product = odd ? T(-1) : T(1);
    for (Int j = 0; j < n; ++j) product *= main(j);
    *item<T>(outputs[0], i, 1) = product;
  });
}

// ---- Cholesky

// The lower triangle by rows is the upper one by columns, of the conjugate: U^H U = conj(A) for L = U^T.
template <class T> bool cholesky(Types in, Memory inputs, Memory outputs) {
  const Stack a = stack_of(in[0]);
  const OneThread one(a.rows <= 300);
  return each(a, cube(a) / 2, [&](Int i) {
    if (!a.size()) return true;
    T* const out = item<T>(outputs[0], i, a.size());
    copy_hermitian(inputs[0], i, a.rows, true, out);
    Int info = 0;
    routines<T>().potrf("U", &a.rows, out, &a.rows, &info, 1);
    for (Int r = 0; r < a.rows; ++r) std::fill(out + r * a.rows + r + 1, out + (r + 1) * a.rows, T(0));
    return info == 0;
  });
}

// ---- QR

// By columns: the routines for L Q, which would spare the transposes, take half as long again.
template <class T> bool qr(Types in, Memory inputs, Memory outputs, bool complete) {
  const Stack a = stack_of(in[0]);
  const OneThread one(std::min(a.rows, a.columns) <= 400);
  const Int k = std::min(a.rows, a.columns), wide = complete ? a.rows : k, lead = std::max<Int>(1, a.rows);
  return each(a, 4 * cube(a), [&](Int i) {
    T *const q = item<T>(outputs[0], i, a.rows * wide), *const r = item<T>(outputs[1], i, wide * a.columns);
    T *factors, *tau, *work, best[2];
    Int info = 0;
    const Int query = -1;
    routines<T>().geqrf(&a.rows, &a.columns, nullptr, &lead, nullptr, best, &query, &info);
    routines<T>().orgqr(&a.rows, &wide, &k, nullptr, &lead, nullptr, best + 1, &query, &info);
    const Int room = std::max(as_count(best[0]), as_count(best[1]));
    const Pieces pieces(piece(factors, lead * std::max(a.columns, wide)), piece(tau, k), piece(work, room));
    transpose(static_cast<const T*>(inputs[0]) + i * a.size(), a.rows, a.columns, factors);
    routines<T>().geqrf(&a.rows, &a.columns, factors, &lead, tau, work, &room, &info);
    if (info != 0) return false;
    transpose_upper(factors, lead, wide, a.columns, r);
    routines<T>().orgqr(&a.rows, &wide, &k, factors, &lead, tau, work, &room, &info);
    transpose(factors, wide, a.rows, q);
    return info == 0;
  });
}

// ---- eigenvalues and singular values

template <class T> void call_syevd(const char* job, const Int* n, T* a, Real<T>* w, T* work, const Int* room,
                                   Real<T>* reals, const Int* real_room, Int* ints, const Int* int_room,
                                   Int* info) {
  using R = Real<T>;
  if constexpr (is_complex<T>) {
    using F = void (*)(const char*, const char*, const Int*, T*, const Int*, R*, T*, const Int*, R*,
                       const Int*, Int*, const Int*, Int*, Length, Length);
    reinterpret_cast<F>(routines<T>().syevd)(job, "L", n, a, n, w, work, room, reals, real_room, ints,
                                             int_room, info, 1, 1);
  } else {
    using F = void (*)(const char*, const char*, const Int*, T*, const Int*, R*, T*, const Int*, Int*,
                       const Int*, Int*, Length, Length);
    reinterpret_cast<F>(routines<T>().syevd)(job, "L", n, a, n, w, work, room, ints, int_room, info, 1, 1);
  }
}

// Of the lower triangle by rows, which is the upper by columns, of the conjugate: so the vectors are
// conjugate.
template <class T> bool eigh(Types in, Memory inputs, Memory outputs, bool vectors) {
  const Stack a = stack_of(in[0]);
  const char* const job = vectors ? "V" : "N";
  return each(a, 9 * cube(a), [&](Int i) {
    if (!a.size()) return true;
    Real<T>* const w = item<Real<T>>(outputs[0], i, a.rows);
    T *factors, *work, best;
    Real<T>*reals, best_real = 0;
    Int *ints, best_int = 0, info = 0;
    const Int query = -1;
    call_syevd<T>(job, &a.rows, nullptr, w, &best, &query, &best_real, &query, &best_int, &query, &info);
    const Int room = as_count(best), real_room = static_cast<Int>(best_real), int_room = best_int;
    const Pieces pieces(piece(factors, a.size()), piece(work, room), piece(reals, real_room),
                        piece(ints, int_room));
    copy_hermitian(inputs[0], i, a.rows, false, factors);
    call_syevd<T>(job, &a.rows, factors, w, work, &room, reals, &real_room, ints, &int_room, &info);
    if (vectors) transpose(factors, a.rows, a.rows, item<T>(outputs[1], i, a.size()));
    return info == 0;
  });
}

template <class T> void call_gesdd(const char* job, const Int* m, const Int* n, T* a, Real<T>* s, T* u,
                                   const Int* ldu, T* vt, const Int* ldvt, T* work, const Int* room,
                                   Real<T>* reals, Int* ints, Int* info) {
  using R = Real<T>;
  if constexpr (is_complex<T>) {
    using F = void (*)(const char*, const Int*, const Int*, T*, const Int*, R*, T*, const Int*, T*,
                       const Int*, T*, const Int*, R*, Int*, Int*, Length);
    reinterpret_cast<F>(routines<T>().gesdd)(job, m, n, a, m, s, u, ldu, vt, ldvt, work, room, reals, ints,
                                             info, 1);
  } else {
    using F = void (*)(const char*, const Int*, const Int*, T*, const Int*, R*, T*, const Int*, T*,
                       const Int*, T*, const Int*, Int*, Int*, Length);
    reinterpret_cast<F>(routines<T>().gesdd)(job, m, n, a, m, s, u, ldu, vt, ldvt, work, room, ints, info, 1);
  }
}

// LAPACK gets a tall matrix, because wide ones take it longer. Of a wide one that is the transpose, which by
// columns lies as the matrix does by rows: U' s V'^H, so that A = conj(V') s U'^T, and both lie as we want
// them.
template <class T> bool svd(Types in, Memory inputs, Memory outputs, char job) {
  const Stack a = stack_of(in[0]);
  const OneThread one(std::min(a.rows, a.columns) <= 400);
  const bool vectors = job != 'N', tall = a.rows > a.columns;
  const Int m = std::max(a.rows, a.columns), n = std::min(a.rows, a.columns), wide = job == 'A' ? m : n;
  return each(a, 20 * cube(a), [&](Int i) {
    if (!a.size()) return false;  // full matrices of nothing are unit matrices
    Real<T>* const s = item<Real<T>>(outputs[vectors ? 1 : 0], i, n);
    T *factors, *work, *left, *right, best;
    Real<T>* reals;
    Int *ints, info = 0;
    const Int query = -1;
    call_gesdd<T>(&job, &m, &n, nullptr, s, nullptr, &m, nullptr, &n, &best, &query, nullptr, nullptr, &info);
    const Int room = as_count(best);
    const Int real_room = !is_complex<T> ? 0 : vectors ? n * std::max(5 * n + 7, 2 * m + 2 * n + 1) : 7 * n;
    const Int moved = vectors && tall;  // how many of a kind are transposed
    const Pieces pieces(piece(factors, a.size()), piece(work, room), piece(reals, real_room),
                        piece(ints, 8 * n), piece(left, moved * m * wide), piece(right, moved * n * n));
    if (vectors && !tall) {
      left = item<T>(outputs[2], i, wide * m);
      right = item<T>(outputs[0], i, n * n);
    }
    if (tall) transpose(static_cast<const T*>(inputs[0]) + i * a.size(), m, n, factors);
    else copy(inputs[0], i, a.size(), factors);
    call_gesdd<T>(&job, &m, &n, factors, s, left, &m, right, &n, work, &room, reals, ints, &info);
    if (vectors && tall) {
      transpose(left, wide, m, item<T>(outputs[0], i, m * wide));
      transpose(right, n, n, item<T>(outputs[2], i, n * n));
    }
    return info == 0 && std::isfinite(s[0]);
  });
}

// ---- by name

template <class F> bool with_type(DType dtype, F f) {
  switch (dtype) {
  case DType::float32: return f(float());
  case DType::float64: return f(double());
  case DType::complex64: return f(std::complex<float>());
  case DType::complex128: return f(std::complex<double>());
  default: return false;
  }
}

#define PG_ROUTINE(name, call)                                                                               \
  bool name(Types in, Memory inputs, Types, Memory outputs) {                                                \
    return with_type(in[0].dtype, [&](auto number) {                                                         \
      using T = decltype(number);                                                                            \
      return call;                                                                                           \
    });                                                                                                      \
  }
PG_ROUTINE(run_cholesky, cholesky<T>(in, inputs, outputs))
PG_ROUTINE(run_lu, lu<T>(in, inputs, outputs, false))
PG_ROUTINE(run_lu_nonsingular, lu<T>(in, inputs, outputs, true))
PG_ROUTINE(run_solve, solve<T>(in, inputs, outputs))
PG_ROUTINE(run_inv, inv<T>(in, inputs, outputs))
PG_ROUTINE(run_slogdet, slogdet<T>(in, inputs, outputs))
PG_ROUTINE(run_det, det<T>(in, inputs, outputs))
PG_ROUTINE(run_qr_reduced, qr<T>(in, inputs, outputs, false))
PG_ROUTINE(run_qr_complete, qr<T>(in, inputs, outputs, true))
PG_ROUTINE(run_eigh, eigh<T>(in, inputs, outputs, true))
PG_ROUTINE(run_eigvalsh, eigh<T>(in, inputs, outputs, false))
PG_ROUTINE(run_svd_full, svd<T>(in, inputs, outputs, 'A'))
PG_ROUTINE(run_svd_reduced, svd<T>(in, inputs, outputs, 'S'))
PG_ROUTINE(run_svdvals, svd<T>(in, inputs, outputs, 'N'))
#undef PG_ROUTINE

constexpr struct {
  std::string_view name;
  LapackRoutine routine;
} table[] = {
    {"cholesky", run_cholesky},
    {"lu", run_lu},
    {"lu_nonsingular", run_lu_nonsingular},
    {"solve", run_solve},
    {"inv", run_inv},
    {"slogdet", run_slogdet},
    {"det", run_det},
    {"qr_reduced", run_qr_reduced},
    {"qr_complete", run_qr_complete},
    {"eigh", run_eigh},
    {"eigvalsh", run_eigvalsh},
    {"svd_full", run_svd_full},
    {"svd_reduced", run_svd_reduced},
    {"svdvals", run_svdvals},
};

}  // namespace

bool load_lapack(const std::string& path) {
  static std::mutex mutex;
  static std::string loaded;
  const std::lock_guard lock(mutex);
  if (!loaded.empty()) return loaded == path;
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library || !find_all(library, 's', floats) || !find_all(library, 'd', doubles) ||
      !find_all(library, 'c', complex_floats) || !find_all(library, 'z', complex_doubles))
    return false;
  for (const char* const prefix : {"scipy_openblas_", "openblas_"})
    for (const char* const suffix : {"64_", ""}) {
      if (set_threads) continue;
      const auto find = [&](const char* verb) {
        return dlsym(library, (std::string(prefix) + verb + "_num_threads" + suffix).c_str());
      };
      set_threads = reinterpret_cast<void (*)(int)>(find("set"));
      get_threads = reinterpret_cast<int (*)()>(find("get"));
    }
  loaded = path;
  return true;
}

LapackRoutine lapack_routine(std::string_view name) {
  for (const auto& row : table)
    if (row.name == name) return row.routine;
  return nullptr;
}

}  // namespace pg::cpu
