#pragma once
// vmap: every node between the roots and the outputs becomes one that computes all examples at once.

#include "graph/batch.h"

namespace pg {

/// `outputs` for every example, where `roots` take one value per example (`values`, batch axis first). What
/// no example changes stays one value for all. Linear in the nodes between; the same nodes for any size.
std::vector<Batched> batch(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                           std::span<const NodeRef> values, int64_t size);

}  // namespace pg
