#pragma once
// A launch over many arrays of one structure: tables of their pointers and lengths, work shared by elements.

#include <span>
#include <utility>
#include <vector>

#include "compiler/kernel/kernel.h"
#include "support/function_ref.h"

namespace pg::cpu {

/// Where the segments of a kernel lie beside one another. Immutable once made.
class SegmentTable {
 public:
  SegmentTable() = default;
  explicit SegmentTable(const Kernel& kernel);

  bool empty() const { return lengths_.empty(); }
  int64_t elements() const { return empty() ? 0 : starts_.back(); }
  /// What one element costs, as lane_cost counts.
  int64_t cost() const { return cost_; }
  /// (output, input) positions among the buffers of a launch, from those among the params of one segment.
  std::vector<std::pair<int, int>> all(std::span<const std::pair<int, int>> of_one) const;

  /// Calls `points(params, begin, end)` for ranges of grid points of single segments that cover all of them,
  /// on one thread below `serial_cost`, else on several, each with at least `grain_cost`.
  void run(void* const* buffers, int64_t serial_cost, int64_t grain_cost,
           FunctionRef<void(void* const* params, int64_t begin, int64_t end)> points) const;

 private:
  std::vector<int64_t> lengths_;
  std::vector<int64_t> starts_;  // of each among all elements; then how many there are
  int64_t tile_ = 1, cost_ = 1;
  size_t inputs_ = 0, outputs_ = 0;  // of one segment, without its length
};

}  // namespace pg::cpu
