// Convolutions by one-thread oneDNN primitives over pieces of the batch. Pieces depend on the shape alone.
//
// Weights go to the layout that the library prefers. NHWC activations are used as they are, and so are NCHW
// ones after we have transposed a piece of them, which is faster than the library's own conversions; where we
// cannot, they go to the layout that it prefers. A weight gradient is a sum over pieces: each writes its own
// partial, and the partials are added in order.

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "backends/cpu/onednn.h"
#include "backends/cpu/onednn_api.h"
#include "backends/cpu/transpose.h"
#include "runtime/pool.h"
#include "runtime/threads.h"
#include "support/integers.h"
#include "types/shape.h"

namespace pg::cpu {
namespace {

using namespace dnnl;

enum class Kind : int64_t { forward = 1, input_grad, weight_grad };

// Plain layouts of the three tensors for `n` images.
struct Shapes {
  Shapes(const ConvDesc& d, int64_t n) {
    const auto activation = [&](int64_t channels, const int64_t* extents, Ints& dims, Ints& strides) {
      dims = {n, channels};
      for (int s = 0; s < d.rank; ++s) dims.push_back(extents[s]);
      strides.resize(dims.size());
      int64_t step = d.channels_last ? channels : 1;
      for (int s = d.rank; s-- > 0; step *= extents[s]) strides[2 + s] = step;
      strides[1] = d.channels_last ? 1 : step;
      strides[0] = d.channels_last ? step : step * channels;
    };
    activation(d.ci, d.in, x, x_strides);
    activation(d.co, d.out, y, y_strides);
    if (d.groups > 1) w.push_back(d.groups);
    w.push_back(d.co / d.groups);
    w.push_back(d.ci / d.groups);
    for (int s = 0; s < d.rank; ++s) w.push_back(d.kernel[s]);
    w_strides = strides_of_dims(w);
  }
  static Ints strides_of_dims(const Ints& dims) {
    Ints out(dims.size(), 1);
    for (size_t i = dims.size(); i-- > 1;) out[i - 1] = out[i] * dims[i];
    return out;
  }
  Ints x, x_strides, y, y_strides, w, w_strides;
};

// One argument of a primitive: our plain memory as it is, or a copy in the library's layout.
struct Side {
  std::vector<std::unique_ptr<Primitive>> reorders;  // of its parts, one after the other; none where the
                                                     // layouts agree
  bool turned = false;                               // NCHW here, NHWC there
  int64_t images = 0, channels = 0, positions = 0;   // when turned
  size_t bytes = 0;                                  // of the library's layout
};

// A primitive for `n` images with the conversions around it.
struct Piece {
  std::unique_ptr<Primitive> run;
  Side first, second, result;  // in the order of the function's arguments; the weights' side of forward and
                               // input_grad is shared
};

struct ConvPlan : Plan {
  int64_t images = 0;  // of a piece
  Piece pieces[2];     // full, and the rest of the batch
  bool ok = false;
};

// A conversion of the part [begin, end) of the first axis; null if there is none.
std::unique_ptr<Primitive> reorder_part(ConstMemoryDesc from, ConstMemoryDesc to, Ints dims, int64_t begin,
                                        int64_t end) {
  const Api& lib = *api();
  const bool whole = begin == 0 && end == dims[0];
  Ints offsets(dims.size(), 0);
  offsets[0] = begin;
  dims[0] = end - begin;
  const Layout from_part = whole ? Layout() : Layout::part(from, dims, offsets),
               to_part = whole ? Layout() : Layout::part(to, dims, offsets);
  if (!whole && (!from_part.get() || !to_part.get())) return nullptr;
  PrimitiveDesc desc = nullptr;
  if (lib.reorder_primitive_desc_create(&desc, whole ? from : from_part.get(), lib.engine,
                                        whole ? to : to_part.get(), lib.engine, lib.attr) != success)
    return nullptr;
  auto made = std::make_unique<Primitive>(desc, std::initializer_list<int>{arg_src, arg_dst});
  return made->ok() ? std::move(made) : nullptr;
}

// Fills `side` with the conversion between a plain layout and what the primitive wants, in so many parts if
// possible; false if there is none.
bool connect(Side& side, const Primitive& primitive, int arg, const Layout& plain, const Ints& dims,
             bool to_library, int64_t parts = 1) {
  const Api& lib = *api();
  const ConstMemoryDesc wanted = primitive.layout(arg);
  side.bytes = (lib.memory_desc_get_size(wanted) + 63) / 64 * 64;
  if (lib.memory_desc_equal(wanted, plain.get())) return true;
  const ConstMemoryDesc from = to_library ? plain.get() : wanted, to = to_library ? wanted : plain.get();
  for (; parts > 0; parts = parts > 1 ? 1 : 0) {
    const int64_t step = ceil_div(ceil_div(dims[0], parts), 64) * 64;  // no block of a layout is longer
    side.reorders.clear();
    for (int64_t begin = 0; begin < dims[0]; begin += step)
      side.reorders.push_back(reorder_part(from, to, dims, begin, std::min(begin + step, dims[0])));
    if (std::all_of(side.reorders.begin(), side.reorders.end(), [](const auto& r) { return r != nullptr; }))
      return true;
  }
  return false;
}

// An NCHW activation of a primitive that takes NHWC.
bool turn(Side& side, const Primitive& primitive, int arg, const Ints& dims) {
  side.turned = true;
  side.bytes = (primitive.bytes(arg) + 63) / 64 * 64;
  side.images = dims[0];
  side.channels = dims[1];
  side.positions = count_of(dims) / (dims[0] * dims[1]);
  return true;
}

bool usable(const Primitive& primitive) { return primitive.ok() && !primitive.is_reference(); }

int64_t image_bytes(const ConvDesc& d, bool result) {
  int64_t out = (result ? d.co : d.ci) * size_of(d.dtype);
  for (int s = 0; s < d.rank; ++s) out *= result ? d.out[s] : d.in[s];
  return out;
}

// Measured: with few channels the layouts that the library prefers are as fast.
bool turns(const ConvDesc& d) {
  return !d.channels_last && d.dtype == DType::float32 && d.ci >= 16 && d.co >= 16;
}

bool compile_piece(Piece& piece, Kind kind, const ConvDesc& given, bool biased, int64_t n) {
  const Api& lib = *api();
  const bool turned = turns(given);
  ConvDesc d = given;
  d.channels_last = d.channels_last || turned;
  const Shapes s(d, n);
  const Layout x(s.x, d.dtype, s.x_strides), y(s.y, d.dtype, s.y_strides), w(s.w, d.dtype, s.w_strides);
  // A weight gradient of halves is summed in float32.
  const DType w_type = kind == Kind::weight_grad ? compute_type(d.dtype) : d.dtype;
  const Layout x_any = Layout::any(s.x, d.dtype), y_any = Layout::any(s.y, d.dtype),
               w_any = Layout::any(s.w, w_type);
  if (!x.get() || !y.get() || !w.get() || !x_any.get() || !y_any.get() || !w_any.get()) return false;
  const MemoryDesc x_use = d.channels_last ? x.get() : x_any.get(),
                   y_use = d.channels_last ? y.get() : y_any.get();
  int64_t dilates[ConvDesc::max_rank];
  for (int i = 0; i < d.rank; ++i) dilates[i] = d.dilation[i] - 1;

  const auto images = [&](Side& side, int arg, const Layout& plain, const Ints& dims, bool to_library) {
    return turned ? turn(side, *piece.run, arg, dims)
                  : connect(side, *piece.run, arg, plain, dims, to_library);
  };
  // Large weights are converted by several threads.
  const int64_t parts = std::clamp<int64_t>(count_of(s.w) >> 15, 1, 8);
  const Layout bias = biased ? Layout(std::array{d.co}, d.dtype, std::array{int64_t{1}}) : Layout();
  PrimitiveDesc forward = nullptr, desc = nullptr;
  if (lib.convolution_forward_primitive_desc_create(
          &forward, lib.engine, kind == Kind::forward ? forward_inference : forward_training,
          convolution_direct, x_use,
          kind == Kind::weight_grad ? Layout::any(s.w, d.dtype).get() : w_any.get(), bias.get(), y_use,
          d.stride, dilates, d.pad_low, d.pad_high, lib.attr) != success)
    return false;
  if (kind == Kind::forward) {
    piece.run =
        biased
            ? std::make_unique<Primitive>(forward,
                                          std::initializer_list<int>{arg_src, arg_weights, arg_bias, arg_dst})
            : std::make_unique<Primitive>(forward, std::initializer_list<int>{arg_src, arg_weights, arg_dst});
    return usable(*piece.run) && images(piece.first, arg_src, x, s.x, true) &&
           connect(piece.second, *piece.run, arg_weights, w, s.w, true, parts) &&
           images(piece.result, arg_dst, y, s.y, false);
  }
  const bool input = kind == Kind::input_grad;
  const Status status = input ? lib.convolution_backward_data_primitive_desc_create(
                                    &desc, lib.engine, convolution_direct, x_use, w_any.get(), y_use,
                                    d.stride, dilates, d.pad_low, d.pad_high, forward, lib.attr)
                              : lib.convolution_backward_weights_primitive_desc_create(
                                    &desc, lib.engine, convolution_direct, x_use, w_any.get(), nullptr, y_use,
                                    d.stride, dilates, d.pad_low, d.pad_high, forward, lib.attr);
  lib.primitive_desc_destroy(forward);
  if (status != success) return false;
  if (input) {
    piece.run = std::make_unique<Primitive>(
        desc, std::initializer_list<int>{arg_diff_dst, arg_weights, arg_diff_src});
    return usable(*piece.run) && images(piece.first, arg_diff_dst, y, s.y, true) &&
           connect(piece.second, *piece.run, arg_weights, w, s.w, true, parts) &&
           images(piece.result, arg_diff_src, x, s.x, false);
  }
  piece.run =
      std::make_unique<Primitive>(desc, std::initializer_list<int>{arg_src, arg_diff_dst, arg_diff_weights});
  return usable(*piece.run) && images(piece.first, arg_src, x, s.x, true) &&
         images(piece.second, arg_diff_dst, y, s.y, true) &&
         connect(piece.result, *piece.run, arg_diff_weights, w, s.w, false, parts);
}

// Pieces read one converted copy of the weights, and add up partials of one layout.
bool same_weights(Kind kind, const Piece& a, const Piece& b) {
  const int arg = kind == Kind::weight_grad ? arg_diff_weights : arg_weights;
  return api()->memory_desc_equal(a.run->layout(arg), b.run->layout(arg));
}

std::unique_ptr<Plan> make_plan(Kind kind, const ConvDesc& d, bool biased) {
  auto plan = std::make_unique<ConvPlan>();
  int64_t work = d.co * (d.ci / d.groups), weights = work;  // multiply-adds of one image
  for (int s = 0; s < d.rank; ++s) {
    work *= d.out[s] * d.kernel[s];
    weights *= d.kernel[s];
  }
  // Pieces that pay for a task, at most 16 of them. Partial weight gradients also cost memory and their
  // addition, so they are sums of many positions; a power of two, so that threads get as many images.
  int64_t wanted = std::clamp<int64_t>(work * d.n / (1 << 20), 1, 16);
  if (kind == Kind::weight_grad)
    wanted = static_cast<int64_t>(std::bit_floor(
        static_cast<uint64_t>(std::min(wanted, std::clamp<int64_t>(work * d.n / (1024 * weights), 2, 8)))));
  plan->images = ceil_div(d.n, wanted);
  if (turns(d) && kind != Kind::weight_grad) {  // what is transposed stays in the cache
    constexpr int64_t cache = 1 << 20;
    plan->images =
        std::clamp<int64_t>(cache / (image_bytes(d, false) + image_bytes(d, true)), 1, plan->images);
  }
  const int64_t rest = d.n % plan->images;
  plan->ok = compile_piece(plan->pieces[0], kind, d, biased, plan->images) &&
             (rest == 0 || (compile_piece(plan->pieces[1], kind, d, biased, rest) &&
                            same_weights(kind, plan->pieces[0], plan->pieces[1])));
  return plan;
}

void convert(const Side& side, const void* from, void* to, bool to_library) {
  if (side.turned)
    for (int64_t i = 0; i < side.images; ++i) {
      const int64_t at = i * side.channels * side.positions,
                    rows = to_library ? side.channels : side.positions,
                    columns = to_library ? side.positions : side.channels;
      transpose_words(static_cast<const float*>(from) + at, columns, rows, columns,
                      static_cast<float*>(to) + at, rows);
    }
  for (const auto& reorder : side.reorders) reorder->run({from, to});
}

// The same by all threads.
void convert_in_parts(const Side& side, const void* from, void* to) {
  parallel_for(static_cast<int64_t>(side.reorders.size()), 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t i = begin; i < end; ++i) side.reorders[static_cast<size_t>(i)]->run({from, to});
  });
}

