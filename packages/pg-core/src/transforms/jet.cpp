#include "transforms/jet.h"

#include <algorithm>
#include <bit>
#include <deque>
#include <limits>
#include <unordered_map>

#include "graph/location.h"
#include "graph/walk.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "support/error.h"
#include "transforms/jvp.h"
#include "transforms/lift.h"
#include "transforms/substitute.h"

namespace pg {
namespace {

// How coefficient j of a node comes from those of its operands.
enum class Kind : uint8_t {
  same,      // an alias: its operand's
  rate,      // the formal derivative of its operand by the curve's parameter: (j + 1) times coefficient j + 1
  constant,  // has none beyond j = 0
  linear,    // the op on coefficient j
  product,   // linear in two moving operands: sum of op(a_k, b_{j-k})
  rule,      // coefficient j - 1 of its derivative, over j
  bundle,    // several results, by bodies over whole bundles of coefficients; it has none itself
  pick,      // one result of a bundle
};

std::vector<std::vector<NodeRef>> bundle_results(const Node& node, std::span<const std::vector<NodeRef>> x,
                                                 size_t order);
bool has_rule(const Node& node) { return node.op->as<Inlined>() || node.op == &opaque_linear_op; }

class Taylor {
 public:
  Taylor(std::span<const NodeRef> stand_ins, std::span<const std::vector<NodeRef>> coefficients, int order)
      : order_(static_cast<size_t>(order)), oldest_(std::numeric_limits<uint64_t>::max()) {
    for (size_t i = 0; i < stand_ins.size(); ++i) {
      Info& info = info_[enter(stand_ins[i].get())];
      move(info);
      info.known = order_ + 1;
      std::copy_n(coefficients[i].begin(), std::min(coefficients[i].size(), order_ + 1),
                  coefficients_.begin() + static_cast<std::ptrdiff_t>(info.first));
      oldest_ = std::min(oldest_, stand_ins[i]->serial);
    }
  }

  /// Coefficient k of a node. Demands wait on a stack of their own: expressions may be of any depth.
  NodeRef coefficient(Node* node, size_t k) {
    std::vector<Demand> stack{{node, k}};
    std::vector<Demand> missing;
    while (!stack.empty()) {
      const auto [n, j] = stack.back();
      if (known(n, j)) {
        stack.pop_back();
        continue;
      }
      missing.clear();
      demand(n, j, missing);
      if (missing.empty()) {
        if (Info& info = info_of(n); info.kind == Kind::bundle) compute_bundle(*n);
        else coefficients_[info.first + info.known++] = compute(*n, j);
        stack.pop_back();
      }
      stack.insert(stack.end(), missing.begin(), missing.end());
    }
    return get(node, k);
  }

  /// Notes which of the nodes below move along the curve.
  void mark(const NodeRef& output) {
    std::vector<std::pair<Node*, size_t>> stack;  // operands first
    const auto visit = [&](Node* node) {
      if (node->serial < oldest_ || index_.contains(node)) return;
      enter(node);
      stack.emplace_back(node, 0);
    };
    visit(output.get());
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < node->inputs.size()) {
        visit(node->inputs[next++]);
        continue;
      }
      if (std::any_of(node->inputs.begin(), node->inputs.end(), [&](Node* input) { return moves(input); })) {
        Info& info = info_of(node);
        move(info);
        info.kind = kind_of(*node);
      }
      stack.pop_back();
    }
  }

 private:
  struct Info {
    bool moves = false, derived = false;
    Kind kind = Kind::constant;
    size_t first = 0, known = 0;  // of one that moves: its coefficients, and how many are computed
    NodeRef derivative;           // of Kind::rule, once it is derived; null is zero
    NodeRef rate;                 // the formal derivative of this node, once a rule asked for it
  };
  struct Demand {
    Node* node;
    size_t order;
  };

