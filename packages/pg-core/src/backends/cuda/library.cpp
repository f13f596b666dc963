#include "backends/cuda/library.h"

#include <dlfcn.h>

#include <array>
#include <atomic>
#include <mutex>

#include "backends/cuda/driver.h"
#include "support/env.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {

std::string (*find_in_wheels)(const std::string& file) = nullptr;

namespace {

struct Row {
  Description description;
  const char* file;        // without version
  std::array<int, 2> abi;  // version of the file for CUDA 12 and 13
  const char* extra;       // the wheel without its suffix for CUDA 12
};

const Row rows[] = {
    {{"the NVIDIA driver", "PG_LIBCUDA", "everything"}, "libcuda.so", {1, 1}, ""},
    {{"NVRTC", "PG_LIBNVRTC", "compiling kernels"}, "libnvrtc.so", {12, 13}, "nvidia-cuda-nvrtc"},
    {{"cuBLASLt", "PG_LIBCUBLASLT", "matrix products"}, "libcublasLt.so", {12, 13}, "nvidia-cublas"},
    {{"cuDNN", "PG_LIBCUDNN", "convolutions"}, "libcudnn.so", {9, 9}, "nvidia-cudnn"},
    {{"cuSOLVER", "PG_LIBCUSOLVER", "nothing yet, since factorisations run on the host"},
     "libcusolver.so",
     {11, 12},
     "nvidia-cusolver"},
    {{"cuFFT", "PG_LIBCUFFT", "Fourier transforms"}, "libcufft.so", {11, 12}, "nvidia-cufft"},
};
const Row& row_of(Library library) { return rows[static_cast<size_t>(library)]; }

std::string path_of(void* handle, const char* known, const std::string& otherwise) {
  // The loader tells the path through any symbol of the library.
  Dl_info info;
  void* const at = known ? dlsym(handle, known) : nullptr;
  return at && dladdr(at, &info) && info.dli_fname ? info.dli_fname : otherwise;
}

const char* known_symbol(Library library) {
  switch (library) {
  case Library::driver: return "cuInit";
  case Library::nvrtc: return "nvrtcVersion";
  case Library::cublaslt: return "cublasLtCreate";
  case Library::cudnn: return "cudnnGetVersion";
  case Library::cusolver: return "cusolverDnCreate";
  case Library::cufft: return "cufftCreate";
  }
  return nullptr;
}

}  // namespace

const Description& describe(Library library) { return row_of(library).description; }

void* symbol(const Found& found, const char* name) { return dlsym(found.handle, name); }

Found find(Library library) {
  const Row& row = row_of(library);
  Found out;
  const auto take = [&](void* handle, const std::string& file, int major) {
    if (!handle) return false;
    out.handle = handle;
    out.path = path_of(handle, known_symbol(library), file);
    out.major = major;
    return true;
  };
  // The driver decides about the others: libraries of CUDA 13 need a driver of 13.
  int newest = 13;
  if (library != Library::driver) newest = driver_version() / 1000;
  if (const auto given = env_text(row.description.variable); given && !given->empty()) {
    if (!take(dlopen(given->c_str(), RTLD_NOW | RTLD_LOCAL), *given, newest))
      out.why = concat(row.description.variable, "=", *given, " cannot be loaded: ", dlerror(),
                       "; name an installed library, or unset the variable");
    return out;
  }
  if (library == Library::driver) {
    if (take(dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL), "libcuda.so.1", 0)) return out;
    out.why = "no NVIDIA driver is installed on this machine (libcuda was not found), install one from "
              "nvidia.com/drivers";
    return out;
  }
  std::string broken;
  for (const int major : {13, 12}) {
    if (major > newest) continue;
    const std::string file = concat(row.file, ".", row.abi[static_cast<size_t>(major - 12)]);
    if (take(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD), file, major)) return out;
    const std::string wheel = find_in_wheels ? find_in_wheels(file) : "";
    if (!wheel.empty()) {
      if (take(dlopen(wheel.c_str(), RTLD_NOW | RTLD_LOCAL), wheel, major)) return out;
      broken = dlerror();
    }
    if (take(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL), file, major)) return out;
  }
  const int major = newest >= 13 ? 13 : 12;
  const std::string extra = concat("pip install 'pg-core[cuda", major, "]'");
  const bool listed = library == Library::nvrtc || library == Library::cublaslt || library == Library::cudnn;
  out.why = concat(row.description.name, " (", row.file, ".", row.abi[static_cast<size_t>(major - 12)],
                   ") was not found", broken.empty() ? "" : " in working order (" + broken + ")",
                   "; it is needed for ", row.description.use, ", install it: ",
                   listed ? extra
                          : concat("pip install ", row.extra,
                                   major == 12 || library == Library::cudnn ? concat("-cu", major) : ""));
  return out;
}

const Found& found(Library library) {
  static std::array<std::atomic<const Found*>, std::size(all_libraries)> kept{};
  auto& place = kept[static_cast<size_t>(library)];
  if (const Found* known = place.load(std::memory_order_acquire)) return *known;
  Found made = find(library);
  require(made.handle != nullptr, ErrorKind::device, [&] { return made.why; });
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (!place.load(std::memory_order_relaxed))
    place.store(new Found(std::move(made)), std::memory_order_release);  // for the life of the process
  return *place.load(std::memory_order_relaxed);
}

void* required_symbol(Library library, const char* name) {
  const Found& from = found(library);
  void* const at = symbol(from, name);
  require(at != nullptr, ErrorKind::device, [&] {
    return concat(describe(library).name, " (", from.path, ") lacks ", name,
                  "; install the one that fits the driver: pip install 'pg-core[cuda", from.major, "]'");
  });
  return at;
}

}  // namespace pg::cuda