// Calls use(pointer): the memory itself, or a converted copy of it.
template <class F> void read_side(const Side& side, const void* plain, F&& use) {
  if (!side.turned && side.reorders.empty()) return use(plain);
  const BufferRef copy = allocate(side.bytes);
  convert(side, plain, copy->data, true);
  use(copy->data);
}

template <class F> void write_side(const Side& side, void* plain, F&& use) {
  if (!side.turned && side.reorders.empty()) return use(plain);
  const BufferRef copy = allocate(side.bytes);
  use(copy->data);
  convert(side, copy->data, plain, false);
}

// Forward and input gradient: `in` and `out` are cut along the batch.
void run_pieces(const ConvDesc& d, const ConvPlan& plan, const char* in, int64_t in_step, const void* w,
                const float* bias, char* out, int64_t out_step) {
  BufferRef weights;
  if (const Side& side = plan.pieces[0].second; !side.reorders.empty()) {
    weights = allocate(side.bytes);
    convert_in_parts(side, w, weights->data);
  }
  const void* const ready = weights ? weights->data : w;
  parallel_for(ceil_div(d.n, plan.images), 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * plan.images;
      const Piece& piece = plan.pieces[first + plan.images > d.n];
      read_side(piece.first, in + first * in_step, [&](const void* x) {
        write_side(piece.result, out + first * out_step, [&](void* y) {
          if (bias) piece.run->run({x, ready, bias, y});
          else piece.run->run({x, ready, y});
        });
      });
    }
  });
}

