#pragma once
// Environment switches: the one table of names and meanings is in env.cpp.

#include <cstdint>
#include <optional>
#include <string>

namespace pg {

/// On: 1/true/yes/on; off: 0/false/no/off/empty/unset (any letter case); anything else raises a ValueError
/// naming the variable.
bool env_flag(const char* name, bool fallback = false);
std::optional<std::string> env_text(const char* name);
/// A positive integer, or `fallback`; anything else raises.
int64_t env_int(const char* name, int64_t fallback);
/// A byte count with an optional K/M/G/T suffix (powers of 1024).
int64_t env_bytes(const char* name, int64_t fallback);
/// The documented table, one "NAME  meaning" line each.
std::string env_help();

}  // namespace pg
