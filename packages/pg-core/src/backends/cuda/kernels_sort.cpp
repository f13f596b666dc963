// Sorting along an axis: unsigned keys in the order of the values, with their places where those are asked
// for, which makes any two items different and every way of sorting stable. Bitonic networks (Batcher 1968):
// what fits in a block is sorted in shared memory, several short lines at once; longer lines are merged
// through memory while the distance is larger than a block's part.

#include <algorithm>
#include <bit>

#include "backends/cuda/emitter.h"
#include "backends/cuda/kernels.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

constexpr int64_t block_bytes = 16 << 10, few_items = 512;  // that a block holds

const char* const text = R"(
// Element `i` of `line` in a tensor of lines of n, and the item that stands for it; padding comes last.
PG_INLINE long long place(long long line, long long i, long long n, long long inner) {
  return line / inner * n * inner + i * inner + line % inner;
}
PG_INLINE Item fetched(const T* in, long long line, long long i, long long lines, long long n, long long inner) {
  return line < lines && i < n ? item(key(in[place(line, i, n, inner)]), i) : last_item();
}
PG_INLINE void meet(Item* a, Item* b, bool up) {
  const Item x = *a, y = *b;
  if (less(y, x) == up) *a = y, *b = x;
}
// Of the pairs that are `d` apart, number p begins here.
PG_INLINE int lower_of(int p, int d) { return 2 * p - (p & (d - 1)); }

// Sorts `width` (a power of two) items of each line; `held` of them lie in a block, which are several lines or
// a part of one. Lines that lie in a block are done afterwards, parts turn up and down.
extern "C" __global__ void sort_parts(const T* __restrict__ in, Out* __restrict__ out, Item* __restrict__ items,
                                      long long lines, long long n, long long inner, long long width, int held,
                                      long long count) {
  __shared__ Item part[MOST];
  const long long start = (long long)blockIdx.x * held;
  for (int i = threadIdx.x; i < held; i += blockDim.x)
    part[i] = fetched(in, (start + i) / width, (start + i) % width, lines, n, inner);
  __syncthreads();
  const int end = width < held ? (int)width : held;
  for (int size = 2; size <= end; size *= 2)
    for (int d = size / 2; d > 0; d /= 2) {
      for (int p = threadIdx.x; p < held / 2; p += blockDim.x) {
        const int i = lower_of(p, d);
        meet(part + i, part + i + d, size == width || ((start + i) & size) == 0);
      }
      __syncthreads();
    }
  for (int i = threadIdx.x; i < held; i += blockDim.x) {
    if (items) {
      items[start + i] = part[i];
      continue;
    }
    const long long line = (start + i) / width, rank = (start + i) % width;
    if (line < lines && rank < count) out[place(line, rank, count, inner)] = value(part[i]);
  }
}

// One step of merging runs of `size` items, between items that are `d` apart.
extern "C" __global__ void merge_far(Item* __restrict__ items, long long pairs, long long width, long long size,
                                     long long d) {
  const long long p = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (p >= pairs) return;
  const long long i = 2 * p - (p & (d - 1));
  meet(items + i, items + i + d, size == width || (i % width & size) == 0);
}

// The remaining steps, within parts.
extern "C" __global__ void merge_near(Item* __restrict__ items, long long width, long long size, int held) {
  __shared__ Item part[MOST];
  const long long start = (long long)blockIdx.x * held;
  for (int i = threadIdx.x; i < held; i += blockDim.x) part[i] = items[start + i];
  __syncthreads();
  const bool up = size == width || (start % width & size) == 0;
  for (int d = held / 2; d > 0; d /= 2) {
    for (int p = threadIdx.x; p < held / 2; p += blockDim.x) meet(part + lower_of(p, d), part + lower_of(p, d) + d, up);
    __syncthreads();
  }
  for (int i = threadIdx.x; i < held; i += blockDim.x) items[start + i] = part[i];
}

extern "C" __global__ void hand_out(const Item* __restrict__ items, Out* __restrict__ out, long long lines,
                                    long long inner, long long width, long long count) {
  const long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < lines * count) out[place(i / count, i % count, count, inner)] = value(items[i / count * width + i % count]);
}
)";

// Unsigned words in the order of the values, NaN above all; and back.
std::string keys_of(DType dtype, bool descending, bool one_zero) {
  const int64_t bytes = size_of(dtype);
  const bool wide = bytes > 4, real = is_inexact(dtype);
  const char* const bits = bytes == 1   ? "unsigned char"
                           : bytes == 2 ? "unsigned short"
                           : wide       ? "unsigned long long"
                                        : "unsigned";
  const char* const key = wide ? "unsigned long long" : "unsigned";
  const std::string sign = concat("(Bits)(1ull << ", 8 * bytes - 1, ")");
  const std::string_view memory = memory_type(dtype);
  std::string out = concat("typedef ", memory, " T;\ntypedef ", bits, " Bits;\ntypedef ", key,
                           " Key;\nPG_INLINE Key key(T x) {\n  Bits bits = ",
                           is_half(dtype)            ? "x.bits"
                           : dtype == DType::float32 ? "(Bits)__float_as_int(x)"
                           : dtype == DType::float64 ? "(Bits)__double_as_longlong(x)"
                                                     : "(Bits)x",
                           ";\n");
  if (real) {
    out += concat("  const ", register_type(dtype), " wide = ", is_half(dtype) ? "pg_float(x)" : "x", ";\n",
                  "  if (wide != wide) return ~(Key)0;\n");
    if (one_zero) out += "  if (wide == 0) bits = 0;\n";
    out += concat("  bits = (Bits)(bits & ", sign, " ? ~bits : bits | ", sign, ");\n");
  } else if (is_signed_int(dtype)) {
    out += concat("  bits ^= ", sign, ";\n");
  }
  out += concat("  return ", descending ? "(Bits)~bits" : "bits", ";\n}\nPG_INLINE T of_key(Key k) {\n");
  if (real)
    out += concat("  if (k == ~(Key)0) return ",
                  dtype == DType::float16    ? "pg_f16{0x7e00}"
                  : dtype == DType::bfloat16 ? "pg_bf16{0x7fc0}"
                  : wide                     ? "PG_NAN_DOUBLE"
                                             : "PG_NAN",
                  ";\n");
  out += concat("  Bits bits = (Bits)", descending ? "~k" : "k", ";\n");
  if (real) out += concat("  bits = (Bits)(bits & ", sign, " ? bits ^ ", sign, " : ~bits);\n");
  else if (is_signed_int(dtype)) out += concat("  bits ^= ", sign, ";\n");
  return concat(out, "  return ",
                is_half(dtype)            ? concat(memory, "{bits}")
                : dtype == DType::float32 ? "__int_as_float((int)bits)"
                : dtype == DType::float64 ? "__longlong_as_double((long long)bits)"
                                          : "(T)bits",
                ";\n}\n");
}

