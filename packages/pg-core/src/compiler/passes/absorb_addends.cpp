#include <optional>

#include "compiler/passes/passes.h"
#include "compiler/passes/rebuild.h"
#include "ops/ops.h"

namespace pg {
namespace {

class Addends {
 public:
  explicit Addends(const Graph& graph) : graph_(graph), uses_(graph.size(), 0), kept_(graph.size(), true) {
    for (const Graph::Record& r : graph.nodes)
      for (const Id input : r.inputs) ++uses_[input];
    for (const Id id : graph.outputs) ++uses_[id];
    // Readers come behind what they read.
    for (Id id = graph.size(); id-- > 0;) {
      const Graph::Record& r = graph[id];
      const bool keeps = is_call(r) || (r.op == &reshape_op && kept_[id]);
      if (!keeps)
        for (const Id input : r.inputs) kept_[input] = false;
    }
  }

  struct Found {
    Id product, addend;
    bool bias;  // one number for each place on the last axis
  };
  std::optional<Found> find(Id sum) const {
    const Graph::Record& r = graph_[sum];
    if (r.op != &add_op || !kept_[sum]) return {};
    const DType dtype = r.type.dtype;
    if (dtype != DType::float32 && dtype != DType::float64) return {};  // others round before they add
    for (const size_t side : {0u, 1u}) {
      const Id product = r.inputs[side], other = r.inputs[1 - side];
      const Graph::Record& p = graph_[product];
      if (p.op != &dot_general_op || p.inputs.size() != 2 || uses_[product] != 1 || p.type.shape.empty() ||
          p.type.shape != r.type.shape)
        continue;
      const Graph::Record& o = graph_[other];
      const int64_t last = static_cast<int64_t>(r.type.shape.size()) - 1;
      if (dtype == DType::float32 && o.op == &broadcast_op && o.attrs.back() == last &&
          graph_[o.inputs[0]].type.shape.size() == 1)
        return Found{product, o.inputs[0], true};
      if (o.type.shape == r.type.shape && (o.op == &param_op || is_call(o) || uses_[other] > 1))
        return Found{product, other, false};
    }
    return {};
  }

 private:
  static bool is_call(const Graph::Record& r) { return std::holds_alternative<Call>(r.op->lower); }

  const Graph& graph_;
  std::vector<int> uses_;
  std::vector<char> kept_;  // calls and outputs alone read it: no kernel could add on the way
};

}  // namespace

Graph absorb_addends(const Graph& graph) {
  const Addends addends(graph);
  GraphBuilder out;
  return rebuilt(graph, out, [&](Graph::Record record, Id id) {
    const auto found = addends.find(id);
    if (!found) return out.add(std::move(record));
    const size_t side = graph[id].inputs[0] == found->product ? 0 : 1;
    Graph::Record product = out[record.inputs[side]];
    const Id other = record.inputs[1 - side];
    product.inputs.push_back(found->bias ? out[other].inputs[0] : other);
    // The labels of the addend: those of the result, or its last one.
    const size_t words = product.attrs.size(), rank = graph[id].type.shape.size();
    for (size_t i = found->bias ? words - 1 : words - rank; i < words; ++i)
      product.attrs.push_back(product.attrs[i]);
    return out.add(std::move(product));
  });
}

}  // namespace pg
