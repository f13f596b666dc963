#include "compiler/passes/segments.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "ops/ops.h"
#include "support/error.h"

// Which steps may be one: all of those whose results no step reads, and all of those that read nothing but
// inputs. Among the first nothing flows out of the joined step, so it can stand where the last of them stood;
// nothing flows into the second, which stands where the first stood. No order of the steps between is
// disturbed and no circle arises.
//
// Two kernels have one structure when they compute the same elementwise records from operands of the same
// dtypes, in the same order, and each operand is either one element or as long as the results. Such a kernel
// reads and writes arrays in their own order, so shapes do not matter, and lengths are numbers in a table.
// Views that only rename elements, or repeat a single one, are looked through.

namespace pg {
namespace {

// A larger array keeps all threads busy by itself, and would only be held longer.
constexpr int64_t longest_segment = 256 << 10;
// Below, launching costs more than the loop: such kernels are joined whatever they compute.
constexpr int64_t tiny_domain = 4 << 10;
constexpr size_t most_records = 400, most_inputs = 40, most_roots = 16;

using Signature = std::vector<int64_t>;

// Reads the structure of a group from its results down.
class Structure {
 public:
  Structure(const Graph& graph, int64_t& looked) : graph_(graph), looked_(looked) {}

  /// False when the group is of another kind; else `inputs` gets its inputs in the order of the structure.
  bool read(const Group& group, Signature& out, std::vector<Id>& inputs) {
    words_.clear();
    number_.clear();
    inputs_.clear();
    next_ = 0;
    group_ = &group;
    whole_ = &graph_[group.outputs[0]].type.shape;
    count_ = count_of(*whole_);
    if (count_ > longest_segment) return false;
    for (const Id id : group.outputs) {
      int64_t ref = 0;
      if (count_of(graph_[id].type.shape) != count_ || !visit(id, ref)) return false;
      words_.insert(words_.end(), {result, ref});
    }
    if (inputs_.size() != group.inputs.size()) return false;
    inputs = inputs_;
    out = words_;
    return true;
  }

 private:
  enum Word : int64_t { result, input, fill, record };

  bool whole(Id id) const {
    const Shape& shape = graph_[id].type.shape;
    return count_ == 1 ? shape == *whole_ : count_of(shape) == count_;
  }
  bool inside(Id id) const { return std::binary_search(group_->nodes.begin(), group_->nodes.end(), id); }

  // The same elements in the same order, or one of them for all.
  bool renames(const Graph::Record& r) const {
    return r.op == &reshape_op || (r.op == &broadcast_op && count_of(graph_[r.inputs[0]].type.shape) == 1);
  }

  /// Numbers the record and all that it needs.
  bool visit(Id root, int64_t& ref) {
    std::vector<Id> stack{root};
    while (!stack.empty()) {
      const Id id = stack.back();
      const Graph::Record& r = graph_[id];
      if (number_.contains(id)) {
        stack.pop_back();
        continue;
      }
      ++looked_;
      if (!inside(id)) {
        if (!whole(id) && count_of(r.type.shape) != 1) return false;
        inputs_.push_back(id);
        words_.insert(words_.end(), {input, static_cast<int64_t>(r.type.dtype), whole(id)});
        give_number(id);
        stack.pop_back();
        continue;
      }
      if (r.op->as<Fill>()) {
        words_.insert(words_.end(), {fill, static_cast<int64_t>(r.type.dtype), r.attrs[0]});
        give_number(id);
        stack.pop_back();
        continue;
      }
      if (!r.op->elementwise() && !renames(r)) return false;
      if (!whole(id) && count_of(r.type.shape) != 1) return false;
      const size_t before = stack.size();
      for (size_t i = r.inputs.size(); i-- > 0;)
        if (!number_.contains(r.inputs[i])) stack.push_back(r.inputs[i]);
      if (stack.size() != before) continue;
      if (r.op->elementwise()) {
        words_.insert(words_.end(), {record, r.op->id, static_cast<int64_t>(r.type.dtype), whole(id),
                                     static_cast<int64_t>(r.attrs.size())});
        words_.insert(words_.end(), r.attrs.begin(), r.attrs.end());
        for (const Id in : r.inputs) words_.push_back(number_.at(in));
        give_number(id);
      } else {
        number_.emplace(id, number_.at(r.inputs[0]));
      }
      stack.pop_back();
    }
    ref = number_.at(root);
    return true;
  }

  void give_number(Id id) { number_.emplace(id, next_++); }

  const Graph& graph_;
  int64_t& looked_;
  const Group* group_ = nullptr;
  const Shape* whole_ = nullptr;  // of the results
  int64_t count_ = 0, next_ = 0;
  Signature words_;
  std::unordered_map<Id, int64_t> number_;
  std::vector<Id> inputs_;
};

class Joiner {
 public:
  Joiner(const Graph& graph, std::vector<Step>& steps, int64_t& looked)
      : graph_(graph), steps_(steps), looked_(looked), gone_(steps.size(), false), read_(graph.size(), false),
        late_(steps.size()) {
    for (const Step& s : steps) {
      if (s.kind == Step::Kind::kernel)
        for (const Id id : s.group.inputs) read_[id] = true;
      else if (s.kind == Step::Kind::call)
        for (const Id id : graph[s.record].inputs) read_[id] = true;
    }
    for (size_t i = steps.size(); i-- > 0;)  // what a new name is read by
      if (steps[i].kind == Step::Kind::alias && read_[steps[i].record]) read_[steps[i].source] = true;
  }