// Items of the key alone, of key and place in one word, or of both.
std::string items_of(bool places, bool wide) {
  if (!places)
    return "typedef Key Item;\ntypedef T Out;\nPG_INLINE Item item(Key k, long long) { return k; }\n"
           "PG_INLINE Item last_item() { return ~(Key)0; }\nPG_INLINE Out value(Item i) { return of_key(i); "
           "}\n"
           "PG_INLINE bool less(Item a, Item b) { return a < b; }\n";
  if (!wide)
    return "typedef unsigned long long Item;\ntypedef long long Out;\n"
           "PG_INLINE Item item(Key k, long long at) { return (Item)k << 32 | (unsigned)at; }\n"
           "PG_INLINE Item last_item() { return ~0ull; }\n"
           "PG_INLINE Out value(Item i) { return (Out)(i & 0xffffffffu); }\n"
           "PG_INLINE bool less(Item a, Item b) { return a < b; }\n";
  return "struct Item { Key key; unsigned long long at; };\ntypedef long long Out;\n"
         "PG_INLINE Item item(Key k, long long at) { return Item{k, (unsigned long long)at}; }\n"
         "PG_INLINE Item last_item() { return Item{~(Key)0, ~0ull}; }\n"
         "PG_INLINE Out value(Item i) { return (Out)i.at; }\n"
         "PG_INLINE bool less(Item a, Item b) { return a.key < b.key || (a.key == b.key && a.at < b.at); }\n";
}

void sort_lines(CudaRun& run, DType dtype, const void* in, void* out, const Around& a, int64_t count,
                bool descending, bool places) {
  const int64_t lines = a.outer * a.inner;
  if (lines * count == 0) return;
  const int64_t width = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max<int64_t>(a.n, 2))));
  const bool wide = size_of(dtype) > 4 || width > most_int;
  const int64_t item_bytes = places ? (wide ? 16 : 8) : (wide ? 8 : 4);
  const int64_t most_items = block_bytes / item_bytes;
  const std::string all = concat("#define MOST ", most_items, "\n", keys_of(dtype, descending, places),
                                 items_of(places, wide), text);
  const int held =
      static_cast<int>(std::min({most_items, std::max(width, few_items),
                                 static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(lines))) * width}));
  const unsigned threads = static_cast<unsigned>(std::clamp<int64_t>(held / 2, warp, block_threads));
  const int64_t blocks = (lines * width + held - 1) / held;
  BufferRef memory;
  void* items = nullptr;
  if (width > held) {
    memory = run.allocate(static_cast<size_t>(lines * width * item_bytes));
    items = memory->data;
  }
  launch_fixed(run, {all, "sort_parts", blocks, threads},
               {&in, &out, &items, &lines, &a.n, &a.inner, &width, &held, &count});
  if (!items) return;
  const int64_t pairs = lines * width / 2;
  for (int64_t size = 2 * held; size <= width; size *= 2) {
    for (int64_t d = size / 2; d >= held; d /= 2)
      launch_fixed(run, {all, "merge_far", blocks_for(pairs), block_threads},
                   {&items, &pairs, &width, &size, &d});
    launch_fixed(run, {all, "merge_near", blocks, threads}, {&items, &width, &size, &held});
  }
  launch_fixed(run, {all, "hand_out", blocks_for(lines * count), block_threads},
               {&items, &out, &lines, &a.inner, &width, &count});
}

}  // namespace

void argsort_lines(CudaRun& run, DType dtype, const void* in, int64_t* out, const Around& lines,
                   int64_t count, bool descending) {
  sort_lines(run, dtype, in, out, lines, count, descending, true);
}

void call_sort(const CallArgs& c) {
  const Operands in(c);
  const Around a = around(c.in[0].shape, c.attrs[0]);
  sort_lines(in.run, c.out.dtype, in[0], c.output, a, a.n, c.attrs[1] != 0, false);
}
void call_argsort(const CallArgs& c) {
  const Operands in(c);
  argsort_lines(in.run, c.in[0].dtype, in[0], static_cast<int64_t*>(c.output),
                around(c.in[0].shape, c.attrs[0]), c.attrs[2], c.attrs[1] != 0);
}

}  // namespace pg::cuda
