#pragma once
// How a record is computed strip by strip: which axes of its operands a cut of its result asks for, and what
// the record is called on one strip.
//
//   c = dot_general(a, b, bik,bkj->bij), c cut along (b, i): a is cut along (b, i), b along (b, nothing)
//   s = reduce_max(x, axes=(1,)), x cut along 1: impossible; reduce_sum: a sum over strips

#include <optional>

#include "ops/control.h"

namespace pg {

/// The cut of operand i from which a strip of the result can be computed; nothing when the record needs more
/// than a strip.
std::optional<Cut> cut_of_operand(const Graph& graph, Id id, size_t i, const Cut& result, const Ints& counts);

/// The cut that the result has when operand i has this one.
std::optional<Cut> cut_of_result(const Graph& graph, Id id, size_t i, const Cut& operand, const Ints& counts);

/// Adds the record on one strip; `operands` are its operands in the body, `numbers` the inputs that hold the
/// number of the strip along each direction.
Id add_on_strip(const Graph& graph, Id id, const Cut& cut, const Ints& counts,
                const SmallVector<Id, 3>& operands, std::span<const Id> numbers, GraphBuilder& body);

}  // namespace pg
