#pragma once
// The flat, hash-consed graph: what a trace or a cut becomes, and what every compiler pass takes and returns.

#include <string>
#include <vector>

#include "graph/node.h"
#include "support/function_ref.h"
#include "support/intern_table.h"

namespace pg {

using Id = uint32_t;

struct Graph {
  struct Record {
    const Op* op;
    SmallVector<Id, 3> inputs;  // earlier records only
    Attrs attrs;
    Aval type;
    Location where;
    Payloads payloads = {};  // what the first words of attrs name
  };
  std::vector<Record> nodes;  // topological order
  std::vector<Id> inputs;     // param records, in call order (rank-0 for run-time numbers)
  std::vector<Id> outputs;    // may repeat, may be inputs

  const Record& operator[](Id id) const { return nodes[id]; }
  size_t size() const { return nodes.size(); }
};

/// Adds records one by one; an equal record (op, attributes, inputs) is returned instead of a second one,
/// except for unique ops.
class GraphBuilder {
 public:
  Id add(const Op& op, SmallVector<Id, 3> inputs, Attrs attrs, Location where = {});  // infers the type
  Id add(Graph::Record record);                                                       // type already known
  Id param(Aval type);                                                                // the next input
  const Graph::Record& operator[](Id id) const { return graph_.nodes[id]; }
  /// Valid until the next record is added.
  std::span<const Graph::Record> records() const { return graph_.nodes; }
  size_t size() const { return graph_.nodes.size(); }
  Graph finish(std::vector<Id> outputs);

 private:
  Graph graph_;
  InternTable table_;  // positions of records
};

/// Flattens the nodes between `params` and `outputs`; params become the graph's inputs, in order. Nodes older
/// than `oldest` (the start of the trace) and leaves with a value become further inputs, appended to
/// `captures` in order of appearance; literals stay inside. A param of another trace raises TraceError.
/// In a closed body (`nested`) placeholders of an outer trace are captured like any other older node.
Graph flatten(std::span<const NodeRef> params, std::span<const NodeRef> outputs, uint64_t oldest,
              std::vector<NodeRef>& captures, bool nested = false);

/// A closed graph as a payload, and the nodes it took from outside: they are inputs behind the params.
struct Closed {
  PayloadRef body;
  std::vector<NodeRef> captures;
};
/// Closes `outputs` over `params`. Nodes older than `oldest` (the start of the trace of the body) and values
/// become captures; literals stay inside.
Closed close(std::span<const NodeRef> params, std::span<const NodeRef> outputs, uint64_t oldest);
/// How a record becomes a node on these operands.
using MakeNode = FunctionRef<NodeRef(const Graph::Record&, std::span<const NodeRef>)>;
/// As it stands.
NodeRef same_node(const Graph::Record& r, std::span<const NodeRef> operands);
/// The graph's records as nodes, on the given inputs; its outputs. Literals and identities are not asked
/// about.
std::vector<NodeRef> instantiate(const Graph& graph, std::span<const NodeRef> inputs, MakeNode make_node);
inline std::vector<NodeRef> instantiate(const Graph& graph, std::span<const NodeRef> inputs) {
  return instantiate(graph, inputs, [](const Graph::Record& r, std::span<const NodeRef> operands) {
    return same_node(r, operands);
  });
}
/// Types of all results of a record (one unless its op has several).
std::vector<Aval> output_types(const Graph& graph, const Graph::Record& record);

/// One line per record; names are %0, %1, ... in order.
std::string to_string(const Graph& graph);
/// Raises InternalError when the graph breaks a rule: order, arity, types as inferred, inputs are params.
void verify(const Graph& graph);

}  // namespace pg
