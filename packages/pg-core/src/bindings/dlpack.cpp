// DLPack both ways. The structures are the standard's, declared here because no header of it is needed
// otherwise.

#include <pybind11/stl.h>

#include <cstring>
#include <optional>

#include "bindings/common.h"
#include "bindings/streams.h"
#include "runtime/pool.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

struct DLDevice {
  int32_t kind;  // 1: CPU, 2: CUDA, 3: pinned, 13: managed
  int32_t index;
};
struct DLDataType {
  uint8_t code;  // 0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLVersion {
  uint32_t major, minor;
};
struct DLManagedTensorVersioned {
  DLVersion version;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;  // 1: read-only, 2: a copy
  DLTensor tensor;
};

DLDataType dl_dtype(DType d) {
  const auto bits = static_cast<uint8_t>(size_of(d) * 8);
  if (is_bool(d)) return {6, bits, 1};
  if (d == DType::bfloat16) return {4, bits, 1};
  if (is_complex(d)) return {5, bits, 1};
  return {static_cast<uint8_t>(is_float(d) ? 2 : is_unsigned(d) ? 1 : 0), bits, 1};
}

DType dtype_from_dl(DLDataType d) {
  for (int i = 0; i < dtype_count; ++i) {
    const DLDataType own = dl_dtype(static_cast<DType>(i));
    if (own.code == d.code && own.bits == d.bits && d.lanes == 1) return static_cast<DType>(i);
  }
  fail(ErrorKind::dtype, concat("DLPack type code ", int{d.code}, " with ", int{d.bits}, " bits and ",
                                d.lanes, " lanes has no counterpart here"));
}

// What an exported tensor keeps alive.
template <class Managed> struct Export {
  Managed managed;
  BufferRef buffer;
  Ints shape, strides;
  int64_t stream;  // on which the consumer works, where it is a GPU's
};

template <class Managed> void delete_export(Managed* managed) {
  auto* own = static_cast<Export<Managed>*>(managed->context);
  if (own->buffer->device != Device{}) wait_for_consumer(own->buffer->device, own->stream);
  delete own;
}

template <class Managed> Managed* make_export(Node* node, int64_t stream) {
  auto* out = new Export<Managed>{{},
                                  BufferRef::share(node->buffer.load(std::memory_order_acquire)),
                                  node->shape,
                                  strides_of(node->shape),
                                  stream};
  out->managed.context = out;
  out->managed.deleter = delete_export<Managed>;
  out->managed.tensor = {out->buffer->data,
                         {node->device == Device{} ? 1 : 2, node->device.index},
                         static_cast<int32_t>(node->shape.size()),
                         dl_dtype(node->dtype),
                         out->shape.data(),
                         out->strides.data(),
                         0};
  return &out->managed;
}

constexpr const char* old_name = "dltensor";
constexpr const char* new_name = "dltensor_versioned";

template <class Managed> void drop_unused(PyObject* capsule, const char* name) {
  // A consumer renames the capsule it takes; one that still has its first name was never used.
  if (!PyCapsule_IsValid(capsule, name)) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (managed->deleter) managed->deleter(managed);
}

py::object to_dlpack(py::handle x, bool versioned, std::optional<int64_t> stream, bool copied) {
  require(is_tensor(x.ptr()), ErrorKind::type, "to_dlpack takes a Tensor");
  Node* node = evaluated(as_tensor(x.ptr()), "__dlpack__");
  const int64_t consumer = stream.value_or(legacy_stream);
  if (node->device != Device{}) let_follow(node->device, consumer);
  PyObject* capsule;
  if (versioned) {
    auto* managed = make_export<DLManagedTensorVersioned>(node, consumer);
    managed->version = {1, 0};
    managed->flags = copied ? 3 : 1;
    capsule = PyCapsule_New(managed, new_name,
                            [](PyObject* c) { drop_unused<DLManagedTensorVersioned>(c, new_name); });
  } else {
    capsule = PyCapsule_New(make_export<DLManagedTensor>(node, consumer), old_name,
                            [](PyObject* c) { drop_unused<DLManagedTensor>(c, old_name); });
  }
  if (!capsule) throw_python_error();
  return py::reinterpret_steal<py::object>(capsule);
}