  size_t order_;
  uint64_t oldest_;
  NodeIndex index_;
  std::deque<Info> info_;              // by number: entries stay where they are
  std::vector<NodeRef> coefficients_;  // null is zero
  std::unordered_map<const Node*, std::vector<std::vector<NodeRef>>> results_;  // of bundles: those of each

  size_t enter(const Node* node) {
    index_.enter(node, info_.size());
    info_.emplace_back();
    return info_.size() - 1;
  }
  void move(Info& info) {
    info.moves = true;
    info.first = coefficients_.size();
    coefficients_.resize(coefficients_.size() + order_ + 1);
  }
  Info& info_of(const Node* node) { return info_[index_.find(node)]; }
  const Info& info_of(const Node* node) const { return info_[index_.find(node)]; }
  /// What is known of a node that moves, or null.
  const Info* moving(const Node* node) const {
    const uint32_t at = index_.find(node);
    return at != NodeIndex::none && info_[at].moves ? &info_[at] : nullptr;
  }
  bool moves(const Node* node) const { return moving(node) != nullptr; }
  bool known(const Node* node, size_t j) const {
    const Info* info = moving(node);
    return !info || info->known > j;
  }
  NodeRef get(Node* node, size_t j) const {
    if (const Info* info = moving(node)) return coefficients_[info->first + j];
    return j == 0 ? NodeRef::share(node) : NodeRef();
  }
  /// Coefficient 0, where only a value will do: that of a rate may be zero.
  NodeRef value(Node* node) const {
    NodeRef found = get(node, 0);
    return found ? found : zeros_like(node->aval());
  }
  bool moves_linearly(const Node& node, size_t i) const {
    return moves(node.inputs[i]) && node.op->fact(i, node.attrs).kind == FactKind::linear;
  }

