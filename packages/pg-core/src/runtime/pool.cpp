#include "runtime/pool.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "support/env.h"
#include "support/error.h"
#include "support/format.h"
#include "support/integers.h"
#include "support/pages.h"
#include "support/thread_local.h"

namespace pg {
namespace {

constexpr size_t line = 64;
constexpr size_t small_limit = size_t{1}
                               << 20;         // up to here a block is thread-local and lies behind its header
constexpr int64_t local_bytes_cap = 8 << 20;  // cached by one thread
constexpr uint32_t local_count_cap = 256;     // of one class
constexpr int64_t flush_bytes = 4 << 20;      // a thread that mostly releases reports at least this often

// Small classes: multiples of 64 with 4 steps an octave, 64 B to 1 MiB. Large classes: multiples of 2 MiB
// with 16 steps an octave, so that a large block wastes at most 1/16.
constexpr int small_classes = 1 + (20 - 6) * 4;
constexpr int large_classes = 43 * 16;
constexpr int class_count = small_classes + large_classes;

int top_bit(size_t n) { return 63 - __builtin_clzll(n); }

struct SizeClass {
  int index;
  size_t capacity;
};

SizeClass small_class(size_t bytes) {
  if (bytes <= line) return {0, line};
  const size_t last = round_up(bytes, line) - 1;
  const int e = top_bit(last);
  const size_t step = (last >> (e - 2)) & 3;
  return {1 + (e - 6) * 4 + static_cast<int>(step), (step + 5) << (e - 2)};
}

SizeClass large_class(size_t bytes) {
  const size_t last = round_up(bytes, huge_page) - 1;
  const int e = top_bit(last);
  const size_t step = (last >> (e - 4)) & 15;
  return {small_classes + (e - 20) * 16 + static_cast<int>(step),
          round_up((step + 17) << (e - 4), huge_page)};
}

// A counter written by one thread and read by others.
class Tally {
 public:
  void add(int64_t delta) {
    value_.store(value_.load(std::memory_order_relaxed) + delta, std::memory_order_relaxed);
  }
  int64_t get() const { return value_.load(std::memory_order_relaxed); }
  int64_t take() {
    const int64_t out = get();
    value_.store(0, std::memory_order_relaxed);
    return out;
  }

 private:
  std::atomic<int64_t> value_{0};
};

struct ThreadCache {
  Buffer* lists[small_classes] = {};
  uint32_t counts[small_classes] = {};
  Tally live_bytes, live_buffers, cached_bytes;
  uint64_t epoch = 0;
};

std::string human(int64_t bytes) {
  const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  char text[48];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

int64_t
number_in(const char* path,
          const char* key) {  // of "key: value kB" lines, or of a file that is one number; -1 if absent
  std::ifstream file(path);
  std::string word;
  while (file >> word) {
    if (*key == 0) return word == "max" ? -1 : std::strtoll(word.c_str(), nullptr, 10);
    if (word == key) {
      int64_t kib = 0;
      file >> kib;
      return kib * 1024;
    }
  }
  return -1;
}

std::string cgroup_path(const char* prefix) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string text; std::getline(file, text);)
    if (text.rfind(prefix, 0) == 0) return text.substr(text.rfind(':') + 1);
  return "";
}

int64_t default_limit() {
  int64_t room = number_in("/proc/meminfo", "MemAvailable:");
  if (room < 0) room = int64_t{1} << 40;
  const std::string v2 = "/sys/fs/cgroup" + cgroup_path("0::") + "/memory.max";
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", v2.c_str(), "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    const int64_t limit = number_in(path, "");
    if (limit > 0) room = std::min(room, limit);
  }
  return room / 10 * 9;
}

std::atomic<uint64_t> empty_epoch{0};  // bumped by empty_cache

// Shared state; never destroyed, because buffers are released up to the very end of the process.
struct Shared {
  std::mutex mutex;
  Buffer* lists[class_count] = {};
  int64_t large_live[class_count] =
      {};  // living blocks of each large class: who holds the memory, for the error
  size_t large_capacity[class_count] = {};
  std::vector<ThreadCache*> threads;
  int64_t live_bytes = 0, live_buffers = 0;  // what threads have handed over, and all large blocks
  int64_t cached_bytes = 0, held_bytes = 0, peak_bytes = 0;
  int64_t limit = 0;  // 0: not known yet
};

