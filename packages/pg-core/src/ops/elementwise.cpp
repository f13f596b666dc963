#include "ops/elementwise.h"

#include <algorithm>

#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace detail {

void check_shapes(const char* name, std::span<const Aval> in) {
  for (const Aval& other : in.subspan(1)) {
    require(other.shape == in[0].shape, ErrorKind::shape, [&] {
      return concat(name, ": the operands have shapes ", to_string(in[0].shape), " and ",
                    to_string(other.shape),
                    ", but the op takes equal ones; broadcast them to one shape first");
    });
    require(other.device == in[0].device, ErrorKind::device, [&] {
      return concat(name, ": the operands are on ", to_string(in[0].device), " and ", to_string(other.device),
                    "; move one of them with .to()");
    });
  }
}

bool all_weak(std::span<const Aval> in) {
  return std::all_of(in.begin(), in.end(), [](const Aval& a) { return a.weak; });
}

Aval infer_same(const char* name, uint32_t accepts, bool predicate, std::span<const Aval> in) {
  check_shapes(name, in);
  for (const Aval& other : in.subspan(1))
    require(other.dtype == in[0].dtype, ErrorKind::dtype, [&] {
      return concat(name, ": the operands are ", name_of(in[0].dtype), " and ", name_of(other.dtype),
                    ", but the op takes one dtype; convert one of them with astype()");
    });
  require(accepts >> static_cast<int>(in[0].dtype) & 1u, ErrorKind::dtype, [&] {
    if (is_complex(in[0].dtype))
      return concat(name, ": not defined for ", name_of(in[0].dtype),
                    "; take pg.real, pg.imag or pg.abs first");
    std::vector<std::string_view> names;
    for (int i = 0; i < dtype_count; ++i)
      if (accepts >> i & 1u) names.push_back(name_of(static_cast<DType>(i)));
    return concat(name, ": not defined for ", name_of(in[0].dtype), "; convert with astype() to one of ",
                  join(names));
  });
  return {in[0].shape, predicate ? DType::bool_ : in[0].dtype, !predicate && all_weak(in), in[0].device};
}

Op op_of(const char* name, const char* doc, int arity, std::vector<Fact> facts, const Extras& extras) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.arity = arity;
  op.facts = std::move(facts);
  op.joint = extras.joint;
  op.transpose = extras.transpose;
  op.simplify = extras.simplify;
  return op;
}

}  // namespace detail

NodeRef same_type(const NodeRef& x, std::span<const NodeRef> operands) {
  const bool weak = std::all_of(operands.begin(), operands.end(), [](const NodeRef& n) { return n->weak; });
  return x->weak == weak ? x : NodeRef();
}

}  // namespace pg
