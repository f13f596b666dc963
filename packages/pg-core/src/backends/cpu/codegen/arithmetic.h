#pragma once
// Scalar IR (ir/scalar.h) as LLVM IR: the same operations in the same order, so that generated code computes
// the bits of the block loops. Only which NaN comes out of two may differ.

#include <array>
#include <span>

#include "backends/cpu/codegen/writer.h"
#include "ir/scalar.h"

namespace pg::codegen {

/// A value: one register per vector in flight, or one scalar.
using Registers = std::vector<std::string>;

class Arithmetic {
 public:
  explicit Arithmetic(Writer& writer) : w_(writer) {}

  /// The value `result` of the builder on these operands. Vectors when the writer is `wide`, then one per
  /// piece.
  Registers emit(const ir::Builder& builder, ir::Sym result, std::span<const Registers> inputs,
                 size_t pieces);

  /// One conversion, as ScalarOp::convert.
  std::string convert(const std::string& x, DType from, DType to);
  /// Storage form of a register (bool as i8, 16-bit floats as i16), and back.
  std::string to_memory(const std::string& x, DType dtype);
  std::string from_memory(const std::string& x, DType dtype);
  std::string select(const std::string& condition, DType dtype, const std::string& x, const std::string& y);
  std::string compare(const char* predicate, DType dtype, const std::string& x, const std::string& y);
  /// "add", "fmul" ... of two values of one type.
  std::string binary(const char* op, std::string_view element, const std::string& x, const std::string& y);
  /// An instruction that changes the type: "zext", "fptrunc", "bitcast" ...
  std::string cast(const char* op, const std::string& x, std::string_view from, std::string_view to);

 private:
  std::string operation(const ir::Value& v, DType from, std::span<const std::string> a);
  std::string integer_operation(const ir::Value& v, std::span<const std::string> a);
  std::string division(const ir::Value& v, const std::string& x, const std::string& y);
  std::string shift(const ir::Value& v, const std::string& x, const std::string& y);
  std::string scale(const std::string& x, const std::string& n, const std::string& number);
  Registers library(const ir::Value& v, std::span<const Registers> operands);
  std::string unary(const char* intrinsic, DType dtype, const std::string& x);
  std::string bitcast(const std::string& x, DType from, DType to);
  std::string saturate(const std::string& x, DType from, DType to);
  std::string to_float_odd(const std::string& x);
  std::string to_float_sticky(const std::string& x, DType from);
  std::string round_to(const std::string& x, DType dtype);
  std::string whether(bool at_least, DType dtype, const std::string& x, const std::string& y);

  Writer& w_;
};

/// Where generated code finds what it cannot contain: the functions of the C library as loops over a few
/// elements, and what reports a bad index.
struct Runtime {
  /// out[i] = f(x[i], y[i]) for i < n; y is ignored by functions of one argument.
  using Function = void (*)(void* out, const void* x, const void* y, int64_t n);
  /// Lanes are bits of `mask`.
  using Report = void (*)(void* failure, int64_t limit, const int64_t* index, uint64_t mask);
  void* failure = nullptr;
  Report report = nullptr;
  std::array<Function, std::size(ir::libm_names)> library = {};  // float64
  Function fmod_single = nullptr;
};
/// With the library filled in.
const Runtime& runtime_functions();

}  // namespace pg::codegen
