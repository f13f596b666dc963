#include "backends/cuda/device.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/pool.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

std::mutex making;
std::array<std::atomic<Gpu*>, 256> gpus{};  // never destroyed: buffers are released up to the very end

Address address_of(const void* data) { return reinterpret_cast<Address>(data); }

}  // namespace

Gpu::Gpu(int i) : index(i) {
  const Driver& d = driver();
  int handle = 0, major = 0, minor = 0;
  check(d.device_get(&handle, index), "to open the device");
  char text[256] = {};
  check(d.device_name(text, sizeof text - 1, handle), "to ask for the device's name");
  name = text;
  check(d.device_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle),
        "to ask the device");
  check(d.device_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle),
        "to ask the device");
  check(d.device_attribute(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, handle),
        "to ask the device");
  check(d.device_memory(&bytes, handle), "to ask for the device's memory");
  architecture = major * 10 + minor;
  check(d.primary_context(&context, handle), "to make a context");
  enter();
  check(d.stream_create(&stream.own, CU_STREAM_NON_BLOCKING), "to make a stream");
  memory = std::make_unique<Memory>(*this);
}

void Gpu::upload(Address to, const void* from, size_t count) {
  if (count == 0) return;
  PG_INVARIANT(!stream.is_recorded(), "what the host holds now is no part of a recording");
  const Driver& d = driver();
  enter();
  const std::lock_guard lock(staging_);
  const char* source = static_cast<const char*>(from);
  while (count > 0) {
    Stage* stage = &stages_[stage_];
    if (stage->data && stage->used == stage_bytes) {
      check(d.event_record(stage->done, stream), "to mark the stream");
      stage_ = 1 - stage_;
      stage = &stages_[stage_];
      if (stage->data) check(d.event_synchronize(stage->done), "while copying to the device");
      stage->used = 0;
    }
    if (!stage->data) {
      void* pinned = nullptr;
      check(d.host_allocate(&pinned, stage_bytes, CU_MEMHOSTALLOC_PORTABLE), "to pin host memory");
      check(d.event_create(&stage->done, CU_EVENT_DISABLE_TIMING), "to make an event");
      stage->data = static_cast<char*>(pinned);
    }
    const size_t part = std::min(count, stage_bytes - stage->used);
    char* const place = stage->data + stage->used;
    std::memcpy(place, source, part);
    check(d.upload(to, place, part, stream), "to copy to the device");
    stage->used += std::min((part + 63) / 64 * 64, stage_bytes - stage->used);
    source += part;
    to += part;
    count -= part;
  }
}

void Gpu::download(void* to, Address from, size_t count) {
  enter();
  if (count) check(driver().download(to, from, count, stream), "to copy from the device");
  check(driver().stream_synchronize(stream), "while waiting for the device");
}

void Gpu::copy(Address to, Address from, size_t count) {
  if (count == 0) return;
  enter();
  check(driver().copy(to, from, count, stream), "to copy on the device");
}

void Gpu::synchronize() {
  enter();
  check(driver().stream_synchronize(stream), "while waiting for the device");
}

Event Gpu::mark() {
  enter();
  Event event = nullptr;
  check(driver().event_create(&event, CU_EVENT_DISABLE_TIMING), "to make an event");
  check(driver().event_record(event, stream), "to mark the stream");
  return event;
}

void Gpu::wait_for(Event event) {
  enter();
  check(driver().stream_wait(stream, event, 0), "to wait for another device");
  check(driver().event_destroy(event), "to drop an event");  // which lives on until it was met
}

Gpu* known_gpu(int index) { return gpus[static_cast<size_t>(index)].load(std::memory_order_acquire); }

Gpu& gpu(int index) {
  if (Gpu* known = known_gpu(index)) {
    known->enter();
    return *known;
  }
  const Driver& d = driver();
  require(index < d.devices, ErrorKind::device, [&] {
    return concat("there is no cuda:", index, " on this machine, it has ", d.devices,
                  d.devices == 1 ? " GPU" : " GPUs", "; install another one, or name cuda:0",
                  d.devices > 1 ? concat(" to cuda:", d.devices - 1) : "");
  });
  const std::lock_guard lock(making);
  auto& place = gpus[static_cast<size_t>(index)];
  if (!place.load(std::memory_order_relaxed)) place.store(new Gpu(index), std::memory_order_release);
  Gpu& made = *place.load(std::memory_order_relaxed);
  made.enter();
  return made;
}

int device_of(Address memory) {
  int index = -1;
  gpu(0);  // any context does; without one the driver answers nothing
  const Result result = driver().pointer_attribute(&index, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, memory);
  require(result == CUDA_SUCCESS && index >= 0, ErrorKind::device, "the memory does not lie on a GPU");
  return index;
}

BufferRef place(const void* data, size_t bytes, Device device) {
  Gpu& target = gpu(device.index);
  BufferRef made = target.memory->allocate(bytes);
  target.upload(address_of(made->data), data, bytes);
  return made;
}

BufferRef transfer(const BufferRef& from, Device to) {
  const size_t bytes = from->bytes;
  const Device source = from->device;
  if (source == to) return from;
  if (source.kind == DeviceKind::cpu) return place(from->data, bytes, to);
  Gpu& owner = gpu(source.index);
  if (to.kind == DeviceKind::cpu) {
    BufferRef made = allocate(bytes);
    owner.download(made->data, address_of(from->data), bytes);
    return made;
  }
  // The target's stream copies, after what makes the values and before anything that uses the memory again.
  Gpu& target = gpu(to.index);
  BufferRef made = target.memory->allocate(bytes);
  target.wait_for(owner.mark());
  target.enter();
  if (bytes)
    check(driver().copy_peer(address_of(made->data), target.context, address_of(from->data), owner.context,
                             bytes, target.stream),
          "to copy between devices");
  owner.wait_for(target.mark());
  return made;
}

}  // namespace pg::cuda
