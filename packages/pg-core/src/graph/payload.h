#pragma once
// What a record may hold besides words: closed graphs (the bodies of control flow) and functions of the host.
//
// A payload has an id, unique for the life of the process, which stands among the attribute words of its
// records: so interning, program keys and rules treat it as any other attribute. Closed graphs are interned
// by content: equal bodies are one payload and have one id. Nodes and records own their payloads besides
// (`Payloads`), and whoever meets an id in attributes finds the payload by it as long as one of them lives.

#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "support/intrusive.h"

namespace pg {

struct Aval;
struct Graph;

/// A function outside the graph: reads the memory of its operands, fills that of its results. Called with no
/// lock held, on the thread that runs the program.
class HostFunction {
 public:
  virtual ~HostFunction() = default;
  virtual void call(std::span<const Aval> in, void* const* inputs, std::span<const Aval> out,
                    void* const* outputs) const = 0;
  virtual std::string name() const = 0;
  /// What makes two of them one payload, or null when each is its own.
  virtual const void* identity() const = 0;
};

/// Like RefCount, but the registry may take a reference while the last owner lets go.
struct PayloadCount {
  std::atomic<uint32_t> count{1};
  void retain() { count.fetch_add(1, std::memory_order_relaxed); }
  bool release() { return count.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  bool try_retain();
};

struct Payload {
  PayloadCount refs;
  int64_t id = 0;
  uint64_t hash = 0;                         // of the graph's content
  std::unique_ptr<const Graph> graph;        // a closed graph, or
  std::unique_ptr<const HostFunction> host;  // a function
};
void destroy(Payload* payload);
using PayloadRef = Ref<Payload>;

/// The payload of a closed graph: that of an equal one if it lives. Places in the user's code do not count.
PayloadRef intern(Graph graph);
PayloadRef intern(std::unique_ptr<const HostFunction> function);
/// The payload of an id; null when nobody holds it any more.
PayloadRef find_payload(int64_t id);
/// The graph behind an id that the caller's node or record holds.
const Graph& body_of(int64_t id);

/// The payloads that a node or record owns; most own none.
struct PayloadList {
  RefCount refs;
  std::vector<PayloadRef> items;
};
void destroy(PayloadList* list);
using Payloads = Ref<PayloadList>;
/// References to the payloads of these ids; somebody must hold each.
Payloads hold(std::span<const int64_t> ids);

/// Payloads alive in the process, for leak checks.
int64_t live_payloads();

}  // namespace pg
