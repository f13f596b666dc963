#pragma once
// The part of oneDNN 3's C API that we use, declared by hand and loaded at run time: no header is needed to
// build. tests/cpp/onednn_abi_test.cpp compares the constants with the real headers where those are
// installed.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "support/function_ref.h"
#include "support/small_vector.h"
#include "types/dtype.h"

namespace pg::cpu::dnnl {

using Engine = struct EngineHandle*;
using Stream = struct StreamHandle*;
using MemoryDesc = struct MemoryDescHandle*;
using ConstMemoryDesc = const struct MemoryDescHandle*;
using Memory = struct MemoryHandle*;
using PrimitiveDesc = struct PrimitiveDescHandle*;
using PrimitiveHandle = struct PrimitiveHandle_*;
using Attr = struct AttrHandle*;
using Status = int;

constexpr int max_dims = 12;
using Dims = int64_t[max_dims];
struct ExecArg {
  int arg;
  Memory memory;
};

constexpr Status success = 0;
constexpr int f16 = 1, bf16 = 2, f32 = 3, f64 = 7;
constexpr int engine_cpu = 1;
constexpr unsigned stream_in_order = 1;
constexpr int tag_any = 1;
constexpr int scratchpad_user = 1;
constexpr int forward_training = 64, forward_inference = 96;
constexpr int convolution_direct = 1;
constexpr int query_impl_info = 8, query_scratchpad_md = 136, query_exec_arg_md = 255;
constexpr int arg_src = 1, arg_dst = 17, arg_weights = 33, arg_bias = 41, arg_scratchpad = 80;
constexpr int arg_diff_src = 129, arg_diff_dst = 145, arg_diff_weights = 161;

/// The loaded functions. One table of (name without "dnnl_", type).
struct Api {
#define PG_DNNL_FUNCTIONS(X)                                                                                 \
  X(engine_create, Status (*)(Engine*, int kind, size_t index))                                              \
  X(stream_create, Status (*)(Stream*, Engine, unsigned flags))                                              \
  X(stream_destroy, Status (*)(Stream))                                                                      \
  X(stream_wait, Status (*)(Stream))                                                                         \
  X(memory_desc_create_with_strides,                                                                         \
    Status (*)(MemoryDesc*, int rank, const int64_t* dims, int dtype, const int64_t* strides))               \
  X(memory_desc_create_with_tag, Status (*)(MemoryDesc*, int rank, const int64_t* dims, int dtype, int tag)) \
  X(memory_desc_create_submemory,                                                                            \
    Status (*)(MemoryDesc*, ConstMemoryDesc parent, const int64_t* dims, const int64_t* offsets))            \
  X(memory_desc_destroy, Status (*)(MemoryDesc))                                                             \
  X(memory_desc_get_size, size_t (*)(ConstMemoryDesc))                                                       \
  X(memory_desc_equal, int (*)(ConstMemoryDesc, ConstMemoryDesc))                                            \
  X(memory_create, Status (*)(Memory*, ConstMemoryDesc, Engine, void* handle))                               \
  X(memory_destroy, Status (*)(Memory))                                                                      \
  X(memory_set_data_handle, Status (*)(Memory, void* handle))                                                \
  X(primitive_attr_create, Status (*)(Attr*))                                                                \
  X(primitive_attr_set_scratchpad_mode, Status (*)(Attr, int mode))                                          \
  X(primitive_desc_query, Status (*)(PrimitiveDesc, int what, int index, void* result))                      \
  X(primitive_desc_query_md, ConstMemoryDesc (*)(PrimitiveDesc, int what, int index))                        \
  X(primitive_desc_destroy, Status (*)(PrimitiveDesc))                                                       \
  X(primitive_create, Status (*)(PrimitiveHandle*, PrimitiveDesc))                                           \
  X(primitive_execute, Status (*)(PrimitiveHandle, Stream, int count, const ExecArg*))                       \
  X(primitive_destroy, Status (*)(PrimitiveHandle))                                                          \
  X(reorder_primitive_desc_create,                                                                           \
    Status (*)(PrimitiveDesc*, ConstMemoryDesc, Engine, ConstMemoryDesc, Engine, Attr))                      \
  X(matmul_primitive_desc_create,                                                                            \
    Status (*)(PrimitiveDesc*, Engine, ConstMemoryDesc src, ConstMemoryDesc weights, ConstMemoryDesc bias,   \
               ConstMemoryDesc dst, Attr))                                                                   \
  X(convolution_forward_primitive_desc_create,                                                               \
    Status (*)(PrimitiveDesc*, Engine, int prop, int algorithm, ConstMemoryDesc src,                         \
               ConstMemoryDesc weights, ConstMemoryDesc bias, ConstMemoryDesc dst, const int64_t* strides,   \
               const int64_t* dilates, const int64_t* low, const int64_t* high, Attr))                       \
  X(convolution_backward_data_primitive_desc_create,                                                         \
    Status (*)(PrimitiveDesc*, Engine, int algorithm, ConstMemoryDesc diff_src, ConstMemoryDesc weights,     \
               ConstMemoryDesc diff_dst, const int64_t* strides, const int64_t* dilates, const int64_t* low, \
               const int64_t* high, PrimitiveDesc forward, Attr))                                            \
  X(convolution_backward_weights_primitive_desc_create,                                                      \
    Status (*)(PrimitiveDesc*, Engine, int algorithm, ConstMemoryDesc src, ConstMemoryDesc diff_weights,     \
               ConstMemoryDesc diff_bias, ConstMemoryDesc diff_dst, const int64_t* strides,                  \
               const int64_t* dilates, const int64_t* low, const int64_t* high, PrimitiveDesc forward,       \
               Attr))
  // The types are written as casts are, so that one table serves declaration and loading.
  template <class F> using Pointer = F;
#define PG_MEMBER(name, ...) Pointer<__VA_ARGS__> name = nullptr;
  PG_DNNL_FUNCTIONS(PG_MEMBER)
#undef PG_MEMBER
  int (*omp_get_max_threads)() = nullptr;
  void (*omp_set_num_threads)(int) = nullptr;
  Engine engine = nullptr;
  Attr attr = nullptr;  // scratchpads are ours: with the library's own, one primitive run by several threads
                        // gives wrong results
};

/// The loaded library, or null. The first call looks for it.
const Api* api();

/// Owns a memory descriptor.
class Layout {
 public:
  Layout() = default;
  Layout(std::span<const int64_t> dims, DType dtype,
         std::span<const int64_t> strides);  // null if the library refuses it
  static Layout any(std::span<const int64_t> dims, DType dtype);
  /// A part of a tensor in the memory of the whole; null where a block of the layout would be cut.
  static Layout part(ConstMemoryDesc whole, std::span<const int64_t> dims, std::span<const int64_t> offsets);
  Layout(Layout&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Layout& operator=(Layout&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Layout();
  MemoryDesc get() const { return raw_; }

 private:
  MemoryDesc raw_ = nullptr;
};

/// A compiled primitive for one thread; run() may be called from many threads at once.
class Primitive {
 public:
  /// Takes over `desc`. `args` are the memory arguments that run() will be given, in that order.
  Primitive(PrimitiveDesc desc, std::initializer_list<int> args);
  ~Primitive();
  Primitive(const Primitive&) = delete;
  Primitive& operator=(const Primitive&) = delete;

  bool ok() const { return handle_ != nullptr; }
  /// The library has only its reference loops for this case, which are slower than our own kernels by far.
  bool is_reference() const;
  ConstMemoryDesc layout(int arg) const;
  size_t bytes(int arg) const;
  void run(std::initializer_list<const void*> pointers);

 private:
  struct Context;
  std::unique_ptr<Context> take();
  PrimitiveDesc desc_;
  PrimitiveHandle handle_ = nullptr;
  SmallVector<int, 4> args_;
  size_t scratch_bytes_ = 0;
  struct Idle;
  std::unique_ptr<Idle> idle_;  // contexts (memory objects, a stream) that no thread is using
};

using Key = SmallVector<int64_t, 40>;

/// What one case of an operation needs: null or failed primitives mean that the library cannot do it.
struct Plan {
  virtual ~Plan() = default;
};
/// The plan of `key`, made by `make` at the first use; the least recently used of 512 is dropped. The words
/// are compared in full.
std::shared_ptr<Plan> cached_plan(const Key& key, FunctionRef<std::unique_ptr<Plan>()> make);

/// While it lives, the calling thread's OpenMP regions (so: oneDNN) use one thread. Restores the caller's
/// setting.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace pg::cpu::dnnl
