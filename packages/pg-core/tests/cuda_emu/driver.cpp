// Stands for libcuda: the entry points that pequegrad uses, on the CPU, with checks. Written from the public
// documentation; needs no file of NVIDIA's. Its name must not be libcuda.so.1: the real NVRTC looks for that
// in the process.
//
//   PGEMU_DEVICES=n      how many GPUs there are (1)
//   PGEMU_CAPABILITY=90  their compute capability
//   PGEMU_POOLS=0        they have no memory pools
//   PGEMU_DEFERRED=1     nothing runs before something waits for it
//   PGEMU_BACKWARDS=1    threads of a block run in the other order
//   PGEMU_PROTECT=1      the host cannot touch device memory
//   PGEMU_MEMORY_MB=n    memory of all GPUs together (4096)

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "graph.h"
#include "grid.h"
#include "libraries.h"
#include "queue.h"

using namespace pgemu;

namespace {

constexpr int most_devices = 16;

std::recursive_mutex mutex;
#define PGEMU_ENTER const std::lock_guard lock(mutex)

struct Context {
  int device = 0;
  unsigned peers = 0;
};
Context contexts[most_devices];
thread_local Context* current = nullptr;
bool started = false;

int device_count() {
  static const int count = std::min(most_devices, environment("PGEMU_DEVICES", 1));
  return count;
}

#define PGEMU_IN_CONTEXT                                                                                     \
  PGEMU_ENTER;                                                                                               \
  if (!current) return wrong(invalid_context, "%s: no context is current", __func__)

struct Module;
struct Function {
  Module* module = nullptr;
  std::string name;
  Kernel kernel{};
  const Parameter* parameters = nullptr;
  unsigned parameter_count = 0;
};
struct Module {
  void* object = nullptr;
  int device = 0;
  std::string number;  // in the object
  std::map<std::string, std::unique_ptr<Function>> functions;
};
std::vector<Module*> modules;

// May this context's kernels use the memory?
bool reachable(Address at, size_t bytes) { return is_block(at, bytes, current->device); }

Result copy(Address to, bool to_device, Address from, bool from_device, size_t bytes, int device) {
  if ((to_device && !is_block(to, bytes, device)) || (from_device && !is_block(from, bytes, device)))
    return wrong(invalid_value, "a copy of %zu bytes reaches outside of a block", bytes);
  if ((!to_device && in_device_memory(to)) || (!from_device && in_device_memory(from)))
    return wrong(invalid_value, "a copy takes device memory for host memory");
  const Access access;
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
  return success;
}

// Pointers must lead to living blocks of this device, and so must what looks like one inside a structure.
Result check_parameters(const Function& f, void** given) {
  for (unsigned i = 0; i < f.parameter_count; ++i) {
    const Parameter& p = f.parameters[i];
    for (unsigned at = 0; at + sizeof(Address) <= p.bytes; at += sizeof(Address)) {
      Address word;
      std::memcpy(&word, static_cast<char*>(given[i]) + at, sizeof word);
      if (p.pointer ? word && !reachable(word, 0) : in_device_memory(word) && at == 0 && !reachable(word, 0))
        return wrong(launch_failed, "%s: parameter %u is 0x%llx, which is no living memory of device %d",
                     f.name.c_str(), i, word, current->device);
    }
  }
  return success;
}

}  // namespace

Entered::Entered() : lock(mutex), device(current ? current->device : -1) {}

// ---- devices and contexts

API int cuInit(unsigned) {
  PGEMU_ENTER;
  started = true;
  for (int i = 0; i < most_devices; ++i) contexts[i].device = i;
  return success;
}
API int cuDriverGetVersion(int* version) {
  *version = 12080;
  return success;
}
API int cuDeviceGetCount(int* count) {
  *count = device_count();
  return started ? success : not_initialized;
}
API int cuDeviceGet(int* device, int index) {
  *device = index;
  return index >= 0 && index < device_count() ? success : invalid_device;
}
API int cuDeviceGetName(char* out, int bytes, int) {
  std::snprintf(out, static_cast<size_t>(bytes), "emulated GPU");
  return success;
}
API int cuDeviceTotalMem_v2(size_t* bytes, int) {
  PGEMU_ENTER;
  *bytes = memory_size();
  return success;
}
API int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int capability = environment("PGEMU_CAPABILITY", 90);
  switch (attribute) {
  case 16: *value = 4; break;  // multiprocessors
  case 75: *value = capability / 10; break;
  case 76: *value = capability % 10; break;
  case 115: *value = environment("PGEMU_POOLS", 1); break;
  default: return wrong(invalid_value, "attribute %d of a device is not emulated", attribute);
  }
  return success;
}
API int cuDevicePrimaryCtxRetain(Context** out, int device) {
  *out = &contexts[device];
  return success;
}
API int cuCtxSetCurrent(Context* context) {
  current = context;
  return success;
}
API int cuMemGetInfo_v2(size_t* spare, size_t* total) {
  PGEMU_IN_CONTEXT;
  *total = memory_size();
  *spare = *total - memory_in_use();
  return success;
}

