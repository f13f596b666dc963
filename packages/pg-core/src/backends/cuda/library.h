#pragma once
// Finding NVIDIA's libraries at run time. Nothing of them is needed to build, and nothing is loaded before
// the first use of a CUDA device.
//
// Order: the variable (PG_LIBCUDA, PG_LIBNVRTC, ...), a copy that is in the process already (torch's), the
// file in the installed wheels (asked of Python), the plain name. The driver's version decides which major
// version of the others will do.

#include <span>
#include <string>
#include <vector>

namespace pg::cuda {

enum class Library { driver, nvrtc, cublaslt, cudnn, cusolver, cufft };
inline constexpr Library all_libraries[] = {Library::driver, Library::nvrtc,    Library::cublaslt,
                                            Library::cudnn,  Library::cusolver, Library::cufft};

/// What was found of a library; never closed again.
struct Found {
  void* handle = nullptr;
  std::string path;  // of the file; empty when there is none
  std::string why;   // no handle: what was tried, and what would help
  int major = 0;     // of CUDA, that the file belongs to
};

struct Description {
  const char* name;      // "NVRTC", for people
  const char* variable;  // PG_LIBNVRTC
  const char* use;       // what it is needed for
};
const Description& describe(Library library);

/// Looks for a library. A failure is not remembered: the next call looks again.
Found find(Library library);

/// The address of a function; null when the library lacks it.
void* symbol(const Found& found, const char* name);

/// The same, raising DeviceError where find() says why or symbol() answers null.
const Found& found(Library library);
void* required_symbol(Library library, const char* name);

/// A library's functions by name: PG_FUNCTION(member, symbol, parameters), all answering a status. `get` is
/// thread-safe and looks for the library at its first use.
#define PG_LIBRARY_MEMBER(member, symbol, parameters) int(*member) parameters = nullptr;
#define PG_LIBRARY_FIND(member, symbol, parameters)                                                          \
  made.member = reinterpret_cast<decltype(made.member)>(required_symbol(library, #symbol));
#define PG_LIBRARY(Name, which, FUNCTIONS)                                                                   \
  struct Name {                                                                                              \
    FUNCTIONS(PG_LIBRARY_MEMBER)                                                                             \
    static const Name& get() {                                                                               \
      static const Name known = [] {                                                                         \
        constexpr Library library = Library::which;                                                          \
        Name made;                                                                                           \
        FUNCTIONS(PG_LIBRARY_FIND)                                                                           \
        return made;                                                                                         \
      }();                                                                                                   \
      return known;                                                                                          \
    }                                                                                                        \
  }

/// Set by the bindings: the path of a file in the installed nvidia-* wheels, or "".
extern std::string (*find_in_wheels)(const std::string& file);

}  // namespace pg::cuda
