// Streams and events for Python, and arrays of other libraries on a GPU.

#include "bindings/streams.h"

#include <pybind11/stl.h>

#include <memory>
#include <optional>

#include "backends/cuda/device.h"
#include "engine/engine.h"
#include "runtime/pool.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

using cuda::check;
using cuda::driver;
using cuda::is_done;

cuda::Stream stream_of(int64_t number) {
  require(number != 0, ErrorKind::value,
          "stream 0 is ambiguous; name 1, the legacy default stream, or 2, that of the thread");
  return reinterpret_cast<cuda::Stream>(number);  // 1 and 2 are the driver's own names
}
cuda::Event event_of(int64_t number) { return reinterpret_cast<cuda::Event>(number); }

/// An event in a stream; it may be destroyed at once, and lives on until everybody has met it.
struct Mark {
  cuda::Event event = nullptr;
  explicit Mark(cuda::Stream stream) {
    check(driver().event_create(&event, cuda::CU_EVENT_DISABLE_TIMING), "to make an event");
    check(driver().event_record(event, stream), "to mark a stream");
  }
  ~Mark() { driver().event_destroy(event); }
  Mark(const Mark&) = delete;
};

// A Python object whose memory a tensor uses.
struct Borrowed {
  PyObject* object;
  Device device;
};
void release_borrowed(void* raw) {
  const std::unique_ptr<Borrowed> own(static_cast<Borrowed*>(raw));
  finish_work(own->device);
  queue_decref(own->object);
}

NodeRef borrow(py::object owner, uintptr_t pointer, const std::vector<int64_t>& shape, int code,
               std::optional<int64_t> stream) {
  Aval aval{Shape(shape.begin(), shape.end()), dtype_of_code(code), false, Device{}};
  const size_t item = static_cast<size_t>(size_of(aval.dtype));
  const size_t bytes = static_cast<size_t>(count_of(aval.shape)) * item;
  const int index = pointer ? cuda::device_of(pointer) : 0;
  aval.device = {DeviceKind::cuda, static_cast<uint8_t>(index)};
  cuda::Gpu& gpu = cuda::gpu(index);
  if (bytes == 0) return buffer_node(gpu.memory->allocate(0), std::move(aval));
  require(pointer % item == 0, ErrorKind::value,
          "the array's memory is not aligned to its elements; copy it first");
  if (stream) follow(aval.device, *stream);
  auto borrowed = std::make_unique<Borrowed>(Borrowed{owner.release().ptr(), aval.device});
  return buffer_node(wrap_foreign(reinterpret_cast<void*>(pointer), bytes, aval.device,
                                  {release_borrowed, borrowed.release()}, true),
                     std::move(aval));
}

}  // namespace

void let_follow(Device device, int64_t stream) {
  if (stream == no_stream) return;
  const cuda::Stream consumer = stream_of(stream);
  cuda::Gpu& gpu = cuda::gpu(device.index);
  const Mark mark(gpu.stream);
  check(driver().stream_wait(consumer, mark.event, 0), "to let a stream wait");
}

void follow(Device device, int64_t stream) {
  if (stream == no_stream) return;
  const cuda::Stream producer = stream_of(stream);
  cuda::Gpu& gpu = cuda::gpu(device.index);
  const Mark mark(producer);
  check(driver().stream_wait(gpu.stream, mark.event, 0), "to wait for a stream");
}

void wait_for_consumer(Device device, int64_t stream) {
  cuda::Gpu* gpu = cuda::known_gpu(device.index);
  const cuda::Driver& d = driver();
  if (!gpu || d.set_current(gpu->context) != cuda::CUDA_SUCCESS) return;
  // Only the legacy stream is sure to be there still; others may be gone, so all work is waited for.
  cuda::Event event = nullptr;
  if (stream == legacy_stream &&
      d.event_create(&event, cuda::CU_EVENT_DISABLE_TIMING) == cuda::CUDA_SUCCESS) {
    const bool marked = d.event_record(event, reinterpret_cast<cuda::Stream>(stream)) == cuda::CUDA_SUCCESS &&
                        d.stream_wait(gpu->stream.own, event, 0) == cuda::CUDA_SUCCESS;
    d.event_destroy(event);
    if (marked) return;
  }
  d.context_synchronize();
}

void finish_work(Device device) {
  cuda::Gpu* gpu = cuda::known_gpu(device.index);
  if (gpu && driver().set_current(gpu->context) == cuda::CUDA_SUCCESS)
    driver().stream_synchronize(gpu->stream.own);
}

