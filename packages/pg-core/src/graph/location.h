#pragma once
// Which Python line a new node is said to come from, where that is not simply the line being run.

#include "graph/node.h"

namespace pg {

/// Nodes made while one lives on this thread carry this line: what a transform makes out of a node belongs to
/// the line of that node, not to the line that asked for a gradient. A location without code changes nothing.
class LocationScope {
 public:
  explicit LocationScope(const Location& where);
  ~LocationScope();
  LocationScope(const LocationScope&) = delete;

 private:
  Location where_;
  const Location* outer_;
};

/// Nodes made outside any trace carry their line too. Off by default: finding the line costs more than the
/// node.
extern std::atomic<bool> locations_outside_traces;

}  // namespace pg
