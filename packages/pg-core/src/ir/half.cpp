// Rounding, loading and storing of float16 and bfloat16 blocks.
#include "ir/loops.h"

namespace pg::ir {
namespace {

struct RoundHalf {
  PG_INLINE Val<float> operator()(Val<float> x) const { return round_to_half(x); }
};
struct RoundBFloat {
  PG_INLINE Val<float> operator()(Val<float> x) const { return round_to_bfloat(x); }
};

struct LoadHalf {
  PG_INLINE Val<float> operator()(Val<uint16_t> h) const {
    const uint32_t wide = h.v, sign = (wide & 0x8000u) << 16, magnitude = wide & 0x7fffu;
    const uint32_t normal = (magnitude << 13) + 0x38000000u;
    const float low = static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f;
    uint32_t r = magnitude < 0x400u ? __builtin_bit_cast(uint32_t, low) : normal;
    r = magnitude >= 0x7c00u ? (magnitude << 13) | 0x7f800000u : r;
    return {__builtin_bit_cast(float, sign | r)};
  }
};
struct LoadBFloat {
  PG_INLINE Val<float> operator()(Val<uint16_t> h) const {
    return {__builtin_bit_cast(float, static_cast<uint32_t>(h.v) << 16)};
  }
};

struct StoreHalf {
  PG_INLINE Val<uint16_t> operator()(Val<float> x) const {
    const uint32_t all = __builtin_bit_cast(uint32_t, x.v), magnitude = all & 0x7fffffffu;
    const float low = __builtin_bit_cast(float, magnitude) +
                      0.5f;  // subnormal halves: addition rounds to multiples of 2^-24
    const uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
    uint32_t r = magnitude < 0x38800000u ? __builtin_bit_cast(uint32_t, low) - 0x3f000000u : normal;
    r = magnitude >= 0x477ff000u ? 0x7c00u : r;
    r = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x3ffu) : r;
    return {static_cast<uint16_t>(((all >> 16) & 0x8000u) | r)};
  }
};
struct StoreBFloat {
  PG_INLINE Val<uint16_t> operator()(Val<float> x) const {
    const uint32_t all = __builtin_bit_cast(uint32_t, x.v);
    const uint32_t rounded = (all + 0x7fffu + ((all >> 16) & 1u)) >> 16;
    return {static_cast<uint16_t>((all & 0x7fffffffu) > 0x7f800000u ? (all >> 16) | 0x40u : rounded)};
  }
};

template <class ForHalf, class ForBFloat, class From> BlockFn choose(DType dtype) {
  if (dtype == DType::float16) return Clones<Map<ForHalf, From>>::pick();
  if (dtype == DType::bfloat16) return Clones<Map<ForBFloat, From>>::pick();
  return nullptr;
}

}  // namespace

BlockFn round_block(DType dtype) { return choose<RoundHalf, RoundBFloat, float>(dtype); }
BlockFn load_block(DType dtype) { return choose<LoadHalf, LoadBFloat, uint16_t>(dtype); }
BlockFn store_block(DType dtype) { return choose<StoreHalf, StoreBFloat, float>(dtype); }

}  // namespace pg::ir
