#pragma once
// Shapes (extents, row-major order) and the rules on them. Extent products are overflow-checked where shapes
// are made.

#include <string>

#include "support/small_vector.h"

namespace pg {

using Shape = Ints;  // extents, outermost first; rank 0 is a scalar

/// Number of elements; raises ShapeError when it does not fit 63 bits.
int64_t count_of(const Shape& shape);
/// Row-major strides in elements.
Ints strides_of(const Shape& shape);
/// NumPy's broadcasting rule; raises ShapeError naming `what`.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* what);
/// axis in [-rank, rank) -> [0, rank); raises IndexError (AxisError) naming `what`.
int64_t normalize_axis(int64_t axis, int64_t rank, const char* what);
std::string to_string(const Shape& shape);  // "(2, 3)", "(4,)", "()"

}  // namespace pg
