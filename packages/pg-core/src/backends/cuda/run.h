#pragma once
// One run of a program on a GPU: its numbers, the memory it borrows, and the word in which kernels report a
// bad index.

#include <array>
#include <deque>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/recording.h"
#include "backends/cuda/source.h"
#include "compiler/backend.h"

namespace pg::cuda {

class CudaRun final : public DeviceRun {
 public:
  CudaRun(Gpu& gpu, Recordings* recordings) : gpu_(gpu), recordings_(recordings) {}

  void* number(const void* value, size_t bytes) override;
  const void* placed(const void* operand, size_t bytes) override;
  BufferRef allocate(size_t bytes) override {
    return walk_ ? walk_->allocate(bytes) : gpu_.memory->allocate(bytes);
  }
  void copy(void* to, const void* from, size_t bytes) override;
  void read(void* to, const void* from, size_t bytes) override;
  void write(void* to, const void* from, size_t bytes) override;
  BadIndex finish() override;
  void begin_steps(std::span<void* const> memory) override;
  void end_steps() override;
  bool starts_over() override;
  bool begin_call(std::span<void* const> operands) override;
  void end_call() override;

  Gpu& gpu() { return gpu_; }
  void launch(Function function, const Grid& grid, std::span<const Parameter> parameters);
  bool is_number(const void* operand) const;
  /// Where a kernel reports, and under which number; the limits must live as long as the run.
  std::pair<Address, int> report_to(const std::vector<Limit>& limits);
  /// The same for the call that is running, whose one limit is `extent`.
  std::pair<Address, int> report_to(const Op& op, int64_t extent);

 private:
  struct alignas(16) Cell {
    unsigned char bytes[16];
  };
  static constexpr size_t first_cells = 32;
  Address error();

  Gpu& gpu_;
  Recordings* recordings_;
  Recordings::Choice choice_;  // until the end, because a recording's memory is read then
  std::unique_ptr<Recording> fresh_;
  Recording* walk_ = nullptr;  // what the steps are compared with, or recorded into
  std::array<Cell, first_cells> cells_;
  size_t used_ = 0;
  std::deque<Cell> more_;  // numbers beyond the first
  std::vector<BufferRef> placed_;
  BufferRef error_;
  std::vector<Watched> watched_;
};

}  // namespace pg::cuda
