#pragma once
// Exact rewrites on a whole graph. Contract of every rule: same values to the last bit, same type, fewer or
// cheaper records.
//
//   %2 = alias(%0); %3 = astype(full(1): i64, f32); %4 = dot_general(permute(%2), ...)
//   -> %3 = full(1): f32; %4 = dot_general(%0, ... with other labels)
//
// Equal records become one on the way, because the builder is hash-consed.

#include "graph/graph.h"

namespace pg {

Graph simplify(const Graph& graph);
/// Records that only stand for their body become its records.
Graph inline_bodies(const Graph& graph);
/// Computes elementwise records whose operands are all literals.
Graph fold_constants(const Graph& graph);
/// Library calls take what their attributes can say: a permuted operand of dot_general becomes other labels.
Graph select_calls(const Graph& graph);
/// Drops records that no output needs; inputs stay.
Graph remove_dead(const Graph& graph);

}  // namespace pg
