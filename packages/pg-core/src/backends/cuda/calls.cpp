#include "backends/cuda/calls.h"

#include <unordered_map>

namespace pg::cuda {

CallFn cuda_call(const Op& op) {
  static const std::unordered_map<const Op*, CallFn> table = {};
  const auto found = table.find(&op);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace pg::cuda
