#include "graph/node_index.h"

#include <algorithm>

namespace pg {

uint32_t& NodeIndex::slot_of(const Node* node) {
  if (!node->serial) return outside_.try_emplace(node, none).first->second;
  const uint64_t key = node->serial >> page_bits;
  uint32_t at = page_of(key);
  if (at == none) {
    if (pages_.size() * 2 >= table_.size()) {
      table_.assign(std::max<size_t>(16, table_.size() * 2), 0);
      for (size_t i = 0; i < pages_.size(); ++i) table_[place(pages_[i].key)] = static_cast<uint32_t>(i + 1);
    }
    at = static_cast<uint32_t>(pages_.size());
    table_[place(key)] = at + 1;
    Page& page = pages_.emplace_back();
    page.key = key;
    std::fill_n(page.numbers, page_size, none);
    last_ = at;
  }
  return pages_[at].numbers[node->serial % page_size];
}

std::vector<uint32_t> NodeIndex::by_serial() const {
  std::vector<uint32_t> order(pages_.size()), out;
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return pages_[a].key < pages_[b].key; });
  for (const uint32_t at : order)
    for (const uint32_t number : pages_[at].numbers)
      if (number != none) out.push_back(number);
  return out;
}

}  // namespace pg
