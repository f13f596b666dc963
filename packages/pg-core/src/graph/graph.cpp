#include "graph/graph.h"

#include <algorithm>

#include "graph/location.h"
#include "graph/node_index.h"
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

Id GraphBuilder::add(Graph::Record record) {
  for (const Id input : record.inputs)
    PG_INVARIANT(input < graph_.nodes.size(), "a record before its operand");
  const Id fresh = static_cast<Id>(graph_.nodes.size());
  if (record.op->unique) {
    graph_.nodes.push_back(std::move(record));
    return fresh;
  }
  const uint64_t hash = record_hash(record);
  const uint64_t time =
      record.inputs.empty() ? 0 : *std::max_element(record.inputs.begin(), record.inputs.end());
  const Id known = table_.find(time, hash, [&](Id id) { return same_record(graph_.nodes[id], record); });
  if (known != InternTable::none) return known;
  graph_.nodes.push_back(std::move(record));
  table_.enter(time, hash, fresh);
  return fresh;
}

Id GraphBuilder::add(const Op& op, SmallVector<Id, 3> inputs, Attrs attrs, Location where) {
  std::vector<Aval> types;
  types.reserve(inputs.size());
  for (const Id input : inputs) types.push_back(graph_.nodes[input].type);
  Aval type = op.infer(types, attrs);
  Payloads payloads = op.payloads ? hold({attrs.data(), op.payloads(attrs)}) : Payloads();
  return add(
      Graph::Record{&op, std::move(inputs), std::move(attrs), std::move(type), where, std::move(payloads)});
}

Id GraphBuilder::param(Aval type) {
  const Id id =
      add(Graph::Record{&param_op, {}, {0, static_cast<int64_t>(graph_.inputs.size())}, std::move(type), {}});
  graph_.inputs.push_back(id);
  return id;
}

Graph GraphBuilder::finish(std::vector<Id> outputs) {
  graph_.outputs = std::move(outputs);
  table_ = InternTable();
  return std::move(graph_);
}

Graph flatten(std::span<const NodeRef> params, std::span<const NodeRef> outputs, uint64_t oldest,
              std::vector<NodeRef>& captures, bool nested) {
  GraphBuilder builder;
  NodeIndex ids;
  for (const NodeRef& p : params) ids.enter(p.get(), builder.param(p->aval()));

  const auto capture = [&](Node* node) {
    captures.push_back(NodeRef::share(node));
    ids.enter(node, builder.param(node->aval()));
  };
  std::vector<std::pair<Node*, size_t>> stack;
  for (const NodeRef& output : outputs) {
    if (ids.contains(output.get())) continue;
    stack.emplace_back(output.get(), 0);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next == 0) {
        require(nested || node->op != &param_op, ErrorKind::trace, [&] {
          const std::string place = describe_location ? describe_location(node->where) : "";
          return concat(
              "a traced value ", to_string(node->aval()), place.empty() ? "" : " made at " + place,
              " belongs to another trace; pass it as an argument instead of keeping it from an earlier call");
        });
        const bool leaf = node->op->as<Leaf>() || node->evaluated() ||
                          (node->op == &pick_op && node->inputs[0]->serial < oldest);
        const bool literal = !leaf && node->inputs.empty() && !node->op->several();
        if (!literal && (leaf || node->serial < oldest)) {
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
        for (Node* input : node->inputs) inputs.push_back(ids.find(input));
        ids.enter(node, builder.add(Graph::Record{node->op, std::move(inputs), node->attrs, node->aval(),
                                                  node->where, node->payloads}));
      }
      stack.pop_back();
    }
  }
  std::vector<Id> roots;
  for (const NodeRef& output : outputs) roots.push_back(ids.find(output.get()));
  return builder.finish(std::move(roots));
}

Closed close(std::span<const NodeRef> params, std::span<const NodeRef> outputs, uint64_t oldest) {
  Closed out;
  out.body = intern(flatten(params, outputs, oldest, out.captures, true));
  return out;
}

NodeRef same_node(const Graph::Record& r, std::span<const NodeRef> operands) {
  NodeRef node = make(*r.op, operands, r.attrs);
  if (node->op == r.op && node->refs.load() <= 2) node->where = r.where;  // fresh
  return node;
}

