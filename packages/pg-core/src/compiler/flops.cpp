#include "compiler/flops.h"

#include "ops/ops.h"

namespace pg {
namespace {

double elements(const Aval& type) { return static_cast<double>(count_of(type.shape)); }

// One multiplication and one addition for each combination of labels.
double flops_of_dot(const Graph& graph, const Graph::Record& r) {
  double out = 2 * elements(graph[r.inputs[0]].type);
  const size_t na = static_cast<size_t>(r.attrs[0]), nb = static_cast<size_t>(r.attrs[1]);
  const int64_t* a = r.attrs.data() + 3;
  const Shape& b = graph[r.inputs[1]].type.shape;
  for (size_t i = 0; i < nb; ++i)
    if (std::find(a, a + na, r.attrs[3 + na + i]) == a + na) out *= static_cast<double>(b[i]);
  return out;
}

}  // namespace

double flops_of(const Graph& graph, const Graph::Record& r) {
  constexpr double others = 8;
  if (r.op == &dot_general_op) return flops_of_dot(graph, r);
  const bool forward = r.op == &conv_op, to_input = r.op == &conv_input_grad_op,
             to_kernel = r.op == &conv_weight_grad_op;
  if (!forward && !to_input && !to_kernel) return others * elements(r.type);
  // Each element of a result meets the kernel of its channel.
  const Aval& kernel = to_kernel ? r.type : graph[r.inputs[1]].type;
  const Aval& result = forward ? r.type : graph[r.inputs[to_kernel ? 1 : 0]].type;
  const double channels = static_cast<double>(std::max<int64_t>(kernel.shape[0], 1));
  return 2 * elements(result) * elements(kernel) / channels;
}

}  // namespace pg
