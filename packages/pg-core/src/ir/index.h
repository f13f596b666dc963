#pragma once
// Index expressions: integer linear forms over axes, quotients and remainders (kernel-ir.md section 2).

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace pg::ir {

struct ExprData;

/// An immutable index expression; equal after simplification = same pointer.
class Expr {
 public:
  Expr() = default;
  explicit Expr(const ExprData* data) : data_(data) {}
  const ExprData* get() const { return data_; }
  friend bool operator==(Expr a, Expr b) { return a.data_ == b.data_; }

 private:
  const ExprData* data_ = nullptr;
};

}  // namespace pg::ir
