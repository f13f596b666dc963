// Records that hold closed graphs (call, cond, scan, while) or a function of the host. Their derivatives and
// transpositions are in transforms/, because they make new bodies.

#include "ops/control.h"

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

// What every record here has as its own type: nobody reads it.
Aval stand_in(std::span<const Aval> in) {
  return {{}, DType::bool_, false, in.empty() ? Device{} : in[0].device};
}

void check_inputs(const char* what, const Graph& body, std::span<const Aval> in) {
  PG_INVARIANT(body.inputs.size() == in.size(),
               concat(what, ": the body takes ", body.inputs.size(), " inputs, got ", in.size()));
  for (size_t i = 0; i < in.size(); ++i) {
    const Aval& wanted = body[body.inputs[i]].type;
    PG_INVARIANT(
        wanted.shape == in[i].shape && wanted.dtype == in[i].dtype,
        concat(what, ": input ", i, " is ", to_string(in[i]), ", the body takes ", to_string(wanted)));
  }
}

bool alike(const Aval& a, const Aval& b) { return a.shape == b.shape && a.dtype == b.dtype; }

template <size_t count> size_t payloads_of(const Attrs&) { return count; }
size_t all_payloads(const Attrs& attrs) { return attrs.size(); }

// ---- call

Aval infer_call(std::span<const Aval> in, const Attrs& attrs) {
  check_inputs("call", body_of(attrs[0]), in);
  return stand_in(in);
}
std::vector<Aval> outputs_of_call(std::span<const Aval>, const Attrs& attrs) {
  return output_types(body_of(attrs[0]));
}

// ---- cond

Aval infer_cond(std::span<const Aval> in, const Attrs& attrs) {
  PG_INVARIANT(!in.empty() && in[0].shape.empty() && !attrs.empty() &&
                   (in[0].dtype == DType::int32 || (is_bool(in[0].dtype) && attrs.size() == 2)),
               "cond");
  const std::vector<Aval> wanted = output_types(body_of(attrs[0]));
  for (const int64_t id : attrs) {
    check_inputs("cond", body_of(id), in.subspan(1));
    const std::vector<Aval> given = output_types(body_of(id));
    PG_INVARIANT(std::equal(given.begin(), given.end(), wanted.begin(), wanted.end(), alike),
                 "cond: its branches give different types");
  }
  return stand_in(in);
}

// ---- scan

Aval infer_scan(std::span<const Aval> in, const Attrs& attrs) {
  const Scan scan(attrs);
  const Graph& body = body_of(scan.body);
  PG_INVARIANT(in.size() >= scan.constants + scan.carries && body.outputs.size() >= scan.carries, "scan");
  std::vector<Aval> steps(in.begin(), in.end());
  for (size_t i = scan.constants + scan.carries; i < steps.size(); ++i) {
    PG_INVARIANT(!steps[i].shape.empty() && steps[i].shape[0] == scan.length,
                 "scan: an xs of another length");
    steps[i].shape.erase(0);
  }
  check_inputs("scan", body, steps);
  for (size_t i = 0; i < scan.carries; ++i)
    PG_INVARIANT(alike(body[body.outputs[i]].type, steps[scan.constants + i]), "scan: a carry changes type");
  return stand_in(in);
}
std::vector<Aval> outputs_of_scan(std::span<const Aval>, const Attrs& attrs) {
  const Scan scan(attrs);
  std::vector<Aval> out = output_types(body_of(scan.body));
  for (size_t i = scan.carries; i < out.size(); ++i) out[i].shape.insert(0, scan.length);
  return out;
}

// ---- while

Aval infer_while(std::span<const Aval> in, const Attrs& attrs) {
  const Graph &test = body_of(attrs[0]), &body = body_of(attrs[1]);
  const size_t constants = static_cast<size_t>(attrs[2]);
  check_inputs("while", test, in);
  check_inputs("while", body, in);
  PG_INVARIANT(test.outputs.size() == 1 && alike(test[test.outputs[0]].type, {{}, DType::bool_}),
               "while: the test gives one bool");
  PG_INVARIANT(body.outputs.size() + constants == in.size(), "while");
  for (size_t i = 0; i < body.outputs.size(); ++i)
    PG_INVARIANT(alike(body[body.outputs[i]].type, in[constants + i]), "while: a carry changes type");
  return stand_in(in);
}
std::vector<Aval> outputs_of_while(std::span<const Aval>, const Attrs& attrs) {
  return output_types(body_of(attrs[1]));
}

// ---- strips

