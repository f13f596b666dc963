#pragma once
// What transforms made of bodies, by what was asked for: bodies are interned, so a key of words says it all.

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "graph/payload.h"

namespace pg {

template <class Made> class Memo {
 public:
  using Key = std::vector<int64_t>;

  std::optional<Made> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    if (found == entries_.end()) return std::nullopt;
    return found->second.made;
  }
  void enter(Key key, const PayloadRef& source, const Made& made) {
    std::map<Key, Entry> dropped;  // released after the lock
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= most) dropped.swap(entries_);
    entries_.insert_or_assign(std::move(key), Entry{source, made});
  }
  void clear() {
    std::map<Key, Entry> dropped;
    const std::lock_guard lock(mutex_);
    dropped.swap(entries_);
  }

 private:
  static constexpr size_t most = 1024;
  struct Entry {
    PayloadRef source;  // held, so that its id is not another body's
    Made made;
  };
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

/// Drops what was remembered about bodies.
void forget_bodies();

}  // namespace pg
