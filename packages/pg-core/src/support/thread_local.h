#pragma once
// Thread-local variables that are read on every op. A library that is loaded late gets them from a small
// reserve of static memory, so only pointers and a few words may be declared this way.

#if defined(__GLIBC__) || defined(__linux__)
#define PG_THREAD_LOCAL __attribute__((tls_model("initial-exec"))) thread_local
#else
#define PG_THREAD_LOCAL thread_local
#endif
