#pragma once
// The CUDA dialect of the loop IR: one __global__ function for each phase of a kernel.
//
// A grid point is a block, or a warp of one where rows are short. The lanes of a loop are the threads, a
// stride of blockDim.x apart. What is uniform, every thread computes for itself. Reductions across lanes go
// through shuffles and one shared slot for each warp; row buffers lie in shared memory.

#include <string>
#include <vector>

#include "compiler/kernel/kernel.h"
#include "compiler/kernel/lower.h"

namespace pg::cuda {

/// What the schedule should know of a GPU. Constants, so that results are the same on every GPU.
Target target();

struct Argument {
  enum class Kind : uint8_t {
    pointer,  // to the memory of param `index`
    scalar,   // param `index`, one element: by value or by pointer (pg_in of the prelude)
    partial,  // memory for one launch: local `index`
    error     // where a bad index is reported, and under which number
  };
  Kind kind;
  size_t index = 0;
  size_t alignment = 1;  // of a pointer, that the code relies on
};

struct Launch {
  std::string name;
  std::vector<Argument> arguments;
  int64_t blocks = 0;
  unsigned threads_x = 0, threads_y = 0;
};

/// A limit that raises: number i is reported as i.
struct Limit {
  Id record;
  int64_t extent;
};

struct Source {
  std::string text;  // without the prelude
  std::vector<Launch> launches;
  std::vector<Limit> limits;
  std::vector<size_t> partial_bytes;  // by local; 0 for row buffers
  std::vector<size_t> item_bytes;     // of an element, by param
};
/// `vectors`: threads take neighbouring elements, up to 16 bytes at once, where all accesses allow it.
Source write_source(const Kernel& kernel, bool vectors);

/// What every text begins with: types, conversions and reductions, with no header of NVIDIA.
extern const char* const prelude;

}  // namespace pg::cuda
