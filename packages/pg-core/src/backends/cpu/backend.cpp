#include "backends/cpu/backend.h"

namespace pg {
namespace {

class CpuBackend final : public Backend {
 public:
  const char* name() const override { return "cpu"; }
  Target target() const override { return {}; }
  std::unique_ptr<CompiledKernel> compile(const Kernel&) const override { return nullptr; }
  CallFn call(const Op&) const override { return nullptr; }
};

}  // namespace

const Backend& cpu_backend() {
  static const CpuBackend backend;
  return backend;
}

}  // namespace pg
