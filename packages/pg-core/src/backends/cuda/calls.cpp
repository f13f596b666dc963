#include "backends/cuda/calls.h"

#include <unordered_map>

#include "backends/cuda/call_dot.h"
#include "ops/ops.h"

namespace pg::cuda {

CallFn cuda_call(const Op& op) {
  static const std::unordered_map<const Op*, CallFn> table = {
      {&dot_general_op, call_dot_general},
  };
  const auto found = table.find(&op);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace pg::cuda
