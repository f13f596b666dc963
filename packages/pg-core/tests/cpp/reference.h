#pragma once
// A slow evaluator of nodes, one element at a time in double, written only from what the records document.
// Tests compare the rest of the system with it, and it needs none of the rest: no scalar IR, no kernels, no
// libraries.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <unordered_map>

#include "check.h"
#include "graph/walk.h"
#include "ops/ops.h"
#include "runtime/pool.h"

namespace reference {
using namespace pg;

struct Value {
  Shape shape;
  std::vector<double> data;
};

inline std::vector<int64_t> index_of(int64_t flat, const Shape& shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t i = shape.size(); i-- > 0; flat /= shape[i]) index[i] = flat % shape[i];
  return index;
}
template <class Index> int64_t flat_of(const Index& index, const Shape& shape) {
  int64_t flat = 0;
  for (size_t i = 0; i < shape.size(); ++i) flat = flat * shape[i] + index[i];
  return flat;
}

/// One element through the record's own block loop; what the loops compute has its own tests.
inline double elementwise(const Node& node, const std::vector<double>& x) {
  const auto store = [](double value, DType dtype, char* to) {
    if (is_bool(dtype)) *to = value != 0;
    else if (dtype == DType::float64) std::memcpy(to, &value, 8);
    else if (is_float(dtype)) {
      const float single = static_cast<float>(value);  // also the register of 16-bit floats
      std::memcpy(to, &single, 4);
    } else {
      const int64_t whole = static_cast<int64_t>(value);
      std::memcpy(to, &whole, 8);
    }
  };
  alignas(8) char words[4][8];
  const void* in[4];
  DType dtypes[4];
  for (size_t i = 0; i < x.size(); ++i) {
    dtypes[i] = node.inputs[i]->dtype;
    store(x[i], dtypes[i], words[i]);
    in[i] = words[i];
  }
  const ir::BlockFn loop = node.op->as<Elementwise>()->block({dtypes, x.size()}, node.dtype,
                                                             {node.attrs.data(), node.attrs.size()});
  CHECK(loop);
  alignas(8) char result[8] = {};
  loop(result, in, 1);
  if (is_bool(node.dtype)) return result[0];
  double number;
  float single;
  int64_t whole;
  std::memcpy(&number, result, 8);
  std::memcpy(&single, result, 4);
  std::memcpy(&whole, result, 8);
  if (node.dtype == DType::float64) return number;
  return is_float(node.dtype) ? single : static_cast<double>(whole);
}

inline Value view(const View& lower, const Node& node, const std::vector<Value>& x) {
  ir::ExprContext context;
  const ir::ExprScope scope(context);
  std::vector<ir::Expr> index;
  std::unordered_map<const ir::Atom*, size_t> axis_of;
  for (size_t i = 0; i < node.shape.size(); ++i) {
    const ir::Axis axis = ir::axis("a", node.shape[i]);
    axis_of[axis] = i;
    index.push_back(ir::expr(axis));
  }
  Value out{node.shape, {}};
  const int64_t count = count_of(node.shape);
  if (count == 0) return out;
  const ViewIndex map = lower.map(node.inputs[0]->aval(), node.aval(), node.attrs, index);
  for (int64_t flat = 0; flat < count; ++flat) {
    const std::vector<int64_t> at = index_of(flat, node.shape);
    const auto value_of = [&](const ir::Atom* atom) { return at[axis_of.at(atom)]; };
    bool inside = true;
    for (const Condition& c : map.conditions) {
      const int64_t e = ir::evaluate(c.e, value_of);
      inside = inside && e >= c.low && e < c.high;
    }
    std::vector<int64_t> source;
    for (const ir::Expr& e : map.source) source.push_back(ir::evaluate(e, value_of));
    out.data.push_back(inside ? x[0].data.at(flat_of(source, x[0].shape)) : x[1].data.at(0));
  }
  return out;
}

inline double combine(Combine how, double a, double b) {
  switch (how) {
  case Combine::sum: return a + b;
  case Combine::prod: return a * b;
  case Combine::max: return std::max(a, b);
  case Combine::min: return std::min(a, b);
  case Combine::all: return a != 0 && b != 0;
  case Combine::any: return a != 0 || b != 0;
  }
  return 0;
}

