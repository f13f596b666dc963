#pragma once
// Where a tensor lives. Naming a device is always possible; placing data there may not be.

#include <cstdint>
#include <string>

namespace pg {

enum class DeviceKind : uint8_t { cpu, cuda };

struct Device {
  DeviceKind kind = DeviceKind::cpu;
  uint8_t index = 0;
  friend bool operator==(const Device&, const Device&) = default;
};

inline std::string to_string(Device d) {
  return d.kind == DeviceKind::cpu ? "cpu" : "cuda:" + std::to_string(d.index);
}

}  // namespace pg
