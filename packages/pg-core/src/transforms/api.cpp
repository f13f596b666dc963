#include "transforms/api.h"

#include "support/error.h"
#include "support/format.h"
#include "transforms/substitute.h"
#include "transforms/transpose.h"

namespace pg {
namespace {

void check_type(const char* transform, const char* role, const char* of, size_t position, const Node& given,
                const Aval& needed) {
  require(given.shape == needed.shape, ErrorKind::shape, [&] {
    return concat(transform, ": ", role, " ", position, " has shape ", to_string(given.shape), " but its ",
                  of, " has shape ", to_string(needed.shape), "; pass one of equal shape");
  });
  require(given.dtype == needed.dtype, ErrorKind::dtype, [&] {
    return concat(transform, ": ", role, " ", position, " is ", name_of(given.dtype), " but its ", of, " is ",
                  name_of(needed.dtype), "; cast it with .astype(...)");
  });
}

}  // namespace

Linearized vjp_linearize(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
                         std::span<const NodeRef> inputs) {
  const OpenTrace trace(true);  // tangents are placeholders: nobody may read them, and only `pull` uses them
  Linearized out;
  for (size_t i = 0; i < inputs.size(); ++i)
    out.params.push_back(is_inexact(inputs[i]->dtype) ? param_node(inputs[i]->aval(), static_cast<int64_t>(i))
                                                      : NodeRef());
  Derivative found = differentiate(outputs, stand_ins, inputs, out.params, Form::split);
  out.primals = std::move(found.primals);
  out.tangents = std::move(found.tangents);
  return out;
}

std::vector<NodeRef> pull(const Linearized& f, std::span<const NodeRef> cotangents) {
  require(cotangents.size() == f.primals.size(), ErrorKind::value, [&] {
    return concat("vjp: ", cotangents.size(), " cotangents given for ", f.primals.size(),
                  " outputs; pass one for each");
  });
  std::vector<NodeRef> outputs, given, roots;
  for (size_t i = 0; i < cotangents.size(); ++i) {
    if (!cotangents[i] || !is_inexact(f.primals[i]->dtype)) continue;
    check_type("vjp", "cotangent", "output", i, *cotangents[i], f.primals[i]->aval());
    if (!f.tangents[i]) continue;
    outputs.push_back(f.tangents[i]);
    given.push_back(cotangents[i]);
  }
  for (const NodeRef& param : f.params)
    if (param) roots.push_back(param);
  const std::vector<NodeRef> found = transpose(outputs, given, roots);
  std::vector<NodeRef> out;
  size_t next = 0;
  for (const NodeRef& param : f.params) out.push_back(param ? found[next++] : NodeRef());
  return out;
}

std::vector<NodeRef> push(const Linearized& f, std::span<const NodeRef> tangents) {
  require(tangents.size() == f.params.size(), ErrorKind::value, [&] {
    return concat("linearize: ", tangents.size(), " tangents given for ", f.params.size(),
                  " inputs; pass one for each");
  });
  std::vector<NodeRef> params, given, outputs;
  for (size_t i = 0; i < f.params.size(); ++i) {
    if (!f.params[i]) continue;
    const Aval type = f.params[i]->aval();
    if (tangents[i]) check_type("linearize", "tangent", "input", i, *tangents[i], type);
    params.push_back(f.params[i]);
    given.push_back(tangents[i] ? tangents[i] : zeros_like(type));
  }
  for (const NodeRef& tangent : f.tangents)
    if (tangent) outputs.push_back(tangent);
  const std::vector<NodeRef> found = substitute(outputs, params, given);
  std::vector<NodeRef> out;
  size_t next = 0;
  for (const NodeRef& tangent : f.tangents) out.push_back(tangent ? found[next++] : NodeRef());
  return out;
}

std::vector<Batched> push_many(const Linearized& f, std::span<const NodeRef> tangents, int64_t size) {
  PG_INVARIANT(tangents.size() == f.params.size());
  std::vector<NodeRef> params, given, outputs;
  for (size_t i = 0; i < f.params.size(); ++i) {
    if (!f.params[i]) continue;
    PG_INVARIANT(tangents[i] && tangents[i]->shape.size() == f.params[i]->shape.size() + 1);
    params.push_back(f.params[i]);
    given.push_back(tangents[i]);
  }
  for (const NodeRef& tangent : f.tangents)
    if (tangent) outputs.push_back(tangent);
  const std::vector<Batched> found = batch(outputs, params, given, size);
  std::vector<Batched> out;
  size_t next = 0;
  for (const NodeRef& tangent : f.tangents) out.push_back(tangent ? found[next++] : Batched{});
  return out;
}

Derivative jvp(std::span<const NodeRef> outputs, std::span<const NodeRef> stand_ins,
               std::span<const NodeRef> inputs, std::span<const NodeRef> tangents) {
  require(tangents.size() == inputs.size(), ErrorKind::value, [&] {
    return concat("jvp: ", tangents.size(), " tangents given for ", inputs.size(),
                  " inputs; pass one for each");
  });
  for (size_t i = 0; i < inputs.size(); ++i)
    if (tangents[i] && is_inexact(inputs[i]->dtype))
      check_type("jvp", "tangent", "input", i, *tangents[i], inputs[i]->aval());
  return differentiate(outputs, stand_ins, inputs, tangents);
}

}  // namespace pg
