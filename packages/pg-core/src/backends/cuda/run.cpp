#include "backends/cuda/run.h"

#include <algorithm>
#include <cstring>

#include "support/error.h"

namespace pg::cuda {
namespace {

Address address_of(const void* data) { return reinterpret_cast<Address>(data); }

// pg_error of the prelude.
struct Error {
  int32_t seen, slot, limit, unused;
  int64_t index;
};

}  // namespace

void* CudaRun::number(const void* value, size_t bytes) {
  PG_INVARIANT(bytes <= sizeof(Cell), "a number is one element");
  Cell& cell = used_ < first_cells ? cells_[used_++] : more_.emplace_back();
  std::memcpy(cell.bytes, value, bytes);
  return cell.bytes;
}

bool CudaRun::is_number(const void* operand) const {
  const auto* at = static_cast<const unsigned char*>(operand);
  if (at >= cells_[0].bytes && at < cells_[0].bytes + sizeof(cells_)) return true;
  return std::any_of(more_.begin(), more_.end(), [&](const Cell& cell) { return cell.bytes == at; });
}

const void* CudaRun::placed(const void* operand, size_t bytes) {
  if (!is_number(operand)) return operand;
  placed_.push_back(allocate(bytes));
  write(placed_.back()->data, operand, bytes);
  return placed_.back()->data;
}

void CudaRun::copy(void* to, const void* from, size_t bytes) {
  if (is_number(from)) write(to, from, bytes);
  else if (walk_) walk_->copy(address_of(to), address_of(from), bytes);
  else gpu_.copy(address_of(to), address_of(from), bytes);
}

void CudaRun::read(void* to, const void* from, size_t bytes) {
  require(!walk_ || is_number(from), ErrorKind::device, "the host reads while a run is recorded");
  if (is_number(from)) std::memcpy(to, from, bytes);
  else gpu_.download(to, address_of(from), bytes);
}

void CudaRun::write(void* to, const void* from, size_t bytes) {
  require(!walk_, ErrorKind::device, "the host writes while a run is recorded");
  gpu_.upload(address_of(to), from, bytes);
}

void CudaRun::launch(Function function, const Grid& grid, std::span<const Parameter> parameters) {
  if (walk_) walk_->launch(function, grid, parameters);
  else cuda::launch(gpu_, function, grid, parameters);
}

void CudaRun::begin_steps(std::span<void* const> memory) {
  if (!recordings_) return;
  choice_ = recordings_->choose(memory, [this](const void* at) { return is_number(at); });
  if (choice_.replay) {
    walk_ = choice_.replay;
    walk_->rewind();
    error_ = walk_->error;
    watched_ = walk_->watched;
  } else if (choice_.record) {
    // Waiting for another thread's recording could be waiting for one that waits for the interpreter.
    std::unique_lock alone(gpu_.recording, std::try_to_lock);
    if (!alone) return;
    try {
      fresh_ = std::make_unique<Recording>(gpu_, std::move(choice_.key), std::move(alone));
    } catch (const Error&) {
      recordings_->give_up("the driver cannot record");
      return;
    }
    walk_ = fresh_.get();
  }
}

void CudaRun::end_steps() {
  if (!walk_) return;
  if (fresh_) {
    fresh_->close();
    fresh_->error = error_;
    fresh_->watched = watched_;
  }
  walk_->play();
  if (fresh_) recordings_->keep(std::move(fresh_));
  else recordings_->played();
  walk_ = nullptr;
}

bool CudaRun::starts_over() {
  if (!walk_) return false;
  walk_ = nullptr;
  recordings_->give_up(fresh_ ? "a step cannot be recorded" : "runs differ");
  fresh_.reset();
  choice_ = {};
  error_ = {};
  watched_.clear();
  placed_.clear();
  return true;
}

bool CudaRun::begin_call(std::span<void* const> operands) {
  if (!walk_) return true;
  walk_->begin_call(operands);
  return walk_->recording();
}

void CudaRun::end_call() {
  if (walk_) walk_->end_call();
}

Address CudaRun::error() {
  if (!error_) {
    error_ = gpu_.memory->allocate(sizeof(Error));
    gpu_.enter();
    check(driver().fill(address_of(error_->data), 0, sizeof(Error), gpu_.stream), "to clear memory");
  }
  return address_of(error_->data);
}

std::pair<Address, int> CudaRun::report_to(const std::vector<Limit>& limits) {
  for (size_t i = 0; i < watched_.size(); ++i)
    if (watched_[i].limits == &limits) return {error(), static_cast<int>(i)};
  watched_.push_back({&limits, graph, graph != outermost, step});
  return {error(), static_cast<int>(watched_.size()) - 1};
}

std::pair<Address, int> CudaRun::report_to(const Op& op, int64_t extent) {
  watched_.push_back({nullptr, graph, graph != outermost, step, &op, extent});
  return {error(), static_cast<int>(watched_.size()) - 1};
}

BadIndex CudaRun::finish() {
  if (!error_) return {};
  Error met;
  gpu_.download(&met, address_of(error_->data), sizeof met);
  if (!met.seen) return {};
  const Watched& w = watched_[static_cast<size_t>(met.slot)];
  BadIndex bad;
  if (w.call) {
    bad.happened = true;
    bad.record = w.step;
    bad.index = met.index;
    bad.extent = w.extent;
    if (w.inside) bad.op = w.call;
    return bad;
  }
  const Limit& limit = (*w.limits)[static_cast<size_t>(met.limit)];
  bad.happened = true;
  bad.record = w.inside ? w.step : limit.record;
  bad.index = met.index;
  bad.extent = limit.extent;
  if (w.inside) {
    bad.op = (*w.graph)[limit.record].op;
    bad.where = (*w.graph)[limit.record].where;
  }
  return bad;
}

}  // namespace pg::cuda
