// Compares the constants of onednn_api.h with the library's own headers, where those are installed
// (onednn-devel-cpu-gomp).

#include "backends/cpu/onednn_api.h"

#if __has_include(<oneapi/dnnl/dnnl.h>)
#include <oneapi/dnnl/dnnl.h>

namespace ours = pg::cpu::dnnl;

static_assert(ours::success == dnnl_success && ours::max_dims == DNNL_MAX_NDIMS);
static_assert(ours::f16 == dnnl_f16 && ours::bf16 == dnnl_bf16 && ours::f32 == dnnl_f32 &&
              ours::f64 == dnnl_f64);
static_assert(ours::engine_cpu == dnnl_cpu && ours::stream_in_order == dnnl_stream_in_order);
static_assert(ours::tag_any == dnnl_format_tag_any && ours::scratchpad_user == dnnl_scratchpad_mode_user);
static_assert(ours::forward_training == dnnl_forward_training &&
              ours::forward_inference == dnnl_forward_inference);
static_assert(ours::convolution_direct == dnnl_convolution_direct);
static_assert(ours::query_impl_info == dnnl_query_impl_info_str);
static_assert(ours::query_scratchpad_md == dnnl_query_scratchpad_md &&
              ours::query_exec_arg_md == dnnl_query_exec_arg_md);
static_assert(ours::arg_src == DNNL_ARG_SRC && ours::arg_dst == DNNL_ARG_DST &&
              ours::arg_weights == DNNL_ARG_WEIGHTS && ours::arg_bias == DNNL_ARG_BIAS);
static_assert(ours::arg_scratchpad == DNNL_ARG_SCRATCHPAD && ours::arg_diff_src == DNNL_ARG_DIFF_SRC);
static_assert(ours::arg_diff_dst == DNNL_ARG_DIFF_DST && ours::arg_diff_weights == DNNL_ARG_DIFF_WEIGHTS);
static_assert(sizeof(ours::ExecArg) == sizeof(dnnl_exec_arg_t) && sizeof(dnnl_dim_t) == sizeof(int64_t));
#endif

#include "check.h"

int main() { return finish("onednn_abi_test"); }
