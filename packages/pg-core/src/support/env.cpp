#include "support/env.h"

#include <algorithm>
#include <cstdlib>

#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

struct Switch {
  const char* name;
  const char* meaning;
};

constexpr Switch switches[] = {
    {"PG_NUM_THREADS", "worker threads for kernels (default: the cores this process may use)"},
    {"PG_MEMORY_LIMIT",
     "most bytes of tensor memory, with suffix K/M/G (default: 90 % of what is available)"},
    {"PG_KERNEL_DB", "print each distinct kernel once before its first launch"},
    {"PG_DUMP", "names of compiler passes (comma separated, or all) whose result is printed"},
    {"PG_VERIFY", "verify graphs and kernels after every pass"},
    {"PG_DEBUG_NANS", "raise when a result holds a NaN, naming op and line; inf: infinities count as well"},
    {"PG_STRIPS", "0: no steps are run strip by strip, every intermediate result is a whole array"},
    {"PG_ONEDNN", "0 disables oneDNN"},
    {"PG_LIBDNNL", "path of libdnnl.so.3 to load instead of the installed wheel's"},
    {"PG_LIBCUDA", "path of libcuda.so.1, the NVIDIA driver, instead of the installed one"},
    {"PG_LIBNVRTC", "path of libnvrtc.so instead of the installed wheel's"},
    {"PG_LIBCUBLASLT", "path of libcublasLt.so instead of the installed wheel's"},
    {"PG_LIBCUDNN", "path of libcudnn.so instead of the installed wheel's"},
    {"PG_LIBCUSOLVER", "path of libcusolver.so instead of the installed wheel's"},
    {"PG_LIBCUFFT", "path of libcufft.so instead of the installed wheel's"},
    {"PG_LLVM", "0: no code is generated, kernels stay interpreted; all: every kernel is generated at once"},
    {"PG_CACHE", "0: compiled kernels are not kept on disk"},
    {"PG_CACHE_DIR", "folder of compiled kernels (default: pequegrad in the user's cache folder)"},
    {"PG_ISA", "highest instruction set of the block kernels: baseline, avx2 or avx512"},
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

std::optional<std::string> env_text(const char* name) {
  const char* raw = std::getenv(name);
  if (!raw) return std::nullopt;
  return std::string(raw);
}

bool env_flag(const char* name, bool fallback) {
  const auto raw = env_text(name);
  if (!raw) return fallback;
  const std::string text = lower(*raw);
  if (text == "1" || text == "true" || text == "yes" || text == "on") return true;
  if (text.empty() || text == "0" || text == "false" || text == "no" || text == "off") return false;
  fail(ErrorKind::value, concat(name, "=", *raw, " is not a switch; use 1/true/yes/on or 0/false/no/off"));
}

int64_t env_int(const char* name, int64_t fallback) {
  const auto raw = env_text(name);
  if (!raw || raw->empty()) return fallback;
  char* end = nullptr;
  const long long value = std::strtoll(raw->c_str(), &end, 10);
  require(*end == 0 && value > 0, ErrorKind::value,
          [&] { return concat(name, "=", *raw, " is not a positive integer"); });
  return value;
}

int64_t env_bytes(const char* name, int64_t fallback) {
  const auto raw = env_text(name);
  if (!raw || raw->empty()) return fallback;
  char* end = nullptr;
  const double value = std::strtod(raw->c_str(), &end);
  const std::string suffix = lower(end);
  const char units[] = {'k', 'm', 'g', 't'};
  double scale = 1;
  if (!suffix.empty()) {
    const auto* unit = std::find(std::begin(units), std::end(units), suffix[0]);
    const std::string rest = suffix.substr(1);
    require(unit != std::end(units) && (rest.empty() || rest == "b" || rest == "ib"), ErrorKind::value, [&] {
      return concat(name, "=", *raw, " is not a size; write a number with K, M, G or T, such as 512M");
    });
    for (const char* u = units; u <= unit; ++u) scale *= 1024;
  }
  require(value > 0, ErrorKind::value, [&] { return concat(name, "=", *raw, " is not a positive size"); });
  return static_cast<int64_t>(value * scale);
}

std::string env_help() {
  std::string out;
  for (const auto& entry : switches) out += concat(entry.name, "  ", entry.meaning, "\n");
  return out;
}

}  // namespace pg
