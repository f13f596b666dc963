#pragma once
// Runs passes one by one: names them, times them, prints what PG_DUMP asks for, verifies under PG_VERIFY.

#include <functional>
#include <string>

#include "graph/graph.h"

namespace pg {

class PassRunner {
 public:
  PassRunner();
  Graph run(const char* name, Graph (*pass)(const Graph&), const Graph& graph);
  /// "canonicalise 0.01 ms, ..." of the passes so far.
  std::string times() const { return times_; }

 private:
  bool wants(const char* name) const;
  std::string dump_;
  bool verify_;
  std::string times_;
};

/// Where dumps go; replaced by the bindings so that they pass through Python's sys.stdout.
extern std::function<void(const std::string&)> dump_text;

}  // namespace pg