inline Value reduction(Combine how, const Node& node, const Value& x) {
  const double inf = INFINITY;
  const double neutral[] = {0, 1, -inf, inf, 1, 0};
  Value out{node.shape, std::vector<double>(count_of(node.shape), neutral[static_cast<int>(how)])};
  for (size_t flat = 0; flat < x.data.size(); ++flat) {
    const std::vector<int64_t> at = index_of(static_cast<int64_t>(flat), x.shape);
    std::vector<int64_t> kept;
    for (size_t i = 0; i < at.size(); ++i)
      if (std::find(node.attrs.begin(), node.attrs.end(), static_cast<int64_t>(i)) == node.attrs.end())
        kept.push_back(at[i]);
    double& slot = out.data[flat_of(kept, out.shape)];
    slot = combine(how, slot, x.data[flat]);
  }
  return out;
}

inline Value concatenation(const Node& node, const std::vector<Value>& x) {
  const size_t axis = static_cast<size_t>(node.attrs[0]);
  Value out{node.shape, std::vector<double>(count_of(node.shape))};
  int64_t before = 0;
  for (const Value& part : x) {
    for (size_t flat = 0; flat < part.data.size(); ++flat) {
      std::vector<int64_t> at = index_of(static_cast<int64_t>(flat), part.shape);
      at[axis] += before;
      out.data[flat_of(at, out.shape)] = part.data[flat];
    }
    before += part.shape[axis];
  }
  return out;
}

/// The row that an index names, or -1 when it names none (mode drop).
inline int64_t row_of(double index, int64_t rows, int64_t mode) {
  const int64_t row = static_cast<int64_t>(index);
  if (static_cast<IndexMode>(mode) == IndexMode::clip) return std::clamp<int64_t>(row, 0, rows - 1);
  if (row >= 0 && row < rows) return row;
  CHECK(static_cast<IndexMode>(mode) == IndexMode::drop);
  return -1;
}

inline Value gathered(const Node& node, const std::vector<Value>& x) {
  Value out{node.shape, {}};
  const int64_t width = count_of(node.shape) / std::max<int64_t>(1, static_cast<int64_t>(x[1].data.size()));
  for (const double index : x[1].data) {
    const int64_t row = row_of(index, x[0].shape[0], node.attrs[0]);
    for (int64_t j = 0; j < width; ++j) out.data.push_back(row < 0 ? 0 : x[0].data[row * width + j]);
  }
  return out;
}

inline Value scattered(const Node& node, const std::vector<Value>& x) {
  Value out = x[0];
  const int64_t rows = static_cast<int64_t>(x[1].data.size()),
                width = static_cast<int64_t>(x[2].data.size()) / std::max<int64_t>(1, rows);
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t row = row_of(x[1].data[i], x[0].shape[0], node.attrs[1]);
    for (int64_t j = 0; row >= 0 && j < width; ++j) {
      double& slot = out.data[row * width + j];
      const double update = x[2].data[i * width + j];
      switch (static_cast<ScatterMode>(node.attrs[0])) {
      case ScatterMode::set: slot = update; break;
      case ScatterMode::add: slot += update; break;
      case ScatterMode::mul: slot *= update; break;
      case ScatterMode::min: slot = std::min(slot, update); break;
      case ScatterMode::max: slot = std::max(slot, update); break;
      }
    }
  }
  return out;
}

inline Value dot(const Node& node, const std::vector<Value>& x) {
  const Attrs& a = node.attrs;
  const int64_t* labels[] = {a.data() + 3, a.data() + 3 + a[0], a.data() + 3 + a[0] + a[1]};
  std::vector<int64_t> extent(32, 1);
  for (int k = 0; k < 2; ++k)
    for (int64_t i = 0; i < a[k]; ++i) extent[labels[k][i]] = x[k].shape[i];
  int64_t all = 1;
  Shape loop(extent.begin(), extent.end());
  for (int64_t n : extent) all *= n;
  Value out{node.shape, std::vector<double>(count_of(node.shape))};
  for (int64_t flat = 0; flat < all; ++flat) {
    const std::vector<int64_t> at = index_of(flat, loop);
    const auto place = [&](int k, const Shape& shape) {
      int64_t p = 0;
      for (size_t i = 0; i < shape.size(); ++i) p = p * shape[i] + at[labels[k][i]];
      return p;
    };
    out.data[place(2, out.shape)] += x[0].data[place(0, x[0].shape)] * x[1].data[place(1, x[1].shape)];
  }
  return out;
}

