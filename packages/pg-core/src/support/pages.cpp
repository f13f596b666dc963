#include "support/pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace pg {

void* map_pages(size_t bytes, bool huge) {
  const size_t span = bytes + huge_page;
  void* raw = mmap(nullptr, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(raw);
  char* aligned = start + (huge_page - reinterpret_cast<uintptr_t>(raw) % huge_page) % huge_page;
  if (aligned > start) munmap(start, static_cast<size_t>(aligned - start));
  if (char* end = aligned + bytes; end < start + span) munmap(end, static_cast<size_t>(start + span - end));
#ifdef MADV_HUGEPAGE
  if (huge) madvise(aligned, bytes, MADV_HUGEPAGE);  // only advice: small pages work too
#endif
  return aligned;
}

void unmap_pages(void* start, size_t bytes) { munmap(start, bytes); }

}  // namespace pg
