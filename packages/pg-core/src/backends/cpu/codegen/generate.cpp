#include "backends/cpu/codegen/generate.h"

#include <pthread.h>

#include <atomic>
#include <mutex>
#include <unordered_map>

#include "backends/cpu/codegen/emitter.h"
#include "ir/isa.h"
#include "support/disk_cache.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::codegen {

Compiler compiler;

namespace {

// Stands in the text, so that objects of other versions of the table in arithmetic.h are not found.
constexpr int runtime_version = 1;
// Beyond this the compiler takes seconds, and the interpreter's loops are long enough.
constexpr size_t longest_text = 4 << 20;

struct Machine {
  int lanes = 0;
  const char *cpu = "", *features = "";
};
Machine machine() {
  switch (ir::isa()) {
  case ir::Isa::avx512: return {16, "x86-64-v4", "-prefer-256-bit"};
  case ir::Isa::avx2: return {8, "x86-64-v3", ""};
  case ir::Isa::baseline: break;
  }
  return {};
}

Mode from_environment() {
  const auto text = env_text("PG_LLVM");
  if (!text || text->empty()) return Mode::automatic;
  if (*text == "all") return Mode::all;
  return env_flag("PG_LLVM") ? Mode::automatic : Mode::off;
}

std::atomic<int> chosen{-1};

// What is known for the life of the process. Never destroyed: kernels may run while it ends.
struct Table {
  std::mutex mutex;
  std::unordered_map<std::string, std::shared_ptr<const Code>> code;  // by text
  bool asked = false;
  std::string version, broken;
  Counts counts;
};
Table& table() {
  static Table* const made = [] {
    pthread_atfork([] { table().mutex.lock(); }, [] { table().mutex.unlock(); },
                   [] { table().mutex.unlock(); });
    return new Table;
  }();
  return *made;
}

/// The compiler's version; empty when nothing can be generated. Asks the host once, without a lock.
std::string compiler_version() {
  Table& t = table();
  {
    const std::lock_guard lock(t.mutex);
    if (t.asked) return t.broken.empty() ? t.version : "";
  }
  const std::string version = compiler.version && machine().lanes ? compiler.version() : "";
  const std::lock_guard lock(t.mutex);
  t.asked = true;
  t.version = version;
  if (version.empty() && t.broken.empty())
    t.broken = !machine().lanes ? "this processor has no AVX2" : "llvmlite is not installed";
  return t.version;
}

void give_up(const std::string& why) {
  Table& t = table();
  {
    const std::lock_guard lock(t.mutex);
    if (!t.broken.empty()) return;
    t.broken = why;
  }
  if (compiler.warn)
    compiler.warn(concat("kernels run on the interpreter, because generating code failed: ", why));
}

std::shared_ptr<const Code> code_of(const std::string& text, int phases) {
  Table& t = table();
  {
    const std::lock_guard lock(t.mutex);
    const auto found = t.code.find(text);
    if (found != t.code.end()) {
      ++t.counts.shared;
      return found->second;
    }
  }
  const std::string version = compiler_version();
  if (version.empty()) return nullptr;
  const Machine m = machine();
  const std::string key = concat("cpu kernel; ", version, "; ", m.cpu, "; ", m.features, "\n", text);
  std::shared_ptr<const Code> code;
  bool from_disk = true;
  if (const auto known = disk_cache::find(key)) code = load_object(*known, phases);
  if (!code) {
    from_disk = false;
    std::string object;
    try {
      object = compiler.compile(text, m.cpu, m.features);
    } catch (const std::exception& e) {
      give_up(e.what());
      return nullptr;
    }
    code = load_object(object, phases);
    if (!code) {
      give_up("the compiler's object refers to something outside of itself");
      return nullptr;
    }
    disk_cache::store(key, object);
  }
  const std::lock_guard lock(t.mutex);
  ++(from_disk ? t.counts.loaded : t.counts.compiled);
  return t.code.try_emplace(text, std::move(code)).first->second;
}

}  // namespace

Mode mode() {
  int m = chosen.load(std::memory_order_relaxed);
  if (m < 0) {
    int expected = -1;
    chosen.compare_exchange_strong(expected, static_cast<int>(from_environment()));
    m = chosen.load(std::memory_order_relaxed);
  }
  return static_cast<Mode>(m);
}
void set_mode(Mode mode) { chosen.store(static_cast<int>(mode), std::memory_order_relaxed); }

std::string status() {
  if (mode() == Mode::off) return "switched off by PG_LLVM=0";
  compiler_version();
  const std::lock_guard lock(table().mutex);
  return table().broken;
}

std::string kernel_ir(const Kernel& kernel, int lanes, std::vector<Limit>* limits) {
  ir::ExprScope scope(*kernel.exprs);
  Writer writer(lanes);
  Emitter emitter(writer, kernel);
  for (size_t i = 0; i < kernel.phases.size(); ++i) emitter.phase(kernel.phases[i], static_cast<int>(i));
  if (limits)
    for (const Value* v : emitter.limits()) limits->push_back({v->node, v->bits});
  return concat("; runtime ", runtime_version, "\n", writer.module());
}

Generated generate(const Kernel& kernel, std::string& why) {
  Generated out;
  if (mode() == Mode::off || compiler_version().empty()) {
    why = status();
    return out;
  }
  try {
    const std::string text = kernel_ir(kernel, machine().lanes, &out.limits);
    if (text.size() > longest_text) throw Unsupported{"a kernel this long"};
    out.code = code_of(text, static_cast<int>(kernel.phases.size()));
    if (!out.code) why = status();
  } catch (const Unsupported& u) {
    why = concat("no generated form of ", u.what);
  }
  return out;
}

Counts counts() {
  const std::lock_guard lock(table().mutex);
  return table().counts;
}

}  // namespace pg::codegen
