#pragma once
// Compiled programs in words, for PG_DUMP, explain() and profiles.

#include "compiler/program.h"

namespace pg {

/// The ops of one kernel in a word.
std::string kernel_name(const Program& program, const ProgramStep& step);
/// The text of one kernel, as PG_KERNEL_DB and explain() show it.
std::string kernel_text(const Program& program, const ProgramStep& step, const Backend& backend);
/// Name, shapes and attributes of a library call.
std::string call_text(const Program& program, const ProgramStep& step);

/// One line per step: what it runs, reads and writes, by the names of the graph's text.
std::string steps_text(const Graph& graph, std::span<const Step> steps);
/// One line per step, with the memory that it reads and writes.
std::string program_text(const Program& program);

}  // namespace pg
