#pragma once
// Records that hold closed graphs or functions of the host, and how their attributes are read.

#include "graph/graph.h"

namespace pg {

extern const Op& call_op;   // operands -> results; attrs: body, Saved. Never inlined: checkpoints stand on it
extern const Op& cond_op;   // (which: int32 or bool of rank 0, operands...); attrs: one body per branch
extern const Op& scan_op;   // (constants..., carry..., stacked xs...) -> carry, stacked ys; attrs: see Scan
extern const Op& while_op;  // (constants..., carry...) -> carry; attrs: test, body, number of constants
extern const Op& host_op;   // operands -> results; attrs: see HostCall
// Custom rules. Outside of derivatives each stands for its first body, which the compiler puts in its place.
// The first operands are what functions and rules read from outside: their number is the last attribute.
extern const Op& custom_jvp_op;  // attrs: body; rule: (x, y, tangents of x) -> tangents of y; captures
extern const Op& custom_vjp_op;  // attrs: body; forward: x -> (y, residuals); backward: (residuals, ct of y)
                                 // -> ct of x; captures
extern const Op&
    opaque_linear_op;  // (residuals, tangents of x) -> tangents of y; attrs: backward. Transposed, never run

extern const Op&
    strips_op;  // operands -> results, strip by strip; attrs: see Strips. Made by the compiler only

/// What the derivative of a call may keep besides its operands.
enum class Saved : int64_t { nothing, dots, dots_without_batch };

/// The attributes of a scan. The body takes constants, carry and one slice of each xs along the leading axis;
/// it gives the next carry and one slice of each ys.
struct Scan {
  int64_t body, length;
  bool reverse;  // from the last slice to the first; ys lie where their xs lay
  size_t constants, carries;
  explicit Scan(const Attrs& attrs)
      : body(attrs[0]), length(attrs[1]), reverse(attrs[2] != 0), constants(static_cast<size_t>(attrs[3])),
        carries(static_cast<size_t>(attrs[4])) {}
  Scan(int64_t body_, int64_t length_, bool reverse_, size_t constants_, size_t carries_)
      : body(body_), length(length_), reverse(reverse_), constants(constants_), carries(carries_) {}
  Attrs attrs() const {
    return {body, length, reverse, static_cast<int64_t>(constants), static_cast<int64_t>(carries)};
  }
};

/// Which axis of a value every direction cuts: an axis, or `whole`: each strip reads all of it. A result may
/// also be the sum of what the strips along a direction give: `summed_over(axis of the first operand)`.
using Cut = Ints;
constexpr int64_t whole = -1;
constexpr int64_t summed_over(int64_t axis) { return -2 - axis; }
constexpr bool is_summed(int64_t direction) { return direction <= -2; }
/// The extents of one strip: those of the value, divided along the axes that are cut.
Shape shape_of_strip(const Shape& shape, const Cut& cut, const Ints& counts);

/// The attributes of strips. The body takes one strip of each operand, then the number of the strip along
/// each direction (int64); it gives one strip of each result. Strips run in any order, those of one sum one
/// after the other.
struct Strips {
  int64_t body;
  Ints counts;  // strips along each direction, slowest first
  std::vector<Cut> operands, results;
  explicit Strips(const Attrs& attrs);
  Strips(int64_t body_, Ints counts_, std::vector<Cut> operands_, std::vector<Cut> results_)
      : body(body_), counts(std::move(counts_)), operands(std::move(operands_)),
        results(std::move(results_)) {}
  Attrs attrs() const;
  int64_t total() const { return count_of(counts); }
};

/// The attributes of a host call: the function, whether leading axes may be added to all operands and results
/// alike, and the types of the results.
struct HostCall {
  int64_t function;
  bool vectorized;
  std::vector<Aval> results;  // the device is that of the operands
  explicit HostCall(const Attrs& attrs);
  HostCall(int64_t function_, bool vectorized_, std::vector<Aval> results_)
      : function(function_), vectorized(vectorized_), results(std::move(results_)) {}
  Attrs attrs() const;
};

/// The types of a graph's outputs.
std::vector<Aval> output_types(const Graph& graph);

}  // namespace pg
