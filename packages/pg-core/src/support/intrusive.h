#pragma once
// Intrusive reference counting. A sole owner releases without a locked instruction; nothing ever resurrects
// an object.

#include <atomic>
#include <cstdint>
#include <utility>

namespace pg {

struct RefCount {
  std::atomic<uint32_t> count{1};
  void retain() { count.fetch_add(1, std::memory_order_relaxed); }
  /// True when the caller held the last reference.
  bool release() {
    if (count.load(std::memory_order_acquire) == 1) return true;
    return count.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }
  uint32_t load() const { return count.load(std::memory_order_acquire); }
};

/// T has a `RefCount refs` and a free function `void destroy(T*)` found by ADL.
template <class T> class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  static Ref adopt(T* raw) {  // takes over the initial reference
    Ref out;
    out.raw_ = raw;
    return out;
  }
  static Ref share(T* raw) {  // adds a reference
    if (raw) raw->refs.retain();
    return adopt(raw);
  }
  Ref(const Ref& other) : raw_(other.raw_) {
    if (raw_) raw_->refs.retain();
  }
  Ref(Ref&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Ref() {
    if (raw_ && raw_->refs.release()) destroy(raw_);
  }
  T* get() const { return raw_; }
  T* operator->() const { return raw_; }
  T& operator*() const { return *raw_; }
  explicit operator bool() const { return raw_ != nullptr; }
  T* detach() { return std::exchange(raw_, nullptr); }  // the caller now owns the reference
  friend bool operator==(const Ref& a, const Ref& b) { return a.raw_ == b.raw_; }
  friend bool operator!=(const Ref& a, const Ref& b) { return a.raw_ != b.raw_; }

 private:
  T* raw_ = nullptr;
};

}  // namespace pg
