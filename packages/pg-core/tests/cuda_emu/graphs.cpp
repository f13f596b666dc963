// Capturing a stream into a graph, and running graphs.

#include "graph.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>

#include "libraries.h"

namespace pgemu {
namespace {

using Values = std::vector<std::vector<char>>;

struct Exec {
  const Graph* graph = nullptr;
  int device = 0;
  std::vector<Node> nodes;
  std::map<const Node*, size_t> index;  // of the graph's nodes
};
std::vector<Graph*> graphs;
std::vector<Exec*> execs;

template <class T> bool lives(const std::vector<T*>& all, const T* one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::vector<void*> pointers(Values& values) {
  std::vector<void*> out;
  for (auto& v : values) out.push_back(v.data());
  return out;
}

Values copies(const Launch& launch, void** given) {
  Values out;
  for (size_t i = 0; i < launch.parameter_bytes.size(); ++i)
    out.emplace_back(static_cast<char*>(given[i]), static_cast<char*>(given[i]) + launch.parameter_bytes[i]);
  return out;
}

// CUDA_KERNEL_NODE_PARAMS of the public documentation.
struct NodeParameters {
  void* function;
  unsigned grid[3], block[3], shared;
  void **parameters, **extra;
  void *kernel, *context;
};

}  // namespace

Result submit(Stream* stream, Launch launch, void** given) {
  if (!stream) return invalid_handle;
  if (const Result r = launch.check(given); r != success) return r;
  auto shared = std::make_shared<const Launch>(std::move(launch));
  auto values = std::make_shared<Values>(copies(*shared, given));
  if (stream->capture) {
    auto node = std::make_unique<Node>();
    node->launch = shared;
    node->parameters = *values;
    stream->capture->nodes.push_back(std::move(node));
    return success;
  }
  return submit(stream, [=] { return shared->run(pointers(*values).data()); });
}

// What else is queued on a stream that is captured.
void capture(Graph* graph, std::function<Result()> body) {
  auto node = std::make_unique<Node>();
  node->body = std::move(body);
  graph->nodes.push_back(std::move(node));
}

Result cannot_be_captured(Graph* graph, const char* what) {
  graph->broken = true;
  return wrong(stream_capture_unsupported, "%s while the stream is captured", what);
}

}  // namespace pgemu

using namespace pgemu;

API int cuStreamBeginCapture_v2(void* handle, int mode) {
  const Entered inside;
  Stream* const stream = stream_of(handle);
  if (!handle || !stream) return wrong(invalid_handle, "this stream cannot be captured");
  if (stream->capture) return wrong(invalid_value, "the stream is captured already");
  if (mode != 2) return wrong(invalid_value, "only relaxed captures are emulated, not mode %d", mode);
  stream->capture = new Graph;
  return success;
}
API int cuStreamEndCapture(void* handle, Graph** out) {
  const Entered inside;
  Stream* const stream = stream_of(handle);
  if (!stream || !stream->capture) return wrong(invalid_value, "the stream is not captured");
  Graph* const graph = std::exchange(stream->capture, nullptr);
  *out = nullptr;
  if (graph->broken) {
    delete graph;
    return wrong(stream_capture_invalidated, "the capture was broken");
  }
  graphs.push_back(graph);
  *out = graph;
  return success;
}
API int cuStreamGetCaptureInfo_v2(void* handle, int* status, uint64_t* id, Graph** graph,
                                  const Node* const** last, size_t* count) {
  const Entered inside;
  Stream* const stream = stream_of(handle);
  if (!stream) return invalid_handle;
  *status = !stream->capture ? 0 : stream->capture->broken ? 2 : 1;
  if (id) *id = 1;
  if (graph) *graph = stream->capture;
  static thread_local const Node* latest;
  latest = stream->capture && !stream->capture->nodes.empty() ? stream->capture->nodes.back().get() : nullptr;
  if (last) *last = &latest;
  if (count) *count = latest ? 1 : 0;
  return success;
}
API int cuGraphInstantiateWithFlags(Exec** out, Graph* graph, unsigned long long flags) {
  const Entered inside;
  if (!lives(graphs, graph) || flags) return wrong(invalid_value, "this graph cannot be instantiated");
  if (inside.device < 0) return wrong(invalid_context, "no context is current");
  auto* exec = new Exec;
  exec->graph = graph;
  exec->device = inside.device;
  for (const auto& node : graph->nodes) {
    exec->index[node.get()] = exec->nodes.size();
    exec->nodes.push_back(*node);
  }
  execs.push_back(exec);
  *out = exec;
  return success;
}
API int cuGraphExecKernelNodeSetParams_v2(Exec* exec, const Node* node, const NodeParameters* given) {
  const Entered inside;
  if (!lives(execs, exec)) return wrong(invalid_handle, "a graph that is gone is changed");
  if (!lives(graphs, const_cast<Graph*>(exec->graph)))
    return wrong(invalid_value, "the graph was destroyed whose node is named");
  const auto found = exec->index.find(node);
  if (found == exec->index.end()) return wrong(invalid_value, "the node is of another graph");
  Node& own = exec->nodes[found->second];
  if (!own.launch) return wrong(invalid_value, "the node launches no kernel");
  const Launch& launch = *own.launch;
  if (given->function != launch.function || given->shared || given->extra || given->kernel)
    return wrong(invalid_value, "%s: this change of a node is not emulated", launch.name.c_str());
  if (given->grid[0] != launch.grid.x || given->grid[1] != launch.grid.y || given->grid[2] != launch.grid.z ||
      given->block[0] != launch.block.x || given->block[1] != launch.block.y ||
      given->block[2] != launch.block.z)
    return wrong(invalid_value, "%s: a change of a node's size is not emulated", launch.name.c_str());
  own.parameters = copies(launch, given->parameters);
  return success;
}
API int cuGraphLaunch(Exec* exec, void* handle) {
  const Entered inside;
  Stream* const stream = stream_of(handle);
  if (!lives(execs, exec) || !stream) return wrong(invalid_handle, "a graph or stream that is gone is used");
  if (inside.device != exec->device) return wrong(invalid_context, "the graph is of another device");
  if (stream->capture) return cannot_be_captured(stream->capture, "a graph is launched");
  for (Node& node : exec->nodes) {
    if (!node.launch) continue;
    std::vector<void*> parameters = pointers(node.parameters);
    if (const Result r = node.launch->check(parameters.data()); r != success) return r;
  }
  // What it is now; changes are for later launches.
  auto nodes = std::make_shared<std::vector<Node>>(exec->nodes);
  return submit(stream, [=] {
    for (Node& node : *nodes) {
      std::vector<void*> parameters = pointers(node.parameters);
      if (const Result r = node.launch ? node.launch->run(parameters.data()) : node.body(); r != success)
        return r;
    }
    return success;
  });
}
API int cuGraphExecDestroy(Exec* exec) {
  const Entered inside;
  if (!std::erase(execs, exec)) return wrong(invalid_handle, "an instance of a graph is destroyed twice");
  delete exec;
  return success;
}
API int cuGraphDestroy(Graph* graph) {
  const Entered inside;
  if (!std::erase(graphs, graph)) return wrong(invalid_handle, "a graph is destroyed twice");
  delete graph;
  return success;
}

// For tests: instances that live.
API size_t pgemu_living_graphs() {
  const Entered inside;
  return execs.size();
}
