#pragma once
// Block loops: the precompiled form of an elementwise op. One call computes n consecutive elements from
// contiguous operands.

#include <cstdint>
#include <span>

#include "types/dtype.h"

namespace pg::ir {

/// out and in[i] hold n elements of the compute type (float32 for float16 and bfloat16, values already
/// rounded). out may be the same pointer as operands whose elements are at least as wide; otherwise they do
/// not overlap. bool is one byte, 0 or 1.
using BlockFn = void (*)(void* out, const void* const* in, int64_t n);

/// The loop for these operand dtypes, result dtype and attributes on this machine, or null when the op has
/// none. Dtypes are the op's, so float16 and bfloat16 appear as such; the caller rounds the result
/// (round_block) except after astype, whose loop has rounded already.
using BlockLookup = BlockFn (*)(std::span<const DType> in, DType out, std::span<const int64_t> attrs);

/// For float16 and bfloat16 (null for other dtypes, whose registers are their storage):
BlockFn round_block(DType dtype);  // float32 -> float32 rounded to the dtype, in place allowed
BlockFn load_block(DType dtype);   // 16-bit storage -> float32
BlockFn store_block(DType dtype);  // float32 -> 16-bit storage, rounding to nearest even

}  // namespace pg::ir