/// All three convolutions walk the same products: image[n, c, p] * kernel[o, c, k] contributes to result[n,
/// o, q].
inline Value convolution(const Node& node, const std::vector<Value>& x) {
  const Attrs& a = node.attrs;
  const size_t s = static_cast<size_t>(a[0]);
  const int64_t groups = a[1], *strides = a.data() + 2, *low = strides + s, *dilation = strides + 3 * s;
  const bool forward = node.op == &conv_op, input = node.op == &conv_input_grad_op;
  Value out{node.shape, std::vector<double>(count_of(node.shape))};
  const Shape& image = input ? out.shape : x[0].shape;
  const Shape& kernel = forward || input ? x[1].shape : out.shape;
  const Shape& result = forward ? out.shape : input ? x[0].shape : x[1].shape;
  for (int64_t r = 0; r < count_of(result); ++r)
    for (int64_t k = 0; k < count_of(kernel); ++k) {
      const std::vector<int64_t> rat = index_of(r, result), kat = index_of(k, kernel);
      if (kat[0] != rat[1]) continue;
      std::vector<int64_t> at{rat[0], kat[0] / (kernel[0] / groups) * kernel[1] + kat[1]};
      bool inside = true;
      for (size_t i = 0; i < s; ++i) {
        at.push_back(rat[2 + i] * strides[i] + kat[2 + i] * dilation[i] - low[i]);
        inside = inside && at.back() >= 0 && at.back() < image[2 + i];
      }
      if (!inside) continue;
      const int64_t p = flat_of(at, image);
      if (forward) out.data[r] += x[0].data[p] * x[1].data[k];
      else if (input) out.data[p] += x[0].data[r] * x[1].data[k];
      else out.data[k] += x[0].data[p] * x[1].data[r];
    }
  return out;
}

inline Value windows(const Node& node, const std::vector<Value>& x) {
  const Attrs& a = node.attrs;
  const size_t s = static_cast<size_t>(a[0]);
  const int64_t *window = a.data() + 1, *strides = window + s, *low = window + 2 * s,
                *dilation = window + 4 * s;
  const Op* op = node.op;
  const bool spread = op == &window_max_grad_op || op == &window_sum_grad_op,
             sum = op == &reduce_window_sum_op;
  Value out{node.shape, std::vector<double>(count_of(node.shape))};
  const Shape& big = spread ? out.shape : x[0].shape;
  const Shape& small = op == &window_max_grad_op ? x[1].shape : spread ? x[0].shape : out.shape;
  const size_t lead = big.size() - s;
  for (int64_t flat = 0; flat < count_of(small); ++flat) {
    const std::vector<int64_t> at = index_of(flat, small);
    const Shape extent(window, window + s);
    int64_t best = -1;
    double total = 0;
    for (int64_t w = 0; w < count_of(extent); ++w) {
      const std::vector<int64_t> offset = index_of(w, extent);
      std::vector<int64_t> p = at;
      bool inside = true;
      for (size_t i = 0; i < s; ++i) {
        p[lead + i] = at[lead + i] * strides[i] + offset[i] * dilation[i] - low[i];
        inside = inside && p[lead + i] >= 0 && p[lead + i] < big[lead + i];
      }
      if (!inside) continue;
      const int64_t place = flat_of(p, big);
      if (op == &window_sum_grad_op) out.data[place] += x[0].data[flat];
      else if (sum) total += x[0].data[place];
      else if (best < 0 || x[0].data[place] > x[0].data[best]) best = place;
    }
    if (sum) out.data[flat] = total;
    if (op == &reduce_window_max_op) out.data[flat] = best < 0 ? -INFINITY : x[0].data[best];
    if (op == &window_max_pick_op && best >= 0) out.data[flat] = x[1].data[best];
    if (op == &window_max_grad_op && best >= 0) out.data[best] += x[1].data[flat];
  }
  return out;
}

