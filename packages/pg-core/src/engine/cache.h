#pragma once
// The program cache: exact keys, one table for the process, bounded by least recent use.

#include "engine/run.h"

namespace pg::engine {

/// The program of a key, or null. Compares the whole key.
ExecutableRef find_program(uint64_t hash, const std::vector<uint64_t>& key);
/// Enters a program and returns the one to use: another thread may have been first.
ExecutableRef enter_program(ExecutableRef made);
size_t cached_programs();
/// Counts how often programs were dropped all at once, so that threads drop the ones they remember.
uint64_t cache_generation();
void drop_programs();

}  // namespace pg::engine
