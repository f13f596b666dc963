#pragma once
// Windows over many independent slices or channels, a vector of them at a time.

#include "backends/cpu/native.h"

namespace pg::cpu {

/// Each returns false, having done nothing, when there are too few independent lanes to fill vectors. Same
/// results as the loops in window.cpp, to the last bit.
bool reduce_window_lanes(Window op, const WindowDesc& desc, const void* in, void* out);
bool window_sum_grad_lanes(const WindowDesc& desc, const void* ct, void* dx);
bool window_max_grad_lanes(const WindowDesc& desc, const void* in, const void* ct, void* dx);
bool window_max_pick_lanes(const WindowDesc& desc, const void* in, const void* t, void* out);

}  // namespace pg::cpu
