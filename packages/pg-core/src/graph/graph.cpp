#include "graph/graph.h"

#include <algorithm>
#include <unordered_map>

#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"

namespace pg {
namespace {

uint64_t record_hash(const Graph::Record& r) {
  uint64_t h = hash_mix(0x9876543, r.op->id);
  for (const Id input : r.inputs) h = hash_mix(h, input);
  for (const int64_t word : r.attrs) h = hash_mix(h, static_cast<uint64_t>(word));
  return h;
}

// Leaves have no operands, so their type is part of what they are; every other type follows from op,
// attributes and operands.
bool same_record(const Graph::Record& a, const Graph::Record& b) {
  return a.op == b.op && a.inputs == b.inputs && a.attrs == b.attrs &&
         (!a.inputs.empty() || (a.type.dtype == b.type.dtype && a.type.weak == b.type.weak &&
                                a.type.device == b.type.device && a.type.shape == b.type.shape));
}

}  // namespace

void GraphBuilder::grow() {
  table_.assign(std::max<size_t>(64, table_.size() * 2), 0);
  for (size_t id = 0; id < graph_.nodes.size(); ++id) {
    if (graph_.nodes[id].op->unique) continue;
    size_t at = record_hash(graph_.nodes[id]) & (table_.size() - 1);
    while (table_[at]) at = (at + 1) & (table_.size() - 1);
    table_[at] = static_cast<uint32_t>(id + 1);
  }
}

Id GraphBuilder::add(Graph::Record record) {
  for (const Id input : record.inputs)
    PG_INVARIANT(input < graph_.nodes.size(), "a record before its operand");
  const Id fresh = static_cast<Id>(graph_.nodes.size());
  if (record.op->unique) {
    graph_.nodes.push_back(std::move(record));
    return fresh;
  }
  if (table_.empty() || used_ * 2 >= table_.size()) grow();
  size_t at = record_hash(record) & (table_.size() - 1);
  for (; table_[at]; at = (at + 1) & (table_.size() - 1))
    if (same_record(graph_.nodes[table_[at] - 1], record)) return table_[at] - 1;
  table_[at] = fresh + 1;
  ++used_;
  graph_.nodes.push_back(std::move(record));
  return fresh;
}

Id GraphBuilder::add(const Op& op, SmallVector<Id, 3> inputs, Attrs attrs, Location where) {
  std::vector<Aval> types;
  types.reserve(inputs.size());
  for (const Id input : inputs) types.push_back(graph_.nodes[input].type);
  Aval type = op.infer(types, attrs);
  return add(Graph::Record{&op, std::move(inputs), std::move(attrs), std::move(type), where});
}

Id GraphBuilder::param(Aval type) {
  const Id id =
      add(Graph::Record{&param_op, {}, {0, static_cast<int64_t>(graph_.inputs.size())}, std::move(type), {}});
  graph_.inputs.push_back(id);
  return id;
}

Graph GraphBuilder::finish(std::vector<Id> outputs) {
  graph_.outputs = std::move(outputs);
  table_.clear();
  return std::move(graph_);
}

Graph flatten(std::span<const NodeRef> params, std::span<const NodeRef> outputs, uint64_t oldest,
              std::vector<NodeRef>& captures) {
  GraphBuilder builder;
  std::unordered_map<const Node*, Id> ids;
  for (const NodeRef& p : params) ids.emplace(p.get(), builder.param(p->aval()));

  const auto capture = [&](Node* node) {
    captures.push_back(NodeRef::share(node));
    ids.emplace(node, builder.param(node->aval()));
  };
  std::vector<std::pair<Node*, size_t>> stack;
  for (const NodeRef& output : outputs) {
    if (ids.contains(output.get())) continue;
    stack.emplace_back(output.get(), 0);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == 0) {
        require(node->op != &param_op, ErrorKind::trace, [&] {
          const std::string place = describe_location ? describe_location(node->where) : "";
          return concat(
              "a traced value ", to_string(node->aval()), place.empty() ? "" : " made at " + place,
              " belongs to another trace; pass it as an argument instead of keeping it from an earlier call");
        });
        const bool leaf = node->op == &buffer_op || node->op == &number_op || node->evaluated();
        if (node->op != &full_op && (leaf || node->serial < oldest)) {
          capture(node);
          stack.pop_back();
          continue;
        }
      }
      if (next < node->inputs.size()) {
        Node* input = node->inputs[next++];
        if (!ids.contains(input)) stack.emplace_back(input, 0);
        continue;
      }
      if (!ids.contains(node)) {
        SmallVector<Id, 3> inputs;
        for (Node* input : node->inputs) inputs.push_back(ids.at(input));
        ids.emplace(node, builder.add(Graph::Record{node->op, std::move(inputs), node->attrs, node->aval(),
                                                    node->where}));
      }
      stack.pop_back();
    }
  }
  std::vector<Id> roots;
  for (const NodeRef& output : outputs) roots.push_back(ids.at(output.get()));
  return builder.finish(std::move(roots));
}

std::string to_string(const Graph& graph) {
  std::string out = "graph(";
  for (size_t i = 0; i < graph.inputs.size(); ++i)
    out += concat(i ? ", " : "", "%", graph.inputs[i], ": ", to_string(graph[graph.inputs[i]].type));
  out += "):\n";
  for (Id id = 0; id < graph.size(); ++id) {
    const Graph::Record& r = graph[id];
    if (r.op == &param_op) continue;
    std::vector<std::string> parts;
    for (const Id input : r.inputs) parts.push_back(concat("%", input));
    if (r.op == &full_op)
      parts.push_back(is_inexact(r.type.dtype) ? concat(bits_as_double(r.attrs[0])) : concat(r.attrs[0]));
    else if (r.op->show) {
      if (std::string attrs = r.op->show(r.attrs); !attrs.empty()) parts.push_back(std::move(attrs));
    }
    out += concat("  %", id, ": ", to_string(r.type), " = ", r.op->name, "(", join(parts), ")\n");
  }
  std::vector<std::string> results;
  for (const Id id : graph.outputs) results.push_back(concat("%", id));
  return out + "  return " + join(results) + "\n";
}

void verify(const Graph& graph) {
  for (Id id = 0; id < graph.size(); ++id) {
    const Graph::Record& r = graph[id];
    PG_INVARIANT(r.op != nullptr, "a record without an op");
    PG_INVARIANT(r.op->arity < 0 ? !r.inputs.empty() : static_cast<size_t>(r.op->arity) == r.inputs.size(),
                 r.op->name + ": arity");
    for (const Id input : r.inputs) PG_INVARIANT(input < id, r.op->name + ": an operand after its user");
    if (r.inputs.empty()) continue;
    std::vector<Aval> types;
    for (const Id input : r.inputs) types.push_back(graph[input].type);
    const Aval type = r.op->infer(types, r.attrs);
    PG_INVARIANT(type.shape == r.type.shape && type.dtype == r.type.dtype,
                 concat(r.op->name, ": recorded type ", to_string(r.type), ", inferred ", to_string(type)));
  }
  for (const Id id : graph.inputs)
    PG_INVARIANT(id < graph.size() && graph[id].op == &param_op, "an input that is no param");
  for (const Id id : graph.outputs) PG_INVARIANT(id < graph.size(), "an output that does not exist");
}

}  // namespace pg
