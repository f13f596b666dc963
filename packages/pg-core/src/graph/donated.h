#pragma once
// What stands behind the handle of a tensor that was given away: its memory is somebody else's by now.

#include "graph/node.h"

namespace pg {

/// A node without a value, which never gets one.
NodeRef donated_node(const Aval& aval);
inline bool is_donated(const Node& node) { return node.op == &buffer_op && !node.evaluated(); }
/// Raises InvalidValueError: the tensor was used again.
[[noreturn]] void fail_donated(const Node& node);

}  // namespace pg
