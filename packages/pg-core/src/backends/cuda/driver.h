#pragma once
// The driver's functions, found by name at the first use of a device. Prototypes are our own, written from
// the public documentation.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "backends/cuda/constants.h"
#include "backends/cuda/library.h"

namespace pg::cuda {

using Result = int;
using Address = unsigned long long;  // of device memory
// Handles.
using Context = struct ContextHandle*;
using Stream = struct StreamHandle*;
using Event = struct EventHandle*;
using Module = struct ModuleHandle*;
using Function = struct FunctionHandle*;
using Pool = struct PoolHandle*;
using DeviceGraph = struct GraphHandle*;
using GraphExec = struct GraphExecHandle*;
using GraphNode = struct GraphNodeHandle*;

/// PG_FUNCTION(member, symbol, parameters)
#define PG_DRIVER_FUNCTIONS(PG_FUNCTION)                                                                     \
  PG_FUNCTION(init, cuInit, (unsigned))                                                                      \
  PG_FUNCTION(version, cuDriverGetVersion, (int*))                                                           \
  PG_FUNCTION(error_name, cuGetErrorName, (Result, const char**))                                            \
  PG_FUNCTION(error_text, cuGetErrorString, (Result, const char**))                                          \
  PG_FUNCTION(device_count, cuDeviceGetCount, (int*))                                                        \
  PG_FUNCTION(device_get, cuDeviceGet, (int*, int))                                                          \
  PG_FUNCTION(device_name, cuDeviceGetName, (char*, int, int))                                               \
  PG_FUNCTION(device_memory, cuDeviceTotalMem_v2, (size_t*, int))                                            \
  PG_FUNCTION(device_attribute, cuDeviceGetAttribute, (int*, int, int))                                      \
  PG_FUNCTION(primary_context, cuDevicePrimaryCtxRetain, (Context*, int))                                    \
  PG_FUNCTION(set_current, cuCtxSetCurrent, (Context))                                                       \
  PG_FUNCTION(memory_info, cuMemGetInfo_v2, (size_t*, size_t*))                                              \
  PG_FUNCTION(allocate, cuMemAlloc_v2, (Address*, size_t))                                                   \
  PG_FUNCTION(release, cuMemFree_v2, (Address))                                                              \
  PG_FUNCTION(pool_allocate, cuMemAllocAsync, (Address*, size_t, Stream))                                    \
  PG_FUNCTION(pool_release, cuMemFreeAsync, (Address, Stream))                                               \
  PG_FUNCTION(default_pool, cuDeviceGetDefaultMemPool, (Pool*, int))                                         \
  PG_FUNCTION(pool_attribute, cuMemPoolSetAttribute, (Pool, int, void*))                                     \
  PG_FUNCTION(pool_trim, cuMemPoolTrimTo, (Pool, size_t))                                                    \
  PG_FUNCTION(host_allocate, cuMemHostAlloc, (void**, size_t, unsigned))                                     \
  PG_FUNCTION(host_release, cuMemFreeHost, (void*))                                                          \
  PG_FUNCTION(upload, cuMemcpyHtoDAsync_v2, (Address, const void*, size_t, Stream))                          \
  PG_FUNCTION(download, cuMemcpyDtoHAsync_v2, (void*, Address, size_t, Stream))                              \
  PG_FUNCTION(copy, cuMemcpyDtoDAsync_v2, (Address, Address, size_t, Stream))                                \
  PG_FUNCTION(copy_peer, cuMemcpyPeerAsync, (Address, Context, Address, Context, size_t, Stream))            \
  PG_FUNCTION(fill, cuMemsetD8Async, (Address, unsigned char, size_t, Stream))                               \
  PG_FUNCTION(stream_create, cuStreamCreate, (Stream*, unsigned))                                            \
  PG_FUNCTION(stream_synchronize, cuStreamSynchronize, (Stream))                                             \
  PG_FUNCTION(stream_wait, cuStreamWaitEvent, (Stream, Event, unsigned))                                     \
  PG_FUNCTION(event_create, cuEventCreate, (Event*, unsigned))                                               \
  PG_FUNCTION(event_record, cuEventRecord, (Event, Stream))                                                  \
  PG_FUNCTION(event_synchronize, cuEventSynchronize, (Event))                                                \
  PG_FUNCTION(event_query, cuEventQuery, (Event))                                                            \
  PG_FUNCTION(event_elapsed, cuEventElapsedTime, (float*, Event, Event))                                     \
  PG_FUNCTION(event_destroy, cuEventDestroy_v2, (Event))                                                     \
  PG_FUNCTION(stream_query, cuStreamQuery, (Stream))                                                         \
  PG_FUNCTION(context_synchronize, cuCtxSynchronize, ())                                                     \
  PG_FUNCTION(pointer_attribute, cuPointerGetAttribute, (void*, int, Address))                               \
  PG_FUNCTION(module_load, cuModuleLoadData, (Module*, const void*))                                         \
  PG_FUNCTION(module_unload, cuModuleUnload, (Module))                                                       \
  PG_FUNCTION(module_function, cuModuleGetFunction, (Function*, Module, const char*))                        \
  PG_FUNCTION(launch, cuLaunchKernel,                                                                        \
              (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream,       \
               void**, void**))

/// Those of graphs, without which a driver can be used as well.
#define PG_GRAPH_FUNCTIONS(PG_FUNCTION)                                                                      \
  PG_FUNCTION(begin, cuStreamBeginCapture_v2, (Stream, int))                                                 \
  PG_FUNCTION(end, cuStreamEndCapture, (Stream, DeviceGraph*))                                               \
  PG_FUNCTION(capture_info, cuStreamGetCaptureInfo_v2,                                                       \
              (Stream, int*, uint64_t*, DeviceGraph*, const GraphNode**, size_t*))                           \
  PG_FUNCTION(instantiate, cuGraphInstantiateWithFlags, (GraphExec*, DeviceGraph, unsigned long long))       \
  PG_FUNCTION(set_parameters, cuGraphExecKernelNodeSetParams_v2, (GraphExec, GraphNode, const void*))        \
  PG_FUNCTION(launch, cuGraphLaunch, (GraphExec, Stream))                                                    \
  PG_FUNCTION(exec_destroy, cuGraphExecDestroy, (GraphExec))                                                 \
  PG_FUNCTION(destroy, cuGraphDestroy, (DeviceGraph))

struct GraphFunctions {
#define PG_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  PG_GRAPH_FUNCTIONS(PG_MEMBER)
#undef PG_MEMBER
  bool complete = false;
};

struct Driver {
#define PG_MEMBER(member, symbol, parameters) Result(*member) parameters = nullptr;
  PG_DRIVER_FUNCTIONS(PG_MEMBER)
#undef PG_MEMBER
  GraphFunctions graphs;
  int version_number = 0;  // 12080: 12.8
  int devices = 0;
  std::string path;
};

/// The driver, started, with at least one device. Raises DeviceError saying what is missing.
const Driver& driver();
/// Null where the driver lacks some of them.
inline const GraphFunctions* graphs() { return driver().graphs.complete ? &driver().graphs : nullptr; }
/// Empty when CUDA can be used; else what is missing and what would help.
std::string missing();
/// The same for the driver alone.
std::string driver_absence();
/// The driver's version; the newest we know when there is no driver.
int driver_version();

/// Raises DeviceError (OutOfMemoryError where that is the reason) when a call of the driver failed.
void check(Result result, const char* what);
/// What a query answered.
bool is_done(Result result, const char* what);

}  // namespace pg::cuda
