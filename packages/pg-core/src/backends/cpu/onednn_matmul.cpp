// Products of float16 and bfloat16, for which the processor may have instructions of its own, by one-thread
// oneDNN primitives over tiles of the result. Tiles depend on the shape alone.
//
// oneDNN's own OpenMP threads are not used: on a busy machine their barrier waits for descheduled partners (3
// us became 12 ms), while a tile that nobody runs is stolen by whoever is free.

#include <algorithm>
#include <array>
#include <vector>

#include "backends/cpu/onednn.h"
#include "backends/cpu/onednn_api.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/integers.h"

namespace pg::cpu {
namespace {

using namespace dnnl;

constexpr int64_t max_tiles = 32;

// The product with its batch axes merged where strides allow, the last of them apart: one primitive can walk
// it.
struct Product {
  DType dtype;
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col, c_row;
  int64_t batch = 1, a_step = 0, b_step = 0, c_step = 0;  // innermost batch axis
  struct Axis {
    int64_t extent, a, b, c;
  };
  std::vector<Axis> outer;
  int64_t outer_count = 1;
};

// A stride that an axis of extent 1 never uses takes the value that makes the matrix plain, so that one plan
// serves all.
void tidy(int64_t rows, int64_t cols, int64_t& row, int64_t& col) {
  if (rows == 1 && cols == 1) row = col = 1;
  else if (rows == 1) {
    if (col == 1) row = cols;
    else row = 1;
  } else if (cols == 1) {
    if (row == 1) col = rows;
    else col = 1;
  }
}

bool plain(int64_t rows, int64_t cols, int64_t row, int64_t col) {
  return (col == 1 && row >= cols) || (row == 1 && col >= rows);
}

Product arrange(const MatmulDesc& d) {
  Product p{d.dtype, d.m, d.n, d.k, d.a_row, d.a_col, d.b_row, d.b_col, d.c_row, 1, 0, 0, 0, {}, 1};
  std::vector<Product::Axis> axes;
  for (size_t i = 0; i < d.batch.size(); ++i) {
    if (d.batch[i] == 1) continue;
    const Product::Axis axis{d.batch[i], d.a_batch[i], d.b_batch[i], d.c_batch[i]};
    if (!axes.empty()) {
      Product::Axis& before = axes.back();
      if (before.a == axis.a * axis.extent && before.b == axis.b * axis.extent &&
          before.c == axis.c * axis.extent) {
        before = {before.extent * axis.extent, axis.a, axis.b, axis.c};
        continue;
      }
    }
    axes.push_back(axis);
  }
  if (!axes.empty()) {
    p.batch = axes.back().extent;
    p.a_step = axes.back().a;
    p.b_step = axes.back().b;
    p.c_step = axes.back().c;
    axes.pop_back();
  }
  p.outer = std::move(axes);
  for (const Product::Axis& axis : p.outer) p.outer_count *= axis.extent;
  return p;
}

// One primitive for a chunk of products or a tile of one; b in the library's own layout if `packed`.
std::unique_ptr<Primitive> compile_tile(const Product& p, int64_t batch, int64_t m, int64_t n, bool packed) {
  const int64_t a_batch = p.a_step ? batch : 1, b_batch = p.b_step ? batch : 1;
  const std::array<int64_t, 3> a_dims{a_batch, m, p.k}, b_dims{b_batch, p.k, n}, c_dims{batch, m, n};
  const std::array<int64_t, 3> a_strides{p.a_step ? p.a_step : m * p.k, p.a_row, p.a_col},
      b_strides{p.b_step ? p.b_step : p.k * n, p.b_row, p.b_col}, c_strides{p.c_step, p.c_row, 1};
  const size_t skip = batch == 1 ? 1 : 0;  // a single product is a plain matrix to the library
  const auto make = [&](const std::array<int64_t, 3>& dims, const std::array<int64_t, 3>& strides) {
    return Layout(std::span(dims).subspan(skip), p.dtype, std::span(strides).subspan(skip));
  };
  const Layout a = make(a_dims, a_strides), c = make(c_dims, c_strides);
  const Layout b = packed ? Layout::any(std::span(b_dims).subspan(skip), p.dtype) : make(b_dims, b_strides);
  if (!a.get() || !b.get() || !c.get()) return nullptr;
  PrimitiveDesc desc = nullptr;
  const Api& lib = *api();
  if (lib.matmul_primitive_desc_create(&desc, lib.engine, a.get(), b.get(), nullptr, c.get(), lib.attr) !=
      success)
    return nullptr;
  auto primitive =
      std::make_unique<Primitive>(desc, std::initializer_list<int>{arg_src, arg_weights, arg_dst});
  return primitive->ok() && !primitive->is_reference() ? std::move(primitive) : nullptr;
}

struct MatmulPlan : Plan {
  // Either many products in chunks ...
  int64_t chunk = 1;
  // ... or one product in tiles.
  int64_t tile_m = 0, tile_n = 0, tiles_m = 1, tiles_n = 1;
  bool packed = false;
  // Full size and, at the end of an axis, the rest: [rest of m or of the batch][rest of n].
  std::unique_ptr<Primitive> run[2][2];
  std::unique_ptr<Primitive> pack[2];  // b tile -> the layout that run[*] wants
  size_t packed_bytes = 0;             // of one b tile
  bool ok = false;
};

// Compiles the tiles of one product, up to four sizes; false if the library cannot.
bool compile_tiles(MatmulPlan& plan, const Product& p, bool packed) {
  const Api& lib = *api();
  plan.packed = packed;
  for (const int rest_n : {0, 1}) {
    const int64_t n = rest_n ? p.n % plan.tile_n : plan.tile_n;
    if (n == 0) continue;
    for (const int rest_m : {0, 1}) {
      const int64_t m = rest_m ? p.m % plan.tile_m : plan.tile_m;
      if (m == 0) continue;
      auto tile = compile_tile(p, 1, m, n, packed);
      if (!tile) return false;
      // All tiles of a column read one packed b.
      if (packed && rest_m &&
          !lib.memory_desc_equal(tile->layout(arg_weights), plan.run[0][rest_n]->layout(arg_weights)))
        return false;
      plan.run[rest_m][rest_n] = std::move(tile);
    }
    if (!packed) continue;
    const Primitive& reader = *plan.run[0][rest_n];
    const std::array<int64_t, 2> dims{p.k, n}, strides{p.b_row, p.b_col};
    const Layout b(dims, p.dtype, strides);
    PrimitiveDesc desc = nullptr;
    if (!b.get() || lib.reorder_primitive_desc_create(&desc, b.get(), lib.engine, reader.layout(arg_weights),
                                                      lib.engine, lib.attr) != success)
      return false;
    plan.pack[rest_n] = std::make_unique<Primitive>(desc, std::initializer_list<int>{arg_src, arg_dst});
    if (!plan.pack[rest_n]->ok()) return false;
    plan.packed_bytes =
        std::max(plan.packed_bytes,
                 static_cast<size_t>(round_up(static_cast<int64_t>(reader.bytes(arg_weights)), 64)));
  }
  return true;
}

std::unique_ptr<Plan> make_plan(const Product& p) {
  auto plan = std::make_unique<MatmulPlan>();
  const int64_t work = p.m * p.n * p.k;
  const int64_t least =
      p.dtype == DType::bfloat16 ? int64_t{8} << 20 : int64_t{2} << 20;  // multiply-adds that pay for a task
  // Measured: the library's own layout of b pays for its conversion when neither operand is transposed and
  // several tiles share it, and tiles may then be lower. Wide tiles come first; columns are split only for
  // want of rows.
  const bool packed = p.dtype != DType::float16 && p.a_col == 1 && p.b_col == 1 && p.m >= 256;
  const int64_t wanted = std::clamp<int64_t>(work / least, 1, max_tiles), low = packed ? 128 : 256;
  plan->tile_m = std::min(p.m, round_up(ceil_div(p.m, std::clamp<int64_t>(p.m / low, 1, wanted)), 32));
  plan->tiles_m = ceil_div(p.m, plan->tile_m);
  const int64_t split_n = std::max(ceil_div(p.n, 2048), std::min(wanted, int64_t{8}) / plan->tiles_m);
  plan->tile_n = std::min(
      p.n, round_up(ceil_div(p.n, std::clamp<int64_t>(split_n, 1, std::max<int64_t>(p.n / 192, 1))), 16));
  plan->tiles_n = ceil_div(p.n, plan->tile_n);

  if (plan->tiles_m * plan->tiles_n == 1) {
    plan->chunk = std::clamp<int64_t>(least / std::max<int64_t>(work, 1), 1, p.batch);
    const int64_t rest = p.batch % plan->chunk;
    plan->run[0][0] = compile_tile(p, plan->chunk, p.m, p.n, false);
    if (rest) plan->run[1][0] = compile_tile(p, rest, p.m, p.n, false);
    plan->ok = plan->run[0][0] && (!rest || plan->run[1][0]);
    return plan;
  }
  plan->ok = compile_tiles(*plan, p, packed) || (packed && compile_tiles(*plan, p, false));
  return plan;
}

struct Pointers {
  const char *a, *b;
  char* c;
};

void run_chunks(const Product& p, const MatmulPlan& plan, const Pointers& at) {
  const int64_t item = size_of(p.dtype), chunks = ceil_div(p.batch, plan.chunk);
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      const int64_t first = chunk * plan.chunk;
      const auto& primitive = plan.run[first + plan.chunk > p.batch][0];
      primitive->run(
          {at.a + first * p.a_step * item, at.b + first * p.b_step * item, at.c + first * p.c_step * item});
    }
  });
}

