#pragma once
// The whole test framework of the C++ tests: CHECK counts failures and goes on, finish() is main's return
// value.

#include <cmath>
#include <cstdio>
#include <string>

#include "support/error.h"

inline int check_failures = 0;

#define CHECK(condition)                                                                                     \
  do {                                                                                                       \
    if (!(condition)) {                                                                                      \
      ++check_failures;                                                                                      \
      std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition);                           \
    }                                                                                                        \
  } while (0)

#define CHECK_NEAR(a, b, tolerance)                                                                          \
  do {                                                                                                       \
    const double left_ = static_cast<double>(a), right_ = static_cast<double>(b);                            \
    if (!(std::abs(left_ - right_) <= (tolerance))) {                                                        \
      ++check_failures;                                                                                      \
      std::fprintf(stderr, "%s:%d: failed: %s = %.9g, %s = %.9g\n", __FILE__, __LINE__, #a, left_, #b,       \
                   right_);                                                                                  \
    }                                                                                                        \
  } while (0)

/// Runs f, which must raise pg::Error of `kind`; gives its message.
template <class F> std::string raised(pg::ErrorKind kind, F&& f) {
  try {
    f();
  } catch (const pg::Error& error) {
    CHECK(error.kind == kind);
    return error.what();
  }
  CHECK(!"an error was expected");
  return "";
}

inline int finish(const char* name) {
  std::printf("%s: %s\n", name, check_failures ? "FAILED" : "ok");
  return check_failures ? 1 : 0;
}
