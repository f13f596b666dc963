#pragma once
// Block loops that belong to the interpreter rather than to an op: reductions, copies between strided memory
// and registers.

#include <cstdint>

#include "graph/op.h"

namespace pg::interpreter {

/// Floating sums and products run in float64, so that their order does not show in float32 results;
/// everything else in its own type.
DType state_type(Combine combine, DType value);

/// Functions of one reduction. The state of a reduction over lanes is 64 elements of the state type; out =
/// state, in[0] = values.
struct Folder {
  ir::BlockFn fold = nullptr;          // state[i mod 64] combined with in[0][i]
  ir::BlockFn finish = nullptr;        // out = one element of the result type from in[0] = state
  ir::BlockFn fold_block = nullptr;    // out[i] = out[i] combined with in[0][i]
  ir::BlockFn finish_block = nullptr;  // result elements from state elements
  int64_t identity = 0;  // bits of the state type's neutral element; complex128: of its real part
};
Folder folder(Combine combine, DType value, DType result);

void fill(void* out, int32_t size, const void* element, int64_t n);
/// out[i] = in[i * stride], elements of `size` bytes.
void copy_strided(void* out, const void* in, int32_t size, int64_t stride, int64_t n);
void copy_gather(void* out, const void* in, int32_t size, const int64_t* index, int64_t n);
void store_strided(void* out, const void* in, int32_t size, int64_t stride, int64_t n);
void store_scatter(void* out, const void* in, int32_t size, const int64_t* index, int64_t n);
void select(void* out, const void* condition, const void* a, const void* b, int32_t size, int64_t n);
/// Integers to any dtype's compute type.
void from_integers(void* out, DType dtype, const int64_t* in, int64_t n);
/// start, start + stride, ... as any dtype's compute type.
void count_up(void* out, DType dtype, int64_t start, int64_t stride, int64_t n);
/// Any integer dtype to int64; uint64 beyond int64 becomes its largest value.
void to_integers(int64_t* out, DType dtype, const void* in, int64_t n);

}  // namespace pg::interpreter