void run_tiles(const Product& p, const MatmulPlan& plan, const Pointers& at) {
  const int64_t item = size_of(p.dtype);
  BufferRef memory;
  char* packed = nullptr;
  if (plan.packed) {
    memory = allocate(plan.packed_bytes * static_cast<size_t>(plan.tiles_n));
    packed = static_cast<char*>(memory->data);
    parallel_for(plan.tiles_n, 1, [&](int64_t begin, int64_t end, int) {
      const OneThread one;
      for (int64_t j = begin; j < end; ++j)
        plan.pack[(j + 1) * plan.tile_n > p.n]->run(
            {at.b + j * plan.tile_n * p.b_col * item, packed + j * static_cast<int64_t>(plan.packed_bytes)});
    });
  }
  parallel_for(plan.tiles_m * plan.tiles_n, 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t i = tile % plan.tiles_m, j = tile / plan.tiles_m;
      const auto& primitive = plan.run[(i + 1) * plan.tile_m > p.m][(j + 1) * plan.tile_n > p.n];
      const char* const b = packed ? packed + j * static_cast<int64_t>(plan.packed_bytes)
                                   : at.b + j * plan.tile_n * p.b_col * item;
      primitive->run({at.a + i * plan.tile_m * p.a_row * item, b,
                      at.c + (i * plan.tile_m * p.c_row + j * plan.tile_n) * item});
    }
  });
}

}  // namespace