inline Value along_axis(const Node& node, const Value& x) {
  const size_t axis = static_cast<size_t>(node.attrs[0]);
  const bool second = node.attrs[1] != 0;  // reverse, or descending
  const int64_t n = x.shape[axis];
  Value out = x;
  for (int64_t flat = 0; flat < static_cast<int64_t>(x.data.size()); ++flat) {
    std::vector<int64_t> at = index_of(flat, x.shape);
    if (at[axis] != 0) continue;
    std::vector<int64_t> line;
    for (at[axis] = 0; at[axis] < n; ++at[axis]) line.push_back(flat_of(at, x.shape));
    if (node.op == &sort_op || node.op == &argsort_op) {
      std::vector<int64_t> order(n);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
        return second ? x.data[line[i]] > x.data[line[j]] : x.data[line[i]] < x.data[line[j]];
      });
      for (int64_t i = 0; i < n; ++i)
        out.data[line[i]] = node.op == &sort_op ? x.data[line[order[i]]] : static_cast<double>(order[i]);
      continue;
    }
    const Combine how = node.op == &cumulative_sum_op    ? Combine::sum
                        : node.op == &cumulative_prod_op ? Combine::prod
                        : node.op == &cumulative_max_op  ? Combine::max
                                                         : Combine::min;
    if (second) std::reverse(line.begin(), line.end());
    for (int64_t i = 1; i < n; ++i) out.data[line[i]] = combine(how, out.data[line[i - 1]], x.data[line[i]]);
  }
  return out;
}

inline Value call(const Node& node, const std::vector<Value>& x) {
  const Op* op = node.op;
  if (op == &scatter_op) return scattered(node, x);
  if (op == &dot_general_op) return dot(node, x);
  if (op == &conv_op || op == &conv_input_grad_op || op == &conv_weight_grad_op) return convolution(node, x);
  if (op->name.find("window") != std::string::npos) return windows(node, x);
  return along_axis(node, x[0]);
}

inline Value leaf(const Node& node) {
  const int64_t count = count_of(node.shape);
  if (node.evaluated()) {
    const void* data = node.buffer.load()->data;
    Value out{node.shape, {}};
    for (int64_t i = 0; i < count; ++i)
      out.data.push_back(is_float(node.dtype) ? static_cast<const double*>(data)[i]
                                              : static_cast<double>(static_cast<const int64_t*>(data)[i]));
    return out;
  }
  CHECK(node.op == &full_op || node.op == &number_op);
  const double value =
      is_float(node.dtype) ? bits_as_double(node.attrs[0]) : static_cast<double>(node.attrs[0]);
  return {node.shape, std::vector<double>(count, value)};
}

/// Values of nodes made inside the open trace. Buffers hold float64 or int64.
inline std::vector<Value> evaluate(const std::vector<NodeRef>& outputs) {
  std::unordered_map<const Node*, Value> known;
  for (Node* node : reachable(outputs, 0)) {
    if (node->inputs.empty() && !node->op->as<Iota>()) {
      known[node] = leaf(*node);
      continue;
    }
    std::vector<Value> x;
    for (Node* input : node->inputs) x.push_back(known.at(input));
    Value out{node->shape, {}};
    const int64_t count = count_of(node->shape);
    const Op& op = *node->op;
    if (op.elementwise()) {
      for (int64_t i = 0; i < count; ++i) {
        std::vector<double> operands;
        for (const Value& v : x) operands.push_back(v.data.at(i));
        out.data.push_back(elementwise(*node, operands));
      }
    } else if (const View* lower = op.as<View>()) {
      out = view(*lower, *node, x);
    } else if (const Reduction* lower = op.as<Reduction>()) {
      out = reduction(lower->combine, *node, x[0]);
    } else if (const Iota* lower = op.as<Iota>()) {
      for (int64_t i = 0; i < count; ++i)
        out.data.push_back(static_cast<double>(index_of(i, node->shape)[lower->axis(node->attrs)]));
    } else if (op.as<Concat>()) {
      out = concatenation(*node, x);
    } else if (op.as<Gather>()) {
      out = gathered(*node, x);
    } else if (op.as<Identity>()) {
      out = x[0];
    } else {
      out = call(*node, x);
    }
    CHECK(out.shape == node->shape && static_cast<int64_t>(out.data.size()) == count);
    known[node] = std::move(out);
  }
  std::vector<Value> out;
  for (const NodeRef& output : outputs) out.push_back(known.at(output.get()));
  return out;
}

inline NodeRef tensor(const Shape& shape, const std::vector<double>& values, DType dtype = DType::float64) {
  CHECK(count_of(shape) == static_cast<int64_t>(values.size()));
  BufferRef buffer = allocate_items(static_cast<int64_t>(values.size()), 8);
  for (size_t i = 0; i < values.size(); ++i) {
    if (is_float(dtype)) static_cast<double*>(buffer->data)[i] = values[i];
    else static_cast<int64_t*>(buffer->data)[i] = static_cast<int64_t>(values[i]);
  }
  return buffer_node(std::move(buffer), {shape, dtype, false, {}});
}

}  // namespace reference
