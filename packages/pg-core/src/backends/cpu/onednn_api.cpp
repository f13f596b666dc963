#include "backends/cpu/onednn_api.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <list>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backends/cpu/onednn.h"
#include "runtime/pool.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"

namespace pg::cpu {

std::string (*find_onednn_library)() = nullptr;

namespace {

enum class State { unknown, loaded, absent };
std::atomic<State> state{State::unknown};
std::atomic<bool> enabled{true};
std::mutex load_mutex;
std::string why_absent;  // guarded by load_mutex
dnnl::Api table;         // written before state becomes loaded

// Empty on success. The lock is held.
std::string load(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) return concat("cannot load ", path, ": ", dlerror());
  dnnl::Api fresh;
  const char* missing = nullptr;
  const auto find = [&](auto& pointer, const char* name) {
    pointer = reinterpret_cast<std::remove_reference_t<decltype(pointer)>>(dlsym(library, name));
    if (!pointer) missing = name;
  };
#define PG_FIND(name, ...) find(fresh.name, "dnnl_" #name);
  PG_DNNL_FUNCTIONS(PG_FIND)
#undef PG_FIND
  // The wheel is the OpenMP build; other builds have threads that we could not hold to one.
  find(fresh.omp_get_max_threads, "omp_get_max_threads");
  find(fresh.omp_set_num_threads, "omp_set_num_threads");
  struct Version {
    int major, minor, patch;
  };
  const Version* (*version)() = nullptr;
  find(version, "dnnl_version");
  if (missing) return concat(path, " lacks ", missing, "; install onednn-cpu-gomp");
  if (version()->major != 3) return concat(path, " is version ", version()->major, " of oneDNN; 3 is needed");
  if (fresh.engine_create(&fresh.engine, dnnl::engine_cpu, 0) != dnnl::success ||
      fresh.primitive_attr_create(&fresh.attr) != dnnl::success ||
      fresh.primitive_attr_set_scratchpad_mode(fresh.attr, dnnl::scratchpad_user) != dnnl::success)
    return concat(path, " could not start its CPU engine");
  table = fresh;
  return "";
}

void settle(const std::string& error) {
  why_absent = error;
  state.store(error.empty() ? State::loaded : State::absent, std::memory_order_release);
}

void look_for_library() {
  std::string path, error;
  if (!env_flag("PG_ONEDNN", true)) error = "PG_ONEDNN=0";
  else if (const auto given = env_text("PG_LIBDNNL")) path = *given;
  else if (find_onednn_library) path = find_onednn_library();  // takes the GIL, so no lock is held here
  if (path.empty() && error.empty())
    error = "not installed; pip install onednn-cpu-gomp makes matrix products and convolutions faster";
  std::lock_guard lock(load_mutex);
  if (state.load(std::memory_order_relaxed) == State::unknown) settle(error.empty() ? load(path) : error);
}

}  // namespace

bool onednn_available() { return dnnl::api() != nullptr; }

void onednn_load(const char* path) {
  std::lock_guard lock(load_mutex);
  if (state.load(std::memory_order_relaxed) == State::loaded) return;
  const std::string error = load(path);
  settle(error);
  require(error.empty(), ErrorKind::value, error);
}

std::string onednn_status() {
  if (onednn_available()) return "";
  std::lock_guard lock(load_mutex);
  return state.load(std::memory_order_relaxed) == State::loaded ? "switched off" : why_absent;
}

void onednn_enable(bool on) { enabled.store(on, std::memory_order_relaxed); }

}  // namespace pg::cpu

