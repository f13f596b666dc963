#pragma once
// Kernel -> machine code: the text, the compiler behind the host's hook, what is known already.

#include <string>

#include "backends/cpu/codegen/object.h"
#include "compiler/kernel/kernel.h"

namespace pg::codegen {

/// What generates code on this machine, and whether.
enum class Mode : uint8_t {
  off,
  automatic,  // kernels that are run often or take long
  all         // every kernel, before its first run
};
Mode mode();
void set_mode(Mode mode);
/// Why no code can be generated; empty when it can.
std::string status();

/// What the host offers. Null members: nothing is generated.
struct Compiler {
  /// Names the compiler and its version; empty when there is none. Must not need the compiler itself.
  std::string (*version)() = nullptr;
  /// An object file of LLVM IR text for `cpu` with `features`; raises when it fails.
  std::string (*compile)(const std::string& text, const std::string& cpu,
                         const std::string& features) = nullptr;
  void (*warn)(const std::string& text) = nullptr;
};
extern Compiler compiler;

struct Limit {
  Id node;  // the record whose index is limited
  int64_t extent;
};

/// Code of a kernel with what it needs to run.
struct Generated {
  std::shared_ptr<const Code> code;
  std::vector<Limit> limits;
};

/// The text alone, for vectors of `lanes` elements, with its limits; raises Unsupported (writer.h).
std::string kernel_ir(const Kernel& kernel, int lanes, std::vector<Limit>* limits = nullptr);
/// Null code when there is none to be had; `why` then says the reason.
Generated generate(const Kernel& kernel, std::string& why);

struct Counts {
  int64_t compiled = 0, loaded = 0, shared = 0;  // by the compiler, from the disk, known already
};
Counts counts();

}  // namespace pg::codegen
