#include "backends/cuda/calls.h"

#include <unordered_map>

#include "backends/cuda/call_conv.h"
#include "backends/cuda/call_dot.h"
#include "backends/cuda/call_fft.h"
#include "backends/cuda/kernels.h"
#include "ops/ops.h"

namespace pg::cuda {

CallFn cuda_call(const Op& op) {
  static const std::unordered_map<const Op*, CallFn> table = {
      {&dot_general_op, call_dot_general},
      {&conv_op, call_conv},
      {&conv_input_grad_op, call_conv_input_grad},
      {&conv_weight_grad_op, call_conv_weight_grad},
      {&fft_op, call_fft},
      {&cumulative_sum_op, call_cumulative},
      {&cumulative_prod_op, call_cumulative},
      {&cumulative_max_op, call_cumulative},
      {&cumulative_min_op, call_cumulative},
      {&triangular_solve_op, call_triangular_solve},
      {&sort_op, call_sort},
      {&argsort_op, call_argsort},
      {&scatter_op, call_scatter},
      {&reduce_window_sum_op, call_windows},
      {&reduce_window_max_op, call_windows},
      {&window_sum_grad_op, call_windows},
      {&window_max_grad_op, call_windows},
      {&window_max_pick_op, call_windows},
  };
  const auto found = table.find(&op);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace pg::cuda
