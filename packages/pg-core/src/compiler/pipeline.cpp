#include "compiler/program.h"
#include "support/error.h"

namespace pg {

// The pipeline itself follows with the kernel passes.
Program compile(Graph, const Backend&) { fail(ErrorKind::not_implemented, "nothing can be evaluated yet"); }
std::string kernel_text(const Program&, const ProgramStep&, const Backend&) { return ""; }

}  // namespace pg
