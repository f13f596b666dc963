#pragma once
// The composites of nearly every line of a model, in C++: what they cost is a large part of what small
// programs cost.

#include "bindings/common.h"

namespace pg::bindings {

/// The matrix product of the last two axes, the others broadcast; a vector counts as a row on the left, as a
/// column on the right. Raises ShapeError.
NodeRef matmul(NodeRef x, NodeRef y);

/// The axes in reverse order.
NodeRef reversed_axes(const NodeRef& x);

void bind_composites(py::module_& m);
void bind_data_composites(py::module_& m);

}  // namespace pg::bindings
