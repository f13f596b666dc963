#pragma once
// Forward transforms as control flow sees them. Each replaces a value by a bundle of nodes: jvp (value,
// tangent), vmap (value with or without a batch axis), jet (Taylor coefficients). A record that holds bodies
// has one rule for all of them, written over this interface (transforms.md 2.2).

#include "graph/graph.h"

namespace pg {

/// Which nodes a bundle has besides the value itself, as bits. Joining two states is `|`.
using State = uint64_t;

struct Lifted {
  State state = 0;
  std::vector<NodeRef> nodes;
};

class Lift {
 public:
  virtual ~Lift() = default;
  /// What tells this transform from others, for memory of lifted bodies.
  virtual std::vector<int64_t> key() const = 0;
  /// The types of a bundle's nodes, for a value of this type.
  virtual std::vector<Aval> types(const Aval& type, State state) const = 0;
  /// The bundle with at least this state: zeros or broadcasts are inserted.
  virtual Lifted coerce(const Lifted& value, State state) const = 0;
  /// The outputs' bundles, where `roots` take these.
  virtual std::vector<Lifted> run(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                                  std::span<const Lifted> values) = 0;
  /// Stacked slices of a scan: the step axis leads, also where a batch axis does elsewhere. Its own inverse.
  virtual Lifted slot(const Lifted& value) const { return value; }
  /// vmap: how many examples (a bundle of state 1 has them along its first axis); 0 for all others.
  virtual int64_t lanes() const { return 0; }
};

/// The results of a node that has several, on these operands. At least one state is not 0.
std::vector<Lifted> lift_results(Lift& lift, const Node& node, std::span<const Lifted> x);

/// A body over bundles: its inputs and outputs are the bundles' nodes in order. `want` are the least states
/// of its outputs.
struct LiftedBody {
  PayloadRef body;
  std::vector<State> outputs;
};
LiftedBody lift_body(Lift& lift, const PayloadRef& body, std::span<const State> states,
                     std::span<const State> want = {});

}  // namespace pg
