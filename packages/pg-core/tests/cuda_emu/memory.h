// Device and pinned memory of the emulator, with checks: fresh and freed memory is full of NaNs, a red zone
// lies behind each block, and every address knows its block.
#pragma once

#include <cstddef>

namespace pgemu {

using Address = unsigned long long;

// The driver's numbers.
enum Result {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  no_binary_for_gpu = 209,
  peer_access_already_enabled = 704,
  invalid_handle = 400,
  not_found = 500,
  not_ready = 600,
  launch_out_of_resources = 701,
  launch_failed = 719,
  stream_capture_unsupported = 900,
  stream_capture_invalidated = 901
};

int environment(const char* name, int otherwise);
/// Says on stderr what is wrong, and keeps it as the text of the next error.
Result wrong(Result result, const char* format, ...) __attribute__((format(printf, 2, 3)));
const char* last_text();

/// Device memory can be read and written while one lives (PGEMU_PROTECT: at no other time).
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
};

size_t memory_size();
size_t memory_in_use();
Result allocate(Address* out, size_t bytes, int device);
Result release(Address at);
/// Is all of it in one living block of the device?
bool is_block(Address at, size_t bytes, int device);
bool in_device_memory(Address at);
int device_of(Address at);  // -1: no living block

Result allocate_pinned(void** out, size_t bytes);
Result release_pinned(void* at);
bool is_pinned(const void* at, size_t bytes);

/// For tests: living blocks, and the bytes they hold.
size_t living_blocks();

}  // namespace pgemu
