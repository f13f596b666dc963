#pragma once
// Kernel -> LLVM IR, one function per phase: void p0(ptr buffers, i64 begin, i64 end, ptr runtime) runs the
// grid points [begin, end). `buffers` are the params, then the locals.
//
// A loop over lanes has a body of several vectors and, where the extent does not divide, a body of one masked
// vector. Reductions keep the interpreter's order: 64 partial results by lane modulo 64, then its tree.

#include <functional>
#include <optional>
#include <unordered_set>

#include "backends/cpu/codegen/arithmetic.h"
#include "compiler/kernel/kernel.h"
#include "compiler/kernel/tiles.h"

namespace pg::codegen {

constexpr int64_t partial_lanes = 64;  // as the interpreter's

class Emitter {
 public:
  Emitter(Writer& writer, const Kernel& kernel) : w_(writer), math_(writer), kernel_(kernel) {}
  void phase(const Phase& phase, int index);
  /// What a limit that raises was, by its number in the text.
  const std::vector<const Value*>& limits() const { return limits_; }
  /// Does a store go around the caches?
  bool streams() const { return streams_; }

 private:
  /// How an index runs over the lanes of a vector.
  struct Run {
    enum class Kind : uint8_t {
      uniform,   // one value for the whole loop
      linear,    // base + stride * lane
      pieces,    // the same within every vector, with a base of its own
      scattered  // anything
    } kind = Kind::uniform;
    int64_t stride = 0;
  };
  /// Within a vector that starts at a multiple of the vector length: stride, and what divides the first
  /// value.
  struct Steps {
    int64_t stride, divisor;
  };
  struct Sum {
    Combine combine = Combine::sum;
    DType value = DType::float32, state = DType::float32, result = DType::float32;
    bool by_lane = false;  // every lane has its own
    std::string memory;    // of the partial results
    Registers now;         // in registers: per piece of the loop over lanes
    bool in_registers = false;
  };

  // ---- statements (emitter.cpp)
  void body(const std::vector<Statement>& statements);
  void value(const Value& v);
  Registers elementwise(const Value& v);
  Registers limit(const Value& v);
  void store(const Store& s);
  void update(const Update& u);
  Registers operands_of(const Value* v);

  // ---- loops (loops.cpp)
  void loop(const Loop& l);
  void serial(const Loop& l);
  void lanes(const Loop& l);
  std::string end_of(const Loop& l, const std::string& start);
  std::string counted(const std::string& from, const std::string& to, int64_t step,
                      const std::vector<Sum*>& carried, const std::function<void(const std::string&)>& inside,
                      bool whole = true);
  void sweep(const Loop& l, size_t pieces, const std::function<void()>& inside);
  const Loop* rows_of(const Loop& l);
  void columns(const Loop& l, const Loop& rows);
  void begin(const Accumulator& a);
  void finish(const Accumulator& a);
  std::string combine(const Sum& s, const std::string& a, const std::string& b);
  std::vector<Sum*> updated_in(const std::vector<Statement>& statements);
  std::string partial_at(const Sum& s, size_t piece, const std::string& first);
  void load_partials(Sum& s, const std::string& first);
  void store_partials(const Sum& s, const std::string& first);
  size_t pieces_for(const Loop& l);

  // ---- transposed copies (transpose.cpp)
  void transpose(const Loop& l, const TransposedCopy& copy);
  void transpose_square(const TransposedCopy& copy, const std::string& rows, const std::string& columns);

  // ---- index expressions (indices.cpp)
  bool varies(ir::Expr e) const;
  bool varies(const ir::Atom* a) const;
  Run run_of(ir::Expr e) const;
  std::optional<Steps> steps_of(ir::Expr e) const;
  /// The value for the first lane of a piece, as i64.
  std::string scalar(ir::Expr e, size_t piece);
  std::string scalar(const ir::Atom* a, size_t piece);
  /// The values of all lanes of a piece; i32 where they fit.
  std::string vector(ir::Expr e, size_t piece, bool narrow);
  std::string vector(const ir::Atom* a, size_t piece, bool narrow);
  static bool narrow(ir::Expr e);
  std::string conditions(const std::vector<Condition>& conditions, size_t piece);
  std::string splat(const std::string& x, std::string_view element);
  std::string scalar_op(const char* op, const std::string& a, const std::string& b);
  std::string scalar_op(const char* op, const std::string& a, int64_t b);

  // ---- memory (memory.cpp)
  std::string pointer(const KernelBuffer* b, const std::string& index);
  void prefetch(const Value& v, const std::string& at);
  std::string load_scalar(const Value& v);
  std::string load_piece(const Value& v, size_t piece);
  std::string gather(const Value& v, size_t piece, const Run& run, const std::string& mask,
                     const std::string& otherwise);
  void store_piece(const Store& s, size_t piece, const std::string& x);
  bool aligned_to(ir::Expr e, int64_t elements) const;
  static std::string_view element(const KernelBuffer* b);
  static int64_t size_in_memory(const KernelBuffer* b);
  std::string stored(const std::string& x, const KernelBuffer* b);
  std::string loaded(const std::string& x, const KernelBuffer* b);

  Writer& w_;
  Arithmetic math_;
  const Kernel& kernel_;
  std::unordered_map<const KernelBuffer*, std::string> buffers_;
  std::unordered_map<const Value*, Registers> values_;
  std::unordered_map<const ir::Atom*, std::string> axes_;
  std::unordered_map<const Accumulator*, Sum> sums_;
  std::vector<const Value*> limits_;
  std::unordered_map<const KernelBuffer*, const Value*> fetched_;  // by which load
  ir::Axis grid_ = nullptr, lane_ = nullptr;
  ir::Axis rows_ = nullptr;  // of the innermost loop around the lanes
  size_t pieces_ = 1;
  bool lane_aligned_ = false;  // the loop over lanes starts at a multiple of the vector length
  std::string mask_;           // of the lanes that exist; empty: all
  std::string lane_start_, lane_end_;
  int64_t lane_divisor_ = 1;  // divides the start
  bool streams_ = false;
};

}  // namespace pg::codegen
