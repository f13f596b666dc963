// Graphs: what a stream was asked for while it was captured, to be run again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "module.h"
#include "queue.h"

namespace pgemu {

/// A launch without its parameters' values.
struct Launch {
  void* function = nullptr;
  std::string name;
  Dim3 grid{}, block{};
  std::vector<unsigned> parameter_bytes;
  std::function<Result(void**)> check;  // of parameters, on the calling thread
  std::function<Result(void**)> run;
};

struct Node {
  std::shared_ptr<const Launch> launch;  // null: `body` is something else, which cannot be changed
  std::vector<std::vector<char>> parameters;
  std::function<Result()> body;
};

struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;  // one after the other
  bool broken = false;                       // something was asked for that cannot be captured
};

/// Queues a launch, or makes it a node.
Result submit(Stream* stream, Launch launch, void** parameters);

}  // namespace pgemu
