#pragma once
// The passes from graph to graph, in the order in which pipeline.cpp runs them. Each is a pure function whose
// result computes the same values to the last bit (layout and absorb_...: apart from the order of sums), and
// looks at every record a bounded number of times.

#include "graph/graph.h"

namespace pg {

struct RuleUse;     // runner.h
struct RewriteSet;  // rewrites.h

/// Records that only stand for their body become its records.
///
///   %1 = custom_vjp(%0) { return sin(%0) }; %2 = pick(%1, 0)  ->  %1 = sin(%0)
Graph inline_bodies(const Graph& graph);

/// Puts what users registered in the place of their patterns. `uses` gets how often each was found, `looked`
/// how many records were looked at.
Graph rewrite(const Graph& graph, const RewriteSet& set, std::vector<RuleUse>* uses = nullptr,
              int64_t* looked = nullptr);
/// Why the graph of a pattern cannot be looked for; "" when it can.
std::string pattern_fault(const Graph& example);

/// The rules of rules.h, until none applies: records without effect vanish, literals are computed, views
/// compose. Equal records become one on the way, because the builder is hash-consed.
///
///   %2 = alias(%0); %3 = reshape(reshape(%2)); %4 = mul(full(2), full(3))  ->  %3 = reshape(%0); %4 =
///   full(6)
///
/// `uses` and `looked` get which rules were applied, and how many records were offered to them.
Graph simplify(const Graph& graph, std::vector<RuleUse>* uses = nullptr, int64_t* looked = nullptr);
/// Without the rules that choose by cost: a form in which graphs are compared.
Graph normalize(const Graph& graph);

/// Networks of convolutions run on images with the channels last, where that saves more conversions of
/// layouts than it costs; for backends that prefer it.
///
///   %2 = conv(%0, %1); %3 = tanh(%2); %4 = conv(%3, %1)
///   -> %2 = permute(%0, (0, 2, 3, 1)); %3 = conv(%2, %1, channels last); %4 = tanh(%3); ...
Graph layout(const Graph& graph);
/// Is there anything for it to do?
bool has_convolutions(const Graph& graph);

/// Convolutions of float32 add the bias of their channels, for backends whose library does so on the way.
///
///   %2 = conv(%0, %1); %4 = broadcast(%3, axes=(1,)); %5 = add(%2, %4)  ->  %5 = conv(%0, %1, %3)
Graph absorb_bias(const Graph& graph);

/// Library calls take what their attributes can say: a permuted operand of dot_general becomes other labels.
///
///   %2 = permute(%0, (1, 0)); %3 = dot_general(%2, %1, ab,bc->ac)  ->  %3 = dot_general(%0, %1, ba,bc->ac)
Graph select_calls(const Graph& graph);

/// Products of float32 and float64 add what is added to them on the way, for devices whose library does so,
/// where no kernel reads the sum: an array of the result's shape, or one number per place on its last axis.
///
///   %2 = dot_general(%0, %1, ab,bc->ac); %4 = broadcast(%3, axes=(1,)); %5 = add(%2, %4)
///   -> %5 = dot_general(%0, %1, %3, ab,bc->ac + c)
Graph absorb_addends(const Graph& graph);

/// Outputs that only rename memory become what they rename: a reshape of x has the bytes of x.
Graph strip_reshapes(const Graph& graph);

/// Loops compute no results that nobody reads, nor the carries and operands that only those need.
///
///   %1 = scan(%0, ...) { return c + x, exp(x), x * 2 }; %2 = pick(%1, 1)
///   -> %1 = scan(...) { return exp(x) }; %2 = pick(%1, 0)
Graph unused_results(const Graph& graph);

/// Drops records that no output needs; inputs stay.
Graph remove_dead(const Graph& graph);
/// Neighbouring steps that share an outer axis run one after the other on a part of it that stays in cache,
/// in parallel over the parts; what only they read never becomes a whole array. How values are cut depends on
/// shapes only. Sums over an axis that is cut are added up strip by strip.
///
///   %3: f32[8,2048,2048] = dot_general(%0, %1, abc,adc->abd); %4 = softmax(%3), as one kernel;
///   %5: f32[8,2048,64] = dot_general(%4, %2, abc,acd->abd)
///   -> %3 = strips(%0, %1, %2, strips=(8, 16)); %4: f32[8,2048,64] = pick(%3, 0)
Graph strips(const Graph& graph);

}  // namespace pg
