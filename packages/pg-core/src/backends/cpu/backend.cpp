#include "backends/cpu/backend.h"

#include <atomic>
#include <mutex>

#include "backends/cpu/calls.h"
#include "backends/cpu/codegen/launch.h"
#include "backends/cpu/interpreter/launch.h"
#include "backends/cpu/onednn.h"
#include "ops/ops.h"

namespace pg {
namespace {

// Interpreted until code is generated; both compute the same bits.
class CpuKernel final : public CompiledKernel {
 public:
  explicit CpuKernel(LaunchPlan plan) : plan_(std::move(plan)) {}

  BadIndex run(void* const* buffers, DeviceRun*) const override {
    if (const codegen::NativeKernel* native = native_.load(std::memory_order_acquire))
      return native->run(buffers);
    const LaunchStatus status = pg::run(plan_, buffers);
    return {!status.ok, status.record, status.index, status.extent};
  }
  std::span<const std::pair<int, int>> in_place() const override { return plan_.in_place; }
  double seconds() const override { return seconds_of(plan_); }
  bool settled() const override { return settled_.load(std::memory_order_acquire); }
  std::string tier() const override {
    if (native_.load(std::memory_order_acquire)) return "generated code";
    const std::lock_guard lock(mutex_);
    return why_.empty() ? "interpreter" : "interpreter: " + why_;
  }

  void generate(const Kernel& kernel) const override {
    std::string why;
    codegen::Generated made = codegen::generate(kernel, why);
    const std::lock_guard lock(mutex_);
    if (settled_.load(std::memory_order_relaxed)) return;  // another thread was first
    if (made.code) {
      owner_ = std::make_unique<const codegen::NativeKernel>(kernel, std::move(made));
      native_.store(owner_.get(), std::memory_order_release);
    }
    why_ = std::move(why);
    settled_.store(true, std::memory_order_release);
  }

 private:
  LaunchPlan plan_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<const codegen::NativeKernel> owner_;
  mutable std::string why_;
  mutable std::atomic<const codegen::NativeKernel*> native_{nullptr};
  mutable std::atomic<bool> settled_{false};
};

class CpuBackend final : public Backend {
 public:
  const char* name() const override { return "cpu"; }
  Target target() const override { return {}; }
  std::vector<std::unique_ptr<CompiledKernel>> compile(std::span<const Kernel> kernels) const override {
    std::vector<std::unique_ptr<CompiledKernel>> out;
    for (const Kernel& kernel : kernels) out.push_back(std::make_unique<CpuKernel>(compile_kernel(kernel)));
    return out;
  }
  std::string text(const Kernel& kernel) const override { return to_string(kernel); }
  Generation generation() const override {
    switch (codegen::mode()) {
    case codegen::Mode::off: return Generation::never;
    case codegen::Mode::all: return Generation::always;
    case codegen::Mode::automatic: break;
    }
    return Generation::when_worth;
  }
  CallFn call(const Op& op) const override { return cpu_call(op); }
  bool changes_first(const Op& op) const override { return &op == &scatter_op; }
  std::unique_ptr<DeviceRun> begin(RunMemory*) const override { return nullptr; }
  bool convolves_by_library() const override { return cpu::onednn_available(); }
  bool joins_segments() const override { return true; }
};

}  // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace pg
