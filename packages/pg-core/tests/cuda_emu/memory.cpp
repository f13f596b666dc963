#include "memory.h"

#include <sys/mman.h>

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace pgemu {
namespace {

struct Block {
  size_t bytes;
  int device;
};

char* arena = nullptr;
size_t arena_bytes = 0, taken = 0, in_use = 0;
bool protecting = false;
int accesses = 0;
std::map<Address, Block> blocks;
std::multimap<size_t, Address> spare;  // by room
std::map<uintptr_t, size_t> pinned;
thread_local char text[512];

constexpr size_t unit = 512;
constexpr unsigned char fence = 0xa5;
size_t room_for(size_t bytes) { return (bytes + unit - 1) / unit * unit + unit; }  // with the red zone

void start() {
  if (arena) return;
  arena_bytes = static_cast<size_t>(environment("PGEMU_MEMORY_MB", 4096)) << 20;
  protecting = environment("PGEMU_PROTECT", 0) != 0;
  void* const at = mmap(nullptr, arena_bytes, protecting ? PROT_NONE : PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  arena = static_cast<char*>(at);
}

void protect(int rights) {
  if (protecting && taken) mprotect(arena, taken, rights);
}

std::map<Address, Block>::iterator block_with(Address at) {
  auto it = blocks.upper_bound(at);
  if (it == blocks.begin()) return blocks.end();
  --it;
  return at <= it->first + it->second.bytes ? it : blocks.end();
}

}  // namespace

int environment(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value ? std::atoi(value) : otherwise;
}

Result wrong(Result result, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "emulated GPU: %s\n", text);
  return result;
}
const char* last_text() { return text; }

Access::Access() {
  if (accesses++ == 0) protect(PROT_READ | PROT_WRITE);
}
Access::~Access() {
  if (--accesses == 0) protect(PROT_NONE);
}

size_t memory_size() {
  start();
  return arena_bytes;
}
size_t memory_in_use() { return in_use; }
size_t living_blocks() { return blocks.size(); }

Result allocate(Address* out, size_t bytes, int device) {
  start();
  if (bytes == 0) return invalid_value;
  const size_t room = room_for(bytes);
  const Access access;
  auto it = spare.lower_bound(room);
  if (it != spare.end() && it->first < room * 2) {
    *out = it->second;
    // What is left of the room stays with the block: its end is not needed again.
    spare.erase(it);
  } else {
    if (room > arena_bytes - taken) return out_of_memory;
    *out = reinterpret_cast<Address>(arena) + taken;
    taken = (taken + room + 4095) / 4096 * 4096;
    protect(PROT_READ | PROT_WRITE);
  }
  std::memset(reinterpret_cast<void*>(*out), 0xff, bytes);  // NaN in every format
  std::memset(reinterpret_cast<void*>(*out + bytes), fence, room - bytes);
  blocks[*out] = {bytes, device};
  in_use += bytes;
  return success;
}

Result release(Address at) {
  const auto it = blocks.find(at);
  if (it == blocks.end()) return wrong(invalid_value, "no block begins at 0x%llx; was it freed before?", at);
  const size_t bytes = it->second.bytes, room = room_for(bytes);
  const Access access;
  Result result = success;
  const auto* zone = reinterpret_cast<const unsigned char*>(at);
  for (size_t i = bytes; i < room && result == success; ++i)
    if (zone[i] != fence)
      result = wrong(launch_failed, "a kernel wrote %zu bytes behind a block of %zu bytes", i - bytes, bytes);
  std::memset(reinterpret_cast<void*>(at), 0xff, bytes);
  blocks.erase(it);
  // What was freed last is taken first, as pools do: a step that repeats finds its memory again.
  spare.emplace_hint(spare.lower_bound(room), room, at);
  in_use -= bytes;
  return result;
}

bool in_device_memory(Address at) {
  return arena && at >= reinterpret_cast<Address>(arena) &&
         at < reinterpret_cast<Address>(arena) + arena_bytes;
}

bool is_block(Address at, size_t bytes, int device) {
  const auto it = block_with(at);
  return it != blocks.end() && it->second.device == device && at + bytes <= it->first + it->second.bytes;
}

int device_of(Address at) {
  const auto it = block_with(at);
  return it == blocks.end() ? -1 : it->second.device;
}

Result allocate_pinned(void** out, size_t bytes) {
  *out = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (!*out) return out_of_memory;
  pinned[reinterpret_cast<uintptr_t>(*out)] = bytes;
  return success;
}

Result release_pinned(void* at) {
  if (!pinned.erase(reinterpret_cast<uintptr_t>(at)))
    return wrong(invalid_value, "this memory is not pinned");
  std::free(at);
  return success;
}

bool is_pinned(const void* at, size_t bytes) {
  const auto place = reinterpret_cast<uintptr_t>(at);
  auto it = pinned.upper_bound(place);
  if (it == pinned.begin()) return false;
  --it;
  return place + bytes <= it->first + it->second;
}

}  // namespace pgemu
