#pragma once
// Where the values of a program lie. Results have buffers of their own, temporaries share one arena; memory
// is used again as soon as its last reader is done:
//
// - a kernel may write over an operand that dies there, when its plan says so;
// - until a result is written, its buffer is room for temporaries;
// - the buffer of a donated input becomes that of a result.
//
//   t0 written by 0, read by 1; t1 written by 1, read by 2; t2 written by 2  ->  t0 and t2 share memory

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pg {

struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;  // steps that write and read it last
  int over = -1;            // the value whose memory it may take when that one dies at `first`
  bool result = false;      // lies at the start of a buffer of its own and lives on
  int free_from = 0;        // result: the first step at which nothing else needs that buffer
  // To be filled:
  int base = -1;  // the result in whose buffer it lies; -1: the arena
  size_t offset = 0;
};

struct MemoryPlan {
  size_t arena_bytes = 0;
  size_t live_bytes = 0;  // the most bytes of the arena that are in use at once: no plan needs fewer
};

/// Sets base and offset of every value. With `rooms` temporaries may lie in the buffers of results.
MemoryPlan plan_memory(std::span<Lifetime> values, bool rooms);

}  // namespace pg