  Kind kind_of(const Node& node) const {
    if (node.op == &alias_op) return Kind::same;
    if (node.op->several()) return Kind::bundle;
    if (node.op == &pick_op && !has_rule(*node.inputs[0])) return Kind::pick;
    if (node.op == &pick_op) return is_inexact(node.dtype) ? Kind::rule : Kind::constant;
    if (!is_inexact(node.dtype)) return Kind::constant;
    if (node.op->facts.empty() && !node.op->fact_of) return Kind::rule;  // the derivative raises
    int linear = 0, other = 0;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (!moves(node.inputs[i])) continue;
      const FactKind fact = node.op->fact(i, node.attrs).kind;
      linear += fact == FactKind::linear;
      other += fact == FactKind::partial || fact == FactKind::jvp;
    }
    if (other) return Kind::rule;
    if (!linear) return Kind::constant;
    return node.op->joint || linear == 1 ? Kind::linear : linear == 2 ? Kind::product : Kind::rule;
  }

  NodeRef rate_of(Node* node) {
    Info& info = info_of(node);
    if (!info.rate) {
      info.rate = alias_node(NodeRef::share(node));
      Info& rate = info_[enter(info.rate.get())];
      move(rate);
      rate.kind = Kind::rate;
    }
    return info.rate;
  }

  void derive(Node& node) {
    std::vector<NodeRef> x, t;
    const Node& source = node.op == &pick_op ? *node.inputs[0] : node;
    for (Node* input : source.inputs) {
      x.push_back(NodeRef::share(input));
      t.push_back(moves(input) && is_inexact(input->dtype) ? rate_of(input) : NodeRef());
    }
    const LocationScope line(node.where);
    NodeRef found =
        node.op == &pick_op
            ? differentiate_results(source, x, t, Form::joint).tangents[static_cast<size_t>(node.attrs[0])]
            : derivative(*node.op, x, NodeRef::share(&node), node.attrs, t);
    if (found) mark(found);
    Info& info = info_of(&node);
    info.derivative = std::move(found);
    info.derived = true;
  }

  /// What coefficient j of the node waits for.
  void demand(Node* node, size_t j, std::vector<Demand>& missing) {
    const Info& info = info_of(node);
    const auto need = [&](Node* n, size_t k) {
      if (!known(n, k)) missing.push_back({n, k});
    };
    require(j <= order_, ErrorKind::not_implemented,
            "jet: control flow inside of a derivative stated by hand has no Taylor mode");
    if (info.kind == Kind::bundle) {
      for (Node* input : node->inputs)
        for (size_t k = 0; k <= order_; ++k) need(input, k);
      return;
    }
    if (info.kind == Kind::pick) return need(node->inputs[0], 0);
    if (info.known < j) return need(node, j - 1);
    if (info.kind == Kind::rate) return need(node->inputs[0], j + 1);
    if (j > 0 && info.kind == Kind::constant) return;
    if (j > 0 && info.kind == Kind::rule) {
      if (!info.derived) derive(*node);
      if (const NodeRef& rule = info_of(node).derivative) need(rule.get(), j - 1);
      return;
    }
    if (node->op == &pick_op) {
      for (Node* input : node->inputs[0]->inputs) need(input, 0);
      return;
    }
    for (size_t i = 0; i < node->inputs.size(); ++i)
      need(node->inputs[i], info.kind == Kind::same || moves_linearly(*node, i) ? j : 0);
  }

  NodeRef compute(const Node& node, size_t j) const {
    const LocationScope line(node.where);
    const Info& info = info_of(&node);
    switch (info.kind) {
    case Kind::same: return get(node.inputs[0], j);
    case Kind::bundle: break;
    case Kind::pick: return results_.at(node.inputs[0])[static_cast<size_t>(node.attrs[0])][j];
    case Kind::rate: {
      const NodeRef c = get(node.inputs[0], j + 1);
      return c && j > 0 ? c * static_cast<double>(j + 1) : c;
    }
    case Kind::linear: return linear(node, j);
    case Kind::product: return product(node, j);
    case Kind::constant:
      if (j > 0) return nullptr;
      break;
    case Kind::rule: {
      if (j == 0) break;
      if (!info.derivative) return nullptr;
      const NodeRef c = get(info.derivative.get(), j - 1);
      return c && j > 1 ? c / fill_like(static_cast<double>(j), c) : c;
    }
    }
    std::vector<NodeRef> x;
    if (node.op == &pick_op) {
      const Node& source = *node.inputs[0];
      for (Node* input : source.inputs) x.push_back(value(input));
      return results_of(rebuild(source, x))[static_cast<size_t>(node.attrs[0])];
    }
    for (Node* input : node.inputs) x.push_back(value(input));
    return rebuild(node, x);
  }

  void compute_bundle(const Node& node) {
    const LocationScope line(node.where);
    std::vector<std::vector<NodeRef>> x;
    for (Node* input : node.inputs) {
      std::vector<NodeRef>& c = x.emplace_back();
      for (size_t k = 0; k <= order_; ++k) c.push_back(k ? get(input, k) : value(input));
    }
    results_[&node] = bundle_results(node, x, order_);
    info_of(&node).known = order_ + 1;
  }

  NodeRef linear(const Node& node, size_t j) const {
    std::vector<NodeRef> x;
    bool any = false;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      Node* input = node.inputs[i];
      if (node.op->fact(i, node.attrs).kind != FactKind::linear) {
        x.push_back(value(input));
        continue;
      }
      // An operand that stands still is a factor, unless the op is linear in all of them together.
      NodeRef c = moves(input) || node.op->joint ? get(input, j) : NodeRef::share(input);
      any = any || (moves(input) && c);
      x.push_back(c ? c : negative_zeros_like(input->aval()));
    }
    // Coefficient 0 of a sum has the operands that stand still in any case.
    if (!any && (j > 0 || !node.op->joint)) return nullptr;
    return rebuild(node, x);
  }

  NodeRef product(const Node& node, size_t j) const {
    size_t first = node.inputs.size(), second = 0;
    std::vector<NodeRef> x;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const bool factor = moves_linearly(node, i);
      if (factor) (first == node.inputs.size() ? first : second) = i;
      x.push_back(factor ? NodeRef() : value(node.inputs[i]));
    }
    NodeRef total;
    for (size_t k = 0; k <= j; ++k) {
      x[first] = get(node.inputs[first], k);
      x[second] = get(node.inputs[second], j - k);
      if (!x[first] || !x[second]) continue;
      NodeRef term = make(*node.op, x, node.attrs);
      total = total ? total + term : std::move(term);
    }
    return total;
  }
};

