#pragma once
// dot_general as strided matrix products: labels to classes of axes with strides. Every label is a batch axis
// (in both operands and the result), a row (a and c), a column (b and c) or summed (a and b).

#include <span>
#include <vector>

#include "graph/op.h"

namespace pg {

struct ContractionAxis {
  int64_t extent = 1;
  int64_t a = 0, b = 0, c = 0;  // strides in elements; 0 where the label is missing
};
/// Which operand's strides: &ContractionAxis::a, b or c.
using ContractionSide = int64_t ContractionAxis::*;
using ContractionAxes = std::vector<ContractionAxis>;

/// Neighbouring axes of one class are merged where all their strides allow it; extents of 1 are dropped.
/// Rows, columns and batch axes come in the result's order, summed axes in a's.
struct Contraction {
  ContractionAxes batch, rows, columns, summed;
};
Contraction contraction_of(const Attrs& attrs, std::span<const Aval> in, const Aval& out);

/// Joins axes i and i+1 when the outer one continues where the inner one ends, in every operand.
void merge(ContractionAxes& axes);

/// Would these axes, in this order, merge into one for one operand alone?
bool merges(const ContractionAxes& axes, ContractionSide side);

/// The axis with most elements is taken out; the others become batch axes.
ContractionAxis keep_largest(const ContractionAxes& axes, ContractionAxes& batch);

/// Strides of a row-major copy with these axes, the outermost list first.
void restride(std::span<ContractionAxes* const> lists, ContractionSide side);

}  // namespace pg