Shared& shared() {
  static Shared* state = [] {
    auto* fresh = new Shared;
    // A child of fork inherits the lock in a known state. Caches of threads that do not exist there are lost
    // to it.
    static Shared* self = fresh;
    pthread_atfork([] { self->mutex.lock(); }, [] { self->mutex.unlock(); }, [] { self->mutex.unlock(); });
    return fresh;
  }();
  return *state;
}

Buffer* new_small(size_t capacity) {
  void* raw = std::aligned_alloc(line, sizeof(Buffer) + capacity);
  if (!raw) return nullptr;
  auto* buffer = new (raw) Buffer;
  buffer->data = static_cast<char*>(raw) + sizeof(Buffer);
  return buffer;
}

Buffer* new_large(size_t capacity) {
  void* header = std::aligned_alloc(line, sizeof(Buffer));
  if (!header) return nullptr;
  void* data = map_pages(capacity, true);
  if (!data) {
    std::free(header);
    return nullptr;
  }
  auto* buffer = new (header) Buffer;
  buffer->data = data;
  return buffer;
}

// The lock is held.
void give_back(Shared& s, Buffer* buffer) {
  s.held_bytes -= static_cast<int64_t>(buffer->capacity);
  if (buffer->size_class >= small_classes) unmap_pages(buffer->data, buffer->capacity);
  buffer->~Buffer();
  std::free(buffer);
}

// The lock is held.
void free_shared_lists(Shared& s) {
  for (auto& list : s.lists)
    while (Buffer* buffer = list) {
      list = buffer->next;
      s.cached_bytes -= static_cast<int64_t>(buffer->capacity);
      give_back(s, buffer);
    }
}

// The lock is held.
void push_shared(Shared& s, Buffer* buffer) {
  buffer->next = s.lists[buffer->size_class];
  s.lists[buffer->size_class] = buffer;
  s.cached_bytes += static_cast<int64_t>(buffer->capacity);
}

// The lock is held.
Buffer* pop_shared(Shared& s, int index) {
  Buffer* buffer = s.lists[index];
  if (!buffer) return nullptr;
  s.lists[index] = buffer->next;
  s.cached_bytes -= static_cast<int64_t>(buffer->capacity);
  return buffer;
}

// The lock is held.
void hand_over_counts(Shared& s, ThreadCache& cache) {
  s.live_bytes += cache.live_bytes.take();
  s.live_buffers += cache.live_buffers.take();
  s.peak_bytes = std::max(s.peak_bytes, s.live_bytes);
}

// The lock is held. Moves `count` blocks of one class to the shared list.
void hand_over(Shared& s, ThreadCache& cache, int index, uint32_t count) {
  while (count-- && cache.lists[index]) {
    Buffer* buffer = cache.lists[index];
    cache.lists[index] = buffer->next;
    --cache.counts[index];
    cache.cached_bytes.add(-static_cast<int64_t>(buffer->capacity));
    push_shared(s, buffer);
  }
}

// The lock is held.
void hand_over_all(Shared& s, ThreadCache& cache) {
  hand_over_counts(s, cache);
  for (int i = 0; i < small_classes; ++i) hand_over(s, cache, i, UINT32_MAX);
}

PG_THREAD_LOCAL ThreadCache* current_cache = nullptr;
thread_local bool thread_ended = false;

// On the heap, because everything thread-local has to fit into the small static block.
struct CacheOwner {
  std::unique_ptr<ThreadCache> cache = std::make_unique<ThreadCache>();
  CacheOwner() {
    Shared& s = shared();
    std::lock_guard lock(s.mutex);
    s.threads.push_back(cache.get());
  }
  ~CacheOwner() {
    Shared& s = shared();
    std::lock_guard lock(s.mutex);
    hand_over_all(s, *cache);
    s.threads.erase(std::find(s.threads.begin(), s.threads.end(), cache.get()));
    current_cache = nullptr;
    thread_ended = true;  // buffers released by later destructors of this thread go to the shared lists
  }
};

[[gnu::noinline]] ThreadCache* make_cache() {
  if (thread_ended) return nullptr;
  static thread_local CacheOwner owner;
  return current_cache = owner.cache.get();
}

ThreadCache* cache_of_thread() { return current_cache ? current_cache : make_cache(); }

// The lock is held.
[[noreturn]] void out_of_memory(const Shared& s, size_t bytes, const char* who) {
  std::vector<std::string> holders;
  for (int i = class_count; i-- > small_classes && holders.size() < 4;)
    if (s.large_live[i])
      holders.push_back(concat(s.large_live[i], " x ", human(static_cast<int64_t>(s.large_capacity[i]))));
  fail(ErrorKind::memory,
       concat("out of memory: ", human(static_cast<int64_t>(bytes)), " requested, ", human(s.held_bytes),
              " in use", holders.empty() ? "" : " (largest: " + join(holders) + ")", ", limit ",
              human(s.limit), " (", who,
              "); use a smaller batch or shape, drop tensors you no longer need, or raise PG_MEMORY_LIMIT"));
}

