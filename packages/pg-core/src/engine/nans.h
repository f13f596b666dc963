#pragma once
// The search for the op behind a NaN, on demand: the results of every program are looked at, and when one
// holds a NaN the program's graph is computed again with all of its values as results.

#include "engine/run.h"
#include "support/function_ref.h"

namespace pg::engine {

enum class NanCheck : uint8_t { off, nan, inf };  // inf: infinities count as well
/// For the whole process. While a check is on, nodes outside traces remember their line too.
void set_nan_check(NanCheck check);
NanCheck nan_check();

/// Raises through `host.bad_number` when a result of a program holds what the check looks for, naming the
/// first record that made such a value out of operands without one. The results are the outputs of `graph`;
/// `line_of` tells where one of its records was called.
void check_results(const Graph& graph, std::span<const Input> inputs, std::span<Buffer* const> results,
                   FunctionRef<Location(const Graph::Record&)> line_of);

}  // namespace pg::engine