Aval infer_strips(std::span<const Aval> in, const Attrs& attrs) {
  const Strips strips(attrs);
  PG_INVARIANT(in.size() == strips.operands.size(), "strips");
  std::vector<Aval> parts(in.begin(), in.end());
  for (size_t i = 0; i < parts.size(); ++i)
    parts[i].shape = shape_of_strip(parts[i].shape, strips.operands[i], strips.counts);
  for (size_t i = 0; i < strips.counts.size(); ++i)
    parts.push_back({{}, DType::int64, false, stand_in(in).device});
  check_inputs("strips", body_of(strips.body), parts);
  return stand_in(in);
}
std::vector<Aval> outputs_of_strips(std::span<const Aval>, const Attrs& attrs) {
  const Strips strips(attrs);
  std::vector<Aval> out = output_types(body_of(strips.body));
  PG_INVARIANT(out.size() == strips.results.size(), "strips");
  for (size_t i = 0; i < out.size(); ++i)
    for (size_t d = 0; d < strips.counts.size(); ++d)
      if (const int64_t axis = strips.results[i][d]; axis >= 0) out[i].shape[axis] *= strips.counts[d];
  return out;
}

// ---- custom rules

Aval infer_custom_jvp(std::span<const Aval> in, const Attrs& attrs) {
  check_inputs("custom_jvp", body_of(attrs[0]), in);
  const Graph& rule = body_of(attrs[1]);
  const size_t results = body_of(attrs[0]).outputs.size();
  PG_INVARIANT(rule.outputs.size() == results && rule.inputs.size() == 2 * in.size() + results,
               "custom_jvp: its rule");
  return stand_in(in);
}
Aval infer_custom_vjp(std::span<const Aval> in, const Attrs& attrs) {
  const Graph &body = body_of(attrs[0]), &forward = body_of(attrs[1]), &backward = body_of(attrs[2]);
  check_inputs("custom_vjp", body, in);
  check_inputs("custom_vjp", forward, in);
  PG_INVARIANT(forward.outputs.size() == backward.inputs.size() && backward.outputs.size() == in.size(),
               "custom_vjp: its rules");
  return stand_in(in);
}
Aval infer_opaque(std::span<const Aval> in, const Attrs& attrs) {
  const Graph& backward = body_of(attrs[0]);
  PG_INVARIANT(in.size() >= backward.outputs.size(), "opaque_linear");
  return stand_in(in);
}
// The residuals are the operands before the tangents, of which there is one for each output of the backward.
std::vector<Aval> outputs_of_opaque(std::span<const Aval> in, const Attrs& attrs) {
  const Graph& backward = body_of(attrs[0]);
  std::vector<Aval> out;
  for (size_t i = in.size() - backward.outputs.size(); i < backward.inputs.size(); ++i)
    out.push_back(backward[backward.inputs[i]].type);
  return out;
}

// ---- host call: attrs are the function, a flag, then dtype, weak, rank, extents of each result

Aval infer_host(std::span<const Aval> in, const Attrs&) { return stand_in(in); }
std::vector<Aval> outputs_of_host(std::span<const Aval> in, const Attrs& attrs) {
  std::vector<Aval> out = HostCall(attrs).results;
  for (Aval& type : out) type.device = stand_in(in).device;
  return out;
}

std::string show_scan(const Attrs& attrs) {
  const Scan scan(attrs);
  return concat("length=", scan.length, scan.reverse ? ", reverse" : "", ", constants=", scan.constants,
                ", carries=", scan.carries);
}
std::string show_strips(const Attrs& attrs) {
  const Strips strips(attrs);
  return concat("strips=", to_string(strips.counts));
}
std::string show_host(const Attrs& attrs) {
  const PayloadRef function = find_payload(attrs[0]);
  return function && function->host ? function->host->name() : "";
}

}  // namespace

std::vector<Aval> output_types(const Graph& graph) {
  std::vector<Aval> out;
  for (const Id id : graph.outputs) out.push_back(graph[id].type);
  return out;
}

Shape shape_of_strip(const Shape& shape, const Cut& cut, const Ints& counts) {
  Shape out = shape;
  for (size_t d = 0; d < counts.size(); ++d) {
    if (cut[d] < 0) continue;
    int64_t& extent = out[static_cast<size_t>(cut[d])];
    PG_INVARIANT(extent % counts[d] == 0, "a cut that leaves a rest");
    extent /= counts[d];
  }
  return out;
}

