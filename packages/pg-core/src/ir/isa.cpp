#include "ir/isa.h"

#include <algorithm>

#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::ir {
namespace {

Isa widest() {
#if PG_CLONES
  __builtin_cpu_init();
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx2 && avx512) return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::baseline;
}

Isa choose() {
  const auto cap = env_text("PG_ISA");
  if (!cap || cap->empty()) return widest();
  if (*cap == "baseline") return Isa::baseline;
  if (*cap == "avx2") return std::min(widest(), Isa::avx2);
  if (*cap == "avx512") return widest();
  fail(ErrorKind::value, concat("PG_ISA is '", *cap, "'; use baseline, avx2 or avx512"));
}

}  // namespace

Isa isa() {
  static const Isa chosen = choose();
  return chosen;
}

}  // namespace pg::ir
