#pragma once
// Work of other libraries on a GPU beside ours: their streams by number, as DLPack and
// __cuda_array_interface__ name them.

#include <cstdint>

#include "bindings/common.h"

namespace pg::bindings {

constexpr int64_t legacy_stream = 1, per_thread_stream = 2, no_stream = -1;

/// What is queued on a consumer's stream from now on finds the values that we have queued. Raises
/// InvalidValueError for 0, which could mean either default stream.
void let_follow(Device device, int64_t stream);
/// The other way: our work from now on comes after what another stream was given.
void follow(Device device, int64_t stream);
/// Memory that a consumer on the stream has read is about to be used again. Raises nothing.
void wait_for_consumer(Device device, int64_t stream);
/// Memory that our work has read is about to be given back to its owner. Raises nothing.
void finish_work(Device device);

void bind_streams(py::module_& m);

}  // namespace pg::bindings
