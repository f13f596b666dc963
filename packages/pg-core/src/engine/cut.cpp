#include "engine/cut.h"

#include "graph/donated.h"
#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::engine {
namespace {

// The lowest byte of the first word of each item.
enum Kind : uint64_t { leaf = 1, number, interior, source, outputs };

uint64_t type_word(const Node& node) {
  return static_cast<uint64_t>(node.dtype) << 8 | static_cast<uint64_t>(node.weak) << 16 |
         static_cast<uint64_t>(node.device.kind) << 24 | static_cast<uint64_t>(node.device.index) << 32 |
         static_cast<uint64_t>(node.shape.size()) << 40;
}

// Room for `count` more words; the caller fills all of them.
uint64_t* extend(std::vector<uint64_t>& key, size_t count) {
  const size_t at = key.size();
  key.resize(at + count);
  return key.data() + at;
}

void write_type(std::vector<uint64_t>& key, Kind kind, const Node& node) {
  const size_t rank = node.shape.size();
  uint64_t* words = extend(key, 1 + rank);
  words[0] = kind | type_word(node);
  const int64_t* extents = node.shape.data();
  for (size_t i = 0; i < rank; ++i) words[1 + i] = static_cast<uint64_t>(extents[i]);
}

void write_attrs(uint64_t* words, const Attrs& attrs) {
  const int64_t* given = attrs.data();
  for (size_t i = 0; i < attrs.size(); ++i) words[i] = static_cast<uint64_t>(given[i]);
}

void write_interior(std::vector<uint64_t>& key, const Node& node) {
  const size_t count = node.inputs.size();
  if (count == 0) {  // full, iota: no operand tells the type
    write_type(key, source, node);
    uint64_t* words = extend(key, 1 + node.attrs.size());
    *words++ = static_cast<uint64_t>(node.op->id) << 32 | node.attrs.size();
    write_attrs(words, node.attrs);
    return;
  }
  uint64_t* words = extend(key, 2 + (count + 1) / 2 + node.attrs.size());
  *words++ =
      interior | static_cast<uint64_t>(node.op->id) << 8 | static_cast<uint64_t>(node.attrs.size()) << 24;
  *words++ = count;
  Node* const* inputs = node.inputs.data();
  for (size_t i = 0; i < count; i += 2)
    *words++ = inputs[i]->index | (i + 1 < count ? static_cast<uint64_t>(inputs[i + 1]->index) << 32 : 0);
  write_attrs(words, node.attrs);
}

bool visited(const Cut& c, const Node* node) {
  return node->index < c.order.size() && c.order[node->index] == node;
}

void visit(Cut& c, Node* node) {
  node->index = static_cast<uint32_t>(c.order.size());
  node->uses = 0;
  c.order.push_back(node);
}

bool is_leaf(const Node* node) { return node->evaluated() || node->op == &number_op; }

// Numbers a leaf and writes it; false for interior nodes.
bool visit_leaf(Cut& c, Node* node) {
  if (!is_leaf(node)) return false;
  visit(c, node);
  c.leaves.push_back(node->index);
  write_type(c.key, node->evaluated() ? leaf : number, *node);
  return true;
}

[[noreturn]] void fail_abstract(const Node& node) {
  if (is_donated(node)) fail_donated(node);
  const std::string place = describe_location && node.where.code ? describe_location(node.where) : "";
  fail(ErrorKind::trace, concat("the value of a traced tensor ", to_string(node.aval()),
                                place.empty() ? "" : " (made at " + place + ")",
                                " was asked for: inside pg.jit and pg.vmap tensors are placeholders; return "
                                "the tensor and read it outside"));
}

}  // namespace

void Cut::clear() {
  key.clear();
  order.clear();
  leaves.clear();
  outputs.clear();
  results.clear();
  inputs.clear();
  numbers.clear();
  stack.clear();
}

