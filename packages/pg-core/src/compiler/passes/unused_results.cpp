// Results of loops and branches that nobody reads are not computed: the bodies lose them, with the carries
// that only lead back to themselves and the operands that are then read no more.

#include <algorithm>

#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
#include "ops/control.h"
#include "ops/ops.h"

namespace pg {
namespace {

using Flags = std::vector<bool>;

// What some outputs of a body need of it.
class Needs {
 public:
  explicit Needs(const Graph& body) : body_(body), records_(body.size(), false) {}

  /// Goes over every record once, however often it is asked.
  void output(size_t i) {
    std::vector<Id> stack{body_.outputs[i]};
    while (!stack.empty()) {
      const Id id = stack.back();
      stack.pop_back();
      if (records_[id]) continue;
      records_[id] = true;
      stack.insert(stack.end(), body_[id].inputs.begin(), body_[id].inputs.end());
    }
  }
  bool input(size_t i) const { return records_[body_.inputs[i]]; }

  /// The body with these outputs and inputs only.
  PayloadRef part(const Flags& outputs, const Flags& inputs) const {
    GraphBuilder out;
    std::vector<Id> renamed(body_.size(), 0), kept;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (inputs[i]) renamed[body_.inputs[i]] = out.param(body_[body_.inputs[i]].type);
    for (Id id = 0; id < body_.size(); ++id) {
      if (!records_[id] || body_[id].op == &param_op) continue;
      Graph::Record record = body_[id];
      for (Id& in : record.inputs) in = renamed[in];
      renamed[id] = out.add(std::move(record));
    }
    for (size_t i = 0; i < outputs.size(); ++i)
      if (outputs[i]) kept.push_back(renamed[body_.outputs[i]]);
    return intern(out.finish(std::move(kept)));
  }

 private:
  const Graph& body_;
  Flags records_;
};

bool all(const Flags& flags) { return std::find(flags.begin(), flags.end(), false) == flags.end(); }

SmallVector<Id, 3> chosen(const SmallVector<Id, 3>& from, const Flags& keep) {
  SmallVector<Id, 3> out;
  for (size_t i = 0; i < from.size(); ++i)
    if (keep[i]) out.push_back(from[i]);
  return out;
}

size_t count(const Flags& flags, size_t begin, size_t end) {
  return static_cast<size_t>(std::count(flags.begin() + static_cast<std::ptrdiff_t>(begin),
                                        flags.begin() + static_cast<std::ptrdiff_t>(end), true));
}

/// The scan without results that are not read; `used` gets those that are left. False when it stays.
bool narrow(Graph::Record& r, Flags& used) {
  const Scan scan(r.attrs);
  Needs needs(*r.payloads->items[0]->graph);
  const size_t carry = scan.constants;
  Flags seen(used.size(), false);
  for (bool more = true; more;) {  // every round needs one more carry
    more = false;
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i] && !seen[i]) {
        needs.output(i);
        seen[i] = true;
      }
    }
    for (size_t i = 0; i < scan.carries; ++i)
      if (!used[i] && needs.input(carry + i)) used[i] = more = true;
  }
  if (all(used)) return false;
  Flags inputs(r.inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) inputs[i] = needs.input(i);
  for (size_t i = 0; i < scan.carries; ++i) inputs[carry + i] = used[i];
  const PayloadRef body = needs.part(used, inputs);
  r.attrs = Scan(body->id, scan.length, scan.reverse, count(inputs, 0, carry), count(used, 0, scan.carries))
                .attrs();
  r.payloads = hold({r.attrs.data(), 1});
  r.inputs = chosen(r.inputs, inputs);
  return true;
}

}  // namespace

Graph unused_results(const Graph& graph) {
  if (std::none_of(graph.nodes.begin(), graph.nodes.end(),
                   [](const Graph::Record& r) { return r.op == &scan_op; }))
    return graph;
  Flags needed(graph.size(), false);
  std::vector<Flags> used(graph.size());
  for (const Id id : graph.outputs) needed[id] = true;
  for (Id id = static_cast<Id>(graph.size()); id-- > 0;) {
    const Graph::Record& r = graph[id];
    if (!needed[id]) continue;
    for (const Id input : r.inputs) needed[input] = true;
    if (!r.op->as<Pick>() || graph[r.inputs[0]].op != &scan_op) continue;
    Flags& results = used[r.inputs[0]];
    results.resize(graph[r.inputs[0]].payloads->items[0]->graph->outputs.size(), false);
    results[static_cast<size_t>(r.attrs[0])] = true;
  }
  GraphBuilder out;
  Flags narrowed(graph.size(), false);
  return rebuilt(graph, out, [&](Graph::Record record, Id id) {
    if (record.op == &scan_op && !used[id].empty()) narrowed[id] = narrow(record, used[id]);
    if (record.op->as<Pick>() && narrowed[graph[id].inputs[0]]) {
      const Flags& left = used[graph[id].inputs[0]];
      const size_t index = static_cast<size_t>(record.attrs[0]);
      if (!left[index]) return Id{0};  // nobody reads it
      record.attrs[0] = static_cast<int64_t>(count(left, 0, index));
    }
    return out.add(std::move(record));
  });
}

}  // namespace pg