namespace pg::cpu::dnnl {
namespace {

int data_type(DType dtype) {
  switch (dtype) {
  case DType::float16: return f16;
  case DType::bfloat16: return bf16;
  case DType::float32: return f32;
  case DType::float64: return f64;
  default: return 0;
  }
}

struct KeyHash {
  size_t operator()(const Key& key) const {
    return hash_words(reinterpret_cast<const uint64_t*>(key.data()), key.size());
  }
};

// Least recently used plans; never destroyed, because kernels may run while the process ends.
struct PlanCache {
  struct Entry {
    Key key;
    std::shared_ptr<Plan> plan;
  };
  static constexpr size_t capacity = 512;
  std::mutex mutex;
  std::list<Entry> order;  // most recent first
  std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> index;
};

PlanCache& plans() {
  static PlanCache* cache = [] {
    static PlanCache* fresh = new PlanCache;
    pthread_atfork([] { fresh->mutex.lock(); }, [] { fresh->mutex.unlock(); }, [] { fresh->mutex.unlock(); });
    return fresh;
  }();
  return *cache;
}

}  // namespace

const Api* api() {
  if (state.load(std::memory_order_acquire) == State::unknown) look_for_library();
  return state.load(std::memory_order_acquire) == State::loaded && enabled.load(std::memory_order_relaxed)
             ? &table
             : nullptr;
}

Layout::Layout(std::span<const int64_t> dims, DType dtype, std::span<const int64_t> strides) {
  if (table.memory_desc_create_with_strides(&raw_, static_cast<int>(dims.size()), dims.data(),
                                            data_type(dtype), strides.data()) != success)
    raw_ = nullptr;
}

Layout Layout::any(std::span<const int64_t> dims, DType dtype) {
  Layout out;
  if (table.memory_desc_create_with_tag(&out.raw_, static_cast<int>(dims.size()), dims.data(),
                                        data_type(dtype), tag_any) != success)
    out.raw_ = nullptr;
  return out;
}

Layout Layout::part(ConstMemoryDesc whole, std::span<const int64_t> dims, std::span<const int64_t> offsets) {
  Layout out;
  if (table.memory_desc_create_submemory(&out.raw_, whole, dims.data(), offsets.data()) != success)
    out.raw_ = nullptr;
  return out;
}

Layout::~Layout() {
  if (raw_) table.memory_desc_destroy(raw_);
}

struct Primitive::Context {
  Stream stream = nullptr;
  SmallVector<ExecArg, 5> args;
  ~Context() {
    for (const ExecArg& arg : args) table.memory_destroy(arg.memory);
    if (stream) table.stream_destroy(stream);
  }
};

// Slots instead of a lock, so that a child of fork never finds one taken.
struct Primitive::Idle {
  std::atomic<Context*> slots[16] = {};
  ~Idle() {
    for (auto& slot : slots) delete slot.load();
  }
};

Primitive::Primitive(PrimitiveDesc desc, std::initializer_list<int> args)
    : desc_(desc), args_(args), idle_(std::make_unique<Idle>()) {
  if (!desc_) return;
  if (table.primitive_create(&handle_, desc_) != success) handle_ = nullptr;
  if (const ConstMemoryDesc scratch = table.primitive_desc_query_md(desc_, query_scratchpad_md, 0))
    scratch_bytes_ = table.memory_desc_get_size(scratch);
}

Primitive::~Primitive() {
  idle_.reset();
  if (handle_) table.primitive_destroy(handle_);
  if (desc_) table.primitive_desc_destroy(desc_);
}

bool Primitive::is_reference() const {
  const char* name = nullptr;
  return table.primitive_desc_query(desc_, query_impl_info, 0, &name) == success &&
         std::string_view(name).starts_with("ref");
}

ConstMemoryDesc Primitive::layout(int arg) const {
  return table.primitive_desc_query_md(desc_, query_exec_arg_md, arg);
}

size_t Primitive::bytes(int arg) const { return table.memory_desc_get_size(layout(arg)); }

std::unique_ptr<Primitive::Context> Primitive::take() {
  for (auto& slot : idle_->slots)
    if (slot.load(std::memory_order_relaxed))
      if (Context* context = slot.exchange(nullptr, std::memory_order_acquire))
        return std::unique_ptr<Context>(context);
  auto context = std::make_unique<Context>();
  bool ok = table.stream_create(&context->stream, table.engine, stream_in_order) == success;
  const auto add = [&](int arg, ConstMemoryDesc layout) {
    Memory memory = nullptr;
    ok = ok && table.memory_create(&memory, layout, table.engine, nullptr) == success;
    if (ok) context->args.push_back({arg, memory});
  };
  for (const int arg : args_) add(arg, layout(arg));
  if (scratch_bytes_) add(arg_scratchpad, table.primitive_desc_query_md(desc_, query_scratchpad_md, 0));
  PG_INVARIANT(ok, "oneDNN could not make memory objects");
  return context;
}

void Primitive::run(std::initializer_list<const void*> pointers) {
  std::unique_ptr<Context> context = take();
  const BufferRef scratch = scratch_bytes_ ? allocate(scratch_bytes_) : BufferRef();
  size_t i = 0;
  for (const void* pointer : pointers)
    table.memory_set_data_handle(context->args[i++].memory, const_cast<void*>(pointer));
  if (scratch) table.memory_set_data_handle(context->args[i++].memory, scratch->data);
  const Status status =
      table.primitive_execute(handle_, context->stream, static_cast<int>(i), context->args.data());
  PG_INVARIANT(status == success, "oneDNN could not run a primitive");
  table.stream_wait(context->stream);
  for (auto& slot : idle_->slots) {
    Context* empty = nullptr;
    if (slot.compare_exchange_strong(empty, context.get(), std::memory_order_release,
                                     std::memory_order_relaxed))
      return (void)context.release();
  }
}

std::shared_ptr<Plan> cached_plan(const Key& key, FunctionRef<std::unique_ptr<Plan>()> make) {
  PlanCache& cache = plans();
  {
    std::lock_guard lock(cache.mutex);
    const auto found = cache.index.find(key);
    if (found != cache.index.end()) {
      cache.order.splice(cache.order.begin(), cache.order, found->second);
      return found->second->plan;
    }
  }
  // Compiling takes milliseconds: not under the lock. Two threads may both do it; the first to finish is
  // kept.
  const OneThread one;
  std::shared_ptr<Plan> plan = make();
  std::shared_ptr<Plan> dropped;
  std::lock_guard lock(cache.mutex);
  const auto [place, fresh] = cache.index.try_emplace(key);
  if (!fresh) return place->second->plan;
  cache.order.push_front({key, plan});
  place->second = cache.order.begin();
  if (cache.order.size() > PlanCache::capacity) {
    dropped = std::move(cache.order.back().plan);
    cache.index.erase(cache.order.back().key);
    cache.order.pop_back();
  }
  return plan;
}

OneThread::OneThread() : before_(table.omp_get_max_threads()) {
  if (before_ != 1) table.omp_set_num_threads(1);
}

OneThread::~OneThread() {
  if (before_ != 1) table.omp_set_num_threads(before_);
}

}  // namespace pg::cpu::dnnl