// For cuda-python, which asks for functions by their plain names and takes what there is.
API int cuGetProcAddress_v2(const char* name, void** out, int, uint64_t, int* found) {
  Dl_info self;
  static void* const library = dladdr(reinterpret_cast<void*>(cuInit), &self)
                                   ? dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD)
                                   : nullptr;
  *out = nullptr;
  for (const char* version : {"_v3", "_v2", ""})
    if (!*out && library) *out = dlsym(library, (std::string(name) + version).c_str());
  if (found) *found = *out ? 0 : 1;
  return *out ? success : not_found;
}

// ---- memory

API int cuMemAlloc_v2(Address* out, size_t bytes) {
  PGEMU_IN_CONTEXT;
  return allocate(out, bytes, current->device);
}
API int cuMemFree_v2(Address at) {
  PGEMU_IN_CONTEXT;
  if (const Result r = drain_all(); r != success) return r;
  return release(at);
}
API int cuMemAllocAsync(Address* out, size_t bytes, void* stream) {
  PGEMU_IN_CONTEXT;
  Stream* const s = stream_of(stream);
  if (!s) return invalid_handle;
  if (s->capture) return cannot_be_captured(s->capture, "memory is allocated");
  return allocate(out, bytes, current->device);
}
API int cuMemFreeAsync(Address at, void* stream) {
  PGEMU_IN_CONTEXT;
  Stream* const s = stream_of(stream);
  if (s && s->capture) return cannot_be_captured(s->capture, "memory is freed");
  return submit(s, [at] { return release(at); });
}
API int cuDeviceGetDefaultMemPool(void** pool, int device) {
  *pool = &contexts[device];
  return success;
}
API int cuMemPoolSetAttribute(void*, int, void*) { return success; }
API int cuMemPoolTrimTo(void*, size_t) { return success; }
API int cuMemHostAlloc(void** out, size_t bytes, unsigned) {
  PGEMU_IN_CONTEXT;
  return allocate_pinned(out, bytes);
}
API int cuMemFreeHost(void* at) {
  PGEMU_IN_CONTEXT;
  if (const Result r = drain_all(); r != success) return r;
  return release_pinned(at);
}

API int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t bytes, void* stream) {
  PGEMU_IN_CONTEXT;
  const int device = current->device;
  if (is_pinned(from, bytes))
    return submit(stream_of(stream),
                  [=] { return copy(to, true, reinterpret_cast<Address>(from), false, bytes, device); });
  // Memory that is not pinned is read before the call returns.
  auto kept = std::make_shared<std::vector<char>>(static_cast<const char*>(from),
                                                  static_cast<const char*>(from) + bytes);
  return submit(stream_of(stream), [=] {
    return copy(to, true, reinterpret_cast<Address>(kept->data()), false, bytes, device);
  });
}
API int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t bytes, void* stream) {
  PGEMU_IN_CONTEXT;
  const int device = current->device;
  return submit(stream_of(stream),
                [=] { return copy(reinterpret_cast<Address>(to), false, from, true, bytes, device); });
}
API int cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, void* stream) {
  PGEMU_IN_CONTEXT;
  const int device = current->device;
  return submit(stream_of(stream), [=] { return copy(to, true, from, true, bytes, device); });
}
API int cuMemcpyPeerAsync(Address to, Context* target, Address from, Context* source, size_t bytes,
                          void* stream) {
  PGEMU_IN_CONTEXT;
  const int to_device = target->device, from_device = source->device;
  return submit(stream_of(stream), [=] {
    if (!is_block(to, bytes, to_device) || !is_block(from, bytes, from_device))
      return wrong(invalid_value, "a copy of %zu bytes between devices reaches outside of a block", bytes);
    const Access access;
    std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes);
    return success;
  });
}
API int cuMemsetD8Async(Address at, unsigned char value, size_t bytes, void* stream) {
  PGEMU_IN_CONTEXT;
  const int device = current->device;
  return submit(stream_of(stream), [=] {
    if (!is_block(at, bytes, device)) return wrong(invalid_value, "a fill reaches outside of a block");
    const Access access;
    std::memset(reinterpret_cast<void*>(at), value, bytes);
    return success;
  });
}

