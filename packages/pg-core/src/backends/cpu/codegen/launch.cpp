#include "backends/cpu/codegen/launch.h"

#include <algorithm>
#include <atomic>

#include "backends/cpu/codegen/emitter.h"
#include "backends/cpu/scratch.h"
#include "compiler/kernel/cost.h"
#include "runtime/threads.h"

namespace pg::codegen {
namespace {

constexpr int64_t serial_cost = 256 << 10;  // operations below which threads do not pay
constexpr int64_t grain_cost = 128 << 10;
constexpr size_t page = 4096;

thread_local cpu::Scratch rows;      // of the grid points this thread runs
thread_local cpu::Scratch partials;  // of the launches this thread starts

/// The first index outside of a gather, from any thread.
struct Failure {
  const std::vector<Limit>& limits;
  std::atomic<bool> seen{false};
  BadIndex bad = {};
};

void report(void* failure, int64_t limit, const int64_t* index, uint64_t mask) {
  Failure& f = *static_cast<Failure*>(failure);
  if (f.seen.exchange(true)) return;
  const Limit& l = f.limits[static_cast<size_t>(limit)];
  f.bad.happened = true;
  f.bad.record = l.node;
  f.bad.index = index[__builtin_ctzll(mask)];
  f.bad.extent = l.extent;
}

}  // namespace

NativeKernel::NativeKernel(const Kernel& kernel, Generated generated)
    : generated_(std::move(generated)), params_(kernel.params.size()) {
  ir::ExprScope scope(*kernel.exprs);
  segments_ = cpu::SegmentTable(kernel);
  for (size_t i = 0; i < kernel.phases.size(); ++i)
    phases_.push_back({generated_.code->phases()[i], kernel.phases[i].grid->extent(),
                       std::max<int64_t>(1, lane_cost(kernel.phases[i].body))});
  const auto is_row = [](const KernelBuffer* b) { return b->space == Space::row; };
  const size_t rows = static_cast<size_t>(std::count_if(kernel.locals.begin(), kernel.locals.end(), is_row));
  size_t row = 0;
  for (const KernelBuffer* b : kernel.locals) {
    if (!is_row(b)) {
      locals_.push_back({partial_bytes_, false});
      partial_bytes_ += static_cast<size_t>(b->size * size_of(b->dtype) + 63) / 64 * 64;
      continue;
    }
    // Loads wait for earlier stores whose addresses agree in the last 12 bits; inputs mostly start at a page.
    const size_t within_page = page * ++row / (rows + 1) / 64 * 64;
    locals_.push_back({(row_bytes_ + page - 1) / page * page + within_page, true});
    row_bytes_ = locals_.back().offset + static_cast<size_t>(b->size * size_of(compute_type(b->dtype)));
  }
}

BadIndex NativeKernel::run(void* const* buffers) const {
  Failure failure{generated_.limits};
  Runtime runtime = runtime_functions();
  runtime.failure = &failure;
  runtime.report = report;
  if (!segments_.empty()) {
    segments_.run(buffers, serial_cost, grain_cost, [&](void* const* params, int64_t begin, int64_t end) {
      phases_[0].entry(params, begin, end, &runtime);
    });
    return failure.bad;
  }
  SmallVector<void*, 32> shared;
  if (!locals_.empty()) {
    shared.assign(buffers, buffers + params_);
    char* const at = partial_bytes_ ? partials.reserve(partial_bytes_) : nullptr;
    for (const Local& l : locals_) shared.push_back(l.row ? nullptr : at + l.offset);
    buffers = shared.data();
  }
  for (const PhasePlan& phase : phases_) {
    const auto part = [&](int64_t begin, int64_t end, int) {
      if (row_bytes_ == 0) return phase.entry(buffers, begin, end, &runtime);
      SmallVector<void*, 32> own;
      own.assign(buffers, buffers + params_ + locals_.size());
      char* const at = rows.reserve(row_bytes_);
      for (size_t i = 0; i < locals_.size(); ++i)
        if (locals_[i].row) own[params_ + i] = at + locals_[i].offset;
      phase.entry(own.data(), begin, end, &runtime);
    };
    if (phase.points <= 1 || phase.points * phase.cost < serial_cost) part(0, phase.points, 0);
    else parallel_for(phase.points, std::max<int64_t>(1, grain_cost / phase.cost), part);
  }
  return failure.bad;
}

}  // namespace pg::codegen
