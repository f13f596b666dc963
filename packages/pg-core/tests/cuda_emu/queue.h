// Streams and events. PGEMU_DEFERRED=1: nothing runs before something waits for it.
#pragma once

#include <deque>
#include <functional>

#include "memory.h"

namespace pgemu {

struct Event {
  unsigned long long recorded = 0, done = 0;
  bool timed = false;
  double seconds = 0;  // when it was done last
};

struct Work {
  std::function<Result()> run;
  Event* marks = nullptr;   // is done when this is reached
  Event* awaits = nullptr;  // up to `ticket`
  unsigned long long ticket = 0;
};

struct Graph;

struct Stream {
  int device = 0;
  bool blocking = true;  // with the default stream
  std::deque<Work> work;
  Graph* capture = nullptr;  // takes what is asked for
};

/// The stream of a handle; null when there is none. No handle: the default stream.
Stream* stream_of(void* handle);
Stream* make_stream(int device, bool blocking);
Result drop_stream(Stream* stream);
Result submit(Stream* stream, std::function<Result()> run);
Result mark(Event* event, Stream* stream);
Result await(Stream* stream, Event* event);
Result drain(Stream* stream);
Result drain_all();
/// Into a graph (graphs.cpp).
void capture(Graph* graph, std::function<Result()> body);
Result cannot_be_captured(Graph* graph, const char* what);
/// The error that a context keeps after a kernel failed.
Result sticky();

}  // namespace pgemu
