#include "compiler/rewrites.h"

#include <atomic>
#include <map>
#include <mutex>

namespace pg {
namespace {

struct Registry {
  std::mutex mutex;
  uint64_t next = 1;
  std::vector<uint64_t> numbers;                    // of the registered ones, in order
  std::map<std::vector<uint64_t>, uint64_t> known;  // sets that were met: their ids
  std::shared_ptr<const RewriteSet> current = std::make_shared<const RewriteSet>();
};

Registry& registry() {
  static auto* made = new Registry;  // programs may be compiled while the process ends
  return *made;
}

std::atomic<uint64_t> current_id{0};

void change(Registry& r, std::vector<std::shared_ptr<const UserRewrite>> rewrites) {
  auto set = std::make_shared<RewriteSet>();
  set->rewrites = std::move(rewrites);
  if (!r.numbers.empty()) set->id = r.known.emplace(r.numbers, r.known.size() + 1).first->second;
  current_id.store(set->id, std::memory_order_relaxed);
  r.current = std::move(set);
}

}  // namespace

std::shared_ptr<const RewriteSet> current_rewrites() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  return r.current;
}

uint64_t current_rewrites_id() { return current_id.load(std::memory_order_relaxed); }

uint64_t register_rewrite(std::shared_ptr<const UserRewrite> rewrite) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.numbers.push_back(r.next++);
  auto all = r.current->rewrites;
  all.push_back(std::move(rewrite));
  change(r, std::move(all));
  return r.numbers.back();
}

bool unregister_rewrite(uint64_t number) {
  std::shared_ptr<const RewriteSet> before;  // freed outside the lock: rewrites hold Python functions
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = std::find(r.numbers.begin(), r.numbers.end(), number);
  if (found == r.numbers.end()) return false;
  before = r.current;
  auto all = r.current->rewrites;
  all.erase(all.begin() + (found - r.numbers.begin()));
  r.numbers.erase(found);
  change(r, std::move(all));
  return true;
}

}  // namespace pg
