#pragma once
// A vector of trivially copyable items with N of them stored inside; used for shapes, attributes and input
// lists.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <vector>

namespace pg {

template <class T, unsigned N> class SmallVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() = default;
  SmallVector(std::initializer_list<T> items) { assign(items.begin(), items.end()); }
  explicit SmallVector(size_t count, T value = T()) { resize(count, value); }
  SmallVector(const std::vector<T>& items) { assign(items.begin(), items.end()); }
  template <class It> SmallVector(It first, It last) { assign(first, last); }
  SmallVector(const SmallVector& other) { copy(other); }
  SmallVector(SmallVector&& other) noexcept { steal(other); }
  SmallVector& operator=(const SmallVector& other) {
    if (this != &other) copy(other);
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this != &other) {
      release();
      steal(other);
    }
    return *this;
  }
  ~SmallVector() { release(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* data() { return on_heap() ? at_.heap : at_.items; }
  const T* data() const { return on_heap() ? at_.heap : at_.items; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }
  T& front() { return data()[0]; }
  const T& front() const { return data()[0]; }

  void push_back(T value) {
    reserve(size_ + 1);
    data()[size_++] = value;
  }
  void pop_back() { --size_; }
  void clear() { size_ = 0; }
  void resize(size_t count, T value = T()) {
    reserve(count);
    for (size_t i = size_; i < count; ++i) data()[i] = value;
    size_ = static_cast<uint32_t>(count);
  }
  void reserve(size_t count) {
    if (count <= capacity_) return;
    const size_t wide = std::max<size_t>(count, capacity_ * 2);
    T* fresh = new T[wide];
    std::memcpy(static_cast<void*>(fresh), data(), size_ * sizeof(T));
    release();
    at_.heap = fresh;
    capacity_ = static_cast<uint32_t>(wide);
  }
  void insert(size_t at, T value) {
    push_back(value);
    std::rotate(begin() + at, end() - 1, end());
  }
  void erase(size_t at) {
    std::move(begin() + at + 1, end(), begin() + at);
    --size_;
  }
  template <class It> void assign(It first, It last) {
    const size_t count = static_cast<size_t>(std::distance(first, last));
    reserve(count);
    std::copy(first, last, data());
    size_ = static_cast<uint32_t>(count);
  }
  std::vector<T> vector() const { return std::vector<T>(begin(), end()); }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return a.size_ == b.size_ && std::equal(a.begin(), a.end(), b.begin());
  }
  friend bool operator!=(const SmallVector& a, const SmallVector& b) { return !(a == b); }

 private:
  union Place {
    Place() : heap(nullptr) {}
    T* heap;
    T items[N];
  };
  uint32_t size_ = 0;
  uint32_t capacity_ = N;  // more than N: on the heap
  Place at_;

  // Copying all of a small place takes a few wide moves; counting what is in use would take a call.
  static constexpr bool copied_whole = sizeof(Place) <= 64;

  bool on_heap() const { return capacity_ > N; }
  void copy(const SmallVector& other) {
    if (copied_whole && !on_heap() && !other.on_heap()) {
      size_ = other.size_;
      std::memcpy(static_cast<void*>(&at_), &other.at_, sizeof(Place));
    } else {
      assign(other.begin(), other.end());
    }
  }
  void release() {
    if (on_heap()) delete[] at_.heap;
    capacity_ = N;
  }
  void steal(SmallVector& other) {
    size_ = other.size_;
    capacity_ = other.capacity_;
    if (on_heap()) at_.heap = other.at_.heap;
    else if (copied_whole) std::memcpy(static_cast<void*>(&at_), &other.at_, sizeof(Place));
    else std::copy(other.at_.items, other.at_.items + size_, at_.items);
    other.capacity_ = N;
    other.size_ = 0;
  }
};

// Five fit a node into three cache lines.
using Ints = SmallVector<int64_t, 5>;

}  // namespace pg