void run_weight_grad(const ConvDesc& d, const ConvPlan& plan, const char* x, const char* ct, void* dw) {
  const int64_t pieces = ceil_div(d.n, plan.images), x_step = image_bytes(d, false),
                ct_step = image_bytes(d, true);
  const Side& result = plan.pieces[0].result;
  const BufferRef memory = pieces > 1 || !result.reorders.empty()
                               ? allocate(result.bytes * static_cast<size_t>(pieces))
                               : BufferRef();
  char* const partials = memory ? static_cast<char*>(memory->data) : static_cast<char*>(dw);
  parallel_for(pieces, 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * plan.images;
      const Piece& piece = plan.pieces[first + plan.images > d.n];
      read_side(piece.first, x + first * x_step, [&](const void* a) {
        read_side(piece.second, ct + first * ct_step, [&](const void* b) {
          piece.run->run({a, b, partials + i * static_cast<int64_t>(result.bytes)});
        });
      });
    }
  });
  float* const sum = reinterpret_cast<float*>(partials);
  const int64_t count = static_cast<int64_t>(result.bytes / sizeof(float));
  if (pieces > 1)
    parallel_for(count, 1 << 14, [&](int64_t begin, int64_t end, int) {
      for (int64_t p = 1; p < pieces; ++p)
        for (int64_t i = begin; i < end; ++i) sum[i] += sum[p * count + i];
    });
  if (!result.reorders.empty()) convert_in_parts(result, partials, dw);
  else if (memory)
    std::copy(partials, partials + plan.pieces[0].run->bytes(arg_diff_weights), static_cast<char*>(dw));
}

