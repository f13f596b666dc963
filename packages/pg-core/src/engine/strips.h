#pragma once
// Running a body on strips of its operands, in parallel.

#include "engine/control.h"
#include "ops/control.h"

namespace pg::engine {

/// `operands` are those of the step, then its results. The kernels and calls of the body count once. Of
/// several strips with a bad index, the first one's is reported.
BadIndex run_strips(const Strips& strips, const ProgramStep& step, void* const* operands, Launches& launches);

}  // namespace pg::engine
