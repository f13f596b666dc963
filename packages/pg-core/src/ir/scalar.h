#pragma once
// The scalar IR: straight-line typed arithmetic that an elementwise op states once.

#include <cstdint>
#include <span>

#include "types/dtype.h"

namespace pg::ir {

class Builder;

/// A symbolic value inside a Builder.
struct Sym {
  Builder* builder = nullptr;
  int32_t id = -1;
  DType dtype = DType::float32;
};

/// Builds the op's arithmetic over symbolic operands.
using Emit = Sym (*)(std::span<const Sym> in, std::span<const int64_t> attrs);

}  // namespace pg::ir
