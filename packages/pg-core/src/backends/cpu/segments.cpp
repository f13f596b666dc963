#include "backends/cpu/segments.h"

#include <algorithm>

#include "compiler/kernel/cost.h"
#include "runtime/threads.h"
#include "support/small_vector.h"

namespace pg::cpu {

SegmentTable::SegmentTable(const Kernel& kernel)
    : lengths_(kernel.segments.lengths), tile_(kernel.segments.tile) {
  if (empty()) return;
  starts_.push_back(0);
  for (const int64_t n : lengths_) starts_.push_back(starts_.back() + n);
  inputs_ = kernel.inputs - 1;
  outputs_ = kernel.params.size() - kernel.inputs;
  const int64_t longest = *std::max_element(lengths_.begin(), lengths_.end());
  cost_ =
      std::max<int64_t>(1, lane_cost(kernel.phases[0].body) / std::max<int64_t>(1, std::min(tile_, longest)));
}

std::vector<std::pair<int, int>> SegmentTable::all(std::span<const std::pair<int, int>> of_one) const {
  std::vector<std::pair<int, int>> out;
  for (size_t s = 0; s < lengths_.size(); ++s)
    for (const auto& [to, from] : of_one)
      out.emplace_back(static_cast<int>(s * outputs_) + to, static_cast<int>(s * inputs_) + from);
  return out;
}

void SegmentTable::run(void* const* buffers, int64_t serial_cost, int64_t grain_cost,
                       FunctionRef<void(void* const*, int64_t, int64_t)> points) const {
  void* const* const results = buffers + lengths_.size() * inputs_;
  // A grid point belongs to the range of elements in which it starts.
  const auto part = [&](int64_t begin, int64_t end, int) {
    SmallVector<void*, 32> params;
    size_t s =
        static_cast<size_t>(std::upper_bound(starts_.begin(), starts_.end(), begin) - starts_.begin()) - 1;
    for (; s < lengths_.size() && starts_[s] < end; ++s) {
      const int64_t first = (std::max(begin - starts_[s], int64_t{0}) + tile_ - 1) / tile_,
                    last = (std::min(end - starts_[s], lengths_[s]) + tile_ - 1) / tile_;
      if (first >= last) continue;
      params.assign(buffers + s * inputs_, buffers + (s + 1) * inputs_);
      params.push_back(const_cast<int64_t*>(&lengths_[s]));
      for (size_t i = 0; i < outputs_; ++i) params.push_back(results[s * outputs_ + i]);
      points(params.data(), first, last);
    }
  };
  if (elements() == 0) return;
  if (elements() * cost_ < serial_cost) part(0, elements(), 0);
  else parallel_for(elements(), std::max<int64_t>(1, grain_cost / cost_), part);
}

}  // namespace pg::cpu
