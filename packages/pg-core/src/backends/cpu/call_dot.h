#pragma once
// dot_general on strided matrix products.

#include "compiler/backend.h"

namespace pg {

void call_dot_general(const CallArgs& call);

}  // namespace pg
