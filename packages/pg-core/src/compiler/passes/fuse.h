#pragma once
// Splits a graph into steps: fused kernels, library calls, and values that only rename memory.
//
//   %2 = exp(%0); %3 = mul(%2, %1); %4 = dot_general(%3, %1); %5 = reshape(%4)
//   -> kernel {exp, mul}: %0 %1 -> %3;  call dot_general: %3 %1 -> %4;  alias %5 = %4
//
// Steps come in a valid order. Every value named as input of a step is a graph input or was written by an
// earlier step. Records that no output needs have no step. Leaves with a value of their own (params) are
// never written.

#include <vector>

#include "compiler/kernel/group.h"

namespace pg {

struct Step {
  enum class Kind : uint8_t {
    kernel,  // run `group`
    call,    // run the Call record `record`: reads its inputs, writes its result
    alias    // `record` has the elements of `source` in the same order: same memory, another shape; or it is
             // the pick of a result of the call `source`
  };
  Kind kind = Kind::kernel;
  Group group = {};
  Id record = 0;
  Id source = 0;
  std::vector<Group> segments =
      {};  // of one structure, one of them `group`: one launch for all (segments.cpp)
};

/// `looked` gets how many records were looked at while groups were formed: it grows with the graph, and not
/// faster.
std::vector<Step> fuse(const Graph& graph, int64_t* looked = nullptr);

}  // namespace pg