// The lock is held. Frees caches when the limit would be passed.
void make_room(Shared& s, size_t capacity, size_t bytes) {
  if (s.limit == 0) s.limit = env_bytes("PG_MEMORY_LIMIT", default_limit());
  const auto fits = [&] {
    return capacity < (size_t{1} << 62) && s.held_bytes + static_cast<int64_t>(capacity) <= s.limit;
  };
  if (fits()) return;
  if (ThreadCache* cache = current_cache) hand_over_all(s, *cache);
  free_shared_lists(s);
  if (!fits()) out_of_memory(s, bytes, "PG_MEMORY_LIMIT, by default 90 % of available memory");
}

// The lock is held.
Buffer* create(Shared& s, SizeClass c, size_t bytes) {
  make_room(s, c.capacity, bytes);
  const bool small = c.index < small_classes;
  const auto attempt = [&] { return small ? new_small(c.capacity) : new_large(c.capacity); };
  Buffer* buffer = attempt();
  if (!buffer) {
    if (ThreadCache* cache = current_cache) hand_over_all(s, *cache);
    free_shared_lists(s);
    buffer = attempt();
  }
  if (!buffer) out_of_memory(s, bytes, "the system refused");
  buffer->size_class = static_cast<uint16_t>(c.index);
  buffer->capacity = c.capacity;
  s.held_bytes += static_cast<int64_t>(c.capacity);
  return buffer;
}

// empty_cache() was called since this thread last looked.
[[gnu::noinline]] void follow_epoch(ThreadCache& cache) {
  Shared& s = shared();
  std::lock_guard lock(s.mutex);
  cache.epoch = empty_epoch.load(std::memory_order_relaxed);
  hand_over_all(s, cache);
  free_shared_lists(s);
}

[[gnu::noinline]] Buffer* take_slow(SizeClass c, size_t bytes) {
  Shared& s = shared();
  ThreadCache* cache = cache_of_thread();
  if (cache && cache->epoch != empty_epoch.load(std::memory_order_relaxed)) follow_epoch(*cache);
  std::lock_guard lock(s.mutex);
  Buffer* buffer = pop_shared(s, c.index);
  if (!buffer) buffer = create(s, c, bytes);
  if (c.index >= small_classes) {
    ++s.large_live[c.index];
    s.large_capacity[c.index] = c.capacity;
  }
  if (c.index >= small_classes || !cache) {
    s.live_bytes += static_cast<int64_t>(bytes);
    ++s.live_buffers;
    s.peak_bytes = std::max(s.peak_bytes, s.live_bytes);
  } else {
    cache->live_bytes.add(static_cast<int64_t>(bytes));
    cache->live_buffers.add(1);
    hand_over_counts(s, *cache);
  }
  return buffer;
}

bool over_bytes(const ThreadCache& cache, const Buffer* buffer) {
  return cache.cached_bytes.get() + static_cast<int64_t>(buffer->capacity) > local_bytes_cap;
}

void push_local(ThreadCache& cache, Buffer* buffer) {
  const int index = buffer->size_class;
  buffer->next = cache.lists[index];
  cache.lists[index] = buffer;
  ++cache.counts[index];
  cache.cached_bytes.add(static_cast<int64_t>(buffer->capacity));
}

[[gnu::noinline]] void put_slow(Buffer* buffer, ThreadCache* cache) {
  Shared& s = shared();
  const int index = buffer->size_class;
  std::lock_guard lock(s.mutex);
  if (index >= small_classes || !cache) {
    if (index >= small_classes) --s.large_live[index];
    s.live_bytes -= static_cast<int64_t>(buffer->bytes);
    --s.live_buffers;
    push_shared(s, buffer);
    return;
  }
  cache->live_bytes.add(-static_cast<int64_t>(buffer->bytes));
  cache->live_buffers.add(-1);
  hand_over_counts(s, *cache);
  // Make room for the next releases too, so that this path stays rare.
  if (over_bytes(*cache, buffer)) hand_over_all(s, *cache);
  else if (cache->counts[index] >= local_count_cap) hand_over(s, *cache, index, local_count_cap / 2);
  push_local(*cache, buffer);
}

