#include "backends/cpu/transpose.h"

#include <cstring>

#include "ir/isa.h"

namespace pg::cpu {
namespace {

constexpr int64_t side = 16;  // of a block: a row of it is 64 bytes
typedef uint32_t Row __attribute__((vector_size(64)));

// A block in four rounds, which swap the off-diagonal halves of ever smaller squares. Vectors are split for
// the target of the function they are written in, before inlining, hence a macro and not a clone of one body.
#define PG_SWAP(D)                                                                                           \
  {                                                                                                          \
    constexpr Row j{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};                                   \
    const Row upper = (j & D) != 0 ? j - D + 16 : j, lower = (j & D) != 0 ? j + 16 : j + D;                  \
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; ++i) if ((i & D) == 0) {                                \
      const Row a = rows[i], b = rows[i + D];                                                                \
      rows[i] = __builtin_shuffle(a, b, upper);                                                              \
      rows[i + D] = __builtin_shuffle(a, b, lower);                                                          \
    }                                                                                                        \
  }
#define PG_DEFINE_BLOCK(NAME, TARGET)                                                                        \
  TARGET void NAME(const uint32_t* from, int64_t from_pitch, uint32_t* to, int64_t to_pitch) {               \
    Row rows[side];                                                                                          \
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; ++i)                                                    \
        std::memcpy(&rows[i], from + i * from_pitch, sizeof(Row));                                           \
    PG_SWAP(8)                                                                                               \
    PG_SWAP(4)                                                                                               \
    PG_SWAP(2)                                                                                               \
    PG_SWAP(1)                                                                                               \
    _Pragma("GCC unroll 16") for (int i = 0; i < 16; ++i)                                                    \
        std::memcpy(to + i * to_pitch, &rows[i], sizeof(Row));                                               \
  }

using Block = void (*)(const uint32_t* from, int64_t from_pitch, uint32_t* to, int64_t to_pitch);
PG_DEFINE_BLOCK(baseline_block, )
#if PG_CLONES
PG_DEFINE_BLOCK(avx2_block, PG_TARGET_AVX2)
PG_DEFINE_BLOCK(avx512_block, PG_TARGET_AVX512)
#endif
#undef PG_DEFINE_BLOCK
#undef PG_SWAP

Block best_block() {
#if PG_CLONES
  if (ir::isa() == ir::Isa::avx512) return avx512_block;
  if (ir::isa() == ir::Isa::avx2) return avx2_block;
#endif
  return baseline_block;
}

}  // namespace

void transpose_words(const void* from, int64_t from_pitch, int64_t rows, int64_t columns, void* to,
                     int64_t to_pitch) {
  const uint32_t* const in = static_cast<const uint32_t*>(from);
  uint32_t* const out = static_cast<uint32_t*>(to);
  if (rows < side || columns < side) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) out[j * to_pitch + i] = in[i * from_pitch + j];
    return;
  }
  const Block block = best_block();
  // The last blocks may overlap those before them: they write the same words again.
  for (int64_t j = 0; j < columns; j += side) {
    const int64_t column = j + side <= columns ? j : columns - side;
    for (int64_t i = 0; i < rows; i += side) {
      const int64_t row = i + side <= rows ? i : rows - side;
      block(in + row * from_pitch + column, from_pitch, out + column * to_pitch + row, to_pitch);
    }
  }
}

}  // namespace pg::cpu