std::shared_ptr<ConvPlan> find_plan(Kind kind, const ConvDesc& d, bool biased = false) {
  // float16: measured at a third of float32's speed or in reference loops.
  if ((d.dtype != DType::float32 && d.dtype != DType::bfloat16) || !api()) return nullptr;
  if (d.n == 0 || d.ci == 0 || d.co == 0) return nullptr;
  Key key{static_cast<int64_t>(kind),
          static_cast<int64_t>(d.dtype),
          d.rank,
          d.n,
          d.ci,
          d.co,
          d.groups,
          d.channels_last,
          biased};
  for (int s = 0; s < d.rank; ++s) {
    if (d.in[s] <= 0 || d.out[s] <= 0 || d.pad_low[s] < 0 || d.pad_high[s] < 0) return nullptr;
    for (const int64_t word :
         {d.in[s], d.out[s], d.kernel[s], d.stride[s], d.dilation[s], d.pad_low[s], d.pad_high[s]})
      key.push_back(word);
  }
  auto plan =
      std::static_pointer_cast<ConvPlan>(cached_plan(key, [&] { return make_plan(kind, d, biased); }));
  return plan->ok ? plan : nullptr;
}

// Few examples: each is cut into bands of output rows, which are contiguous where the channels are last.
// False where that does not pay, or the library cannot.
bool run_bands(const ConvDesc& d, const char* x, const void* w, const float* bias, char* y) {
  if (!d.channels_last || d.n == 0 || d.n > 4 || d.in[0] <= 0) return false;
  int64_t work = d.n * d.co * (d.ci / d.groups);
  for (int s = 0; s < d.rank; ++s) work *= d.out[s] * d.kernel[s];
  const int64_t bands = std::min({d.out[0] / 3, 8 / d.n, work >> 21});
  if (bands < 2) return false;

  struct Band {
    std::shared_ptr<ConvPlan> plan;
    int64_t in_row, out_row;
  };
  std::vector<Band> all;
  const int64_t step = ceil_div(d.out[0], bands);
  for (int64_t row = 0; row < d.out[0]; row += step) {
    ConvDesc band = d;
    band.n = 1;
    band.out[0] = std::min(step, d.out[0] - row);
    const int64_t begin = row * d.stride[0] - d.pad_low[0],
                  end = begin + (band.out[0] - 1) * d.stride[0] + (d.kernel[0] - 1) * d.dilation[0] + 1;
    const int64_t first = std::max<int64_t>(begin, 0), last = std::min(end, d.in[0]);
    band.in[0] = last - first;
    band.pad_low[0] = first - begin;
    band.pad_high[0] = end - last;
    all.push_back({find_plan(Kind::forward, band, bias != nullptr), first, row});
    if (!all.back().plan || !same_weights(Kind::forward, all[0].plan->pieces[0], all.back().plan->pieces[0]))
      return false;
  }
  const int64_t count = static_cast<int64_t>(all.size()), x_image = image_bytes(d, false),
                y_image = image_bytes(d, true);
  const Side& side = all[0].plan->pieces[0].second;
  const BufferRef weights = side.reorders.empty() ? BufferRef() : allocate(side.bytes);
  if (weights) convert_in_parts(side, w, weights->data);
  const void* const ready = weights ? weights->data : w;
  parallel_for(d.n * count, 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t i = begin; i < end; ++i) {
      const Band& band = all[static_cast<size_t>(i % count)];
      const void* const from = x + i / count * x_image + band.in_row * (x_image / d.in[0]);
      void* const to = y + i / count * y_image + band.out_row * (y_image / d.out[0]);
      if (bias) band.plan->pieces[0].run->run({from, ready, bias, to});
      else band.plan->pieces[0].run->run({from, ready, to});
    }
  });
  return true;
}

}  // namespace

bool onednn_conv_forward(const ConvDesc& d, const void* x, const void* w, const float* bias, void* y) {
  if (run_bands(d, static_cast<const char*>(x), w, bias, static_cast<char*>(y))) return true;
  const auto plan = find_plan(Kind::forward, d, bias != nullptr);
  if (!plan) return false;
  run_pieces(d, *plan, static_cast<const char*>(x), image_bytes(d, false), w, bias, static_cast<char*>(y),
             image_bytes(d, true));
  return true;
}

bool onednn_conv_input_grad(const ConvDesc& d, const void* ct, const void* w, void* dx) {
  const auto plan = find_plan(Kind::input_grad, d);
  if (!plan) return false;
  run_pieces(d, *plan, static_cast<const char*>(ct), image_bytes(d, true), w, nullptr, static_cast<char*>(dx),
             image_bytes(d, false));
  return true;
}

bool onednn_conv_weight_grad(const ConvDesc& d, const void* x, const void* ct, void* dw) {
  const auto plan = find_plan(Kind::weight_grad, d);
  if (!plan) return false;
  run_weight_grad(d, *plan, static_cast<const char*>(x), static_cast<const char*>(ct), dw);
  return true;
}

}  // namespace pg::cpu
