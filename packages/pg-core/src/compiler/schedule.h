#pragma once
// Gives every value of a graph its memory and every step its kernel or call.

#include "compiler/program.h"

namespace pg {

/// Adds the steps, slots and outputs to `program`. Raises NotImplementedByBackend when a call has no
/// implementation on the backend.
void schedule(const Graph& graph, std::span<const Step> steps, const Backend& backend, const Placing& placing,
              Program& program);

}  // namespace pg
