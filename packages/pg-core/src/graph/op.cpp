#include "graph/op.h"

#include <bit>
#include <string_view>
#include <unordered_map>

#include "support/error.h"
#include "support/format.h"

namespace pg {
namespace {

struct Registry {
  std::vector<const Op*> ops;
  std::unordered_map<std::string_view, const Op*> by_name;
};

// Records register themselves while globals of other files are initialised, so the registry is made on first
// use; it is never destroyed, because nodes may outlive static destruction.
Registry& registry() {
  static auto* made = new Registry;
  return *made;
}

}  // namespace

const Op& define(Op op) {
  Registry& r = registry();
  PG_INVARIANT(!r.by_name.contains(op.name), "two records are named " + op.name);
  op.id = static_cast<uint16_t>(r.ops.size());
  const Op* kept = new Op(std::move(op));
  r.ops.push_back(kept);
  r.by_name.emplace(kept->name, kept);
  return *kept;
}

const std::vector<const Op*>& all_ops() { return registry().ops; }

const Op* find_op(std::string_view name) {
  const auto found = registry().by_name.find(name);
  return found == registry().by_name.end() ? nullptr : found->second;
}

std::string to_string(const Aval& aval) {
  return concat(short_name_of(aval.dtype), "[", join(aval.shape, ","), "]", aval.weak ? "~" : "");
}

int64_t scalar_bits(double value) { return std::bit_cast<int64_t>(value); }
double bits_as_double(int64_t bits) { return std::bit_cast<double>(bits); }

}  // namespace pg
