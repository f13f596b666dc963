#include "compiler/passes/runner.h"

#include <chrono>
#include <cstdio>

#include "support/env.h"
#include "support/format.h"

namespace pg {

std::function<void(const std::string&)> dump_text = [](const std::string& text) {
  std::fputs(text.c_str(), stderr);
};

PassRunner::PassRunner() : dump_(env_text("PG_DUMP").value_or("")), verify_(env_flag("PG_VERIFY")) {}

bool PassRunner::wants(const char* name) const {
  if (dump_.empty()) return false;
  if (dump_ == "all") return true;
  return concat(",", dump_, ",").find(concat(",", name, ",")) != std::string::npos;
}

Graph PassRunner::run(const char* name, Graph (*pass)(const Graph&), const Graph& graph) {
  const auto start = std::chrono::steady_clock::now();
  Graph result = pass(graph);
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  times_ += concat(times_.empty() ? "" : ", ", name, " ", spent.count(), " ms");
  if (verify_) verify(result);
  if (wants(name))
    dump_text(concat("after ", name, " (", result.size(), " records, ", spent.count(), " ms)\n",
                     to_string(result)));
  return result;
}

}  // namespace pg
