// The caching allocator: classes, reuse, caches, limit, foreign memory, many threads.

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "check.h"
#include "runtime/pool.h"

using namespace pg;

namespace {

void sizes() {
  for (size_t bytes :
       {size_t{0}, size_t{1}, size_t{32}, size_t{64}, size_t{65}, size_t{1000}, size_t{4096}, size_t{100000},
        size_t{1} << 20, (size_t{1} << 20) + 1, size_t{5000000}, size_t{33} << 20}) {
    const BufferRef buffer = allocate(bytes);
    CHECK(buffer->bytes == bytes);
    CHECK(buffer->capacity >= bytes);
    CHECK(bytes < 256 || buffer->capacity <= bytes + bytes / 4 + (bytes > (1 << 20) ? 2 << 20 : 64));
    CHECK(reinterpret_cast<uintptr_t>(buffer->data) % 64 == 0);
    if (bytes > size_t{1} << 20) CHECK(reinterpret_cast<uintptr_t>(buffer->data) % (2 << 20) == 0);
    std::memset(buffer->data, 1, bytes);
  }
  for (size_t bytes = 1; bytes < size_t{3} << 20; bytes += 977) CHECK(allocate(bytes)->capacity >= bytes);
}

void reuse_and_stats() {
  empty_cache();
  const MemoryStats before = memory_stats();
  void* first = nullptr;
  {
    const BufferRef a = allocate(1000), b = allocate(size_t{3} << 20);
    first = b->data;
    const MemoryStats now = memory_stats();
    CHECK(now.live_bytes == before.live_bytes + 1000 + (3 << 20));
    CHECK(now.live_buffers == before.live_buffers + 2);
    CHECK(now.peak_bytes >= now.live_bytes);
  }
  MemoryStats after = memory_stats();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.live_buffers == before.live_buffers);
  CHECK(after.cached_bytes > 0);
  CHECK(after.held_bytes == before.held_bytes + after.cached_bytes);
  CHECK(allocate(size_t{3} << 20)->data == first);
  empty_cache();
  after = memory_stats();
  CHECK(after.cached_bytes == 0);
  CHECK(after.held_bytes == before.held_bytes);
}

void limit() {
  empty_cache();
  set_memory_limit(size_t{16} << 20);
  {
    {
      const BufferRef cached = allocate(size_t{12} << 20);
    }
    const BufferRef fits = allocate(size_t{10} << 20);  // only once the cached block is freed
    CHECK(memory_stats().cached_bytes == 0);
    const std::string message = raised(ErrorKind::memory, [] { allocate(size_t{8} << 20); });
    for (const char* part :
         {"8.0 MiB requested", "10.0 MiB in use", "1 x 10.0 MiB", "limit 16.0 MiB", "PG_MEMORY_LIMIT"})
      CHECK(message.find(part) != std::string::npos);
    CHECK(fits->refs.load() == 1);
  }
  CHECK(allocate(size_t{12} << 20)->bytes == size_t{12} << 20);
  raised(ErrorKind::memory, [] { allocate(~size_t{0}); });
  raised(ErrorKind::memory, [] { allocate_items(int64_t{1} << 62, 8); });
  raised(ErrorKind::memory, [] { allocate_items(int64_t{1} << 58, 8); });
  set_memory_limit(0);
  CHECK(memory_stats().limit_bytes > int64_t{64} << 20);
  setenv("PG_MEMORY_LIMIT", "8M", 1);
  set_memory_limit(0);
  CHECK(memory_stats().limit_bytes == 8 << 20);
  unsetenv("PG_MEMORY_LIMIT");
  set_memory_limit(0);
}

void foreign() {
  static int released = 0;
  const int64_t live = memory_stats().live_bytes;
  int value = 7;
  {
    const BufferRef buffer = wrap_foreign(
        &value, sizeof value, {}, {[](void* count) { ++*static_cast<int*>(count); }, &released}, true);
    const BufferRef second = buffer;
    CHECK(*static_cast<int*>(second->data) == 7);
    CHECK(memory_stats().live_bytes == live);
  }
  CHECK(released == 1);
  const BufferRef next = allocate(8);  // the header serves again, with its own memory
  CHECK(next->data != &value && next->owner.release == nullptr && !next->read_only);
}

void threads() {
  const MemoryStats before = memory_stats();
  std::vector<BufferRef> kept[4];
  std::vector<std::thread> workers;
  for (int t = 0; t < 4; ++t)
    workers.emplace_back([t, &kept] {
      std::mt19937 random(t);
      std::vector<BufferRef> mine(64);
      for (int i = 0; i < 4000; ++i) {
        BufferRef& slot = mine[random() % mine.size()];
        slot = allocate(random() % (i % 100 == 0 ? 3000000 : 70000));
        std::memset(slot->data, t, std::min<size_t>(slot->bytes, 100));
        if (i % 1000 == 500) empty_cache();
      }
      kept[t] = std::move(mine);
    });
  for (auto& worker : workers) worker.join();
  for (int t = 0; t < 4; ++t)
    for (const BufferRef& buffer : kept[t])
      if (buffer && buffer->bytes) CHECK(*static_cast<char*>(buffer->data) == t);
  for (auto& list : kept) list.clear();
  const MemoryStats after = memory_stats();
  CHECK(after.live_bytes == before.live_bytes);
  CHECK(after.live_buffers == before.live_buffers);
  empty_cache();
  CHECK(memory_stats().cached_bytes == 0);
}

void forked() {
  const pid_t child = fork();
  if (child == 0) {
    const BufferRef small = allocate(10), large = allocate(size_t{4} << 20);
    std::memset(large->data, 0, large->bytes);
    _exit(small && large ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

// A block that was given back is the next one of its size: the system is not asked again.
void warm() {
  for (size_t bytes : {size_t{32}, size_t{1} << 20, size_t{8} << 20}) {
    const void* first = allocate(bytes)->data;
    const int64_t held = memory_stats().held_bytes;
    bool same = true;
    for (int i = 0; i < 100000; ++i) same = same && allocate(bytes)->data == first;
    CHECK(same);
    CHECK(memory_stats().held_bytes == held);
  }
}

}  // namespace

int main() {
  sizes();
  reuse_and_stats();
  limit();
  foreign();
  threads();
  forked();
  warm();
  return finish("pool_test");
}
