#pragma once
// Block loops: the precompiled form of an elementwise op. One call computes n consecutive elements from contiguous operands.

#include <cstdint>
#include <span>

#include "types/dtype.h"

namespace pg::ir {

/// out and in[i] hold n elements of the compute type (float32 for float16 and bfloat16, values already rounded); they may be the
/// same pointer but do not overlap otherwise. bool is one byte, 0 or 1.
using BlockFn = void (*)(void* out, const void* const* in, int64_t n);

/// The loop for these operand dtypes, result dtype and attributes on this machine, or null when the op has none.
using BlockLookup = BlockFn (*)(std::span<const DType> in, DType out, std::span<const int64_t> attrs);

}  // namespace pg::ir