  std::vector<Step> run() {
    const auto last = [&](const Group& g) {
      return std::none_of(g.outputs.begin(), g.outputs.end(), [&](Id id) { return read_[id]; });
    };
    const auto first = [&](const Group& g) {
      return std::all_of(g.inputs.begin(), g.inputs.end(), [&](Id id) { return graph_[id].op->as<Leaf>(); });
    };
    join_segments(last, true);
    join_segments(first, false);
    join_tiny(last);
    return ordered();
  }

 private:
  template <class Choose> void join_segments(const Choose& choose, bool at_end) {
    struct Member {
      size_t step;
      std::vector<Id> inputs;
    };
    std::map<Signature, std::vector<Member>> found;
    Structure structure(graph_, looked_);
    for (size_t i = 0; i < steps_.size(); ++i) {
      const Step& s = steps_[i];
      Signature signature;
      std::vector<Id> inputs;
      if (!joinable(i) || !choose(s.group)) continue;
      if (structure.read(s.group, signature, inputs))
        found[std::move(signature)].push_back({i, std::move(inputs)});
    }
    for (auto& [signature, members] : found) {
      if (members.size() < 2) continue;
      const size_t place = at_end ? members.back().step : members.front().step;
      std::vector<Group> groups;
      for (Member& m : members) {
        groups.push_back(std::move(steps_[m.step].group));
        groups.back().inputs = std::move(m.inputs);
        gone_[m.step] = m.step != place;
        for (const Id id : groups.back().outputs) written_by_[id] = place;
      }
      steps_[place].group = groups[0];
      steps_[place].segments = std::move(groups);
    }
  }

  /// Kernels over arrays of one shape become one with the results of all.
  template <class Choose> void join_tiny(const Choose& choose) {
    std::map<std::vector<int64_t>, size_t> open;  // by shape, the one that takes more
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (!joinable(i) || !choose(steps_[i].group)) continue;
      Group& g = steps_[i].group;
      const Shape& shape = graph_[g.outputs[0]].type.shape;
      const auto other = [&](Id id) {
        const Op& op = *graph_[id].op;
        return op.as<Reduction>() || op.as<Concat>();
      };
      looked_ += static_cast<int64_t>(g.nodes.size());
      if (count_of(shape) > tiny_domain || std::any_of(g.nodes.begin(), g.nodes.end(), other) ||
          std::any_of(g.outputs.begin(), g.outputs.end(),
                      [&](Id id) { return graph_[id].type.shape != shape; }))
        continue;
      const auto [found, fresh] = open.try_emplace({shape.begin(), shape.end()}, i);
      if (fresh) continue;
      Group& into = steps_[found->second].group;
      Group both = united(into, g);
      if (both.nodes.size() <= most_records && both.inputs.size() <= most_inputs &&
          both.outputs.size() <= most_roots) {
        for (const Id id : into.outputs) written_by_[id] = i;
        gone_[found->second] = true;
        steps_[i].group = std::move(both);
      }
      found->second = i;
    }
  }

  static std::vector<Id> united(const std::vector<Id>& a, const std::vector<Id>& b) {
    std::vector<Id> out = a;
    out.insert(out.end(), b.begin(), b.end());
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  static Group united(const Group& a, const Group& b) {
    return {united(a.nodes, b.nodes), united(a.inputs, b.inputs), united(a.outputs, b.outputs)};
  }

  bool joinable(size_t i) const {
    return !gone_[i] && steps_[i].kind == Step::Kind::kernel && steps_[i].segments.empty();
  }
  /// New names of results that are written later than before come after them.
  std::vector<Step> ordered() {
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (steps_[i].kind != Step::Kind::alias) continue;
      const auto found = written_by_.find(steps_[i].source);
      if (found == written_by_.end()) continue;
      written_by_[steps_[i].record] = found->second;
      if (found->second < i) continue;
      late_[found->second].push_back(i);
      gone_[i] = true;
    }
    std::vector<Step> out;
    for (size_t i = 0; i < steps_.size(); ++i) {
      if (!gone_[i]) out.push_back(std::move(steps_[i]));
      for (const size_t alias : late_[i]) out.push_back(std::move(steps_[alias]));
    }
    return out;
  }

  const Graph& graph_;
  std::vector<Step>& steps_;
  int64_t& looked_;
  std::vector<bool> gone_, read_;
  std::vector<std::vector<size_t>> late_;      // aliases that come after a step
  std::unordered_map<Id, size_t> written_by_;  // of results of joined steps
};

}  // namespace

std::vector<Step> segments(const Graph& graph, std::vector<Step> steps, int64_t* looked) {
  int64_t count = 0;
  std::vector<Step> out = Joiner(graph, steps, looked ? *looked : count).run();
  return out;
}

}  // namespace pg
