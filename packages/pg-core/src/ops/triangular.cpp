// triangular_solve: the solution x of op(a) x = b for triangular matrices a, over leading batch axes. Linear
// in b; its transpose solves with the transposed matrix, so the record is closed under transposition.

#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

// attrs: lower, transposed, unit diagonal
bool is_lower(const Attrs& a) { return a[0] != 0; }
bool is_transposed(const Attrs& a) { return a[1] != 0; }
bool has_unit_diagonal(const Attrs& a) { return a[2] != 0; }

Aval infer_solve(std::span<const Aval> in, const Attrs&) {
  same_dtype("triangular_solve", in);
  require(is_inexact(in[0].dtype) && !is_half(in[0].dtype), ErrorKind::dtype, [&] {
    return concat("triangular_solve: matrices are ", name_of(in[0].dtype),
                  " but must be float32, float64, complex64 or complex128; cast with .astype(pg.float32)");
  });
  const Shape &a = in[0].shape, &b = in[1].shape;
  const size_t rank = a.size();
  const bool fits = rank >= 2 && b.size() == rank && a[rank - 1] == a[rank - 2] &&
                    a[rank - 1] == b[rank - 2] && std::equal(a.begin(), a.end() - 2, b.begin());
  require(fits, ErrorKind::shape, [&] {
    return concat(
        "triangular_solve: needs matrices (..., n, n) and right sides (..., n, k) with the same leading "
        "axes, got ",
        to_string(a), " and ", to_string(b));
  });
  return {b, in[0].dtype, all_weak(in), in[0].device};
}

/// a x, or its transpose times x, over the leading axes.
NodeRef product(const NodeRef& a, const NodeRef& x, bool transposed) {
  const int64_t batch = static_cast<int64_t>(a->shape.size()) - 2;
  const int64_t row = batch, inner = batch + 1, column = batch + 2;
  Ints la = count_up(static_cast<size_t>(batch)), lx = la, lc = la;
  la.push_back(transposed ? inner : row);
  la.push_back(transposed ? row : inner);
  lx.push_back(inner);
  lx.push_back(column);
  lc.push_back(row);
  lc.push_back(column);
  return dot_general(a, x, la, lx, lc);
}

/// The elements that the solver reads; zeros elsewhere.
NodeRef triangle(const NodeRef& t, const Attrs& attrs) {
  const int64_t rank = static_cast<int64_t>(t->shape.size());
  const NodeRef row = iota(t->shape, rank - 2, DType::int64, t->device),
                column = iota(t->shape, rank - 1, DType::int64, t->device);
  const Op& compare = has_unit_diagonal(attrs) ? less_op : less_equal_op;
  return where(is_lower(attrs) ? binary(compare, column, row) : binary(compare, row, column), t, 0.0);
}

// op(a) x = b  =>  op(a) dx = db - op(da) x; db is linear and added by the caller.
NodeRef jvp_solve(const RuleArgs& args, std::span<const NodeRef> t) {
  return make(triangular_solve_op,
              {args.x[0], -product(triangle(t[0], args.attrs), args.z, is_transposed(args.attrs))},
              args.attrs);
}

NodeRef transpose_solve(const NodeRef& ct, const RuleArgs& args, const Aval&, int) {
  return make(triangular_solve_op, {args.x[0], ct}, {args.attrs[0], !args.attrs[1], args.attrs[2]});
}

Batched batch_solve(const BatchArgs& args) {
  return {make(triangular_solve_op, {full(args, 0), full(args, 1)}, args.attrs), true};
}

std::string show_solve(const Attrs& a) {
  return concat(is_lower(a) ? "lower" : "upper", is_transposed(a) ? ", transposed" : "",
                has_unit_diagonal(a) ? ", unit diagonal" : "");
}

}  // namespace

const Op& triangular_solve_op = define({.name = "triangular_solve",
                                        .doc = "The solution of linear systems with triangular matrices.",
                                        .arity = 2,
                                        .infer = infer_solve,
                                        .lower = Call{},
                                        .facts = {by_jvp(), linear()},
                                        .transpose = transpose_solve,
                                        .jvp = jvp_solve,
                                        .batch = batch_solve,
                                        .show = show_solve});

}  // namespace pg
