#include "backends/cuda/backend.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "backends/cuda/calls.h"
#include "backends/cuda/compile.h"
#include "backends/cuda/run.h"
#include "backends/cuda/source.h"
#include "support/format.h"

namespace pg {
namespace cuda {
namespace {

/// A kernel's text with its functions, which are made when they are first wanted.
class Version {
 public:
  Version(Gpu& gpu, Source source) : gpu_(gpu), source_(std::move(source)) {}
  const Source& source() const { return source_; }
  const std::vector<Function>& functions() const {
    std::call_once(compiled_, [this] {
      if (source_.launches.empty()) return;
      code_ = compile(gpu_, prelude + source_.text);
      for (const Launch& launch : source_.launches) functions_.push_back(code_->function(launch.name));
    });
    return functions_;
  }
  /// Do the buffers lie where the code relies on it?
  bool fits(void* const* buffers) const {
    for (const Launch& launch : source_.launches)
      for (const Argument& a : launch.arguments)
        if (a.kind == Argument::Kind::pointer && reinterpret_cast<uintptr_t>(buffers[a.index]) % a.alignment)
          return false;
    return true;
  }

 private:
  Gpu& gpu_;
  Source source_;
  mutable std::once_flag compiled_;
  mutable std::shared_ptr<const Code> code_;
  mutable std::vector<Function> functions_;
};

class CudaKernel final : public CompiledKernel {
 public:
  CudaKernel(Gpu& gpu, const Kernel& kernel)
      : gpu_(gpu), usual_(gpu, write_source(kernel, true)), plain_(gpu, write_source(kernel, false)) {}

  /// Has the compiler make the usual version, unless it was made already.
  void prepare() const { usual_.functions(); }

  BadIndex run(void* const* buffers, DeviceRun* on) const override {
    CudaRun& run = static_cast<CudaRun&>(*on);
    const Version& version = usual_.fits(buffers) ? usual_ : plain_;
    const std::vector<Function>& functions = version.functions();
    std::vector<BufferRef> partials;
    for (const size_t bytes : version.source().partial_bytes)
      partials.push_back(bytes ? run.allocate(bytes) : nullptr);
    gpu_.enter();
    for (size_t i = 0; i < functions.size(); ++i)
      launch(version.source(), i, functions[i], buffers, partials, run);
    return {};
  }
  std::span<const std::pair<int, int>> in_place() const override { return {}; }
  double seconds() const override { return 5e-6 * static_cast<double>(usual_.source().launches.size()); }
  void generate(const Kernel&) const override {}  // was done at once
  bool settled() const override { return true; }
  std::string tier() const override { return concat("CUDA C for sm_", gpu_.architecture); }

 private:
  // pg_in of the prelude: the value stands behind the pointer.
  struct Scalar {
    const void* at;
    alignas(8) unsigned char given[16];
  };

  void launch(const Source& source, size_t index, Function function, void* const* buffers,
              const std::vector<BufferRef>& partials, CudaRun& run) const {
    const Launch& l = source.launches[index];
    SmallVector<Scalar, 8> scalars;
    scalars.reserve(l.arguments.size());  // parameters point into it
    SmallVector<const void*, 16> pointers;
    pointers.reserve(l.arguments.size());
    SmallVector<Parameter, 24> parameters;
    std::pair<Address, int> report;
    for (const Argument& a : l.arguments) {
      switch (a.kind) {
      case Argument::Kind::pointer:
      case Argument::Kind::partial:
        pointers.push_back(a.kind == Argument::Kind::pointer ? buffers[a.index] : partials[a.index]->data);
        parameters.push_back({&pointers.back(), sizeof(void*)});
        break;
      case Argument::Kind::scalar: {
        scalars.push_back({buffers[a.index], {}});
        Scalar& s = scalars.back();
        if (run.is_number(s.at)) {
          std::memcpy(s.given, s.at, source.item_bytes[a.index]);
          s.at = nullptr;
        }
        parameters.push_back({&s, sizeof s});
        break;
      }
      case Argument::Kind::error:
        report = run.report_to(source.limits);
        parameters.push_back({&report.first, sizeof report.first});
        parameters.push_back({&report.second, sizeof report.second});
        break;
      }
    }
    run.launch(function, {static_cast<unsigned>(l.blocks), l.threads_x, l.threads_y},
               {parameters.data(), parameters.size()});
  }

  Gpu& gpu_;
  Version usual_;
  Version plain_;  // for memory that is not aligned, such as a slice of a scan's operand
};

// f(0) to f(count - 1) on threads of their own; the compiler takes tens of milliseconds for each kernel.
void at_once(size_t count, const std::function<void(size_t)>& f) {
  const size_t most = std::max<size_t>(8, std::thread::hardware_concurrency());
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr first;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < count; i = next++) f(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(count, most); ++i) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  if (first) std::rethrow_exception(first);
}

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(Gpu& gpu) : gpu_(gpu), name_(concat("cuda:", gpu.index)) {}
  const char* name() const override { return name_.c_str(); }
  Target target() const override { return cuda::target(); }
  std::vector<std::unique_ptr<CompiledKernel>> compile(std::span<const Kernel> kernels) const override {
    std::vector<std::unique_ptr<CompiledKernel>> out;
    for (const Kernel& kernel : kernels) out.push_back(std::make_unique<CudaKernel>(gpu_, kernel));
    at_once(out.size(), [&](size_t i) { static_cast<const CudaKernel&>(*out[i]).prepare(); });
    return out;
  }
  std::string text(const Kernel& kernel) const override { return write_source(kernel, true).text; }
  Generation generation() const override { return Generation::never; }
  CallFn call(const Op& op) const override { return cuda_call(op); }
  std::unique_ptr<RunMemory> remember(const Program& program) const override {
    return std::make_unique<Recordings>(gpu_, program);
  }
  std::unique_ptr<DeviceRun> begin(RunMemory* memory) const override {
    return std::make_unique<CudaRun>(gpu_, static_cast<Recordings*>(memory));
  }

 private:
  Gpu& gpu_;
  std::string name_;
};

}  // namespace
}  // namespace cuda

const Backend& cuda_backend(int index) {
  // Never destroyed: programs may be dropped while the process ends.
  static std::array<std::atomic<const Backend*>, 256> made{};
  static std::mutex mutex;
  auto& place = made[static_cast<size_t>(index)];
  if (const Backend* known = place.load(std::memory_order_acquire)) return *known;
  cuda::Gpu& gpu = cuda::gpu(index);
  const std::lock_guard lock(mutex);
  if (!place.load(std::memory_order_relaxed))
    place.store(new cuda::CudaBackend(gpu), std::memory_order_release);
  return *place.load(std::memory_order_relaxed);
}

}  // namespace pg
