#pragma once
// The process's own thread pool. Each worker owns a fixed contiguous part of the range and steals from the
// others when it is done; the caller works too and never waits for a worker that has not started.

#include <cstdint>

#include "support/function_ref.h"

namespace pg {

/// Runs body(begin, end, worker) over disjoint ranges that cover [0, count), each boundary a multiple of
/// `grain`.
///
/// - `worker` is below num_threads() and unique among bodies that run at the same time: an index for scratch
/// space.
/// - Runs on the calling thread alone, as body(0, count, 0), when count <= grain, inside another
/// parallel_for, while another
///   thread's call has the pool, or when there is one thread. So give a grain below which splitting does not
///   pay.
/// - Ranges depend on timing. A result that must not (a sum) keeps one partial per item and combines them in
/// index order.
/// - The first exception stops what has not started and is rethrown here.
void parallel_for(int64_t count, int64_t grain,
                  FunctionRef<void(int64_t begin, int64_t end, int worker)> body);

/// Threads that kernels use, the caller included. Default: PG_NUM_THREADS, else the cores that affinity and
/// cgroup leave us.
int num_threads();
/// Waits for a running parallel_for; 0 restores the default.
void set_num_threads(int count);

}  // namespace pg
