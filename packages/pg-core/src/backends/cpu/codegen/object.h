#pragma once
// Object files of generated code, loaded without a linker: they refer to nothing outside of themselves.

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace pg::codegen {

struct Runtime;

/// Runs the grid points [begin, end) of a phase.
using Entry = void (*)(void* const* buffers, int64_t begin, int64_t end, const Runtime* runtime);

/// Executable memory.
class Code {
 public:
  ~Code();
  Code(const Code&) = delete;
  const std::vector<Entry>& phases() const { return phases_; }

 private:
  friend std::shared_ptr<const Code> load_object(std::string_view object, int phases);
  Code() = default;
  void* memory_ = nullptr;
  size_t size_ = 0;
  std::vector<Entry> phases_;
};

/// The functions p0, p1, ... of an x86-64 ELF object. Null when it is not one, is damaged, or needs more than
/// places within itself.
std::shared_ptr<const Code> load_object(std::string_view object, int phases);

}  // namespace pg::codegen
