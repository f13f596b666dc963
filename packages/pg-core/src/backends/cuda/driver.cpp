#include "backends/cuda/driver.h"

#include <atomic>
#include <mutex>

#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

std::mutex load_mutex;
std::atomic<const Driver*> loaded{nullptr};

std::string error_text(const Driver& d, Result result) {
  const char *name = nullptr, *text = nullptr;
  d.error_name(result, &name);
  d.error_text(result, &text);
  return concat(name ? name : "error", " (", result, ")", text ? concat(": ", text) : "");
}

/// Empty on success.
std::string load(Driver& d) {
  const Found found = find(Library::driver);
  if (!found.handle) return found.why;
  const char* lacking = nullptr;
#define PG_FIND(member, name, parameters)                                                                    \
  d.member = reinterpret_cast<decltype(d.member)>(symbol(found, #name));                                     \
  if (!d.member) lacking = #name;
  PG_DRIVER_FUNCTIONS(PG_FIND)
#undef PG_FIND
  d.path = found.path;
  d.graphs.complete = true;
#define PG_FIND(member, name, parameters)                                                                    \
  d.graphs.member = reinterpret_cast<decltype(d.graphs.member)>(symbol(found, #name));                       \
  d.graphs.complete = d.graphs.complete && d.graphs.member;
  PG_GRAPH_FUNCTIONS(PG_FIND)
#undef PG_FIND
  if (lacking)
    return concat("the NVIDIA driver (", d.path, ") lacks ", lacking,
                  ", install a newer one (12.0 or later) from nvidia.com/drivers");
  if (const Result r = d.init(0); r != CUDA_SUCCESS) {
    const std::string why = error_text(d, r);
    return concat("the NVIDIA driver (", d.path, ") does not start: ", why,
                  r == CUDA_ERROR_NO_DEVICE ? "; install a GPU, or make one visible (CUDA_VISIBLE_DEVICES)"
                                            : "; install a driver that fits this machine");
  }
  d.version(&d.version_number);
  if (d.version_number < 12000)
    return concat("the NVIDIA driver is of CUDA ", d.version_number / 1000, ".", d.version_number % 1000 / 10,
                  ", install a newer one (12.0 or later) from nvidia.com/drivers");
  d.device_count(&d.devices);
  if (d.devices == 0)
    return "the NVIDIA driver finds no GPU, install one, or make it visible (CUDA_VISIBLE_DEVICES)";
  return "";
}

/// Null, and why, when there is none. Looks again each time, so that a driver which is made known later is
/// found.
const Driver* try_driver(std::string& why) {
  if (const Driver* known = loaded.load(std::memory_order_acquire)) return known;
  const std::lock_guard lock(load_mutex);
  if (const Driver* known = loaded.load(std::memory_order_relaxed)) return known;
  Driver made;
  why = load(made);
  if (!why.empty()) return nullptr;
  const Driver* kept = new Driver(made);  // for the life of the process
  loaded.store(kept, std::memory_order_release);
  return kept;
}

}  // namespace

const Driver& driver() {
  if (const Driver* known = loaded.load(std::memory_order_acquire)) [[likely]]
    return *known;
  std::string why;
  const Driver* found = try_driver(why);
  require(found != nullptr, ErrorKind::device, [&] { return concat("CUDA cannot be used: ", why); });
  return *found;
}

std::string driver_absence() {
  std::string why;
  try_driver(why);
  return why;
}

std::string missing() {
  static std::atomic<bool> complete{false};
  if (complete.load(std::memory_order_relaxed)) return "";
  std::string why = driver_absence();
  if (why.empty()) why = find(Library::nvrtc).why;
  if (why.empty()) complete.store(true, std::memory_order_relaxed);
  return why;
}

int driver_version() {
  std::string why;
  const Driver* found = try_driver(why);
  return found ? found->version_number : 13000;
}

void check(Result result, const char* what) {
  if (result == CUDA_SUCCESS) [[likely]]
    return;
  const std::string text = error_text(driver(), result);
  fail(result == CUDA_ERROR_OUT_OF_MEMORY ? ErrorKind::memory : ErrorKind::device,
       concat("CUDA failed ", what, ": ", text));
}

bool is_done(Result result, const char* what) {
  if (result == CUDA_ERROR_NOT_READY) return false;
  check(result, what);
  return true;
}

}  // namespace pg::cuda
