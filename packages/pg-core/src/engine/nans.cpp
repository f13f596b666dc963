#include "engine/nans.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/engine.h"
#include "graph/location.h"
#include "ops/control.h"
#include "ops/ops.h"
#include "runtime/pool.h"
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

/// Every value of the graph, by record; null for a record with several results.
class AllValues {
 public:
  AllValues(const Graph& graph, std::span<const Input> inputs)
      : inputs_(graph.size(), Input{nullptr, nullptr}) {
    for (size_t i = 0; i < graph.inputs.size(); ++i) inputs_[graph.inputs[i]] = inputs[i];
    Graph all = graph;
    all.outputs.clear();
    for (Id id = 0; id < graph.size(); ++id)
      if (!graph[id].op->several() && graph[id].op != &param_op) all.outputs.push_back(id);
    const std::vector<Id> wanted = all.outputs;
    const ExecutableRef program = build(std::move(all), graph[graph.outputs[0]].type.device);
    if (run(*program, inputs, buffers_).happened) return;  // a bad index is reported by the program itself
    for (size_t i = 0; i < wanted.size(); ++i) inputs_[wanted[i]] = {buffers_[i]->data, buffers_[i]};
  }
  ~AllValues() { release(buffers_); }
  AllValues(const AllValues&) = delete;

  const void* operator[](Id id) const { return inputs_[id].data; }
  const Input& as_input(Id id) const { return inputs_[id]; }

 private:
  std::vector<Input> inputs_;
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

using LineOf = FunctionRef<Location(const Graph::Record&)>;
std::string explain(const Graph& graph, std::span<const Input> inputs, NanCheck check, LineOf line_of);

/// A body that is run step by step, with its last results.
class Stepped {
 public:
  explicit Stepped(const Graph& body)
      : body_(body), program_(build(body, body[body.outputs[0]].type.device)) {}
  ~Stepped() { release(results_); }
  Stepped(const Stepped&) = delete;

  /// Runs it; false where it failed.
  bool run_on(std::span<const Input> inputs) {
    SmallVector<Buffer*, 4> made;
    if (run(*program_, inputs, made).happened) return false;
    std::swap(made, results_);
    release(made);
    return true;
  }
  bool is_bad(NanCheck check) const {
    for (size_t i = 0; i < results_.size(); ++i) {
      const Aval& type = body_[body_.outputs[i]].type;
      if (is_inexact(type.dtype) &&
          find_bad(results_[i]->data, type, check) < static_cast<size_t>(count_of(type.shape)))
        return true;
    }
    return false;
  }
  Input result(size_t i) const { return {results_[i]->data, results_[i]}; }

 private:
  const Graph& body_;
  ExecutableRef program_;
  SmallVector<Buffer*, 4> results_;
};

/// Slice `at` of an operand along its leading axis, in memory of its own.
BufferRef slice_of(const Input& x, const Aval& type, size_t at) {
  const size_t bytes = static_cast<size_t>(count_of(type.shape)) * static_cast<size_t>(size_of(type.dtype)) /
                       static_cast<size_t>(type.shape[0]);
  BufferRef made = allocate(std::max<size_t>(bytes, 1));
  if (bytes) std::memcpy(made->data, static_cast<const char*>(x.data) + at * bytes, bytes);
  return made;
}

/// What the steps of control flow made the first bad value of, where a record with bodies made it of good
/// operands; empty when it cannot be found.
std::string explain_within(const Graph& graph, const Graph::Record& r, const AllValues& values,
                           NanCheck check, LineOf line_of) {
  std::vector<Input> in;
  for (const Id id : r.inputs) {
    in.push_back(values.as_input(id));
    if (!in.back().data) return {};
  }
  if (r.op == &call_op || r.op == &cond_op) {
    size_t which = 0;
    if (r.op == &cond_op) {
      int32_t branch = *static_cast<const uint8_t*>(in[0].data);
      if (graph[r.inputs[0]].type.dtype == DType::int32) std::memcpy(&branch, in[0].data, sizeof(branch));
      which = static_cast<size_t>(std::clamp(branch, 0, static_cast<int32_t>(r.attrs.size()) - 1));
      in.erase(in.begin());
    }
    const Graph& body = body_of(r.attrs[which]);
    Stepped step(body);
    return step.run_on(in) && step.is_bad(check) ? explain(body, in, check, line_of) : std::string();
  }
  if (r.op == &while_op) {
    const size_t constants = static_cast<size_t>(r.attrs[2]);
    const Graph& body = body_of(r.attrs[1]);
    Stepped test(body_of(r.attrs[0]));
    // Two take turns: what one made is what the other reads.
    Stepped first(body), second(body);
    for (size_t i = 0;; ++i) {
      if (!test.run_on(in) || !*static_cast<const uint8_t*>(test.result(0).data)) return {};
      Stepped& step = i % 2 ? second : first;
      if (!step.run_on(in)) return {};
      if (step.is_bad(check)) return explain(body, in, check, line_of);
      for (size_t k = constants; k < in.size(); ++k) in[k] = step.result(k - constants);
    }
  }
  if (r.op != &scan_op) return {};
  const Scan scan(r.attrs);
  const Graph& body = body_of(scan.body);
  const std::vector<Input> operands = in;
  Stepped first(body), second(body);
  for (int64_t i = 0; i < scan.length; ++i) {
    const size_t at = static_cast<size_t>(scan.reverse ? scan.length - 1 - i : i);
    std::vector<BufferRef> slices;
    for (size_t k = scan.constants + scan.carries; k < operands.size(); ++k) {
      slices.push_back(slice_of(operands[k], graph[r.inputs[k]].type, at));
      in[k] = {slices.back()->data, slices.back().get()};
    }
    Stepped& step = i % 2 ? second : first;
    if (!step.run_on(in)) return {};
    if (step.is_bad(check)) return concat(explain(body, in, check, line_of), ", in step ", at, " of a scan");
    for (size_t k = 0; k < scan.carries; ++k) in[scan.constants + k] = step.result(k);
  }
  return {};
}

std::string explain(const Graph& graph, std::span<const Input> inputs, NanCheck check, LineOf line_of) {
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
        const Id holder = r.op == &pick_op ? r.inputs[0] : id;
        if (const std::string within = explain_within(graph, graph[holder], values, check, line_of);
            !within.empty())
          return within;
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
  for (const Graph::Record& r : graph.nodes)
    require(r.type.device == Device{}, ErrorKind::not_implemented, [&] {
      return concat("results on ", to_string(r.type.device),
                    " cannot be searched for NaN yet; switch PG_DEBUG_NANS off, or compute on the CPU");
    });
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
