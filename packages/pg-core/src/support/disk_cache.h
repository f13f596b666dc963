#pragma once
// Results of compilers on disk, by the content they were made from.
//
// The folder is PG_CACHE_DIR, else pequegrad in the user's cache folder; it must belong to the user and be
// closed to others, otherwise nothing is cached and one warning says so. An entry carries its length and
// SHA-256; a bad one counts as missing. Entries are written under another name and renamed, so that readers
// of any process see whole ones. Beyond 1 GiB those unused for longest go. PG_CACHE=0 switches it off.

#include <optional>
#include <string>
#include <string_view>

namespace pg::disk_cache {

std::optional<std::string> find(std::string_view key);
void store(std::string_view key, std::string_view content);
/// Removes the entries used longest ago until at most `bytes` are left.
void shrink(size_t bytes);
/// The folder in use; empty when there is none.
std::string folder();
/// Says where the warning goes.
extern void (*warn)(const std::string& text);

/// 32 bytes (FIPS 180-4).
std::string sha256(std::string_view text);

}  // namespace pg::disk_cache
