// Node-level arithmetic, with which derivative rules and composites are written.
#include "ops/ops.h"

namespace pg {

NodeRef unary(const Op& op, const NodeRef& x) { return make(op, {x}); }
NodeRef binary(const Op& op, const NodeRef& x, const NodeRef& y) { return make(op, {x, y}); }
NodeRef fill_like(double value, const NodeRef& x) { return full_node(value, x->aval()); }

NodeRef operator+(const NodeRef& a, const NodeRef& b) { return make(add_op, {a, b}); }
NodeRef operator-(const NodeRef& a, const NodeRef& b) { return make(sub_op, {a, b}); }
NodeRef operator*(const NodeRef& a, const NodeRef& b) { return make(mul_op, {a, b}); }
NodeRef operator/(const NodeRef& a, const NodeRef& b) { return make(div_op, {a, b}); }
NodeRef operator-(const NodeRef& a) { return make(neg_op, {a}); }
NodeRef operator+(const NodeRef& a, double b) { return a + fill_like(b, a); }
NodeRef operator-(const NodeRef& a, double b) { return a - fill_like(b, a); }
NodeRef operator-(double a, const NodeRef& b) { return fill_like(a, b) - b; }
NodeRef operator*(const NodeRef& a, double b) { return a * fill_like(b, a); }
NodeRef operator*(double a, const NodeRef& b) { return b * fill_like(a, b); }

NodeRef where(const NodeRef& condition, const NodeRef& x, const NodeRef& y) {
  return make(where_op, {condition, x, y});
}
NodeRef where(const NodeRef& condition, double x, const NodeRef& y) {
  return where(condition, fill_like(x, y), y);
}
NodeRef where(const NodeRef& condition, const NodeRef& x, double y) {
  return where(condition, x, fill_like(y, x));
}
NodeRef astype(const NodeRef& x, DType dtype) {
  if (is_complex(dtype) && !is_complex(x->dtype)) {
    const NodeRef re = astype(x, real_type(dtype));
    return binary(complex_op, re, fill_like(0.0, re));
  }
  if (is_bool(dtype) && is_complex(x->dtype)) return make(not_equal_op, {x, fill_like(0.0, x)});
  return make(astype_op, {x}, {static_cast<int64_t>(dtype)});
}
NodeRef absolute(const NodeRef& x) {
  return is_complex(x->dtype) ? binary(hypot_op, unary(real_op, x), unary(imag_op, x)) : unary(abs_op, x);
}

}  // namespace pg
