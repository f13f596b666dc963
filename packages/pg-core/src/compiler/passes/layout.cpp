// Channels last: convolutions and pooling want images as [N, space..., C], and what lies between them does
// not care.
//
// Records that can work in any order of axes (convolutions, windows, elementwise ones, reductions, ...) and
// hand images to each other form regions. A region changes its layout when the conversions at its border are
// cheaper than those that its convolutions would make inside. Then the graph is rebuilt with, for every
// value, the order of axes in which it is stored; what needs the plain order gets a permute, and permutes
// that meet cancel.

#include <algorithm>

#include "compiler/passes/passes.h"
#include "ops/ops.h"

namespace pg {
namespace {

// ---- orders of axes: axis i of what is stored is axis order[i] of the value

bool plain(const Ints& order) {
  for (size_t i = 0; i < order.size(); ++i)
    if (order[i] != static_cast<int64_t>(i)) return false;
  return true;
}

Ints channels_last(size_t rank) {
  Ints order{0};
  for (size_t i = 2; i < rank; ++i) order.push_back(static_cast<int64_t>(i));
  order.push_back(1);
  return order;
}

Ints inverse(const Ints& order) {
  Ints out(order.size());
  for (size_t i = 0; i < order.size(); ++i) out[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return out;
}

// (a of x) of b.
Ints composed(const Ints& a, const Ints& b) {
  Ints out;
  for (const int64_t axis : b) out.push_back(a[static_cast<size_t>(axis)]);
  return out;
}

Ints words(const Attrs& attrs) { return Ints(attrs.begin(), attrs.end()); }

// ---- what records do with images

bool is_convolution(const Op* op) {
  return op == &conv_op || op == &conv_input_grad_op || op == &conv_weight_grad_op;
}
bool is_window(const Op* op) {
  return op == &reduce_window_max_op || op == &reduce_window_sum_op || op == &window_sum_grad_op ||
         op == &window_max_grad_op || op == &window_max_pick_op;
}
// Does a library run it, one that converts images to its own layout where the channels are not last?
bool converts(const Graph::Record& r) {
  if (!is_convolution(r.op) || (r.type.dtype != DType::float32 && !is_half(r.type.dtype))) return false;
  const size_t s = static_cast<size_t>(r.attrs[0]);
  return std::all_of(r.attrs.begin() + 2 + s, r.attrs.begin() + 2 + 3 * s,
                     [](int64_t margin) { return margin >= 0; });
}
bool images(const Aval& type) { return type.shape.size() >= 3; }

// Operands that are images for this record; the rest (kernels, fill values) keep their order.
size_t image_operands(const Graph::Record& r) {
  if (r.op == &conv_op || r.op == &conv_input_grad_op || r.op == &pad_op) return 1;
  return r.inputs.size();
}

// Can it work on its images in any order of axes?
bool flexible(const Graph& graph, const Graph::Record& r) {
  if (r.inputs.empty() || !images(graph[r.inputs[0]].type)) return false;
  return is_convolution(r.op) || is_window(r.op) || r.op->elementwise() || r.op->as<Reduction>() ||
         r.op->as<Concat>() || r.op == &pad_op || r.op == &slice_op;
}

// Is its result an image that a neighbour may take in any order? A kernel's gradient is not.
bool hands_on(const Graph& graph, Id id) {
  const Graph::Record& r = graph[id];
  return flexible(graph, r) && images(r.type) && r.op != &conv_weight_grad_op;
}

// ---- regions and whether they pay

class Regions {
 public:
  explicit Regions(const Graph& graph) : graph_(graph), parent_(graph.size()) {
    for (Id id = 0; id < graph.size(); ++id) parent_[id] = id;
    for (Id id = 0; id < graph.size(); ++id)
      if (flexible(graph, graph[id]))
        for (size_t i = 0; i < image_operands(graph[id]); ++i)
          if (hands_on(graph, graph[id].inputs[i])) join(graph[id].inputs[i], id);
    weigh();
  }

  bool converted(Id id) const { return flexible(graph_, graph_[id]) && gain_[root(id)] > 0; }

 private:
  // Costs per element, measured; 1 is a conversion inside a convolution, where pieces stay in the cache.
  static constexpr double border = 2.5;
  static constexpr double inside_window = 0.5;
  // A channel's mean over all examples that its elements wait for (batch norm): in the plain order the rows
  // of a channel stay in the cache meanwhile, with the channels last they are read again.
  static constexpr double statistics = 5;

  double count(Id id) const { return static_cast<double>(count_of(graph_[id].type.shape)); }
  Id root(Id id) const {
    while (parent_[id] != id) id = parent_[id];
    return id;
  }
  Id find(Id id) {
    while (parent_[id] != id) id = parent_[id] = parent_[parent_[id]];
    return id;
  }
  void join(Id a, Id b) {
    a = find(a), b = find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

  // What a region loses when it converts an image from outside: nothing for a number everywhere or something
  // small that is repeated. One that is only viewed in the plain order costs a conversion otherwise.
  double price_in(Id id) const {
    const Graph::Record& r = graph_[id];
    if (r.op == &full_op || r.op == &iota_op) return 0;
    if (r.op == &broadcast_op && 4 * count(r.inputs[0]) <= count(id)) return 0;
    if (r.op == &permute_op && inverse(words(r.attrs)) == channels_last(r.attrs.size()))
      return -border * count(id);
    return r.type.shape[1] == 1 ? 0 : border * count(id);
  }

  void weigh() {
    gain_.assign(graph_.size(), 0);
    for (Id id = 0; id < graph_.size(); ++id) parent_[id] = find(id);
    std::vector<bool> paid(graph_.size(), false);  // an image that leaves its region is converted once
    const auto leave = [&](Id id, const Graph::Record* user) {
      if (!hands_on(graph_, id) || graph_[id].type.shape[1] == 1) return;
      if (user && user->op == &permute_op && words(user->attrs) == channels_last(user->attrs.size())) {
        gain_[root(id)] += border * count(id);
      } else if (!paid[id]) {
        paid[id] = true;
        gain_[root(id)] -= border * count(id);
      }
    };
    std::vector<Id> entered(graph_.size(), static_cast<Id>(-1));  // by the last region that it was brought to
    for (Id id = 0; id < graph_.size(); ++id) {
      const Graph::Record& r = graph_[id];
      const bool inside = flexible(graph_, r);
      const size_t image_count = inside ? image_operands(r) : 0;
      for (size_t i = 0; i < r.inputs.size(); ++i) {
        const Id x = r.inputs[i];
        if (i >= image_count) leave(x, &r);
        else if (!hands_on(graph_, x) && entered[x] != root(id)) {
          entered[x] = root(id);
          gain_[root(id)] -= price_in(x);
        }
      }
      if (converts(r)) {
        const Id other = r.op == &conv_weight_grad_op ? r.inputs[1] : id;
        gain_[root(id)] += count(r.inputs[0]) + count(other);
      } else if (is_window(r.op)) {
        gain_[root(id)] += inside_window * (count(r.inputs[0]) + count(id));
      }
    }
    for (const Id id : graph_.outputs) leave(id, nullptr);
    std::vector<bool> convolves(graph_.size(), false);
    for (Id id = 0; id < graph_.size(); ++id)
      if (converts(graph_[id])) convolves[root(id)] = true;
    for (Id id = 0; id < graph_.size(); ++id)
      if (!convolves[id]) gain_[id] = 0;

    std::vector<bool> returns(graph_.size(), false);  // does an image of a region wait for it, from outside?
    for (Id id = static_cast<Id>(graph_.size()); id-- > 0;) {
      const Graph::Record& r = graph_[id];
      if (!flexible(graph_, r) || !convolves[root(id)]) {
        if (returns[id])
          for (const Id x : r.inputs) returns[x] = true;
        continue;
      }
      const bool keeps_channels = r.op->as<Reduction>() &&
                                  r.attrs.size() + 1 == graph_[r.inputs[0]].type.shape.size() &&
                                  std::find(r.attrs.begin(), r.attrs.end(), 1) == r.attrs.end();
      if (keeps_channels && returns[id]) gain_[root(id)] -= statistics * count(r.inputs[0]);
      for (size_t i = 0; i < image_operands(r); ++i)
        if (!hands_on(graph_, r.inputs[i])) returns[r.inputs[i]] = true;
    }
  }

  const Graph& graph_;
  std::vector<Id> parent_;
  std::vector<double> gain_;  // by the root of a region, in elements converted
};

// ---- the graph in its new layout

struct Stored {
  Id id = 0;
  Ints order = {};  // empty: plain
};

class Rebuild {
 public:
  explicit Rebuild(const Graph& graph) : graph_(graph), regions_(graph), stored_(graph.size()) {}

  Graph run() {
    for (const Id id : graph_.inputs) stored_[id] = {out_.param(graph_[id].type)};
    for (Id id = 0; id < graph_.size(); ++id)
      if (graph_[id].op != &param_op) stored_[id] = add(id);
    std::vector<Id> outputs;
    for (const Id id : graph_.outputs) outputs.push_back(in_order(stored_[id], {}));
    return out_.finish(std::move(outputs));
  }

 private:
  // A view of a record with its axes in another order; views of views become one.
  Id permuted(Id id, Ints axes) {
    if (out_[id].op == &permute_op) {
      axes = composed(words(out_[id].attrs), axes);
      id = out_[id].inputs[0];
    }
    if (plain(axes)) return id;
    const Shape& shape = out_[id].type.shape;
    Shape result;
    int64_t before = -1;
    bool keeps_order = true;  // of the elements, when only axes of extent 1 move
    for (const int64_t axis : axes) {
      result.push_back(shape[static_cast<size_t>(axis)]);
      if (result.back() == 1) continue;
      keeps_order = keeps_order && axis > before;
      before = axis;
    }
    if (out_[id].op == &full_op) {
      Graph::Record record = out_[id];
      record.type.shape = std::move(result);
      return out_.add(std::move(record));
    }
    if (out_[id].op == &broadcast_op) {
      const size_t rank = axes.size();
      const Ints back = inverse(axes);
      Attrs attrs{static_cast<int64_t>(rank)};
      for (const int64_t n : result) attrs.push_back(n);
      for (size_t i = 1 + rank; i < out_[id].attrs.size(); ++i)
        attrs.push_back(back[static_cast<size_t>(out_[id].attrs[i])]);
      if (std::is_sorted(attrs.begin() + 1 + rank, attrs.end()))
        return out_.add(broadcast_op, {out_[id].inputs[0]}, std::move(attrs), out_[id].where);
    }
    if (keeps_order) return out_.add(reshape_op, {id}, Attrs(result.begin(), result.end()), out_[id].where);
    return out_.add(permute_op, {id}, Attrs(axes.begin(), axes.end()), out_[id].where);
  }

  Id in_order(const Stored& value, const Ints& order) {
    if (value.order == order) return value.id;
    if (value.order.empty()) return permuted(value.id, order);
    const Ints back = inverse(value.order);
    return permuted(value.id, order.empty() ? back : composed(back, order));
  }

  Stored add(Id id) {
    Graph::Record r = graph_[id];
    if (r.op == &permute_op) {
      // Whoever wants it permutes what is stored; often that is what is stored.
      const Stored& x = stored_[r.inputs[0]];
      const Ints back = inverse(words(r.attrs));
      Ints order = x.order.empty() ? back : composed(back, x.order);
      return {x.id, plain(order) ? Ints() : std::move(order)};
    }
    const Ints order = regions_.converted(id) ? order_for(r) : Ints();
    const size_t image_count = order.empty() ? 0 : image_operands(r);
    for (size_t i = 0; i < r.inputs.size(); ++i)
      r.inputs[i] = in_order(stored_[r.inputs[i]], i < image_count ? order : Ints());
    if (order.empty()) return {out_.add(std::move(r))};
    Ints result = order;
    if (is_convolution(r.op)) {
      r.attrs[0] = -r.attrs[0];
      if (r.op == &conv_weight_grad_op) result.clear();
    } else if (is_window(r.op)) {
      r.attrs = window_in_order(r.attrs, order, r.type.shape);
    } else if (r.op->as<Concat>()) {
      r.attrs[0] = inverse(order)[static_cast<size_t>(r.attrs[0])];
    } else if (r.op == &pad_op || r.op == &slice_op) {
      const Attrs before = r.attrs;
      for (size_t i = 0; i < order.size(); ++i)
        for (size_t k = 0; k < 3; ++k) r.attrs[3 * i + k] = before[3 * static_cast<size_t>(order[i]) + k];
    } else if (r.op->as<Reduction>()) {
      result = reduced_order(r.attrs, order);
    }
    return {out_.add(*r.op, std::move(r.inputs), std::move(r.attrs), r.where), std::move(result)};
  }

  // That of its operands, so that values follow each other; channels last where there is a choice.
  Ints order_for(const Graph::Record& r) const {
    const Ints wanted = channels_last(graph_[r.inputs[0]].type.shape.size());
    if (is_convolution(r.op)) return wanted;
    Ints found;
    for (size_t i = 0; i < image_operands(r); ++i) {
      const Ints& order = stored_[r.inputs[i]].order;
      if (order == wanted) return wanted;
      if (found.empty()) found = order;
    }
    return is_window(r.op) ? wanted : found;
  }

  // attrs: rank s, then lists of s words over the last s axes: window, strides, low, high, dilation, perhaps
  // extents. In another order the windowed axes may lie anywhere, so the lists are written for all axes.
  static Attrs window_in_order(const Attrs& attrs, const Ints& order, const Shape& shape) {
    const size_t s = static_cast<size_t>(attrs[0]), rank = order.size(), lists = (attrs.size() - 1) / s;
    constexpr int64_t elsewhere[] = {1, 1, 0, 0, 1};
    Attrs out{static_cast<int64_t>(rank)};
    for (size_t list = 0; list < lists; ++list)
      for (const int64_t axis : order) {
        const int64_t place = axis - static_cast<int64_t>(rank - s);
        out.push_back(place >= 0 ? attrs[1 + list * s + static_cast<size_t>(place)]
                      : list < 5 ? elsewhere[list]
                                 : shape[static_cast<size_t>(axis)]);
      }
    return out;
  }

  // Turns the axes of a reduction; the order of what is kept.
  static Ints reduced_order(Attrs& axes, const Ints& order) {
    Attrs turned;
    Ints kept;
    for (size_t i = 0; i < order.size(); ++i) {
      const int64_t axis = order[i];
      if (std::find(axes.begin(), axes.end(), axis) != axes.end()) {
        turned.push_back(static_cast<int64_t>(i));
        continue;
      }
      int64_t place = axis;
      for (const int64_t gone : axes) place -= gone < axis;
      kept.push_back(place);
    }
    axes = std::move(turned);
    return plain(kept) ? Ints() : kept;
  }

  const Graph& graph_;
  const Regions regions_;
  std::vector<Stored> stored_;
  GraphBuilder out_;
};

}  // namespace

bool has_convolutions(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Graph::Record& r) { return is_convolution(r.op); });
}

Graph layout(const Graph& graph) { return Rebuild(graph).run(); }

}  // namespace pg