Buffer* take(size_t bytes) {
  if (bytes > small_limit) {
    if (bytes >= size_t{1} << 62) {
      Shared& s = shared();
      std::lock_guard lock(s.mutex);
      make_room(s, bytes, bytes);
    }
    return take_slow(large_class(bytes), bytes);
  }
  const SizeClass c = small_class(bytes);
  ThreadCache* cache = current_cache;
  if (!cache || !cache->lists[c.index]) [[unlikely]]
    return take_slow(c, bytes);
  Buffer* buffer = cache->lists[c.index];
  cache->lists[c.index] = buffer->next;
  --cache->counts[c.index];
  cache->cached_bytes.add(-static_cast<int64_t>(buffer->capacity));
  cache->live_buffers.add(1);
  cache->live_bytes.add(static_cast<int64_t>(bytes));
  return buffer;
}

void put(Buffer* buffer) {
  ThreadCache* cache = current_cache ? current_cache : cache_of_thread();
  const int index = buffer->size_class;
  if (!cache || index >= small_classes) return put_slow(buffer, cache);
  if (cache->counts[index] >= local_count_cap || over_bytes(*cache, buffer) ||
      cache->live_bytes.get() < -flush_bytes) [[unlikely]]
    return put_slow(buffer, cache);
  push_local(*cache, buffer);
  cache->live_buffers.add(-1);
  cache->live_bytes.add(-static_cast<int64_t>(buffer->bytes));
  if (cache->epoch != empty_epoch.load(std::memory_order_relaxed)) [[unlikely]]
    follow_epoch(*cache);
}

}  // namespace

BufferRef allocate(size_t bytes, Device device) {
  Buffer* buffer = take(bytes);
  buffer->refs.count.store(1, std::memory_order_relaxed);
  buffer->bytes = bytes;
  buffer->device = device;
  return BufferRef::adopt(buffer);
}

BufferRef allocate_items(int64_t count, int64_t item_size, Device device) {
  int64_t bytes = 0;
  require(count >= 0 && item_size > 0 && !__builtin_mul_overflow(count, item_size, &bytes), ErrorKind::memory,
          [&] {
            return concat("out of memory: ", count, " items of ", item_size,
                          " bytes do not fit any address space; check the shape");
          });
  return allocate(static_cast<size_t>(bytes), device);
}

BufferRef wrap_foreign(void* data, size_t bytes, Device device, ForeignOwner owner, bool read_only) {
  PG_INVARIANT(owner.release != nullptr);
  BufferRef buffer = allocate(0, device);
  buffer->data = data;
  buffer->owner = owner;
  buffer->read_only = read_only;
  buffer->bytes = bytes;  // not in the pool's counts: the memory is not ours
  return buffer;
}

void destroy(Buffer* buffer) {
  if (buffer->owner.release) [[unlikely]] {
    buffer->owner.release(buffer->owner.context);
    buffer->owner = {};
    buffer->read_only = false;
    buffer->data = reinterpret_cast<char*>(buffer) + sizeof(Buffer);  // the header is that of a small block
    buffer->bytes = 0;
  }
  put(buffer);
}

MemoryStats memory_stats() {
  Shared& s = shared();
  std::lock_guard lock(s.mutex);
  if (s.limit == 0) s.limit = env_bytes("PG_MEMORY_LIMIT", default_limit());
  MemoryStats out{s.live_bytes, s.live_buffers, s.cached_bytes, s.held_bytes, 0, s.limit};
  for (const ThreadCache* cache : s.threads) {
    out.live_bytes += cache->live_bytes.get();
    out.live_buffers += cache->live_buffers.get();
    out.cached_bytes += cache->cached_bytes.get();
  }
  s.peak_bytes = std::max(s.peak_bytes, out.live_bytes);
  out.peak_bytes = s.peak_bytes;
  return out;
}

void reset_peak() {
  const int64_t live = memory_stats().live_bytes;
  Shared& s = shared();
  std::lock_guard lock(s.mutex);
  s.peak_bytes = live;
}

void empty_cache() {
  Shared& s = shared();
  std::lock_guard lock(s.mutex);
  const uint64_t epoch = empty_epoch.fetch_add(1, std::memory_order_relaxed) + 1;
  if (ThreadCache* cache = current_cache) {
    cache->epoch = epoch;
    hand_over_all(s, *cache);
  }
  free_shared_lists(s);
}

void set_memory_limit(int64_t bytes) {
  Shared& s = shared();
  std::lock_guard lock(s.mutex);
  s.limit = bytes > 0 ? bytes : env_bytes("PG_MEMORY_LIMIT", default_limit());
}

}  // namespace pg
