#pragma once
// The public list of records, and node-level helpers that derivative rules are written with.

#include "graph/node.h"

namespace pg {

// ---- elementwise (elementwise_*.cpp). Operands have one shape and, unless said otherwise, one dtype.
extern const Op &neg_op, &abs_op, &sign_op, &floor_op, &ceil_op, &trunc_op, &round_op, &sqrt_op, &rsqrt_op,
    &recip_op;
extern const Op &exp_op, &exp2_op, &expm1_op, &log_op, &log2_op, &log10_op, &log1p_op;
extern const Op &sin_op, &cos_op, &tan_op, &asin_op, &acos_op, &atan_op, &sinh_op, &cosh_op, &tanh_op,
    &asinh_op, &acosh_op, &atanh_op;
extern const Op &sigmoid_op, &erf_op, &erfc_op, &isnan_op, &isinf_op, &isfinite_op, &signbit_op,
    &not_op /* logical or bitwise */;
extern const Op &erfinv_op, &ndtr_op, &gelu_op, &gelu_tanh_op, &silu_op, &lgamma_op, &digamma_op,
    &zeta_op /* (s, q) */;
extern const Op &add_op, &sub_op, &mul_op, &div_op, &floor_divide_op, &remainder_op, &fmod_op, &pow_op,
    &maximum_op, &minimum_op, &atan2_op, &copysign_op, &hypot_op;
extern const Op &equal_op, &not_equal_op, &less_op, &less_equal_op;
extern const Op &and_op, &or_op, &xor_op, &shift_left_op, &shift_right_op;
extern const Op &complex_op /* (re, im) */, &real_op, &imag_op, &conj_op;  // of complex dtypes
extern const Op& where_op;                                                 // (bool, x, y)
extern const Op& astype_op;                                                // attrs: dtype
extern const Op& bitcast_op;                                               // attrs: dtype of the same width
extern const Op&
    threefry_op;  // (k0, k1, c0, c1: uint32) -> uint32; attrs: 0 first word, 1 second word, 2 their xor

// ---- structure (one file per family)
extern const Op& reshape_op;  // attrs: new shape
extern const Op& permute_op;  // attrs: axes
extern const Op&
    broadcast_op;  // attrs: rank of the result, shape..., then the result axis of each operand axis
extern const Op&
    slice_op;  // attrs: (start, stop, step) of axis 0, of axis 1, ...; step > 0 or < 0, every index in range
extern const Op&
    pad_op;  // (x, value rank 0); attrs: (low, high, interior) of axis 0, ...; negative low/high crop
extern const Op& concat_op;  // attrs: axis
extern const Op &reduce_sum_op, &reduce_prod_op, &reduce_max_op, &reduce_min_op, &reduce_all_op,
    &reduce_any_op;           // attrs: sorted axes
extern const Op& iota_op;     // no operand; attrs: dtype, device kind, device index, axis, shape...
extern const Op& gather_op;   // (table, rows integer); attrs: IndexMode
extern const Op& scatter_op;  // (base, rows, updates); attrs: ScatterMode, IndexMode
extern const Op&
    dot_general_op;  // attrs: |a|, |b|, |c|, labels of a, b, c; each label in at least two of the three
extern const Op &conv_op, &conv_input_grad_op, &conv_weight_grad_op;            // attrs: see conv.cpp
extern const Op &reduce_window_max_op, &reduce_window_sum_op;                   // attrs: see windows.cpp
extern const Op &window_max_grad_op, &window_max_pick_op, &window_sum_grad_op;  // their derivatives
extern const Op &cumulative_sum_op, &cumulative_prod_op, &cumulative_max_op,
    &cumulative_min_op;      // attrs: axis, reverse
extern const Op& stated_op;  // attrs: see stated.cpp
// attrs: axis, descending; of argsort also how many of the places are wanted; stable, NaN last
extern const Op &sort_op, &argsort_op;
extern const Op &psum_op, &all_gather_op;  // (x, axis): see collectives.cpp; all_gather attrs: examples
extern const Op& triangular_solve_op;      // (a, b); attrs: lower, transposed, unit diagonal
extern const Op& fft_op;                   // attrs: inverse, axes...
extern const Op& to_device_op;             // attrs: device kind, index

enum class IndexMode : int64_t { raise, clip, drop };  // drop: gather yields 0, scatter ignores the update
enum class ScatterMode : int64_t { set, add, mul, min, max };

// ---- helpers for rules: operands must already agree in shape and dtype; numbers take the operand's type
NodeRef operator+(const NodeRef& a, const NodeRef& b);
NodeRef operator-(const NodeRef& a, const NodeRef& b);
NodeRef operator*(const NodeRef& a, const NodeRef& b);
NodeRef operator/(const NodeRef& a, const NodeRef& b);
NodeRef operator-(const NodeRef& a);
NodeRef operator+(const NodeRef& a, double b);
NodeRef operator-(const NodeRef& a, double b);
NodeRef operator-(double a, const NodeRef& b);
NodeRef operator*(const NodeRef& a, double b);
NodeRef operator*(double a, const NodeRef& b);
NodeRef unary(const Op& op, const NodeRef& x);
NodeRef binary(const Op& op, const NodeRef& x, const NodeRef& y);
NodeRef fill_like(double value, const NodeRef& x);  // literal of x's shape and dtype
NodeRef where(const NodeRef& condition, const NodeRef& x, const NodeRef& y);
NodeRef where(const NodeRef& condition, double x, const NodeRef& y);
NodeRef where(const NodeRef& condition, const NodeRef& x, double y);
/// Also from real to complex; a complex tensor becomes bool (not zero), but no other real dtype.
NodeRef astype(const NodeRef& x, DType dtype);
NodeRef absolute(const NodeRef& x);                  // |x| of every dtype; real
NodeRef to_device(const NodeRef& x, Device device);  // x itself where it is there
NodeRef reshape(const NodeRef& x, const Shape& shape);
NodeRef permute(const NodeRef& x, const Ints& axes);
NodeRef broadcast(const NodeRef& x, const Shape& shape,
                  const Ints& axes);  // axes[i]: where operand axis i lies in the result
NodeRef broadcast_to(const NodeRef& x, const Shape& shape);  // NumPy's rule
NodeRef slice(const NodeRef& x, const Ints& start, const Ints& stop, const Ints& step);
NodeRef pad(const NodeRef& x, const NodeRef& value, const Ints& low, const Ints& high, const Ints& interior);
NodeRef reduce(const Op& op, const NodeRef& x,
               const Ints& axes);  // keeps nothing; axes may be empty (then x)
NodeRef flip(const NodeRef& x, const Ints& axes);
NodeRef iota(const Shape& shape, int64_t axis, DType dtype, Device device);
NodeRef gather(const NodeRef& table, const NodeRef& rows, IndexMode mode);
NodeRef scatter(const NodeRef& base, const NodeRef& rows, const NodeRef& updates, ScatterMode mode,
                IndexMode index_mode);
NodeRef take_along(const NodeRef& x, const NodeRef& index, int64_t axis);  // indices in range, counted from 0
NodeRef cumulative(const Op& op, const NodeRef& x, int64_t axis, bool reverse);
NodeRef dot_general(const NodeRef& a, const NodeRef& b, const Ints& la, const Ints& lb,
                    const Ints& lc);  // any labels
NodeRef conv(const NodeRef& image, const NodeRef& kernel, const Ints& strides, const Ints& low,
             const Ints& high, const Ints& dilation, int64_t groups);
NodeRef reduce_window(const Op& op, const NodeRef& x, const Ints& window, const Ints& strides,
                      const Ints& low, const Ints& high, const Ints& dilation);

}  // namespace pg
