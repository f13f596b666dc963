#pragma once
// The loop IR: one kernel is a parallel grid over a tree of loops, with straight-line values, loads, stores
// and accumulators in between.
//
// What a legal kernel is stands in verify.cpp. Nothing is shared between kernels; a kernel owns its values,
// loops, buffers and index expressions, and moving it keeps their addresses.

#include <deque>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "ir/index.h"

namespace pg {

enum class Space : uint8_t {
  global,   // a parameter
  partial,  // memory that lives for one launch: written by one phase, read by the next
  row       // private to a grid point, one element per index of the reduced axes
};

struct KernelBuffer {
  std::string name;
  DType dtype;
  int64_t size;  // elements
  Space space = Space::global;
  bool written = false;
};

enum class ValueOp : uint8_t {
  constant,     // `bits`
  index,        // the integer `index`, converted to dtype
  load,         // buffer[index]; where a condition fails: args[0], or zero without arguments
  elementwise,  // record(args)
  select,       // args[0] ? args[1] : args[2]
  within,       // do all conditions hold?
  limit,        // the integer args[0] limited to 0 .. extent-1; mode raise reports a value outside
  in_range,     // 0 <= args[0] < extent
  result        // of an accumulator
};

struct Value {
  int32_t id = 0;
  ValueOp op = ValueOp::constant;
  DType dtype = DType::float32;
  bool varying = false;  // differs between lanes; otherwise one scalar for all of them
  int32_t depth = 0;     // loops that enclose its definition
  SmallVector<Value*, 3> args;
  ir::Expr index = {};
  KernelBuffer* buffer = nullptr;
  std::vector<Condition> conditions = {};
  const Op* record = nullptr;
  const Attrs* attrs = nullptr;  // of the record; owned by the kernel
  int64_t bits = 0;              // constant: scalar bits; limit, in_range: the extent
  bool raises = false;           // limit
  Id node = 0;                   // the record this came from, for error reports
};

struct Store {
  KernelBuffer* buffer;
  ir::Expr index;
  Value* value;
};

struct Accumulator {
  int32_t id = 0;
  Combine combine = Combine::sum;
  DType dtype = DType::float32;
  Value* result = nullptr;
};

struct Update {
  Accumulator* accumulator;
  Value* value;
};

struct Loop;
using Statement = std::variant<Value*, Store*, Update*, Loop*>;

/// Runs its axis from `start` to min(start + count, limit). A tile keeps the axis itself and moves the
/// start, so index expressions never see the tile and the range analysis keeps the true extent.
struct Loop {
  enum class Kind : uint8_t { serial, lanes };
  ir::Axis axis = nullptr;
  Kind kind = Kind::serial;
  ir::Expr start = {};
  int64_t count = 0;
  ir::Expr limit =
      {};  // of a segment: its length, at most the axis's extent; else none, which means the extent
  std::vector<Statement> body = {};
  std::vector<Accumulator*> accumulators = {};  // combined over all iterations when the loop ends
};

/// One grid: its points run in parallel, phases one after the other.
struct Phase {
  ir::Axis grid = nullptr;
  std::vector<Statement> body = {};
  std::string note = {};  // what the schedule chose, in words
};

/// One launch for many arrays of one structure: the kernel is that of one of them, the largest. Its grid
/// points each compute `tile` neighbouring elements; the array at hand has ceil(length / tile) of them.
struct Segments {
  std::vector<int64_t> lengths;  // of every array, in elements; none: a kernel of its own
  int64_t tile = 1;
  explicit operator bool() const { return !lengths.empty(); }
};

struct Kernel {
  Kernel();
  Kernel(Kernel&&) noexcept;
  Kernel& operator=(Kernel&&) noexcept;
  ~Kernel();

  std::unique_ptr<ir::ExprContext> exprs;
  // Inputs, then outputs, in the group's order; with segments the length of the one at hand (int64) comes
  // last of the inputs. A launch gets the inputs of all segments, then the outputs of all, without lengths.
  std::vector<KernelBuffer*> params;
  std::vector<KernelBuffer*> locals;  // partial and row buffers
  std::vector<Phase> phases;
  size_t inputs = 0;  // how many params are read
  Segments segments;

  std::deque<Value> values;
  std::deque<Store> stores;
  std::deque<Update> updates;
  std::deque<Accumulator> accumulators;
  std::deque<Loop> loops;
  std::deque<KernelBuffer> buffers;
  std::deque<Attrs> attributes;
};

/// Bits of the value of a reduction over no elements.
int64_t identity_bits(Combine combine, DType dtype);
/// One line per statement: the golden format.
std::string to_string(const Kernel& kernel);
/// Raises InternalError when the kernel is not legal.
void verify(const Kernel& kernel);

}  // namespace pg
