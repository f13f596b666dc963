#pragma once
// Runs passes one by one: names them, times them, prints what PG_DUMP asks for, verifies what they return
// (under PG_VERIFY, and always in debug builds).

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "support/function_ref.h"

namespace pg {

struct PassTime {
  const char* name;
  double seconds;
};

/// How often a rule was applied.
struct RuleUse {
  std::string name;
  int64_t times = 0;
};

class PassRunner {
 public:
  PassRunner();
  Graph run(const char* name, const std::function<Graph(const Graph&)>& pass, const Graph& graph);
  /// A pass whose result is no graph; `text` tells what PG_DUMP prints of it.
  void run(const char* name, FunctionRef<void()> pass, FunctionRef<std::string()> text);
  /// Of the passes so far, in order.
  std::vector<PassTime> times() const { return times_; }

 private:
  double timed(const char* name, FunctionRef<void()> pass);
  bool wants(const char* name) const;
  std::string dump_;
  bool verify_;
  std::vector<PassTime> times_;
};

/// Where dumps go; replaced by the bindings so that they pass through Python's sys.stdout.
extern std::function<void(const std::string&)> dump_text;

}  // namespace pg