// ---- streams and events

API int cuStreamCreate(void** out, unsigned flags) {
  PGEMU_IN_CONTEXT;
  *out = make_stream(current->device, !(flags & 1));
  return success;
}
API int cuStreamDestroy_v2(void* stream) {
  PGEMU_IN_CONTEXT;
  return stream && stream_of(stream) ? drop_stream(stream_of(stream)) : invalid_handle;
}
API int cuStreamSynchronize(void* stream) {
  PGEMU_IN_CONTEXT;
  if (!stream) return drain_all();
  return stream_of(stream) ? drain(stream_of(stream)) : invalid_handle;
}
API int cuStreamWaitEvent(void* stream, Event* event, unsigned) {
  PGEMU_IN_CONTEXT;
  return await(stream_of(stream), event);
}
API int cuEventCreate(Event** out, unsigned flags) {
  PGEMU_IN_CONTEXT;
  *out = new Event;
  (*out)->timed = !(flags & 2);
  return success;
}
// Asking moves things on, so that who asks until it is done comes to an end.
API int cuEventQuery(Event* event) {
  PGEMU_IN_CONTEXT;
  if (event->done >= event->recorded) return sticky();
  if (const Result r = drain_all(); r != success) return r;
  return not_ready;
}
API int cuEventElapsedTime(float* out, Event* begin, Event* end) {
  PGEMU_IN_CONTEXT;
  if (!begin->timed || !end->timed || !begin->recorded || !end->recorded)
    return wrong(invalid_handle, "events without times, or that were not recorded, are compared");
  if (begin->done < begin->recorded || end->done < end->recorded) return not_ready;
  *out = static_cast<float>((end->seconds - begin->seconds) * 1e3);
  return success;
}
API int cuStreamQuery(void* handle) {
  PGEMU_IN_CONTEXT;
  Stream* const stream = stream_of(handle);
  if (!stream) return invalid_handle;
  if (stream->work.empty()) return sticky();
  if (const Result r = drain(stream); r != success) return r;
  return not_ready;
}
API int cuCtxSynchronize() {
  PGEMU_IN_CONTEXT;
  return drain_all();
}
API int cuPointerGetAttribute(void* out, int attribute, Address at) {
  PGEMU_ENTER;
  if (attribute != 9) return wrong(invalid_value, "attribute %d of a pointer is not emulated", attribute);
  const int device = device_of(at);
  if (device < 0) return invalid_value;
  *static_cast<int*>(out) = device;
  return success;
}
// An event lives on until everything that was queued with it has met it.
API int cuEventDestroy_v2(Event* event) {
  PGEMU_IN_CONTEXT;
  (void)event;
  return success;
}
API int cuEventRecord(Event* event, void* stream) {
  PGEMU_IN_CONTEXT;
  return mark(event, stream_of(stream));
}
API int cuEventSynchronize(Event* event) {
  PGEMU_IN_CONTEXT;
  return event->done < event->recorded ? drain_all() : sticky();
}

// ---- modules and launches

