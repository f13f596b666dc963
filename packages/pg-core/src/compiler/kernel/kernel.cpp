#include "compiler/kernel/kernel.h"

#include <limits>

namespace pg {

int64_t identity_bits(Combine combine, DType dtype) {
  const auto bits = [&](double real, int64_t integer) {
    return is_inexact(dtype) ? scalar_bits(real) : integer;
  };
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const int width = static_cast<int>(size_of(dtype)) * 8;
  const int64_t highest = is_bool(dtype)       ? 1
                          : is_unsigned(dtype) ? (width == 64 ? -1 : (int64_t{1} << width) - 1)
                                               : std::numeric_limits<int64_t>::max() >> (64 - width);
  const int64_t lowest = is_bool(dtype) || is_unsigned(dtype) ? 0 : -highest - 1;
  switch (combine) {
  case Combine::sum:
  case Combine::any: return bits(0, 0);
  case Combine::prod:
  case Combine::all: return bits(1, 1);
  case Combine::max: return bits(-infinity, lowest);
  case Combine::min: return bits(infinity, highest);
  }
  return 0;
}

Kernel::Kernel() : exprs(std::make_unique<ir::ExprContext>()) {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

}  // namespace pg