void bind_streams(py::module_& m) {
  const auto entered = [](int device) -> cuda::Gpu& { return cuda::gpu(device); };
  m.def(
      "cuda_stream", [entered](int device) { return reinterpret_cast<int64_t>(entered(device).stream.own); },
      py::arg("device"), "The handle of the stream on which all work on a GPU is queued.");
  m.def(
      "cuda_stream_synchronize",
      [entered](int device, int64_t stream) {
        entered(device);
        const engine::WithoutGil released;
        check(driver().stream_synchronize(stream_of(stream)), "while waiting for a stream");
      },
      py::arg("device"), py::arg("stream"), "Waits for what was queued on a stream.");
  m.def(
      "cuda_stream_query",
      [entered](int device, int64_t stream) {
        entered(device);
        return is_done(driver().stream_query(stream_of(stream)), "to ask a stream");
      },
      py::arg("device"), py::arg("stream"), "Is everything done that was queued on a stream?");
  m.def(
      "cuda_stream_wait",
      [entered](int device, int64_t stream, int64_t event) {
        entered(device);
        check(driver().stream_wait(stream_of(stream), event_of(event), 0), "to let a stream wait");
      },
      py::arg("device"), py::arg("stream"), py::arg("event"),
      "Work queued from now on comes after the event.");
  m.def(
      "cuda_event",
      [entered](int device, bool timing) {
        entered(device);
        cuda::Event event = nullptr;
        check(driver().event_create(&event, timing ? 0 : cuda::CU_EVENT_DISABLE_TIMING), "to make an event");
        return reinterpret_cast<int64_t>(event);
      },
      py::arg("device"), py::arg("timing"), "A new event.");
  m.def(
      "cuda_event_record",
      [entered](int device, int64_t event, int64_t stream) {
        entered(device);
        check(driver().event_record(event_of(event), stream_of(stream)), "to mark a stream");
      },
      py::arg("device"), py::arg("event"), py::arg("stream"), "Marks what was queued on a stream so far.");
  m.def(
      "cuda_event_query",
      [entered](int device, int64_t event) {
        entered(device);
        return is_done(driver().event_query(event_of(event)), "to ask an event");
      },
      py::arg("device"), py::arg("event"), "Has what it marks been done?");
  m.def(
      "cuda_event_synchronize",
      [entered](int device, int64_t event) {
        entered(device);
        const engine::WithoutGil released;
        check(driver().event_synchronize(event_of(event)), "while waiting for an event");
      },
      py::arg("device"), py::arg("event"), "Waits for what it marks.");
  m.def(
      "cuda_event_elapsed",
      [entered](int device, int64_t begin, int64_t end) {
        entered(device);
        float milliseconds = 0;
        check(driver().event_elapsed(&milliseconds, event_of(begin), event_of(end)), "to ask for a time");
        return static_cast<double>(milliseconds);
      },
      py::arg("device"), py::arg("begin"), py::arg("end"), "Milliseconds between two events.");
  m.def(
      "cuda_event_destroy",
      [](int device, int64_t event) {
        if (cuda::Gpu* gpu = cuda::known_gpu(device))
          if (driver().set_current(gpu->context) == cuda::CUDA_SUCCESS)
            driver().event_destroy(event_of(event));
      },
      py::arg("device"), py::arg("event"), "Drops an event.");
  m.def("cuda_borrow", borrow, py::arg("owner"), py::arg("pointer"), py::arg("shape"), py::arg("dtype"),
        py::arg("stream") = std::nullopt,
        "A tensor over device memory of another library, which `owner` keeps; after the work of `stream`.");
  m.def(
      "cuda_copy",
      [](py::handle x) {
        require(is_tensor(x.ptr()), ErrorKind::type, "cuda_copy takes a Tensor");
        Node* node = evaluated(as_tensor(x.ptr()), "a copy");
        const BufferRef from = BufferRef::share(node->buffer.load(std::memory_order_acquire));
        cuda::Gpu& gpu = cuda::gpu(from->device.index);
        BufferRef made = gpu.memory->allocate(from->bytes);
        gpu.copy(reinterpret_cast<cuda::Address>(made->data), reinterpret_cast<cuda::Address>(from->data),
                 from->bytes);
        return buffer_node(std::move(made), node->aval());
      },
      py::arg("x"), "The values in memory of our own, on the same GPU.");
  m.def(
      "cuda_pointer",
      [](py::handle x) {
        require(is_tensor(x.ptr()), ErrorKind::type, "cuda_pointer takes a Tensor");
        Node* node = evaluated(as_tensor(x.ptr()), "the address of its memory");
        return reinterpret_cast<uintptr_t>(node->buffer.load(std::memory_order_acquire)->data);
      },
      py::arg("x"), "The address of a tensor's values, which it keeps as long as it lives.");
}

}  // namespace pg::bindings
