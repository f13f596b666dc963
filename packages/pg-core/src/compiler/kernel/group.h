#pragma once
// A fused group: records of a flat graph that become one kernel.

#include <vector>

#include "graph/graph.h"

namespace pg {

struct Group {
  std::vector<Id> nodes;    // records computed inside, in graph order; inputs are not among them
  std::vector<Id> inputs;   // values read from memory, each once; buffers of a launch come in this order ...
  std::vector<Id> outputs;  // ... followed by the values written, each once
};

}  // namespace pg
