#pragma once
// Offsets of temporaries in one arena: memory is reused as soon as the last reader is done, and a kernel may
// write over an operand that dies there when its plan says so.
//
//   t0 written by 0, read by 1; t1 written by 1, read by 2; t2 written by 2  ->  t0 and t2 share memory

#include <cstddef>
#include <span>
#include <vector>

namespace pg {

struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;  // steps that write and read it last
  int over = -1;            // the temporary whose memory it may take when that one dies at `first`
  size_t offset = 0;        // result
};

/// Sets every offset; returns the size of the arena.
size_t plan_memory(std::span<Lifetime> temporaries);

}  // namespace pg
