#include "support/disk_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "support/env.h"
#include "support/format.h"

namespace pg::disk_cache {

void (*warn)(const std::string& text) = nullptr;

namespace {

namespace fs = std::filesystem;

constexpr size_t most_bytes = size_t{1} << 30;
constexpr std::string_view magic = "pgcache1";
constexpr size_t head_bytes = magic.size() + sizeof(uint64_t) + 32;
constexpr const char* ending = ".pgc";

std::string find_folder() {
  if (!env_flag("PG_CACHE", true)) return "";
  if (const auto named = env_text("PG_CACHE_DIR"); named && !named->empty()) return *named;
  if (const auto cache = env_text("XDG_CACHE_HOME"); cache && !cache->empty()) return *cache + "/pequegrad";
  if (const auto home = env_text("HOME"); home && !home->empty()) return *home + "/.cache/pequegrad";
  return "";
}

// Made where it is missing; empty, after one warning, when it is not the user's alone.
std::string usable_folder() {
  const std::string path = find_folder();
  if (path.empty()) return "";
  std::string why;
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) why = std::strerror(errno);
  struct stat s = {};
  if (why.empty()) {
    if (stat(path.c_str(), &s) != 0) why = std::strerror(errno);
    else if (!S_ISDIR(s.st_mode)) why = "it is not a folder";
    else if (s.st_uid != geteuid()) why = "it belongs to another user";
    else if (s.st_mode & 077) why = "other users may enter it; close it with chmod 700";
    else if (access(path.c_str(), W_OK | X_OK) != 0) why = std::strerror(errno);
  }
  if (why.empty()) return path;
  if (warn) warn(concat("compiled kernels are not kept on disk: ", path, ": ", why));
  return "";
}

const std::string& place() {
  static const std::string path = usable_folder();
  return path;
}

std::string entry_of(std::string_view key) {
  constexpr char digits[] = "0123456789abcdef";
  std::string name;
  for (const char c : sha256(key)) {
    name += digits[static_cast<unsigned char>(c) >> 4];
    name += digits[static_cast<unsigned char>(c) & 15];
  }
  return concat(place(), "/", name, ending);
}

bool read_all(int file, std::string& out) {
  char block[1 << 16];
  for (;;) {
    const ssize_t n = read(file, block, sizeof block);
    if (n == 0) return true;
    if (n < 0) return false;
    out.append(block, static_cast<size_t>(n));
  }
}

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(file, text.data(), text.size());
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

}  // namespace

std::string folder() { return place(); }

std::optional<std::string> find(std::string_view key) {
  if (place().empty()) return std::nullopt;
  const std::string path = entry_of(key);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text;
  const bool whole = read_all(file, text);
  futimens(file, nullptr);  // used now
  close(file);
  uint64_t length = 0;
  if (whole && text.size() >= head_bytes) std::memcpy(&length, text.data() + magic.size(), sizeof length);
  if (!whole || text.size() < head_bytes || text.compare(0, magic.size(), magic) != 0 ||
      length != text.size() - head_bytes ||
      text.compare(head_bytes - 32, 32, sha256(std::string_view(text).substr(head_bytes))) != 0) {
    unlink(path.c_str());
    return std::nullopt;
  }
  return text.substr(head_bytes);
}

void store(std::string_view key, std::string_view content) {
  if (place().empty()) return;
  static std::atomic<uint32_t> serial{0};
  const uint32_t number = serial.fetch_add(1);
  const std::string path = entry_of(key), draft = concat(path, ".", getpid(), ".", number);
  const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return;
  const uint64_t length = content.size();
  std::string head(magic);
  head.append(reinterpret_cast<const char*>(&length), sizeof length);
  head += sha256(content);
  const bool written = write_all(file, head) && write_all(file, content);
  if (close(file) != 0 || !written || rename(draft.c_str(), path.c_str()) != 0) unlink(draft.c_str());
  if (number % 256 == 0) shrink(most_bytes);
}

void shrink(size_t bytes) {
  if (place().empty()) return;
  struct Entry {
    fs::file_time_type used;
    uintmax_t size;
    fs::path path;
  };
  std::vector<Entry> entries;
  std::error_code error;
  uintmax_t total = 0;
  for (const fs::directory_entry& e : fs::directory_iterator(place(), error)) {
    if (e.path().string().find(ending) == std::string::npos) continue;
    const auto used = e.last_write_time(error);
    const uintmax_t size = error ? 0 : e.file_size(error);
    if (error) continue;
    total += size;
    entries.push_back({used, size, e.path()});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& e : entries) {
    if (total <= bytes) return;
    if (fs::remove(e.path, error)) total -= e.size;
  }
}

std::string sha256(std::string_view text) {
  // Fractional parts of the cube roots of the first 64 primes, and of the square roots of the first 8.
  static constexpr uint32_t k[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  const auto block = [&](const unsigned char* at) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i)
      w[i] = uint32_t{at[4 * i]} << 24 | uint32_t{at[4 * i + 1]} << 16 | uint32_t{at[4 * i + 2]} << 8 |
             uint32_t{at[4 * i + 3]};
    for (int i = 16; i < 64; ++i) {
      const uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
      const uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t v[8];
    std::copy(h, h + 8, v);
    for (int i = 0; i < 64; ++i) {
      const uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
      const uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
      const uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
      const uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      std::copy_backward(v, v + 7, v + 8);
      v[4] += t1;
      v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; ++i) h[i] += v[i];
  };
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  size_t left = text.size();
  for (; left >= 64; left -= 64, data += 64) block(data);
  unsigned char last[128] = {};
  std::copy(data, data + left, last);
  last[left] = 0x80;
  const size_t end = left < 56 ? 64 : 128;
  const uint64_t bits = uint64_t{text.size()} * 8;
  for (int i = 0; i < 8; ++i)
    last[end - 1 - static_cast<size_t>(i)] = static_cast<unsigned char>(bits >> (8 * i));
  block(last);
  if (end == 128) block(last + 64);
  std::string out;
  for (const uint32_t x : h)
    for (int i = 3; i >= 0; --i) out += static_cast<char>(x >> (8 * i));
  return out;
}

}  // namespace pg::disk_cache
