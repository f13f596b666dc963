#pragma once
// Call records on the CPU: from attributes and types to the raw-pointer library.

#include "compiler/backend.h"

namespace pg {

/// The implementation of a Call record, or null.
CallFn cpu_call(const Op& op);

}  // namespace pg
