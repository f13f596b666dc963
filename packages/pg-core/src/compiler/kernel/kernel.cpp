#include "compiler/kernel/kernel.h"

namespace pg {

Kernel::Kernel() : exprs(std::make_unique<ir::ExprContext>()) {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

}  // namespace pg
