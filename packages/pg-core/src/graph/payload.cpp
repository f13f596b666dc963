#include "graph/payload.h"

#include <mutex>
#include <unordered_map>

#include "graph/graph.h"
#include "support/error.h"
#include "support/hash.h"

namespace pg {
namespace {

struct Registry {
  std::mutex mutex;
  int64_t next_id = 1;
  std::unordered_map<int64_t, Payload*> by_id;             // none is owned
  std::unordered_multimap<uint64_t, Payload*> by_content;  // graphs by hash, functions by identity
};
Registry& registry() {
  static auto* made = new Registry;  // nodes may outlive static destruction
  return *made;
}

uint64_t hash_type(uint64_t h, const Aval& type) {
  h = hash_mix(h, static_cast<uint64_t>(type.dtype) << 1 | static_cast<uint64_t>(type.weak));
  for (const int64_t extent : type.shape) h = hash_mix(h, static_cast<uint64_t>(extent));
  return h;
}

uint64_t hash_graph(const Graph& graph) {
  uint64_t h = hash_mix(0xb0d1e5, graph.nodes.size());
  for (const Graph::Record& r : graph.nodes) {
    h = hash_mix(h, r.op->id);
    for (const Id input : r.inputs) h = hash_mix(h, input);
    for (const int64_t word : r.attrs) h = hash_mix(h, static_cast<uint64_t>(word));
    if (r.inputs.empty()) h = hash_type(h, r.type);
  }
  for (const Id id : graph.outputs) h = hash_mix(h, id);
  return h;
}

bool same_type(const Aval& a, const Aval& b) {
  return a.dtype == b.dtype && a.weak == b.weak && a.device == b.device && a.shape == b.shape;
}

bool same_graph(const Graph& a, const Graph& b) {
  if (a.nodes.size() != b.nodes.size() || a.inputs != b.inputs || a.outputs != b.outputs) return false;
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    const Graph::Record &x = a.nodes[i], &y = b.nodes[i];
    if (x.op != y.op || x.inputs != y.inputs || x.attrs != y.attrs || !same_type(x.type, y.type))
      return false;
  }
  return true;
}

PayloadRef enter(Registry& r, uint64_t hash, std::unique_ptr<const Graph> graph,
                 std::unique_ptr<const HostFunction> host) {
  auto made = PayloadRef::adopt(new Payload);
  made->id = r.next_id++;
  made->hash = hash;
  made->graph = std::move(graph);
  made->host = std::move(host);
  r.by_id.emplace(made->id, made.get());
  r.by_content.emplace(hash, made.get());
  return made;
}

}  // namespace

bool PayloadCount::try_retain() {
  uint32_t seen = count.load(std::memory_order_relaxed);
  while (seen && !count.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) {
  }
  return seen != 0;
}

void destroy(Payload* payload) {
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    r.by_id.erase(payload->id);
    const auto [first, last] = r.by_content.equal_range(payload->hash);
    for (auto it = first; it != last; ++it)
      if (it->second == payload) {
        r.by_content.erase(it);
        break;
      }
  }
  delete payload;  // outside the lock: its records own payloads of their own
}

void destroy(PayloadList* list) { delete list; }

PayloadRef intern(Graph graph) {
  const uint64_t hash = hash_graph(graph);
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto [first, last] = r.by_content.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    Payload* found = it->second;
    if (found->graph && same_graph(*found->graph, graph) && found->refs.try_retain())
      return PayloadRef::adopt(found);
  }
  return enter(r, hash, std::make_unique<const Graph>(std::move(graph)), nullptr);
}

PayloadRef intern(std::unique_ptr<const HostFunction> function) {
  const void* identity = function->identity();
  const uint64_t hash = hash_mix(0x4057f, reinterpret_cast<uintptr_t>(identity));
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  if (identity) {
    const auto [first, last] = r.by_content.equal_range(hash);
    for (auto it = first; it != last; ++it) {
      Payload* found = it->second;
      if (found->host && found->host->identity() == identity && found->refs.try_retain())
        return PayloadRef::adopt(found);
    }
  }
  return enter(r, hash, nullptr, std::move(function));
}

PayloadRef find_payload(int64_t id) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = r.by_id.find(id);
  if (found == r.by_id.end() || !found->second->refs.try_retain()) return nullptr;
  return PayloadRef::adopt(found->second);
}

const Graph& body_of(int64_t id) {
  const PayloadRef found = find_payload(id);
  PG_INVARIANT(found && found->graph, "an attribute names a graph that nobody holds");
  return *found->graph;
}

Payloads hold(std::span<const int64_t> ids) {
  auto list = Payloads::adopt(new PayloadList);
  for (const int64_t id : ids) {
    list->items.push_back(find_payload(id));
    PG_INVARIANT(list->items.back(), "an attribute names a payload that nobody holds");
  }
  return list;
}

int64_t live_payloads() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  return static_cast<int64_t>(r.by_id.size());
}

}  // namespace pg
