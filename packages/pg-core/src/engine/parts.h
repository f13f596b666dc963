#pragma once
// A graph over several devices as a list of programs of one device each, with copies between them.
//
//   %1 = exp(%0: cpu); %2 = to_device(%1, cuda:0); %3 = neg(%2)
//   -> program cpu {exp}: %0 -> %1;  copy %1 -> %2;  program cuda:0 {neg}: %2 -> %3
//
// A record's level is the number of copies behind it; what has one level and one device is one program.

#include "engine/run.h"

namespace pg::engine {

struct PartStep {
  ExecutableRef program;  // null: a copy of the one value to `device`
  Device device{};
  std::vector<uint32_t> in, out;  // numbers of values
};

struct Parts {
  std::vector<PartStep> steps;
  uint32_t values = 0;  // the graph's inputs come first
  std::vector<uint32_t> outputs;
};

/// Do the records lie on more than one device, or move there?
bool is_mixed(const Graph& graph);
Parts split(const Graph& graph);
/// As run().
BadIndex run_parts(const Parts& parts, std::span<const Input> inputs, SmallVector<Buffer*, 4>& outputs);

}  // namespace pg::engine
