#pragma once
// The instruction set of the block loops, chosen once per process. All of them compute the same bits.

#include "ir/vocabulary.h"

#if defined(__x86_64__) && !defined(PG_GENERIC)
#define PG_CLONES 1
#define PG_TARGET_AVX2 __attribute__((target("avx2,fma,bmi,bmi2,f16c")))
#define PG_TARGET_AVX512                                                                                     \
  __attribute__((                                                                                            \
      target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,bmi,bmi2,f16c,prefer-vector-width=512")))
#else
#define PG_CLONES 0
#endif

namespace pg::ir {

enum class Isa : uint8_t { baseline, avx2, avx512 };

/// The widest one this machine has, capped by PG_ISA (baseline, avx2 or avx512).
Isa isa();

}  // namespace pg::ir
