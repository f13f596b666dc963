#pragma once
// Writes one phase; see source.h.

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "backends/cuda/source.h"
#include "ir/scalar.h"

namespace pg::cuda {

/// What a value is in registers (16-bit floats are float, rounded after each op) and in memory.
std::string_view register_type(DType dtype);
std::string_view memory_type(DType dtype);
/// A constant as C text; bits as attributes hold them.
std::string literal(DType dtype, int64_t bits);

constexpr int64_t warp = 32;
constexpr int64_t most_int = INT32_MAX;
/// How often a loop runs at most.
inline int64_t trips(const Loop& l) { return std::min(l.count, l.axis->extent()); }

class Emitter {
 public:
  Emitter(const Kernel& kernel, const Phase& phase, std::vector<Limit>& limits, bool vectors);
  /// The text of the function; fills `launch`.
  std::string run(Launch& launch);

 private:
  struct Sum {
    Combine combine = Combine::sum;
    DType value{}, state{}, result{};
    bool across = false;  // over the threads; else each lane has its own
    std::string name;
  };
  struct Shape {
    int64_t longest = 0;  // lanes of one loop
    int64_t items = 0;    // the same, where each thread takes several at once
    bool rows = false;    // a reduction across lanes, or values kept for a later stage
  };

  void line(const std::string& text) { out_ += pad_ + text + "\n"; }
  void open(const std::string& head);
  void close();
  void scan(const std::vector<Statement>& body, bool in_lanes);
  void choose_threads();
  // Neighbouring elements that a thread takes at once.
  int64_t width_of(const Loop& l) const;
  bool in_vectors(const KernelBuffer* b, ir::Expr at, const Loop& l, int64_t width) const;
  void vectors_of(const Loop& l, int64_t width, bool stores);
  void sweep(const Loop& l, const std::string& name, int64_t width);

  void body(const std::vector<Statement>& statements);
  void value(const Value& v);
  void loop(const Loop& l);
  void store(const Store& s);
  void update(const Update& u);
  void begin(const Accumulator& a, const Loop& l);
  void finish(const Accumulator& a);

  // Index expressions, as int where everything fits.
  bool narrow(ir::Expr e) const;
  std::string index(ir::Expr e, bool wide) const;
  std::string index(ir::Expr e) const { return index(e, !narrow(e)); }
  std::string conditions(const std::vector<Condition>& all) const;

  const std::string& named(const Value* v) const;
  std::string place(const KernelBuffer* b, ir::Expr at);
  std::string loaded(const KernelBuffer* b, const std::string& place) const;
  std::string load(const Value& v);
  std::string limit(const Value& v);
  std::string elementwise(const Value& v);

  // Scalar arithmetic (emitter_arithmetic.cpp).
  std::string arithmetic(const ir::Builder& builder, ir::Sym result, std::span<const std::string> inputs,
                         const std::string& prefix);
  static std::string operation(const ir::Value& v, DType from, std::span<const std::string> a);
  static std::string convert(const std::string& x, DType from, DType to);

  const Kernel& kernel_;
  const Phase& phase_;
  std::vector<Limit>& limits_;
  Launch* launch_ = nullptr;
  std::string out_, pad_ = "  ";
  Shape shape_;
  bool warp_rows_ = false;
  bool raises_ = false, exchanges_ = false;
  const Loop* lanes_ = nullptr;  // open
  bool vectors_;
  std::unordered_map<const void*, std::string> vector_names_;  // of loads (values) and stores that are open
  std::map<const KernelBuffer*, int64_t> alignments_;
  std::unordered_map<const Value*, std::string> names_;
  std::unordered_map<const ir::Atom*, std::string> axes_;
  std::unordered_map<const Accumulator*, Sum> sums_;
  std::set<const KernelBuffer*> used_;
  bool stored_rows_ = false;  // in the loop that is open
};

}  // namespace pg::cuda
