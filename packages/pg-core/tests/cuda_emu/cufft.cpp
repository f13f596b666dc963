// Stands for libcufft: transforms of complex numbers, by their definition.

#include <cmath>
#include <map>
#include <vector>

#include "libraries.h"

using namespace pgemu;

namespace {

enum Status { fine = 0, invalid_plan = 1, invalid = 4, failed = 6 };

struct Plan {
  int device = 0, type = 0;
  bool allocates = true, made = false;
  std::vector<long long> extents;
  long long stride = 1, distance = 1, batch = 1;
  void *stream = nullptr, *workspace = nullptr;
  size_t workspace_bytes = 0;
};
std::map<int, Plan> plans;
int last = 0;

int refuse(const char* text) {
  wrong(invalid_value, "cuFFT: %s", text);
  return invalid;
}

// One axis of one array, in place: `n` elements, `step` apart.
void transform(std::complex<double>* at, long long n, long long step, int sign) {
  std::vector<std::complex<double>> in(n);
  for (long long i = 0; i < n; ++i) in[i] = at[i * step];
  for (long long k = 0; k < n; ++k) {
    std::complex<double> total = 0;
    for (long long i = 0; i < n; ++i)
      total +=
          in[i] * std::polar(1.0, sign * 2 * M_PI * static_cast<double>(i * k % n) / static_cast<double>(n));
    at[k * step] = total;
  }
}

template <class T> void run(const Plan& p, const T* from, T* to, int sign) {
  long long count = 1;
  for (const long long n : p.extents) count *= n;
  std::vector<std::complex<double>> values(count);
  for (long long b = 0; b < p.batch; ++b) {
    for (long long i = 0; i < count; ++i) values[i] = wide(from[b * p.distance + i * p.stride]);
    long long inner = count;
    for (const long long n : p.extents) {
      inner /= n;
      for (long long i = 0; i < count; ++i)
        if (i / inner % n == 0) transform(&values[i], n, inner, sign);
    }
    for (long long i = 0; i < count; ++i) to[b * p.distance + i * p.stride] = Sum<T>::back(values[i]);
  }
}

int execute(int handle, int type, void* from, void* to, int sign) {
  const Entered entered;
  const auto found = plans.find(handle);
  if (found == plans.end() || !found->second.made) return invalid_plan;
  const Plan& p = found->second;
  if (p.type != type) return refuse("the plan is of another type");
  if (entered.device != p.device) return refuse("the plan belongs to another device");
  if (!p.stream) return refuse("the plan has no stream");
  if (sign != 1 && sign != -1) return refuse("no such direction");
  if (p.workspace_bytes && !is_block(address(p.workspace), p.workspace_bytes, p.device))
    return refuse("the workspace is no memory of the device");
  long long count = 1;
  for (const long long n : p.extents) count *= n;
  const size_t item = type == 0x69 ? 16 : 8,
               bytes = static_cast<size_t>((p.batch - 1) * p.distance + (count - 1) * p.stride + 1) * item;
  for (const void* at : {from, to})
    if (!is_block(address(at), bytes, p.device) || address(at) % item)
      return refuse("an array reaches outside of its block of device memory, or is not aligned");
  const Result result = submit(stream_of(p.stream), [=, plan = p] {
    const Access access;
    if (plan.workspace_bytes) std::memset(plan.workspace, 0xff, plan.workspace_bytes);
    if (type == 0x69)
      run(plan, static_cast<const std::complex<double>*>(from), static_cast<std::complex<double>*>(to), sign);
    else
      run(plan, static_cast<const std::complex<float>*>(from), static_cast<std::complex<float>*>(to), sign);
    return success;
  });
  return result == success ? fine : failed;
}

}  // namespace

API int cufftCreate(int* handle) {
  const Entered entered;
  if (entered.device < 0) return refuse("no context is current");
  plans[*handle = ++last].device = entered.device;
  return fine;
}
API int cufftDestroy(int handle) {
  const Entered entered;
  return plans.erase(handle) ? fine : invalid_plan;
}
API int cufftSetAutoAllocation(int handle, int allocates) {
  const Entered entered;
  if (!plans.contains(handle) || plans[handle].made) return invalid_plan;
  plans[handle].allocates = allocates != 0;
  return fine;
}
API int cufftMakePlanMany64(int handle, int rank, long long* extents, long long* in, long long stride,
                            long long distance, long long* out, long long out_stride, long long out_distance,
                            int type, long long batch, size_t* workspace) {
  const Entered entered;
  if (!plans.contains(handle) || plans[handle].made) return invalid_plan;
  Plan& p = plans[handle];
  if (rank < 1 || rank > 3 || batch < 1 || (type != 0x29 && type != 0x69)) return refuse("no such transform");
  if (p.allocates) return refuse("plans that take memory themselves are not emulated");
  if (stride != out_stride || distance != out_distance) return refuse("two layouts are not emulated");
  p.extents.assign(extents, extents + rank);
  for (int i = 0; i < rank; ++i)
    if (extents[i] < 1 || in[i] != extents[i] || out[i] != extents[i]) return refuse("gaps are not emulated");
  p.stride = stride;
  p.distance = distance;
  p.batch = batch;
  p.type = type;
  p.made = true;
  p.workspace_bytes = *workspace = extents[0] % 2 ? 100 : 0;
  return fine;
}
API int cufftSetStream(int handle, void* stream) {
  const Entered entered;
  plans[handle].stream = stream;
  return fine;
}
API int cufftSetWorkArea(int handle, void* workspace) {
  const Entered entered;
  plans[handle].workspace = workspace;
  return fine;
}
API int cufftExecC2C(int handle, void* from, void* to, int sign) {
  return execute(handle, 0x29, from, to, sign);
}
API int cufftExecZ2Z(int handle, void* from, void* to, int sign) {
  return execute(handle, 0x69, from, to, sign);
}