// attrs: body, directions, operands, the counts, then the cuts of operands and results.
Strips::Strips(const Attrs& attrs) : body(attrs[0]), counts(part(attrs, 3, static_cast<size_t>(attrs[1]))) {
  const size_t directions = counts.size(), count = static_cast<size_t>(attrs[2]);
  for (size_t at = 3 + directions; at < attrs.size(); at += directions)
    (operands.size() < count ? operands : results).push_back(part(attrs, at, directions));
}

Attrs Strips::attrs() const {
  Attrs out{body, static_cast<int64_t>(counts.size()), static_cast<int64_t>(operands.size())};
  for (const int64_t n : counts) out.push_back(n);
  for (const auto* cuts : {&operands, &results})
    for (const Cut& cut : *cuts)
      for (const int64_t axis : cut) out.push_back(axis);
  return out;
}

HostCall::HostCall(const Attrs& attrs) : function(attrs[0]), vectorized(attrs[1] != 0) {
  for (size_t at = 2; at < attrs.size();) {
    Aval type{{}, static_cast<DType>(attrs[at]), attrs[at + 1] != 0, {}};
    const size_t rank = static_cast<size_t>(attrs[at + 2]);
    type.shape.assign(attrs.begin() + at + 3, attrs.begin() + at + 3 + rank);
    at += 3 + rank;
    results.push_back(std::move(type));
  }
}

Attrs HostCall::attrs() const {
  Attrs out{function, vectorized};
  for (const Aval& type : results) {
    for (const int64_t word : {static_cast<int64_t>(type.dtype), static_cast<int64_t>(type.weak),
                               static_cast<int64_t>(type.shape.size())})
      out.push_back(word);
    for (const int64_t extent : type.shape) out.push_back(extent);
  }
  return out;
}

const Op& call_op = define({.name = "call",
                            .doc = "The results of a closed graph, computed apart from what surrounds it.",
                            .arity = -1,
                            .infer = infer_call,
                            .lower = Call{},
                            .outputs = outputs_of_call,
                            .payloads = payloads_of<1>});

const Op& cond_op = define({.name = "cond",
                            .doc = "The results of one of several closed graphs, chosen by a number.",
                            .arity = -1,
                            .infer = infer_cond,
                            .lower = Call{},
                            .outputs = outputs_of_call,
                            .payloads = all_payloads});

const Op& scan_op = define({.name = "scan",
                            .doc = "A closed graph applied to one slice after the other, handing on a carry.",
                            .arity = -1,
                            .infer = infer_scan,
                            .lower = Call{},
                            .show = show_scan,
                            .outputs = outputs_of_scan,
                            .payloads = payloads_of<1>});

const Op& while_op = define({.name = "while",
                             .doc = "A closed graph applied to a carry for as long as another one says so.",
                             .arity = -1,
                             .infer = infer_while,
                             .lower = Call{},
                             .show = [](const Attrs& a) { return concat("constants=", a[2]); },
                             .outputs = outputs_of_while,
                             .payloads = payloads_of<2>});

const Op& strips_op = define({.name = "strips",
                              .doc = "A closed graph applied to strips of its operands that stay in cache.",
                              .arity = -1,
                              .infer = infer_strips,
                              .lower = Call{},
                              .show = show_strips,
                              .outputs = outputs_of_strips,
                              .payloads = payloads_of<1>});

const Op& custom_jvp_op = define({.name = "custom_jvp",
                                  .doc = "The results of a closed graph whose forward derivative is stated.",
                                  .arity = -1,
                                  .infer = infer_custom_jvp,
                                  .lower = Inlined{},
                                  .outputs = outputs_of_call,
                                  .payloads = payloads_of<2>});

const Op& custom_vjp_op = define({.name = "custom_vjp",
                                  .doc = "The results of a closed graph whose reverse derivative is stated.",
                                  .arity = -1,
                                  .infer = infer_custom_vjp,
                                  .lower = Inlined{},
                                  .outputs = outputs_of_call,
                                  .payloads = payloads_of<3>});

const Op& opaque_linear_op =
    define({.name = "opaque_linear",
            .doc = "The linear map of which a stated reverse derivative is the transpose.",
            .arity = -1,
            .infer = infer_opaque,
            .lower = Call{},
            .outputs = outputs_of_opaque,
            .payloads = payloads_of<1>});

const Op& host_op = define({.name = "host_call",
                            .doc = "The results of a function of the host on the values of its operands.",
                            .arity = -1,
                            .infer = infer_host,
                            .lower = Call{},
                            .show = show_host,
                            .outputs = outputs_of_host,
                            .payloads = payloads_of<1>});

}  // namespace pg
