#include "compiler/passes/runner.h"

#include <chrono>
#include <cstdio>

#include "support/env.h"
#include "support/format.h"

namespace pg {

std::function<void(const std::string&)> dump_text = [](const std::string& text) {
  std::fputs(text.c_str(), stderr);
};

PassRunner::PassRunner() : dump_(env_text("PG_DUMP").value_or("")), verify_(env_flag("PG_VERIFY")) {
#ifndef NDEBUG
  verify_ = true;
#endif
}

bool PassRunner::wants(const char* name) const {
  if (dump_.empty()) return false;
  if (dump_ == "all") return true;
  return concat(",", dump_, ",").find(concat(",", name, ",")) != std::string::npos;
}

double PassRunner::timed(const char* name, FunctionRef<void()> pass) {
  const auto start = std::chrono::steady_clock::now();
  pass();
  const double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  times_.push_back({name, spent});
  return spent * 1e3;
}

Graph PassRunner::run(const char* name, const std::function<Graph(const Graph&)>& pass, const Graph& graph) {
  Graph result;
  const double spent = timed(name, [&] { result = pass(graph); });
  if (verify_) verify(result);
  if (wants(name))
    dump_text(concat("after ", name, " (", result.size(), " records, ", spent, " ms)\n", to_string(result)));
  return result;
}

void PassRunner::run(const char* name, FunctionRef<void()> pass, FunctionRef<std::string()> text) {
  const double spent = timed(name, pass);
  if (wants(name)) dump_text(concat("after ", name, " (", spent, " ms)\n", text()));
}

}  // namespace pg
