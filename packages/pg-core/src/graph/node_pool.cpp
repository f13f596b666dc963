#include "graph/node_pool.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "graph/node.h"
#include "support/pages.h"

namespace pg {
namespace {

struct Free {
  Free* next;
};

// The head of a region; its places follow. A place finds its region by its address.
struct Region {
  Region* next = nullptr;  // in the list of regions that have free places
  Region* previous = nullptr;
  Free* free = nullptr;  // places given back
  uint32_t fresh = 0;    // places from here on were never used
  uint32_t used = 0;     // places out with threads

  static constexpr size_t head = 64;
  static constexpr uint32_t places = (huge_page - head) / sizeof(Node);
  static Region* of(void* place) {
    return reinterpret_cast<Region*>(reinterpret_cast<uintptr_t>(place) & ~(huge_page - 1));
  }
  void* place(uint32_t i) { return reinterpret_cast<char*>(this) + head + i * sizeof(Node); }
};
static_assert(sizeof(Region) <= Region::head && sizeof(Node) % 64 == 0);

constexpr size_t batch = NodeList::limit / 2;  // moved at once
PG_THREAD_LOCAL bool thread_ended = false;     // later destructors of this thread use the regions directly

class Regions {
 public:
  std::mutex mutex;  // guards all of it
  std::vector<const NodeList*> lists;
  int64_t others = 0;  // living nodes that no thread's list counts

  void take(void** places, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      if (!open_) map();
      if (!open_) return give(places, i), throw std::bad_alloc();
      Region& region = *open_;
      if (!region.used) --idle_;
      ++region.used;
      if (region.free) places[i] = std::exchange(region.free, region.free->next);
      else places[i] = region.place(region.fresh++);
      if (region.used == Region::places) unlink(region);
    }
  }
  void give(void** places, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Region& region = *Region::of(places[i]);
      if (region.used == Region::places) link(region);
      region.free = new (places[i]) Free{region.free};
      if (--region.used) continue;
      if (idle_ < most_idle) {
        ++idle_;
        region.free = nullptr;  // in order again
        region.fresh = 0;
      } else {
        unlink(region);
        --count_;
        unmap_pages(&region, huge_page);
      }
    }
  }
  size_t count() const { return count_; }

 private:
  static constexpr size_t most_idle = 2;
  Region* open_ = nullptr;  // regions with free places
  size_t count_ = 0, idle_ = 0;

  void link(Region& region) {
    region.previous = nullptr;
    region.next = open_;
    if (open_) open_->previous = &region;
    open_ = &region;
  }
  void unlink(Region& region) {
    (region.previous ? region.previous->next : open_) = region.next;
    if (region.next) region.next->previous = region.previous;
  }
  void map() {
    void* raw = map_pages(huge_page, count_ > 0);  // small programs pay for the pages that they touch
    if (!raw) return;
    ++count_;
    ++idle_;
    link(*new (raw) Region);
  }
};

Regions& regions() {
  static Regions* state = [] {
    static auto* made = new Regions;  // threads may outlive static destruction
    // A child of fork inherits the lock in a known state.
    pthread_atfork([] { made->mutex.lock(); }, [] { made->mutex.unlock(); }, [] { made->mutex.unlock(); });
    return made;
  }();
  return *state;
}

struct NodeListOwner {
  NodeListOwner() {
    auto* list = new NodeList;
    const std::lock_guard lock(regions().mutex);
    regions().lists.push_back(list);
    node_list = list;
  }
  ~NodeListOwner() {
    NodeList* list = std::exchange(node_list, nullptr);
    thread_ended = true;
    Regions& all = regions();
    const std::lock_guard lock(all.mutex);
    std::erase(all.lists, list);
    all.others += list->balance.load(std::memory_order_relaxed);
    all.give(list->spare, list->count);
    delete list;
  }
};

[[gnu::noinline]] NodeList* make_node_list() {
  if (!thread_ended) static thread_local NodeListOwner owner;
  return node_list;
}

}  // namespace

constinit PG_THREAD_LOCAL NodeList* node_list = nullptr;

void* take_from_regions() {
  NodeList* list = node_list ? node_list : make_node_list();
  Regions& all = regions();
  const std::lock_guard lock(all.mutex);
  if (!list) {
    void* place;
    all.take(&place, 1);
    ++all.others;
    return place;
  }
  all.take(list->spare, batch);
  std::reverse(list->spare, list->spare + batch);  // the last is used first
  list->count = batch - 1;
  list->add(1);
  return list->spare[list->count];
}

void give_to_regions(void* place) {
  NodeList* list = node_list ? node_list : make_node_list();
  Regions& all = regions();
  const std::lock_guard lock(all.mutex);
  if (!list) {
    all.give(&place, 1);
    --all.others;
    return;
  }
  if (list->count == NodeList::limit) {
    list->count -= batch;
    all.give(list->spare + list->count, batch);
  }
  list->spare[list->count++] = place;
  list->add(-1);
}

int64_t live_nodes() {
  Regions& all = regions();
  const std::lock_guard lock(all.mutex);
  int64_t total = all.others;
  for (const NodeList* list : all.lists) total += list->balance.load(std::memory_order_relaxed);
  return total;
}

int64_t node_region_bytes() {
  const std::lock_guard lock(regions().mutex);
  return static_cast<int64_t>(regions().count() * huge_page);
}

}  // namespace pg
