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
  else gpu_.copy(address_of(to), address_of(from), bytes);
}

void CudaRun::read(void* to, const void* from, size_t bytes) {
  if (is_number(from)) std::memcpy(to, from, bytes);
  else gpu_.download(to, address_of(from), bytes);
}

void CudaRun::write(void* to, const void* from, size_t bytes) { gpu_.upload(address_of(to), from, bytes); }

Address CudaRun::error() {
  if (!error_) {
    error_ = allocate(sizeof(Error));
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
