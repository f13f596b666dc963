#include "compiler/kernel/reader.h"

#include <algorithm>

#include "support/error.h"
#include "support/hash.h"

namespace pg {

using ir::Expr;

int Points::intern(std::vector<Expr> index) {
  uint64_t hash = index.size();
  for (Expr e : index) hash = hash_mix(hash, e.get()->id + 1);
  const auto [first, last] = table_.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (points_[it->second] == index) return it->second;
  points_.push_back(std::move(index));
  table_.emplace(hash, static_cast<int>(points_.size()) - 1);
  return static_cast<int>(points_.size()) - 1;
}

bool Domain::is_reduced(int64_t axis) const {
  return std::find(reduced.begin(), reduced.end(), axis) != reduced.end();
}

int64_t Domain::kept_count() const {
  int64_t n = 1;
  for (size_t d = 0; d < shape.size(); ++d)
    if (!is_reduced(static_cast<int64_t>(d))) n *= shape[d];
  return n;
}

int64_t Domain::reduced_count() const {
  int64_t n = 1;
  for (int64_t d : reduced) n *= shape[d];
  return n;
}

GroupReader::GroupReader(const Graph& graph, const Group& group) : graph_(graph) {
  for (size_t i = 0; i < group.inputs.size(); ++i) inputs_.emplace(group.inputs[i], static_cast<int>(i));
  for (Id id : group.nodes) {
    int d = 0;
    for (Id in : graph[id].inputs) d = std::max(d, depth(in));
    if (graph[id].op->as<Reduction>()) {
      reductions_.push_back(id);
      ++d;
    }
    depth_[id] = d;
  }
}

int GroupReader::depth(Id id) const {
  const auto found = depth_.find(id);
  return found == depth_.end() ? 0 : found->second;
}

ViewIndex GroupReader::view(Id id, const std::vector<Expr>& index) const {
  const Graph::Record& r = graph_[id];
  const View* v = r.op->as<View>();
  PG_INVARIANT(v);
  ViewIndex out = v->map(graph_[r.inputs[0]].type, r.type, r.attrs, index);
  std::erase_if(out.conditions, [](const Condition& c) { return c.e.low() >= c.low && c.e.high() < c.high; });
  return out;
}

std::vector<Expr> GroupReader::reduced_operand(Id id, const std::vector<Expr>& index,
                                               const std::vector<Expr>& domain) const {
  const Graph::Record& r = graph_[id];
  std::vector<Expr> out = domain;
  size_t kept = 0;
  for (size_t d = 0; d < out.size(); ++d)
    if (std::find(r.attrs.begin(), r.attrs.end(), static_cast<int64_t>(d)) == r.attrs.end())
      out[d] = index[kept++];
  PG_INVARIANT(kept == index.size());
  return out;
}

std::vector<Expr> GroupReader::rows_index(Id id, const std::vector<Expr>& index) const {
  const size_t rank = shape(graph_[id].inputs[1]).size();
  return {index.begin(), index.begin() + static_cast<int64_t>(rank)};
}

std::vector<Expr> GroupReader::table_index(Id id, const std::vector<Expr>& index, Expr row) const {
  const size_t rank = shape(graph_[id].inputs[1]).size();
  std::vector<Expr> out{row};
  out.insert(out.end(), index.begin() + static_cast<int64_t>(rank), index.end());
  return out;
}

std::vector<Expr> root_index(const GroupReader& group, const Root& root, const Domain& domain,
                             const std::vector<Expr>& index) {
  const Shape& shape = group.shape(root.node);
  if (root.full) {
    if (shape == domain.shape) return index;
    return ir::unflatten(ir::flatten(index, domain.shape), shape);
  }
  std::vector<Expr> kept;
  Shape extents;
  for (size_t d = 0; d < domain.shape.size(); ++d) {
    if (domain.is_reduced(static_cast<int64_t>(d))) continue;
    kept.push_back(index[d]);
    extents.push_back(domain.shape[d]);
  }
  return shape == extents ? kept : ir::unflatten(ir::flatten(kept, extents), shape);
}

Expr store_index(const GroupReader& group, const Root& root, const std::vector<Expr>& index) {
  if (root.into.empty()) return ir::flatten(index, group.shape(root.node));
  std::vector<Expr> moved = index;
  for (size_t d = 0; d < moved.size(); ++d) moved[d] = moved[d] + root.offset[d];
  return ir::flatten(moved, root.into);
}

}  // namespace pg
