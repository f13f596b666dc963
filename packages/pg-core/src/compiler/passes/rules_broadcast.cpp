// What is the same along an axis is computed once.

#include "compiler/passes/rules.h"
#include "ops/ops.h"

namespace pg {
namespace {

using namespace rules;

// An elementwise op on broadcasts and literals is computed on the axes that some operand has, and broadcast
// then.
//
//   %2 = broadcast(%0: [n] -> [m, n]); %3 = exp(%2)  ->  %2 = exp(%0); %3 = broadcast(%2: [n] -> [m, n])
std::optional<Id> broadcast_later(const Match& m) {
  const Shape& shape = m.type().shape;
  std::vector<bool> read(shape.size(), false);
  bool any = false;
  for (const Id id : m.root.inputs) {
    const Graph::Record& x = m.out[id];
    if (x.op == &full_op) continue;
    if (x.op != &broadcast_op) return std::nullopt;
    any = true;
    for (const int64_t axis : broadcast_axes(x)) read[static_cast<size_t>(axis)] = true;
  }
  if (!any) return std::nullopt;
  Shape small;
  Ints axes;                    // of the small shape, in the result
  Ints place(shape.size(), 0);  // and the other way round
  bool gains = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!read[i]) {
      gains = gains || shape[i] > 1;
      continue;
    }
    place[i] = static_cast<int64_t>(small.size());
    small.push_back(shape[i]);
    axes.push_back(static_cast<int64_t>(i));
  }
  if (!gains) return std::nullopt;
  const SmallVector<Id, 3> operands = m.root.inputs;
  SmallVector<Id, 3> inputs;
  for (const Id id : operands) {
    const Graph::Record x = m.out[id];
    if (x.op == &full_op) {
      inputs.push_back(m.full(x.attrs[0], small, x.type.dtype));
      continue;
    }
    Ints places;
    for (const int64_t axis : broadcast_axes(x)) places.push_back(place[static_cast<size_t>(axis)]);
    inputs.push_back(m.broadcast(x.inputs[0], small, places));
  }
  return m.broadcast(m.make(*m.root.op, std::move(inputs), m.root.attrs), shape, axes);
}

constexpr Rule table[] = {
    {"broadcast hoisted", "elementwise", nullptr, broadcast_later},
};

}  // namespace

std::span<const Rule> broadcast_rules() { return table; }

}  // namespace pg
