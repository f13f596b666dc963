#pragma once
// Numbers for nodes, found again in constant time. What a traversal knows of a node lies in a list at the
// node's number; marks inside of nodes will not do, because traces of several threads may share nodes.
//
// Numbers lie in pages by serial: nodes that were made one after the other are looked up one after the other,
// in a cache line or two. Pages are found by hashing, so that serials may lie as far apart as they like.

#include <unordered_map>

#include "graph/node.h"
#include "support/hash.h"

namespace pg {

class NodeIndex {
 public:
  static constexpr uint32_t none = 0xffffffff;

  /// The number of a node, or none.
  uint32_t find(const Node* node) const {
    if (!node->serial) [[unlikely]] {
      const auto found = outside_.find(node);
      return found == outside_.end() ? none : found->second;
    }
    const uint32_t at = page_of(node->serial >> page_bits);
    return at == none ? none : pages_[at].numbers[node->serial % page_size];
  }
  bool contains(const Node* node) const { return find(node) != none; }

  /// Gives a node a number. False when it had one, which it keeps.
  bool enter(const Node* node, size_t number) {
    uint32_t& slot = slot_of(node);
    if (slot != none) return false;
    slot = static_cast<uint32_t>(number);
    return true;
  }
  void renumber(const Node* node, size_t number) { slot_of(node) = static_cast<uint32_t>(number); }
  void erase(const Node* node) { slot_of(node) = none; }

  /// All numbers, by the serials of their nodes; nodes made outside any trace are left out.
  std::vector<uint32_t> by_serial() const;

 private:
  static constexpr int page_bits = 6;
  static constexpr size_t page_size = size_t{1} << page_bits;
  struct Page {
    uint64_t key;
    uint32_t numbers[page_size];
  };
  std::vector<Page> pages_;
  std::vector<uint32_t> table_;  // open addressing: numbers of pages + 1
  mutable uint32_t last_ = none;
  std::unordered_map<const Node*, uint32_t> outside_;  // nodes without a serial

  uint32_t page_of(uint64_t key) const {
    if (last_ != none && pages_[last_].key == key) return last_;
    if (table_.empty()) return none;
    const uint32_t found = table_[place(key)];
    return found ? last_ = found - 1 : none;
  }
  size_t place(uint64_t key) const {
    const size_t mask = table_.size() - 1;
    size_t at = hash_mix(1, key) & mask;
    while (table_[at] && pages_[table_[at] - 1].key != key) at = (at + 1) & mask;
    return at;
  }
  uint32_t& slot_of(const Node* node);
};

}  // namespace pg
