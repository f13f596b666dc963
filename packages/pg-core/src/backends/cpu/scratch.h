#pragma once
// Memory that a thread keeps between launches.

#include <cstdlib>
#include <new>

namespace pg::cpu {

class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch() { std::free(base_); }
  /// At least `bytes`, aligned to a page; what was there before is lost when it grows.
  char* reserve(size_t bytes) {
    if (bytes <= size_) [[likely]]
      return base_;
    std::free(base_);
    size_ = (bytes + 4095) / 4096 * 4096;
    base_ = static_cast<char*>(std::aligned_alloc(4096, size_));
    if (!base_) {
      size_ = 0;
      throw std::bad_alloc();
    }
    return base_;
  }

 private:
  char* base_ = nullptr;
  size_t size_ = 0;
};

}  // namespace pg::cpu
