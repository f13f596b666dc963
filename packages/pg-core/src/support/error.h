#pragma once
// Failures for two audiences: `require` for users (typed, with a remedy), `invariant` for us (a bug in
// pequegrad).

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace pg {

/// Which Python exception class a C++ error becomes; see python/pequegrad/errors.py.
enum class ErrorKind {
  generic,
  shape,
  dtype,
  device,
  trace,
  index,
  value,
  type,
  memory,
  not_implemented,
  internal
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, std::string message) : std::runtime_error(std::move(message)), kind(kind) {}
  ErrorKind kind;
};

[[noreturn]] void fail(ErrorKind kind, std::string message);
[[noreturn]] void invariant_failed(const char* condition, const char* file, int line,
                                   const std::string& what);

/// User-facing check. The message says what was passed, what was needed and what to do; build it lazily with
/// a lambda on hot paths.
template <class Message> void require(bool ok, ErrorKind kind, Message&& message) {
  if (ok) [[likely]]
    return;
  if constexpr (std::is_invocable_v<Message>) fail(kind, message());
  else fail(kind, std::forward<Message>(message));
}

}  // namespace pg

/// Internal check: always on where cheap, raises InternalError (never aborts the process).
#define PG_INVARIANT(condition, ...)                                                                         \
  do {                                                                                                       \
    if (!(condition)) [[unlikely]]                                                                           \
      ::pg::invariant_failed(#condition, __FILE__, __LINE__, ::std::string{__VA_ARGS__});                    \
  } while (0)