bool onednn_matmul(const MatmulDesc& given, const void* a, const void* b, void* c) {
  if (!is_half(given.dtype)) return false;
  if (given.m == 0 || given.n == 0 || given.k == 0) return false;
  const Api* lib = api();
  if (!lib) return false;
  MatmulDesc d = given;
  tidy(d.m, d.n, d.c_row, d.c_col);
  if (d.c_col != 1) {  // c transposed = b transposed * a transposed
    std::swap(d.m, d.n);
    std::swap(d.c_row, d.c_col);
    std::swap(d.a_row, d.b_col);
    std::swap(d.a_col, d.b_row);
    std::swap(d.a_batch, d.b_batch);
    std::swap(a, b);
  }
  tidy(d.m, d.k, d.a_row, d.a_col);
  tidy(d.k, d.n, d.b_row, d.b_col);
  if (d.c_col != 1 || d.c_row < d.n || !plain(d.m, d.k, d.a_row, d.a_col) ||
      !plain(d.k, d.n, d.b_row, d.b_col))
    return false;
  const Product p = arrange(d);
  if (p.batch == 0 || p.outer_count == 0) return true;

  const Key key{0,        static_cast<int64_t>(p.dtype),
                p.m,      p.n,
                p.k,      p.a_row,
                p.a_col,  p.b_row,
                p.b_col,  p.c_row,
                p.batch,  p.a_step,
                p.b_step, p.c_step};
  const auto plan = std::static_pointer_cast<MatmulPlan>(cached_plan(key, [&] { return make_plan(p); }));
  if (!plan->ok) return false;

  const int64_t item = size_of(p.dtype);
  const bool tiled = plan->tiles_m * plan->tiles_n > 1;
  const int64_t products = p.outer_count * (tiled ? p.batch : 1);
  const auto run = [&](int64_t index) {
    int64_t rest = index, at_a = 0, at_b = 0, at_c = 0;
    if (tiled) {
      const int64_t i = rest % p.batch;
      rest /= p.batch;
      at_a = i * p.a_step;
      at_b = i * p.b_step;
      at_c = i * p.c_step;
    }
    for (size_t x = p.outer.size(); x-- > 0; rest /= p.outer[x].extent) {
      const int64_t i = rest % p.outer[x].extent;
      at_a += i * p.outer[x].a;
      at_b += i * p.outer[x].b;
      at_c += i * p.outer[x].c;
    }
    const Pointers at{static_cast<const char*>(a) + at_a * item, static_cast<const char*>(b) + at_b * item,
                      static_cast<char*>(c) + at_c * item};
    if (tiled) run_tiles(p, *plan, at);
    else run_chunks(p, *plan, at);
  };
  // Many outer products are shared out whole; few are split inside.
  const int64_t grain = products < 2 * num_threads() ? products : 1;
  parallel_for(products, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) run(i);
  });
  return true;
}

}  // namespace pg::cpu
