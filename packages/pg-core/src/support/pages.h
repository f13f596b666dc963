#pragma once
// Memory straight from the system, in huge pages.

#include <cstddef>

namespace pg {

constexpr size_t huge_page = size_t{2} << 20;

/// Zeroed memory that begins at a multiple of a huge page; `bytes` is one too. Null when there is none.
/// `huge` asks for huge pages, which are filled and paid for whole.
void* map_pages(size_t bytes, bool huge);
void unmap_pages(void* start, size_t bytes);

}  // namespace pg