bool cut(std::span<Node* const> roots, Cut& c) {
  c.clear();
  for (Node* root : roots) {
    if (visited(c, root) || root->evaluated()) continue;
    if (root->abstract) fail_abstract(*root);
    if (root->op == &number_op) {
      visit_leaf(c, root);
      continue;
    }
    c.stack.emplace_back(root, 0);
    while (!c.stack.empty()) {
      auto& [node, next] = c.stack.back();
      if (next == 0 && node->in_flight) {
        c.busy = node;
        c.clear();
        return false;
      }
      if (next < node->inputs.size()) {
        Node* input = node->inputs[next++];
        if (!visited(c, input) && !visit_leaf(c, input)) c.stack.emplace_back(input, 0);
        continue;
      }
      Node* done = node;
      c.stack.pop_back();
      if (visited(c, done)) continue;  // pushed twice before it was numbered
      for (Node* input : done->inputs) ++input->uses;
      visit(c, done);
      write_interior(c.key, *done);
    }
  }
  // Outputs: whatever somebody outside this cut still needs. The roots are among them, for the caller holds
  // them.
  for (uint32_t i = 0; i < c.order.size(); ++i) {
    Node* node = c.order[i];
    if (node->evaluated() || node->op->several()) continue;
    if (node->op == &number_op) {
      bool root = false;
      for (Node* r : roots) root = root || r == node;
      if (!root) continue;
    } else if (node->refs.load() <= node->uses) {
      continue;
    }
    c.outputs.push_back(i);
  }
  c.key.push_back(outputs | static_cast<uint64_t>(c.outputs.size()) << 8);
  for (const uint32_t i : c.outputs) c.key.push_back(i);
  return true;
}

Graph decode(std::span<const uint64_t> key) {
  GraphBuilder builder;
  std::vector<Id> ids;
  // Params come first in a graph's inputs in leaf order; a builder may add them as they appear.
  size_t at = 0;
  const auto read_type = [&](uint64_t word) {
    Aval type;
    type.dtype = static_cast<DType>(word >> 8 & 0xff);
    type.weak = word >> 16 & 1;
    type.device = {static_cast<DeviceKind>(word >> 24 & 0xff), static_cast<uint8_t>(word >> 32 & 0xff)};
    for (size_t rank = word >> 40; rank > 0; --rank) type.shape.push_back(static_cast<int64_t>(key[at++]));
    return type;
  };
  const auto read_attrs = [&](size_t count) {
    Attrs attrs;
    for (; count > 0; --count) attrs.push_back(static_cast<int64_t>(key[at++]));
    return attrs;
  };
  for (;;) {
    const uint64_t word = key[at++];
    const Location where{nullptr, static_cast<int>(ids.size())};
    switch (static_cast<Kind>(word & 0xff)) {
    case leaf: ids.push_back(builder.param(read_type(word))); break;
    case number: {
      // One run-time number, filled to the shape inside the program.
      const Aval type = read_type(word);
      Aval scalar = type;
      scalar.shape = {};
      Id id = builder.param(scalar);
      if (!type.shape.empty()) {
        Attrs attrs{static_cast<int64_t>(type.shape.size())};
        for (const int64_t extent : type.shape) attrs.push_back(extent);
        id = builder.add(broadcast_op, {id}, std::move(attrs), where);
      }
      ids.push_back(id);
      break;
    }
    case source: {
      Aval type = read_type(word);
      const uint64_t op = key[at++];
      Graph::Record record{all_ops()[op >> 32], {}, read_attrs(op & 0xffffffff), std::move(type), where};
      if (record.op->payloads)
        record.payloads = hold({record.attrs.data(), record.op->payloads(record.attrs)});
      ids.push_back(builder.add(std::move(record)));
      break;
    }
    case interior: {
      const Op& op = *all_ops()[word >> 8 & 0xffff];
      const size_t count = key[at++];
      SmallVector<Id, 3> inputs;
      for (size_t i = 0; i < count; i += 2) {
        const uint64_t packed = key[at++];
        inputs.push_back(ids[packed & 0xffffffff]);
        if (i + 1 < count) inputs.push_back(ids[packed >> 32]);
      }
      ids.push_back(builder.add(op, std::move(inputs), read_attrs(word >> 24), where));
      break;
    }
    case outputs: {
      std::vector<Id> results;
      for (size_t count = word >> 8; count > 0; --count) results.push_back(ids[key[at++]]);
      return builder.finish(std::move(results));
    }
    }
  }
}

}  // namespace pg::engine
