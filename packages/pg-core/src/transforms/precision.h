#pragma once
// Mixed precision as a function from graph to graph.

#include "graph/graph.h"
#include "transforms/memo.h"

namespace pg {

/// Is the record a product of two operands: linear in each, alone, and large enough to be a call of its own
/// (matrix products and convolutions)?
bool is_product(const Op& op);

/// The body with every product of float32 operands computed on operands of dtype `low`; its result is float32
/// again. All other records, and the types of inputs and outputs, stay. Bodies inside are treated alike.
PayloadRef lower_products(const PayloadRef& body, DType low);

/// What lower_products remembers.
Memo<PayloadRef>& lowered_bodies();

}  // namespace pg
