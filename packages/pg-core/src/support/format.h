#pragma once
// Small text building helpers (libstdc++ 12 has no <format>).

#include <sstream>
#include <string>
#include <string_view>

namespace pg {

/// concat("got ", 3, " axes") -> "got 3 axes".
template <class... Parts> std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// join({1, 2}, ", ") -> "1, 2".
template <class Range> std::string join(const Range& range, std::string_view separator = ", ") {
  std::ostringstream out;
  bool first = true;
  for (const auto& item : range) {
    if (!first) out << separator;
    out << item;
    first = false;
  }
  return out.str();
}

}  // namespace pg
