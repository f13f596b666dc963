#pragma once
// The op record: everything the rest of the system may ask about an op stands in one place. Passes read
// traits, never names.
//
// A record states: its type rule; one derivative fact per argument (transforms.md 1.2); how it lowers
// (elementwise expression, view, reduction, ...); its document. Bindings, docstrings, stubs and the test
// matrix come from the registry.

#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "graph/payload.h"
#include "ir/block.h"
#include "ir/index.h"
#include "ir/scalar.h"
#include "support/intrusive.h"
#include "support/small_vector.h"
#include "types/device.h"
#include "types/dtype.h"
#include "types/shape.h"

namespace pg {

struct Node;
using NodeRef = Ref<Node>;
struct Batched;
struct BatchArgs;

/// Attribute words of a node: axes, slices, values by their bits. Equal words mean equal attributes, to the
/// last bit.
using Attrs = SmallVector<int64_t, 4>;

/// An abstract value.
struct Aval {
  Shape shape;
  DType dtype = DType::float32;
  bool weak = false;
  Device device{};
};
std::string to_string(const Aval& aval);  // "f32[2,3]"

// ---- derivative facts
// --------------------------------------------------------------------------------------------------

/// What a rule may read of the node it belongs to. `x` are the operands as substituted by the transform and
/// `z` the result: rules never read z's own inputs, because construction may have simplified z.
struct RuleArgs {
  std::span<const NodeRef> x;
  const NodeRef& z;  // null in transposes
  const Attrs& attrs;
};

/// The partial derivative of z by this operand, elementwise, written over z, x and ops whose own partials
/// close.
using Partial = NodeRef (*)(const RuleArgs&);
/// The tangent as a whole; `t[i]` is null for zero. Linear in the tangents.
using Jvp = NodeRef (*)(const RuleArgs&, std::span<const NodeRef> t);
/// The cotangent of linear operand i, given the cotangent of the result; `type` is the operand's abstract
/// value.
using Transpose = NodeRef (*)(const NodeRef& ct, const RuleArgs&, const Aval& type, int i);

/// The op on operands of which at least one has a batch axis; see graph/batch.h.
using Batch = Batched (*)(const BatchArgs&);

enum class FactKind : uint8_t { none, linear, partial, jvp };
struct Fact {
  FactKind kind = FactKind::none;
  Partial partial = nullptr;
};
inline Fact linear() { return {FactKind::linear, nullptr}; }
inline Fact by_jvp() { return {FactKind::jvp, nullptr}; }
inline Fact no_derivative() {
  return {FactKind::none, nullptr};
}  // the derivative IS zero (comparison, index argument)
inline Fact partial(Partial p) { return {FactKind::partial, p}; }

// ---- lowering
// ----------------------------------------------------------------------------------------------------------

/// One value per element: the arithmetic, once as scalar IR and once as precompiled block loops (both from
/// one generic lambda).
struct Elementwise {
  ir::Emit emit;          // builds scalar IR for given operand dtypes
  ir::BlockLookup block;  // precompiled loop for (dtypes, attrs), or null when this op has none for the dtype
};

/// A condition of a view: the element exists only where low <= e < high; elsewhere the view's second operand
/// (rank 0) is the value.
struct Condition {
  ir::Expr e;
  int64_t low, high;
};
struct ViewIndex {
  std::vector<ir::Expr> source;
  std::vector<Condition> conditions;
};
/// Where an element of the result lies in operand 0: reshape, permute, broadcast, slice, flip, pad.
struct View {
  ViewIndex (*map)(const Aval& in, const Aval& out, const Attrs&, std::span<const ir::Expr> index);
};
struct Concat {
  int (*axis)(const Attrs&);
};
enum class Combine : uint8_t { sum, prod, max, min, all, any };
struct Reduction {  // reduced axes are dropped from the result; attrs are the sorted axes
  Combine combine;
};
struct Iota {  // attrs: axis along which the index counts (plus what infer needs)
  int (*axis)(const Attrs&);
};
/// A constant of any shape: attrs[0] holds the value's bits in the op's dtype (see full_value).
struct Fill {};
/// result[i..., j...] = table[rows[i...], j...]: rows index the leading axis. Out of range: attrs[0] =
/// GatherMode.
struct Gather {};
/// Whole-buffer call supplied by a backend (matmul, convolution, sort, scatter, ...); never fused.
struct Call {};
/// Stands for the first of its bodies, which the compiler puts in its place.
struct Inlined {};
/// One of several results of a Call: attrs are its number and type (see pick). Never a step of its own.
struct Pick {};
/// Leaves that carry a value or stand for one (buffer, number, param).
struct Leaf {};
/// Same value, own identity; the compiler drops it (alias, stop_gradient).
struct Identity {};

using Lowering = std::variant<Elementwise, View, Concat, Reduction, Iota, Fill, Gather, Call, Inlined, Pick,
                              Leaf, Identity>;

// ---- the record
// --------------------------------------------------------------------------------------------------------

struct Op {
  std::string name;
  std::string doc;  // one sentence, shown as docstring
  int arity = 1;    // -1: one or more operands; with several results, any number
  /// Result type; raises ShapeError / DTypeError with both sides and a remedy. Weakness: true only if every
  /// operand is weak.
  Aval (*infer)(std::span<const Aval> in, const Attrs&) = nullptr;
  Lowering lower;
  /// One per argument; a variadic op repeats the last. Operands without any fact have no rule yet:
  /// differentiating raises.
  std::vector<Fact> facts = {};
  Fact (*fact_of)(const Attrs&, size_t i) =
      nullptr;         // instead of `facts` where the rule depends on attributes (scatter's mode)
  bool joint = false;  // linear in all linear arguments together (add, concat, where, pad, scatter-add), or
                       // one at a time
  Transpose transpose = nullptr;
  Jvp jvp = nullptr;
  Batch batch = nullptr;  // elementwise ops have one rule for all of them, ops without operands need none
  /// Exact identities only (x * 1, reshape of reshape); null when nothing applies. Must strictly simplify and
  /// keep the type.
  NodeRef (*simplify)(std::span<const NodeRef> x, const Attrs&) = nullptr;
  std::string (*show)(const Attrs&) = nullptr;  // "axes=(0, 1)", for prints
  bool unique = false;                          // two nodes of it are never merged (params, fresh aliases)
  /// Ops with several results: their types. The op's own abstract value is then a stand-in that nobody reads
  /// and no memory holds; `pick` nodes take the results.
  std::vector<Aval> (*outputs)(std::span<const Aval> in, const Attrs&) = nullptr;
  /// How many of the first attribute words are ids of payloads (payload.h).
  size_t (*payloads)(const Attrs&) = nullptr;
  uint16_t id = 0;  // position in the registry, fixed for the process

  Fact fact(size_t i, const Attrs& attrs) const {
    if (fact_of) return fact_of(attrs, i);
    return facts.empty() ? Fact{} : i < facts.size() ? facts[i] : facts.back();
  }
  template <class T> const T* as() const { return std::get_if<T>(&lower); }
  bool elementwise() const { return as<Elementwise>() != nullptr; }
  bool several() const { return outputs != nullptr; }
};

/// Registers a record at static initialisation and returns it; names are unique.
const Op& define(Op op);
const std::vector<const Op*>& all_ops();
const Op* find_op(std::string_view name);  // null when there is none

// ---- attribute helpers
// -------------------------------------------------------------------------------------------------

/// Bits of a scalar of a dtype: floats of every width travel as double bits, integers and bool as int64 /
/// uint64.
int64_t scalar_bits(double value);
double bits_as_double(int64_t bits);

}  // namespace pg
