#include "backends/cpu/codegen/object.h"

#include <elf.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "support/format.h"

namespace pg::codegen {
namespace {

class Loader {
 public:
  explicit Loader(std::string_view object) : object_(object) {}

  // Where every section that is needed at run time lies, and how much memory that takes; 0 when the object is
  // no good.
  size_t place_sections() {
    Elf64_Ehdr header;
    if (!read(0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_type != ET_REL || header.e_machine != EM_X86_64 || header.e_shentsize != sizeof(Elf64_Shdr))
      return 0;
    sections_.resize(header.e_shnum);
    offsets_.resize(header.e_shnum);
    size_t total = 0;
    for (size_t i = 0; i < sections_.size(); ++i) {
      Elf64_Shdr& s = sections_[i];
      if (!read(header.e_shoff + i * sizeof s, s)) return 0;
      if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL && !inside(s.sh_offset, s.sh_size)) return 0;
      if (!(s.sh_flags & SHF_ALLOC) || s.sh_size == 0) continue;
      if (s.sh_flags & SHF_WRITE || s.sh_addralign > 4096 || s.sh_size > most) return 0;
      const size_t align = s.sh_addralign ? s.sh_addralign : 1;
      total = (total + align - 1) / align * align;
      offsets_[i] = total;
      total += s.sh_size;
      if (total > most) return 0;
    }
    return total;
  }

  bool fill(char* memory) {
    for (size_t i = 0; i < sections_.size(); ++i)
      if (sections_[i].sh_flags & SHF_ALLOC && sections_[i].sh_type != SHT_NOBITS)
        std::memcpy(memory + *offsets_[i], object_.data() + sections_[i].sh_offset, sections_[i].sh_size);
    for (const Elf64_Shdr& s : sections_) {
      if (s.sh_type == SHT_REL) return false;
      if (s.sh_type != SHT_RELA || s.sh_info >= sections_.size() || !offsets_[s.sh_info]) continue;
      for (size_t at = 0; at + sizeof(Elf64_Rela) <= s.sh_size; at += sizeof(Elf64_Rela)) {
        Elf64_Rela r;
        if (!read(s.sh_offset + at, r) || !relocate(memory, s, r)) return false;
      }
    }
    return true;
  }

  std::optional<size_t> find_function(const std::string& name) {
    for (const Elf64_Shdr& table : sections_) {
      if (table.sh_type != SHT_SYMTAB || table.sh_link >= sections_.size()) continue;
      const Elf64_Shdr& names = sections_[table.sh_link];
      for (size_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size; at += sizeof(Elf64_Sym)) {
        Elf64_Sym s;
        if (!read(table.sh_offset + at, s) || ELF64_ST_TYPE(s.st_info) != STT_FUNC ||
            s.st_name >= names.sh_size)
          continue;
        const std::string_view rest = object_.substr(names.sh_offset + s.st_name, names.sh_size - s.st_name);
        if (rest.substr(0, rest.find('\0')) == name) return place_of(s);
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr size_t most = size_t{256} << 20;

  bool inside(uint64_t offset, uint64_t size) const {
    return offset <= object_.size() && size <= object_.size() - offset;
  }
  template <class T> bool read(uint64_t offset, T& out) const {
    if (!inside(offset, sizeof out)) return false;
    std::memcpy(&out, object_.data() + offset, sizeof out);
    return true;
  }

  std::optional<size_t> place_of(const Elf64_Sym& s) const {
    if (s.st_shndx >= sections_.size() || !offsets_[s.st_shndx] || s.st_value > sections_[s.st_shndx].sh_size)
      return std::nullopt;
    return *offsets_[s.st_shndx] + s.st_value;
  }

  bool relocate(char* memory, const Elf64_Shdr& table, const Elf64_Rela& r) const {
    Elf64_Sym symbol;
    if (table.sh_link >= sections_.size() ||
        !read(sections_[table.sh_link].sh_offset + ELF64_R_SYM(r.r_info) * sizeof symbol, symbol))
      return false;
    const auto target = place_of(symbol);
    const uint64_t room = sections_[table.sh_info].sh_size;
    if (!target || r.r_offset > room) return false;
    char* const at = memory + *offsets_[table.sh_info] + r.r_offset;
    const int64_t value = reinterpret_cast<int64_t>(memory) + static_cast<int64_t>(*target) + r.r_addend;
    switch (ELF64_R_TYPE(r.r_info)) {
    case R_X86_64_64:
      if (room - r.r_offset < 8) return false;
      std::memcpy(at, &value, 8);
      return true;
    case R_X86_64_PC32:
    case R_X86_64_PLT32: {
      const int64_t distance = value - reinterpret_cast<int64_t>(at);
      if (room - r.r_offset < 4 || distance != static_cast<int32_t>(distance)) return false;
      const int32_t word = static_cast<int32_t>(distance);
      std::memcpy(at, &word, 4);
      return true;
    }
    default: return false;
    }
  }

  std::string_view object_;
  std::vector<Elf64_Shdr> sections_;
  std::vector<std::optional<size_t>> offsets_;
};

}  // namespace

Code::~Code() {
  if (memory_) munmap(memory_, size_);
}

std::shared_ptr<const Code> load_object(std::string_view object, int phases) {
  Loader loader(object);
  const std::shared_ptr<Code> code(new Code);
  const size_t size = loader.place_sections();
  if (size == 0) return nullptr;
  void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  code->memory_ = memory;
  code->size_ = size;
  if (!loader.fill(static_cast<char*>(memory)) || mprotect(memory, size, PROT_READ | PROT_EXEC) != 0)
    return nullptr;
  for (int i = 0; i < phases; ++i) {
    const auto at = loader.find_function(concat("p", i));
    if (!at) return nullptr;
    Entry entry;
    char* const address = static_cast<char*>(memory) + *at;
    std::memcpy(&entry, &address, sizeof entry);
    code->phases_.push_back(entry);
  }
  return code;
}

}  // namespace pg::codegen