template <class Managed> void release_import(void* owner) {
  auto* managed = static_cast<Managed*>(owner);
  // The producer may use the memory again at once, on a stream of its own.
  const DLDevice& device = managed->tensor.device;
  if (device.kind == 2 || device.kind == 13)
    finish_work({DeviceKind::cuda, static_cast<uint8_t>(device.index)});
  if (managed->deleter) managed->deleter(managed);
}

// Copies rows of any strides into row-major order.
void gather_strided(char* out, const DLTensor& t, int64_t item) {
  const int64_t count = count_of(Shape(t.shape, t.shape + t.ndim));
  std::vector<int64_t> index(static_cast<size_t>(t.ndim), 0);
  const char* base = static_cast<const char*>(t.data) + t.byte_offset;
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = 0;
    for (int32_t d = 0; d < t.ndim; ++d) at += index[static_cast<size_t>(d)] * t.strides[d];
    std::memcpy(out + i * item, base + at * item, static_cast<size_t>(item));
    for (int32_t d = t.ndim; d-- > 0;) {
      if (++index[static_cast<size_t>(d)] < t.shape[d]) break;
      index[static_cast<size_t>(d)] = 0;
    }
  }
}

template <class Managed> NodeRef import(Managed* managed) {
  const DLTensor& t = managed->tensor;
  const bool on_gpu = t.device.kind == 2 || t.device.kind == 13;
  require(on_gpu || t.device.kind == 1 || t.device.kind == 3, ErrorKind::device,
          "the other tensor lies neither in CPU memory nor on a CUDA device; move it there first");
  Aval aval{Shape(t.shape, t.shape + t.ndim), dtype_from_dl(t.dtype), false, Device{}};
  if (on_gpu) aval.device = {DeviceKind::cuda, static_cast<uint8_t>(t.device.index)};
  const int64_t item = size_of(aval.dtype);
  const size_t bytes = static_cast<size_t>(count_of(aval.shape) * item);
  const Ints dense = strides_of(aval.shape);
  bool row_major = true;
  for (int32_t d = 0; t.strides && d < t.ndim; ++d)
    row_major = row_major && (t.shape[d] == 1 || t.strides[d] == dense[static_cast<size_t>(d)]);
  char* data = static_cast<char*>(t.data) + t.byte_offset;
  if ((row_major || bytes == 0) && reinterpret_cast<uintptr_t>(data) % static_cast<size_t>(item) == 0)
    return buffer_node(wrap_foreign(data, bytes, aval.device, {release_import<Managed>, managed}),
                       std::move(aval));
  require(!on_gpu, ErrorKind::not_implemented,
          "the memory of the other tensor on the GPU is not row-major; make it contiguous there first");
  BufferRef buffer = allocate(bytes);
  if (t.strides) gather_strided(static_cast<char*>(buffer->data), t, item);
  else std::memcpy(buffer->data, data, bytes);
  release_import<Managed>(managed);
  return buffer_node(std::move(buffer), std::move(aval));
}

NodeRef from_dlpack(py::handle capsule) {
  PyObject* raw = capsule.ptr();
  if (PyCapsule_IsValid(raw, new_name)) {
    auto* managed = static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(raw, new_name));
    require(managed->version.major == 1, ErrorKind::not_implemented,
            [&] { return concat("DLPack version ", managed->version.major, " is not known"); });
    NodeRef node = import(managed);
    PyCapsule_SetName(raw, "used_dltensor_versioned");
    return node;
  }
  require(PyCapsule_IsValid(raw, old_name), ErrorKind::type,
          "expected an unused DLPack capsule, as x.__dlpack__() returns");
  NodeRef node = import(static_cast<DLManagedTensor*>(PyCapsule_GetPointer(raw, old_name)));
  PyCapsule_SetName(raw, "used_dltensor");
  return node;
}

}  // namespace

void bind_dlpack(py::module_& m) {
  m.def("to_dlpack", to_dlpack, py::arg("x"), py::arg("versioned") = false, py::arg("stream") = std::nullopt,
        py::arg("copied") = false,
        "A DLPack capsule of the values: 'dltensor', or 'dltensor_versioned', which can say that the memory "
        "is read-only. On a GPU, the consumer's stream (none: the legacy default stream) waits for the "
        "values.");
  m.def("from_dlpack", from_dlpack, py::arg("capsule"),
        "A tensor over another library's memory (a copy when that is not row-major).");
}

}  // namespace pg::bindings
