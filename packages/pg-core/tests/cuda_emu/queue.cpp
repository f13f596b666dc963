#include "queue.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <vector>

namespace pgemu {
namespace {

Stream default_stream;
std::vector<std::unique_ptr<Stream>> streams;
Result kept = success;

bool deferred() {
  static const bool yes = environment("PGEMU_DEFERRED", 0) != 0;
  return yes;
}

Result run(const std::function<Result()>& body) {
  if (kept != success) return kept;
  const Result result = body();
  if (result == launch_failed) kept = result;
  return result;
}

Result step(Stream* stream);

void reached(Event* event, unsigned long long ticket) {
  event->done = std::max(event->done, ticket);
  event->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs other streams until the event was met.
Result reach(Stream* waiting, const Event& event, unsigned long long ticket) {
  while (event.done < ticket) {
    bool moved = false;
    for (const auto& other : streams) {
      if (other.get() == waiting || other->work.empty()) continue;
      moved = true;
      if (const Result r = step(other.get()); r != success) return r;
      if (event.done >= ticket) break;
    }
    if (!moved) break;
  }
  return success;
}

Result step(Stream* stream) {
  const Work work = std::move(stream->work.front());
  stream->work.pop_front();
  if (work.awaits)
    if (const Result r = reach(stream, *work.awaits, work.ticket); r != success) return r;
  if (work.run)
    if (const Result r = run(work.run); r != success) return r;
  if (work.marks) reached(work.marks, work.ticket);
  return success;
}

}  // namespace

Result sticky() { return kept; }

Stream* stream_of(void* handle) {
  // The names of the default streams, of which there is one here.
  if (reinterpret_cast<size_t>(handle) <= 2) return &default_stream;
  for (const auto& s : streams)
    if (s.get() == handle) return s.get();
  return nullptr;
}

Stream* make_stream(int device, bool blocking) {
  streams.push_back(std::make_unique<Stream>(Stream{device, blocking, {}, nullptr}));
  return streams.back().get();
}

Result drop_stream(Stream* stream) {
  const Result result = drain(stream);
  std::erase_if(streams, [&](const auto& s) { return s.get() == stream; });
  return result;
}

Result submit(Stream* stream, std::function<Result()> body) {
  if (!stream) return invalid_handle;
  if (stream->capture) {
    capture(stream->capture, std::move(body));
    return success;
  }
  if (!deferred()) return run(body);
  // The default stream and the blocking ones wait for each other.
  if (stream == &default_stream) {
    for (const auto& s : streams)
      if (s->blocking)
        if (const Result r = drain(s.get()); r != success) return r;
  } else if (stream->blocking) {
    if (const Result r = drain(&default_stream); r != success) return r;
  }
  stream->work.push_back({std::move(body), nullptr, nullptr, 0});
  return success;
}

Result mark(Event* event, Stream* stream) {
  if (!stream) return invalid_handle;
  if (stream->capture) return cannot_be_captured(stream->capture, "an event is recorded");
  ++event->recorded;
  if (deferred()) stream->work.push_back({nullptr, event, nullptr, event->recorded});
  else reached(event, event->recorded);
  return kept;
}

Result await(Stream* stream, Event* event) {
  if (!stream) return invalid_handle;
  if (stream->capture) return cannot_be_captured(stream->capture, "an event is awaited");
  if (deferred()) stream->work.push_back({nullptr, nullptr, event, event->recorded});
  return kept;
}

Result drain(Stream* stream) {
  if (stream->capture) return cannot_be_captured(stream->capture, "the host waits");
  while (!stream->work.empty())
    if (const Result r = step(stream); r != success) return r;
  return kept;
}

Result drain_all() {
  for (const auto& s : streams) {
    if (s->capture) continue;  // has nothing to do
    if (const Result r = drain(s.get()); r != success) return r;
  }
  return drain(&default_stream);
}

}  // namespace pgemu
