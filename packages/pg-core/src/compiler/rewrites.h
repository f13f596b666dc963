#pragma once
// Rewrites that users register: a pattern, which is the graph of an example function, and what stands in its
// place. The registered ones are a set with an id, which belongs to the key of every program.

#include <memory>
#include <optional>
#include <string>

#include "graph/graph.h"

namespace pg {

/// The pattern for operands of known types, and its replacement over the same operands, in the same order.
struct RewriteAt {
  PayloadRef pattern, replacement;
};

class UserRewrite {
 public:
  virtual ~UserRewrite() = default;
  virtual const std::string& name() const = 0;
  /// The pattern for some types: the ops of all of them are these.
  virtual const Graph& example() const = 0;
  /// Nothing where the rewrite does not want operands of these types. May call into Python; asked with no
  /// lock held.
  virtual std::optional<RewriteAt> at(std::span<const Aval> types) const = 0;
};

struct RewriteSet {
  uint64_t id = 0;                                           // the same for the same rewrites; 0 for none
  std::vector<std::shared_ptr<const UserRewrite>> rewrites;  // in the order in which they were registered
};

/// What is registered at the moment, in the whole process.
std::shared_ptr<const RewriteSet> current_rewrites();
/// Its id; cheap.
uint64_t current_rewrites_id();

/// Returns a number by which the rewrite is taken back.
uint64_t register_rewrite(std::shared_ptr<const UserRewrite> rewrite);
/// False when it is not registered.
bool unregister_rewrite(uint64_t number);

}  // namespace pg
