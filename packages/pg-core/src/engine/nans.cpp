#include "engine/nans.h"

#include <cmath>

#include "engine/engine.h"
#include "graph/location.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::engine {
namespace {

std::atomic<NanCheck> mode{NanCheck::off};

/// The i-th number in memory; a complex element is two.
double number(const void* data, DType dtype, size_t i) {
  switch (real_type(dtype)) {
  case DType::float16: return half_to_float(static_cast<const uint16_t*>(data)[i]);
  case DType::bfloat16: return bfloat16_to_float(static_cast<const uint16_t*>(data)[i]);
  case DType::float32: return static_cast<double>(static_cast<const float*>(data)[i]);
  default: return static_cast<const double*>(data)[i];
  }
}

bool is_bad(double value, NanCheck check) {
  return std::isnan(value) || (check == NanCheck::inf && std::isinf(value));
}

std::string shown(double value) {
  return std::isnan(value) ? "nan" : concat(value);  // whose sign nobody asked for
}
std::string shown(const void* data, DType dtype, size_t i) {
  if (!is_complex(dtype)) return shown(number(data, dtype, i));
  return concat("complex(", shown(number(data, dtype, 2 * i)), ", ", shown(number(data, dtype, 2 * i + 1)),
                ")");
}

/// Position of the first bad element, or the number of elements.
size_t find_bad(const void* data, const Aval& type, NanCheck check) {
  const size_t parts = is_complex(type.dtype) ? 2 : 1,
               count = static_cast<size_t>(count_of(type.shape)) * parts;
  size_t i = 0;
  while (i < count && !is_bad(number(data, type.dtype, i), check)) ++i;
  return i / parts;
}

/// Every floating value of the graph, by record; null where it is not floating.
class AllValues {
 public:
  AllValues(const Graph& graph, std::span<const Input> inputs) : data_(graph.size(), nullptr) {
    for (size_t i = 0; i < graph.inputs.size(); ++i) data_[graph.inputs[i]] = inputs[i].data;
    Graph all = graph;
    all.outputs.clear();
    for (Id id = 0; id < graph.size(); ++id)
      if (is_inexact(graph[id].type.dtype) && graph[id].op != &param_op) all.outputs.push_back(id);
    const std::vector<Id> wanted = all.outputs;
    const ExecutableRef program = build(std::move(all), graph[graph.outputs[0]].type.device);
    if (run(*program, inputs, buffers_).happened) return;  // a bad index is reported by the program itself
    for (size_t i = 0; i < wanted.size(); ++i) data_[wanted[i]] = buffers_[i]->data;
  }
  ~AllValues() { release(buffers_); }
  AllValues(const AllValues&) = delete;

  const void* operator[](Id id) const { return data_[id]; }

 private:
  std::vector<const void*> data_;
  SmallVector<Buffer*, 4> buffers_;
};

std::string position(size_t flat, const Shape& shape) {
  std::vector<std::string> out(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    out[axis] = concat(flat % static_cast<size_t>(shape[axis]));
    flat /= static_cast<size_t>(shape[axis]);
  }
  return join(out);
}

/// "div(0, 0)": what an elementwise record computed there; else its operands' types.
std::string shown_call(const Graph& graph, Id id, const AllValues& values, size_t at) {
  const Graph::Record& r = graph[id];
  std::vector<std::string> operands;
  for (const Id in : r.inputs) {
    const Aval& type = graph[in].type;
    const bool known = r.op->elementwise() && is_inexact(type.dtype) && values[in];
    operands.push_back(known ? shown(values[in], type.dtype, at) : to_string(type));
  }
  return concat(r.op->name, "(", join(operands), ")");
}

std::string at_line(const Location& where) {
  const std::string place = describe_location && where.code ? describe_location(where) : "";
  return place.empty() ? "" : concat(" (called at ", place, ")");
}

std::string explain(const Graph& graph, std::span<const Input> inputs, NanCheck check,
                    FunctionRef<Location(const Graph::Record&)> line_of) {
  const AllValues values(graph, inputs);
  std::vector<size_t> bad(graph.size());  // position + 1 of the first bad element, 0 where there is none
  for (Id id = 0; id < graph.size(); ++id) {
    const Aval& type = graph[id].type;
    if (!is_inexact(type.dtype) || !values[id]) continue;
    const size_t at = find_bad(values[id], type, check);
    if (at < static_cast<size_t>(count_of(type.shape))) bad[id] = at + 1;
  }
  // A value out of nothing but good operands. Literals are meant to be what they are (masks of -inf), so they
  // are named only when nothing else is to blame.
  const auto blames = [&](Id id, bool leaves) {
    const Graph::Record& r = graph[id];
    if (!bad[id] || r.inputs.empty() != leaves) return false;
    for (const Id in : r.inputs)
      if (bad[in]) return false;
    return true;
  };
  for (const bool leaves : {false, true})
    for (Id id = 0; id < graph.size(); ++id) {
      if (!blames(id, leaves)) continue;
      const Graph::Record& r = graph[id];
      const size_t at = bad[id] - 1;
      const std::string value = concat(shown(values[id], r.type.dtype, at), " at [",
                                       position(at, r.type.shape), "] of ", to_string(r.type));
      if (r.op == &full_op) return concat("a literal", at_line(line_of(r)), " is ", value);
      if (!leaves) {
        Id maker = id;
        while (graph[maker].op->as<Identity>()) maker = graph[maker].inputs[0];
        return concat(r.op->name, at_line(line_of(r)), " gave ", value, ": ",
                      shown_call(graph, maker, values, at));
      }
      std::string user;
      for (Id next = id + 1; next < graph.size() && user.empty(); ++next)
        for (const Id in : graph[next].inputs)
          if (in == id)
            user = concat(", first used by ", graph[next].op->name, at_line(line_of(graph[next])));
      return concat("a value from outside is ", value, user);
    }
  return concat("a result of ", graph[graph.outputs[0]].op->name, at_line(line_of(graph[graph.outputs[0]])),
                " has one");
}

}  // namespace

void set_nan_check(NanCheck check) {
  mode.store(check);
  locations_outside_traces.store(check != NanCheck::off);
}
NanCheck nan_check() { return mode.load(std::memory_order_relaxed); }

void check_results(const Graph& graph, std::span<const Input> inputs, std::span<Buffer* const> results,
                   FunctionRef<Location(const Graph::Record&)> line_of) {
  const NanCheck check = nan_check();
  for (size_t i = 0; i < results.size(); ++i) {
    const Aval& type = graph[graph.outputs[i]].type;
    if (!is_inexact(type.dtype) ||
        find_bad(results[i]->data, type, check) == static_cast<size_t>(count_of(type.shape)))
      continue;
    const std::string text = explain(graph, inputs, check, line_of);
    if (host.bad_number) host.bad_number(text);
    fail(ErrorKind::value, text);
  }
}

}  // namespace pg::engine
