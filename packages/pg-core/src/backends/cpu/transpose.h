#pragma once
// Matrices of 4-byte words, transposed.

#include <cstdint>

namespace pg::cpu {

/// to[j * to_pitch + i] = from[i * from_pitch + j] for i < rows, j < columns; pitches count words. By the
/// calling thread.
void transpose_words(const void* from, int64_t from_pitch, int64_t rows, int64_t columns, void* to,
                     int64_t to_pitch);

}  // namespace pg::cpu
