#include "backends/cpu/backend.h"

#include "backends/cpu/calls.h"
#include "backends/cpu/interpreter/launch.h"

namespace pg {
namespace {

class InterpretedKernel final : public CompiledKernel {
 public:
  explicit InterpretedKernel(LaunchPlan plan) : plan_(std::move(plan)) {}
  BadIndex run(void* const* buffers) const override {
    const LaunchStatus status = pg::run(plan_, buffers);
    return {!status.ok, status.record, status.index, status.extent};
  }
  std::span<const std::pair<int, int>> in_place() const override { return plan_.in_place; }

 private:
  LaunchPlan plan_;
};

class CpuBackend final : public Backend {
 public:
  const char* name() const override { return "cpu"; }
  Target target() const override { return {}; }
  std::unique_ptr<CompiledKernel> compile(const Kernel& kernel) const override {
    return std::make_unique<InterpretedKernel>(compile_kernel(kernel));
  }
  CallFn call(const Op& op) const override { return cpu_call(op); }
};

}  // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace pg
