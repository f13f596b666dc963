#include "backends/cuda/fixed.h"

#include <algorithm>

#include "backends/cuda/kernels.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

// The innermost axis first; what is counted by one index.
constexpr size_t most_axes = 24;
struct Axes {
  int count;
  int64_t extent[most_axes], strides[3][most_axes];
};

const char* const axes_text = R"(
struct pg_axes { int count; long long extent[24], strides[3][24]; };
static __device__ void pg_places(const pg_axes& axes, long long i, long long* at, int operands) {
  for (int o = 0; o < operands; ++o) at[o] = 0;
  for (int d = 0; d < axes.count; ++d) {
    const long long here = i % axes.extent[d];
    i /= axes.extent[d];
    for (int o = 0; o < operands; ++o) at[o] += here * axes.strides[o][d];
  }
}
)";

const char* const copy_text = R"(
extern "C" __global__ void __launch_bounds__(256) pg_strided_copy(const pg_item* from, pg_item* to, pg_axes axes, long long count) {
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    long long at[2];
    pg_places(axes, i, at, 2);
    to[at[1]] = from[at[0]];
  }
}
)";

const char* const sum_text = R"(
extern "C" __global__ void __launch_bounds__(256) pg_sum_products(const pg_item* a, const pg_item* b, pg_item* c, pg_axes kept, pg_axes summed, long long count, long long terms) {
  const long long step = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
    long long at[3];
    pg_places(kept, i, at, 3);
    unsigned long long total = 0;
    const long long inner = summed.count ? summed.extent[0] : 1;
    for (long long outer = 0; outer < terms; outer += inner) {
      long long place[2];
      pg_places(summed, outer, place, 2);
      for (long long j = 0; j < inner; ++j)
        total += (unsigned long long)a[at[0] + place[0] + j * summed.strides[0][0]] *
                 (unsigned long long)b[at[1] + place[1] + j * summed.strides[1][0]];
    }
    c[at[2]] = (pg_item)total;
  }
}
)";

void launch(CudaRun& run, const char* name, const char* item, const char* text, int64_t threads,
            std::initializer_list<const void*> parameters) {
  const std::string all = concat("typedef ", item, " pg_item;\n", axes_text, text);
  const int64_t most = 16 * std::max(run.gpu().processors, 1);
  launch_fixed(run, {all, name, std::min(blocks_for(threads), most), block_threads}, parameters);
}

void add(Axes& axes, int64_t extent, std::initializer_list<int64_t> strides) {
  if (extent == 1) return;
  require(static_cast<size_t>(axes.count) < most_axes, ErrorKind::not_implemented,
          [] { return concat("an operand of a product on a GPU has more than ", most_axes, " axes"); });
  axes.extent[axes.count] = extent;
  size_t o = 0;
  for (const int64_t stride : strides) axes.strides[o++][axes.count] = stride;
  ++axes.count;
}

const char* integer_text(DType d) {
  switch (d) {
  case DType::int8: return "signed char";
  case DType::int16: return "short";
  case DType::int32: return "int";
  case DType::int64: return "long long";
  case DType::uint8: return "unsigned char";
  case DType::uint16: return "unsigned short";
  case DType::uint32: return "unsigned";
  case DType::uint64: return "unsigned long long";
  default: break;
  }
  fail(ErrorKind::not_implemented,
       concat("products of ", name_of(d), " are not implemented on a GPU; cast with .astype(...)"));
}

const char* item_text(int64_t bytes) {
  switch (bytes) {
  case 1: return "unsigned char";
  case 2: return "unsigned short";
  case 4: return "unsigned";
  case 8: return "unsigned long long";
  default: return "struct __align__(8) { unsigned long long low, high; }";
  }
}

}  // namespace

void strided_copy(CudaRun& run, std::span<const CopyAxis> axes, int64_t item, const void* from, void* to) {
  Axes given{};
  int64_t count = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    add(given, axes[i].extent, {axes[i].from, axes[i].to});
    count *= axes[i].extent;
  }
  if (count == 0) return;
  launch(run, "pg_strided_copy", item_text(item), copy_text, count, {&from, &to, &given, &count});
}

void sum_products(CudaRun& run, std::span<const SumAxis> kept, std::span<const SumAxis> summed, DType dtype,
                  const void* a, const void* b, void* c) {
  Axes of_result{}, of_sum{};
  int64_t count = 1, terms = 1;
  for (size_t i = kept.size(); i-- > 0;) {
    add(of_result, kept[i].extent, {kept[i].a, kept[i].b, kept[i].c});
    count *= kept[i].extent;
  }
  for (size_t i = summed.size(); i-- > 0;) {
    add(of_sum, summed[i].extent, {summed[i].a, summed[i].b, 0});
    terms *= summed[i].extent;
  }
  if (count == 0) return;
  launch(run, "pg_sum_products", integer_text(dtype), sum_text, count,
         {&a, &b, &c, &of_result, &of_sum, &count, &terms});
}

void clear(CudaRun& run, void* at, size_t bytes) {
  if (bytes == 0) return;
  run.gpu().enter();
  check(driver().fill(reinterpret_cast<Address>(at), 0, bytes, run.gpu().stream), "to clear memory");
}

}  // namespace pg::cuda
