#pragma once
// Nodes under vmap. A batched node holds one value for every example, with the batch axis first.

#include "graph/node.h"

namespace pg {

struct Batched {
  NodeRef node;
  bool batched = false;  // false: one value for all examples
};

/// What a batching rule may read. At least one operand is batched.
struct BatchArgs {
  const Op& op;
  std::span<const Batched> x;
  const Attrs& attrs;
  const Aval& type;  // of the result for one example
  int64_t size;      // how many examples
};

/// For ops that treat every leading axis alike: the same op on the first operand.
inline Batched batch_same(const BatchArgs& args) {
  return {make(args.op, {args.x[0].node}, args.attrs), true};
}

}  // namespace pg