// What records that hold bodies see of this transform: bit k - 1 of a state is coefficient k.
class JetLift final : public Lift {
 public:
  explicit JetLift(size_t order) : order_(order) {}
  std::vector<int64_t> key() const override { return {3, static_cast<int64_t>(order_)}; }
  std::vector<Aval> types(const Aval& type, State state) const override {
    return std::vector<Aval>(1 + static_cast<size_t>(std::popcount(state)), type);
  }
  Lifted coerce(const Lifted& value, State state) const override {
    std::vector<NodeRef> all = unpacked(value);
    for (size_t k = 1; k <= order_; ++k)
      if (state >> (k - 1) & 1 && !all[k]) all[k] = zeros_like(all[0]->aval());
    return packed(all);
  }
  std::vector<Lifted> run(std::span<const NodeRef> outputs, std::span<const NodeRef> roots,
                          std::span<const Lifted> values) override {
    std::vector<std::vector<NodeRef>> coefficients;
    for (const Lifted& v : values) coefficients.push_back(unpacked(v));
    std::vector<Lifted> out;
    for (const std::vector<NodeRef>& c : jet(outputs, roots, coefficients, static_cast<int>(order_)))
      out.push_back(packed(c));
    return out;
  }
  std::vector<NodeRef> unpacked(const Lifted& value) const {
    std::vector<NodeRef> out{value.nodes[0]};
    size_t next = 1;
    for (size_t k = 1; k <= order_; ++k)
      out.push_back(value.state >> (k - 1) & 1 ? value.nodes[next++] : NodeRef());
    return out;
  }
  static Lifted packed(std::span<const NodeRef> coefficients) {
    Lifted out{0, {coefficients[0]}};
    for (size_t k = 1; k < coefficients.size(); ++k) {
      if (!coefficients[k]) continue;
      out.state |= State{1} << (k - 1);
      out.nodes.push_back(coefficients[k]);
    }
    return out;
  }

 private:
  size_t order_;
};

std::vector<std::vector<NodeRef>> bundle_results(const Node& node, std::span<const std::vector<NodeRef>> x,
                                                 size_t order) {
  require(order <= 64, ErrorKind::not_implemented,
          "jet: control flow has Taylor mode up to order 64; use a lower order");
  JetLift lift(order);
  std::vector<Lifted> values;
  bool moving = false;
  for (const std::vector<NodeRef>& c : x) {
    values.push_back(JetLift::packed(c));
    moving = moving || values.back().state;
  }
  std::vector<std::vector<NodeRef>> out;
  if (moving) {
    for (const Lifted& v : lift_results(lift, node, values)) out.push_back(lift.unpacked(v));
    return out;
  }
  std::vector<NodeRef> plain;
  for (const std::vector<NodeRef>& c : x) plain.push_back(c[0]);
  for (const NodeRef& one : results_of(rebuild(node, plain))) {
    out.emplace_back(order + 1);
    out.back()[0] = one;
  }
  return out;
}

}  // namespace

std::vector<std::vector<NodeRef>> jet(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                                      std::span<const std::vector<NodeRef>> coefficients, int order) {
  PG_INVARIANT(stand_ins.size() == coefficients.size() && order >= 0);
  Taylor taylor(stand_ins, coefficients, order);
  for (const NodeRef& output : outputs) taylor.mark(output);
  std::vector<std::vector<NodeRef>> out;
  for (const NodeRef& output : outputs) {
    std::vector<NodeRef>& c = out.emplace_back();
    for (int k = 0; k <= order; ++k) c.push_back(taylor.coefficient(output.get(), static_cast<size_t>(k)));
  }
  return out;
}

}  // namespace pg
