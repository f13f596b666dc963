#pragma once
// Memory for nodes. A thread keeps a short list of free places; the rest lies in regions that all threads
// share and that go back to the system when nothing in them is used any more. Nodes made one after the other
// lie side by side, which is how transforms walk over them.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "support/thread_local.h"

namespace pg {

// Each thread counts what it took less what it gave back, so that counting needs no locked instruction.
struct NodeList {
  static constexpr size_t limit = 128;  // each may keep a region from going back
  void* spare[limit];
  size_t count = 0;
  std::atomic<int64_t> balance{0};  // written by its thread only
  void add(int64_t n) {
    balance.store(balance.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
};
extern constinit PG_THREAD_LOCAL NodeList* node_list;  // null: not made yet, or the thread has ended
void* take_from_regions();
void give_to_regions(void* place);

/// Raises std::bad_alloc.
inline void* take_node_memory() {
  NodeList* list = node_list;
  if (!list || !list->count) [[unlikely]]
    return take_from_regions();
  list->add(1);
  return list->spare[--list->count];
}

inline void give_node_memory(void* place) {
  NodeList* list = node_list;
  if (!list || list->count == NodeList::limit) [[unlikely]]
    return give_to_regions(place);
  list->add(-1);
  list->spare[list->count++] = place;
}

/// Places taken and not given back.
int64_t live_nodes();

/// Bytes of all regions, for checks that they go back.
int64_t node_region_bytes();

}  // namespace pg