std::vector<NodeRef> instantiate(const Graph& graph, std::span<const NodeRef> inputs, MakeNode make_node) {
  PG_INVARIANT(graph.inputs.size() == inputs.size(), "a body has another number of inputs");
  std::vector<NodeRef> nodes(graph.size());
  for (size_t i = 0; i < inputs.size(); ++i) nodes[graph.inputs[i]] = inputs[i];
  std::vector<NodeRef> operands;
  for (Id id = 0; id < graph.size(); ++id) {
    const Graph::Record& r = graph[id];
    if (r.op == &param_op) {
      const NodeRef& given = nodes[id];
      PG_INVARIANT(given && given->shape == r.type.shape && given->dtype == r.type.dtype,
                   "an input of a body has another type");
      continue;
    }
    if (r.op == &full_op) {
      nodes[id] = full_node(r.attrs[0], r.type);
      continue;
    }
    if (r.op == &alias_op) {
      nodes[id] = nodes[r.inputs[0]];
      continue;
    }
    operands.clear();
    for (const Id input : r.inputs) operands.push_back(nodes[input]);
    const LocationScope line(r.where);
    nodes[id] = make_node(r, operands);
  }
  std::vector<NodeRef> out;
  for (const Id id : graph.outputs) out.push_back(nodes[id]);
  return out;
}

std::vector<Aval> output_types(const Graph& graph, const Graph::Record& record) {
  if (!record.op->several()) return {record.type};
  std::vector<Aval> in;
  for (const Id input : record.inputs) in.push_back(graph[input].type);
  return record.op->outputs(in, record.attrs);
}

namespace {

std::string indented(const std::string& text) {
  std::string out = "    ";
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    out += text[i];
    if (text[i] == '\n') out += "    ";
  }
  return out;
}

}  // namespace

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
    std::vector<std::string> types;
    for (const Aval& type : output_types(graph, r)) types.push_back(to_string(type));
    out += concat("  %", id, ": ", r.op->several() ? concat("(", join(types), ")") : join(types), " = ",
                  r.op->name, "(", join(parts), ")\n");
    if (!r.payloads) continue;
    for (const PayloadRef& payload : r.payloads->items)
      if (payload->graph) out += indented(to_string(*payload->graph)) + "\n";
  }
  std::vector<std::string> results;
  for (const Id id : graph.outputs) results.push_back(concat("%", id));
  return out + "  return " + join(results) + "\n";
}

void verify(const Graph& graph) {
  for (Id id = 0; id < graph.size(); ++id) {
    const Graph::Record& r = graph[id];
    PG_INVARIANT(r.op != nullptr, "a record without an op");
    PG_INVARIANT(r.op->arity < 0 ? !r.inputs.empty() || r.op->several()
                                 : static_cast<size_t>(r.op->arity) == r.inputs.size(),
                 r.op->name + ": arity");
    if (r.op->payloads) {
      const size_t count = r.op->payloads(r.attrs);
      PG_INVARIANT(r.payloads && r.payloads->items.size() == count, r.op->name + ": payloads");
      for (size_t i = 0; i < count; ++i) {
        const Payload& payload = *r.payloads->items[i];
        PG_INVARIANT(payload.id == r.attrs[i], r.op->name + ": another payload than its attributes name");
        if (payload.graph) verify(*payload.graph);
      }
    }
    for (const Id input : r.inputs) PG_INVARIANT(input < id, r.op->name + ": an operand after its user");
    if (r.inputs.empty()) continue;
    std::vector<Aval> types;
    for (const Id input : r.inputs) types.push_back(graph[input].type);
    const Aval type = r.op->infer(types, r.attrs);
    if (r.op == &pick_op) {
      const std::vector<Aval> all = output_types(graph, graph[r.inputs[0]]);
      const size_t index = static_cast<size_t>(r.attrs[0]);
      PG_INVARIANT(graph[r.inputs[0]].op->several() && index < all.size() && all[index].shape == type.shape &&
                       all[index].dtype == type.dtype,
                   "pick: no such result");
    }
    PG_INVARIANT(type.shape == r.type.shape && type.dtype == r.type.dtype,
                 concat(r.op->name, ": recorded type ", to_string(r.type), ", inferred ", to_string(type)));
  }
  for (const Id id : graph.inputs)
    PG_INVARIANT(id < graph.size() && graph[id].op == &param_op, "an input that is no param");
  for (const Id id : graph.outputs) PG_INVARIANT(id < graph.size(), "an output that does not exist");
}

}  // namespace pg