API int cuModuleLoadData(Module** out, const void* image) {
  PGEMU_IN_CONTEXT;
  const auto* elf = static_cast<const unsigned char*>(image);
  if (std::memcmp(elf, "\177ELF", 4)) return wrong(invalid_image, "this is no machine code");
  if (elf[18] == 190) return wrong(no_binary_for_gpu, "this is machine code of a real GPU");
  uint64_t table;
  uint16_t entry, entries;
  std::memcpy(&table, elf + 40, sizeof table);
  std::memcpy(&entry, elf + 58, sizeof entry);
  std::memcpy(&entries, elf + 60, sizeof entries);
  const size_t bytes = table + size_t{entry} * entries;
  // A file of its own for each load: the loader takes two images at one path for one library.
  std::string path = (std::filesystem::temp_directory_path() / "pgemu-module-XXXXXX").string();
  const int file = mkstemp(path.data());
  const bool wrote = file >= 0 && write(file, image, bytes) == static_cast<ssize_t>(bytes);
  close(file);
  void* const object = wrote ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path.c_str());
  if (!object) return wrong(invalid_image, "a module cannot be loaded: %s", wrote ? dlerror() : "no room");
  auto* module = new Module;
  module->object = object;
  module->device = current->device;
  uint32_t number;
  std::memcpy(&number, elf + bytes, sizeof number);
  module->number = std::to_string(number) + "_";
  reinterpret_cast<void (*)(Runtime*)>(dlsym(object, "pgemu_bind"))(runtime());
  modules.push_back(module);
  *out = module;
  return success;
}
API int cuModuleUnload(Module* module) {
  PGEMU_IN_CONTEXT;
  if (!std::erase(modules, module)) return wrong(invalid_handle, "a module is unloaded twice");
  const Result result = drain_all();
  dlclose(module->object);
  delete module;
  return result;
}
API int cuModuleGetFunction(Function** out, Module* module, const char* name) {
  PGEMU_IN_CONTEXT;
  auto& place = module->functions[name];
  if (!place) {
    const auto find = [&](const char* prefix) {
      return dlsym(module->object, (std::string("pgemu_") + prefix + module->number + name).c_str());
    };
    if (!find("thread_")) {
      module->functions.erase(name);
      return not_found;
    }
    place = std::make_unique<Function>();
    place->module = module;
    place->name = name;
    Kernel& k = place->kernel;
    k.name = place->name.c_str();
    k.meets = *static_cast<const int*>(dlsym(module->object, "pgemu_meets")) != 0;
    k.thread = reinterpret_cast<void (*)(void**)>(find("thread_"));
    k.block = reinterpret_cast<void (*)(void**, Dim3, Dim3, Dim3)>(find("block_"));
    const std::string shared = "pgemu_shared_" + module->number.substr(0, module->number.size() - 1);
    reinterpret_cast<void (*)(char**, char**)>(dlsym(module->object, shared.c_str()))(&k.shared_begin,
                                                                                      &k.shared_end);
    place->parameters =
        reinterpret_cast<const Parameter* (*)(unsigned*)>(find("parameters_"))(&place->parameter_count);
    if (k.shared_end - k.shared_begin > 48 << 10)
      return wrong(launch_out_of_resources, "%s: %td bytes of shared memory", name,
                   k.shared_end - k.shared_begin);
  }
  *out = place.get();
  return success;
}
API int cuLaunchKernel(Function* f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                       unsigned bz, unsigned dynamic, void* stream, void** given, void** extra) {
  PGEMU_IN_CONTEXT;
  const size_t threads = size_t{bx} * by * bz;
  if (!gx || !gy || !gz || !threads || threads > 1024 || gx > 0x7fffffff || gy > 65535 || gz > 65535)
    return wrong(invalid_value, "%s: a launch of (%u, %u, %u) blocks of (%u, %u, %u)", f->name.c_str(), gx,
                 gy, gz, bx, by, bz);
  if (dynamic || extra)
    return wrong(invalid_value, "%s: this kind of launch is not emulated", f->name.c_str());
  if (f->module->device != current->device)
    return wrong(invalid_handle, "%s: was loaded on another device", f->name.c_str());
  Launch launch{f, f->name, {gx, gy, gz}, {bx, by, bz}, {}, {}, {}};
  for (unsigned i = 0; i < f->parameter_count; ++i) launch.parameter_bytes.push_back(f->parameters[i].bytes);
  launch.check = [f](void** parameters) { return check_parameters(*f, parameters); };
  launch.run = [=](void** parameters) { return run_grid(f->kernel, {gx, gy, gz}, {bx, by, bz}, parameters); };
  return submit(stream_of(stream), std::move(launch), given);
}

// ---- words

API int cuGetErrorName(int result, const char** out) {
  static thread_local char name[32];
  std::snprintf(name, sizeof name, result ? "CUDA_ERROR_%d" : "CUDA_SUCCESS", result);
  *out = name;
  return success;
}
API int cuGetErrorString(int result, const char** out) {
  *out = result == success ? "no error" : result == out_of_memory ? "out of memory" : last_text();
  return success;
}

// For tests: how many blocks of device memory live.
API size_t pgemu_living_blocks() {
  PGEMU_ENTER;
  drain_all();
  return living_blocks();
}
