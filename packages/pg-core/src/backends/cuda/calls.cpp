#include "backends/cuda/calls.h"

#include <unordered_map>

#include "backends/cuda/call_conv.h"
#include "backends/cuda/call_dot.h"
#include "backends/cuda/call_fft.h"
#include "ops/ops.h"

namespace pg::cuda {

CallFn cuda_call(const Op& op) {
  static const std::unordered_map<const Op*, CallFn> table = {
      {&dot_general_op, call_dot_general},
      {&conv_op, call_conv},
      {&conv_input_grad_op, call_conv_input_grad},
      {&conv_weight_grad_op, call_conv_weight_grad},
      {&fft_op, call_fft},
  };
  const auto found = table.find(&op);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace pg::cuda
