#pragma once
// The CPU as a target of the compiler: the interpreter of the loop IR, and library calls.

#include "compiler/backend.h"

namespace pg {

const Backend& cpu_backend();

}  // namespace pg
