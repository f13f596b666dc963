#pragma once
// One run of a program on a GPU: its numbers, the memory it borrows, and the word in which kernels report a
// bad index.

#include <array>
#include <deque>
#include <vector>

#include "backends/cuda/device.h"
#include "backends/cuda/source.h"
#include "compiler/backend.h"

namespace pg::cuda {

class CudaRun final : public DeviceRun {
 public:
  explicit CudaRun(Gpu& gpu) : gpu_(gpu) {}

  void* number(const void* value, size_t bytes) override;
  const void* placed(const void* operand, size_t bytes) override;
  BufferRef allocate(size_t bytes) override { return gpu_.memory->allocate(bytes); }
  void copy(void* to, const void* from, size_t bytes) override;
  void read(void* to, const void* from, size_t bytes) override;
  void write(void* to, const void* from, size_t bytes) override;
  BadIndex finish() override;

  Gpu& gpu() { return gpu_; }
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
  struct Watched {
    const std::vector<Limit>* limits;
    const Graph* graph;
    bool inside;  // a body of `step`
    Id step;
    const Op* call = nullptr;  // with a limit of its own
    int64_t extent = 0;
  };
  Address error();

  Gpu& gpu_;
  std::array<Cell, first_cells> cells_;
  size_t used_ = 0;
  std::deque<Cell> more_;  // numbers beyond the first
  std::vector<BufferRef> placed_;
  BufferRef error_;
  std::vector<Watched> watched_;
};

}  // namespace pg::cuda
