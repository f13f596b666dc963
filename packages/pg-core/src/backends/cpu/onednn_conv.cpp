// Convolutions by one-thread oneDNN primitives over pieces of the batch. Pieces depend on the shape alone.
//
// Weights, and NCHW activations, go to the layouts that the library prefers; NHWC activations are used as
// they are. A weight gradient is a sum over pieces: each writes its own partial, and the partials are added
// in order.

#include <algorithm>
#include <array>
#include <vector>

#include "backends/cpu/onednn.h"
#include "backends/cpu/onednn_api.h"
#include "runtime/pool.h"
#include "runtime/threads.h"

namespace pg::cpu {
namespace {

using namespace dnnl;

enum class Kind : int64_t { forward = 1, input_grad, weight_grad };

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
  std::unique_ptr<Primitive> reorder;  // null when the layouts agree
  size_t bytes = 0;                    // of the library's layout
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

// Fills `side` with the conversion between a plain layout and what the primitive wants; false if there is
// none.
bool connect(Side& side, const Primitive& primitive, int arg, const Layout& plain, bool to_library) {
  const Api& lib = *api();
  const ConstMemoryDesc wanted = primitive.layout(arg);
  side.bytes = (lib.memory_desc_get_size(wanted) + 63) / 64 * 64;
  if (lib.memory_desc_equal(wanted, plain.get())) return true;
  PrimitiveDesc desc = nullptr;
  const ConstMemoryDesc from = to_library ? plain.get() : wanted, to = to_library ? wanted : plain.get();
  if (lib.reorder_primitive_desc_create(&desc, from, lib.engine, to, lib.engine, lib.attr) != success)
    return false;
  side.reorder = std::make_unique<Primitive>(desc, std::initializer_list<int>{arg_src, arg_dst});
  return side.reorder->ok();
}

bool usable(const Primitive& primitive) { return primitive.ok() && !primitive.is_reference(); }

bool compile_piece(Piece& piece, Kind kind, const ConvDesc& d, int64_t n) {
  const Api& lib = *api();
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

  PrimitiveDesc forward = nullptr, desc = nullptr;
  if (lib.convolution_forward_primitive_desc_create(
          &forward, lib.engine, kind == Kind::forward ? forward_inference : forward_training,
          convolution_direct, x_use,
          kind == Kind::weight_grad ? Layout::any(s.w, d.dtype).get() : w_any.get(), nullptr, y_use, d.stride,
          dilates, d.pad_low, d.pad_high, lib.attr) != success)
    return false;
  if (kind == Kind::forward) {
    piece.run =
        std::make_unique<Primitive>(forward, std::initializer_list<int>{arg_src, arg_weights, arg_dst});
    return usable(*piece.run) && connect(piece.first, *piece.run, arg_src, x, true) &&
           connect(piece.second, *piece.run, arg_weights, w, true) &&
           connect(piece.result, *piece.run, arg_dst, y, false);
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
    return usable(*piece.run) && connect(piece.first, *piece.run, arg_diff_dst, y, true) &&
           connect(piece.second, *piece.run, arg_weights, w, true) &&
           connect(piece.result, *piece.run, arg_diff_src, x, false);
  }
  piece.run =
      std::make_unique<Primitive>(desc, std::initializer_list<int>{arg_src, arg_diff_dst, arg_diff_weights});
  return usable(*piece.run) && connect(piece.first, *piece.run, arg_src, x, true) &&
         connect(piece.second, *piece.run, arg_diff_dst, y, true) &&
         connect(piece.result, *piece.run, arg_diff_weights, w, false);
}

// Pieces read one converted copy of the weights, and add up partials of one layout.
bool same_weights(Kind kind, const Piece& a, const Piece& b) {
  const int arg = kind == Kind::weight_grad ? arg_diff_weights : arg_weights;
  return api()->memory_desc_equal(a.run->layout(arg), b.run->layout(arg));
}

std::unique_ptr<Plan> make_plan(Kind kind, const ConvDesc& d) {
  auto plan = std::make_unique<ConvPlan>();
  int64_t work = d.co * (d.ci / d.groups), weights = work;  // multiply-adds of one image
  for (int s = 0; s < d.rank; ++s) {
    work *= d.out[s] * d.kernel[s];
    weights *= d.kernel[s];
  }
  // Pieces that pay for a task, at most 16 of them; partial weight gradients also cost their addition.
  int64_t wanted = std::clamp<int64_t>(work * d.n / (1 << 20), 1, 16);
  if (kind == Kind::weight_grad)
    wanted = std::clamp<int64_t>(std::min<int64_t>(work * d.n / (8 * weights), wanted), 1, 8);
  plan->images = ceil_div(d.n, wanted);
  const int64_t rest = d.n % plan->images;
  plan->ok = compile_piece(plan->pieces[0], kind, d, plan->images) &&
             (rest == 0 || (compile_piece(plan->pieces[1], kind, d, rest) &&
                            same_weights(kind, plan->pieces[0], plan->pieces[1])));
  return plan;
}

// Calls use(pointer): the memory itself, or a converted copy of it.
template <class F> void read_side(const Side& side, const void* plain, F&& use) {
  if (!side.reorder) return use(plain);
  const BufferRef copy = allocate(side.bytes);
  side.reorder->run({plain, copy->data});
  use(copy->data);
}

template <class F> void write_side(const Side& side, void* plain, F&& use) {
  if (!side.reorder) return use(plain);
  const BufferRef copy = allocate(side.bytes);
  use(copy->data);
  side.reorder->run({copy->data, plain});
}

int64_t image_bytes(const ConvDesc& d, bool result) {
  int64_t out = (result ? d.co : d.ci) * size_of(d.dtype);
  for (int s = 0; s < d.rank; ++s) out *= result ? d.out[s] : d.in[s];
  return out;
}

// Forward and input gradient: `in` and `out` are cut along the batch.
void run_pieces(const ConvDesc& d, const ConvPlan& plan, const char* in, int64_t in_step, const void* w,
                char* out, int64_t out_step) {
  BufferRef weights;
  if (const Side& side = plan.pieces[0].second; side.reorder) {
    const OneThread one;
    weights = allocate(side.bytes);
    side.reorder->run({w, weights->data});
  }
  const void* const ready = weights ? weights->data : w;
  parallel_for(ceil_div(d.n, plan.images), 1, [&](int64_t begin, int64_t end, int) {
    const OneThread one;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i * plan.images;
      const Piece& piece = plan.pieces[first + plan.images > d.n];
      read_side(piece.first, in + first * in_step, [&](const void* x) {
        write_side(piece.result, out + first * out_step, [&](void* y) { piece.run->run({x, ready, y}); });
      });
    }
  });
}

void run_weight_grad(const ConvDesc& d, const ConvPlan& plan, const char* x, const char* ct, void* dw) {
  const int64_t pieces = ceil_div(d.n, plan.images), x_step = image_bytes(d, false),
                ct_step = image_bytes(d, true);
  const Side& result = plan.pieces[0].result;
  const BufferRef memory =
      pieces > 1 || result.reorder ? allocate(result.bytes * static_cast<size_t>(pieces)) : BufferRef();
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
  const OneThread one;
  if (result.reorder) result.reorder->run({partials, dw});
  else if (memory)
    std::copy(partials, partials + plan.pieces[0].run->bytes(arg_diff_weights), static_cast<char*>(dw));
}

std::shared_ptr<ConvPlan> find_plan(Kind kind, const ConvDesc& d) {
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
          d.channels_last};
  for (int s = 0; s < d.rank; ++s) {
    if (d.in[s] <= 0 || d.out[s] <= 0 || d.pad_low[s] < 0 || d.pad_high[s] < 0) return nullptr;
    for (const int64_t word :
         {d.in[s], d.out[s], d.kernel[s], d.stride[s], d.dilation[s], d.pad_low[s], d.pad_high[s]})
      key.push_back(word);
  }
  auto plan = std::static_pointer_cast<ConvPlan>(cached_plan(key, [&] { return make_plan(kind, d); }));
  return plan->ok ? plan : nullptr;
}

}  // namespace

bool onednn_conv_forward(const ConvDesc& d, const void* x, const void* w, void* y) {
  const auto plan = find_plan(Kind::forward, d);
  if (!plan) return false;
  run_pieces(d, *plan, static_cast<const char*>(x), image_bytes(d, false), w, static_cast<char*>(y),
             image_bytes(d, true));
  return true;
}

bool onednn_conv_input_grad(const ConvDesc& d, const void* ct, const void* w, void* dx) {
  const auto plan = find_plan(Kind::input_grad, d);
  if (!plan) return false;
  run_pieces(d, *plan, static_cast<const char*>(ct), image_bytes(d, true), w, static_cast<char*>(dx),
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
