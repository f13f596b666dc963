#pragma once
// LLVM IR as text: numbered registers, blocks, declarations. Equal pure instructions in scope are one.
//
// Values are either scalars (`wide` false) or vectors of `lanes` elements. Registers hold bool as i1, float16
// and bfloat16 as float (rounded), everything else as itself; memory holds bool as i8 and 16-bit floats as
// i16.

#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "types/dtype.h"

namespace pg::codegen {

/// What the generator has no form for: the kernel stays with the interpreter.
struct Unsupported {
  std::string what;
};

std::string_view register_type(DType dtype);
std::string_view memory_type(DType dtype);
/// Bits of an element of the register type: "i" of this width holds a mask or the bits.
int bits_of(DType dtype);

class Writer {
 public:
  explicit Writer(int lanes) : lanes_(lanes) { scopes_.emplace_back(); }

  int lanes() const { return lanes_; }
  void set_lanes(int lanes) { lanes_ = lanes; }
  bool wide = false;  // what is written now: vectors or scalars

  std::string type(std::string_view element) const;
  std::string type(DType dtype) const { return type(register_type(dtype)); }
  static std::string vector(int n, std::string_view element);
  /// The suffix of an overloaded intrinsic: "v16f32".
  std::string suffix(std::string_view element) const { return suffix(element, wide ? lanes_ : 0); }
  static std::string suffix(std::string_view element, int n);

  /// A literal operand; `bits` as ir::literal has them.
  std::string literal(DType dtype, int64_t bits) const;
  std::string integer(std::string_view element, int64_t value) const;
  std::string number(DType dtype, double value) const;

  /// A pure instruction; answers its register, an earlier one where the same stands in scope.
  std::string put(const std::string& instruction);
  /// An instruction that must stay where it is.
  std::string effect(const std::string& instruction);
  void line(const std::string& text);
  /// Calls an intrinsic; arguments with types, "float %1, float %2".
  std::string call(const std::string& result, const std::string& name, const std::string& types,
                   const std::string& arguments);
  /// The same for one that reads memory.
  std::string load_call(const std::string& result, const std::string& name, const std::string& types,
                        const std::string& arguments);
  void call_void(const std::string& name, const std::string& types, const std::string& arguments);
  /// A pointer to stack memory of this function.
  std::string stack(const std::string& type, int alignment);

  std::string fresh() { return "%v" + std::to_string(next_++); }
  std::string fresh_label(const char* name) { return name + std::to_string(next_label_++); }
  void begin_block(const std::string& label);
  /// A place to insert lines later, in order of the places from the last to the first.
  size_t mark() const { return body_.size(); }
  void insert(size_t place, const std::string& lines) { body_.insert(place, lines); }
  void jump(const std::string& label) { line("br label %" + label); }
  void branch(const std::string& condition, const std::string& yes, const std::string& no);
  const std::string& block() const { return block_; }

  /// Instructions written in between are forgotten by `put` at the end: their block need not dominate what
  /// follows.
  void open_scope() { scopes_.emplace_back(); }
  void close_scope();

  void begin_function(const std::string& header);
  void end_function();
  /// Everything written, with declarations.
  std::string module() const;

 private:
  int lanes_;
  int next_ = 0, next_label_ = 0;
  std::string head_, body_, functions_, block_;
  std::set<std::string> declarations_;
  std::unordered_map<std::string, std::string> known_;
  std::vector<std::vector<std::string>> scopes_;
};

}  // namespace pg::codegen
