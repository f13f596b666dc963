#include "support/error.h"

namespace pg {

void fail(ErrorKind kind, std::string message) { throw Error(kind, std::move(message)); }

void invariant_failed(const char* condition, const char* file, int line, const std::string& what) {
  std::string path(file);
  const auto cut = path.rfind("/src/");
  if (cut != std::string::npos) path = path.substr(cut + 5);
  throw Error(ErrorKind::internal, "internal error at " + path + ":" + std::to_string(line) + ": " +
                                       condition + (what.empty() ? "" : " (" + what + ")") +
                                       "; please report this");
}

}  // namespace pg
