// What keeps graphs of any size linear: memory of nodes, interning, numbers of nodes, traversals. Work is
// counted, never timed.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "check.h"
#include "graph/node_pool.h"
#include "graph/walk.h"
#include "ops/ops.h"
#include "support/hash.h"
#include "support/intern_table.h"

using namespace pg;

namespace {

constexpr int64_t region = 2 << 20;

NodeRef leaf(double value) { return full_node(value, Aval{{}, DType::float64}); }

// Memory goes back to the system, whichever thread frees it.
void memory() {
  const int64_t nodes = live_nodes(), least = node_region_bytes();
  constexpr int many = 200000;
  for (int round = 0; round < 4; ++round) {
    std::vector<NodeRef> made;
    for (int i = 0; i < many; ++i) made.push_back(leaf(i));
    std::set<const Node*> places;
    for (const NodeRef& node : made) places.insert(node.get());
    CHECK(places.size() == many);
    CHECK(live_nodes() == nodes + many);
    CHECK(node_region_bytes() >= static_cast<int64_t>(many * sizeof(Node)));
    CHECK(node_region_bytes() <= least + static_cast<int64_t>(many * sizeof(Node)) * 5 / 4 + 4 * region);
    if (round) std::shuffle(made.begin(), made.end(), std::mt19937(static_cast<unsigned>(round)));
    if (round < 2) std::thread([&] { made.clear(); }).join();  // its own list ends with it
    while (!made.empty()) made.pop_back();
    CHECK(live_nodes() == nodes);
    // In random order the last few places, which this thread keeps, may lie anywhere.
    if (round < 2) CHECK(node_region_bytes() <= least + 3 * region);
  }
  CHECK(node_region_bytes() <= least + static_cast<int64_t>(NodeList::limit + 3) * region);
}

void memory_of_threads() {
  const int64_t nodes = live_nodes();
  std::vector<std::vector<NodeRef>> kept(4);
  std::vector<std::thread> threads;
  for (auto& mine : kept)
    threads.emplace_back([&mine] {
      std::mt19937 random(7);
      for (int i = 0; i < 20000; ++i)
        if (mine.empty() || random() % 5) mine.push_back(leaf(i));
        else mine.pop_back();
    });
  for (std::thread& one : threads) one.join();
  int64_t total = 0;
  for (const auto& mine : kept) total += static_cast<int64_t>(mine.size());
  CHECK(live_nodes() == nodes + total);
  kept.clear();
  CHECK(live_nodes() == nodes);
}

// A child of fork can make nodes, whatever other threads were doing.
void forked() {
  std::atomic<bool> done{false};
  std::thread busy([&] {
    while (!done) {
      std::vector<NodeRef> made;
      for (int i = 0; i < 2000; ++i) made.push_back(leaf(i));
    }
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (!child) {
      std::vector<NodeRef> made;
      for (int k = 0; k < 2000; ++k) made.push_back(leaf(k));
      _exit(made.back()->attrs.size() == 1 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  done = true;
  busy.join();
}

// A lookup compares with what is equal and hardly anything else, also when everything has the same operand or
// times lie far apart.
void interning() {
  const auto compared = [](const auto& time_of) {
    struct Item {
      uint64_t time, word;
    };
    std::vector<Item> items;
    InternTable table;
    int64_t compared = 0;
    constexpr uint64_t many = 100000;
    const auto look_up = [&](uint64_t i) {
      const uint64_t time = time_of(i), hash = hash_mix(time, i);
      const uint32_t at = table.find(time, hash, [&](uint32_t position) {
        ++compared;
        return items[position].time == time && items[position].word == i;
      });
      if (at != InternTable::none) return at;
      items.push_back({time, i});
      table.enter(time, hash, items.size() - 1);
      return InternTable::none;
    };
    for (uint64_t i = 0; i < many; ++i) CHECK(look_up(i) == InternTable::none);
    CHECK(compared < static_cast<int64_t>(many) / 100);
    for (uint64_t i = 0; i < many; ++i) CHECK(look_up(i) == i);
    return compared;
  };
  CHECK(compared([](uint64_t i) { return i; }) < 102000);
  CHECK(compared([](uint64_t) { return 5; }) < 102000);
  CHECK(compared([](uint64_t i) { return i * i % 1000 * 5000; }) < 102000);
}

void equal_nodes() {
  const OpenTrace trace(false);
  const NodeRef x = leaf(0.5);
  std::vector<NodeRef> made;
  NodeRef deep = x;
  for (int i = 0; i < 5000; ++i) {
    made.push_back(binary(add_op, x, leaf(i + 1)));
    deep = unary(sin_op, deep);
    made.push_back(deep);
  }
  NodeRef again = x;
  for (int i = 0; i < 5000; ++i) {
    CHECK(binary(add_op, x, leaf(i + 1)) == made[static_cast<size_t>(2 * i)]);
    again = unary(sin_op, again);
    CHECK(again == made[static_cast<size_t>(2 * i + 1)]);
  }
}

void numbers() {
  const NodeRef outside = leaf(1), unknown = leaf(2);
  const OpenTrace trace(false);
  NodeIndex index;
  std::vector<NodeRef> nodes;
  for (int i = 0; i < 20000; ++i) nodes.push_back(leaf(i + 3));
  std::vector<size_t> order;  // some of them, in any order, in clusters and alone
  for (size_t i = 0; i < nodes.size(); ++i)
    if (i % 1000 < 300 || i % 97 == 0) order.push_back(i);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  for (const size_t i : order) CHECK(index.enter(nodes[i].get(), i));
  CHECK(index.enter(outside.get(), 77777));
  CHECK(!index.enter(nodes[order[0]].get(), 0));
  const std::set<size_t> in(order.begin(), order.end());
  for (size_t i = 0; i < nodes.size(); ++i)
    CHECK(index.find(nodes[i].get()) == (in.contains(i) ? i : NodeIndex::none));
  CHECK(index.find(outside.get()) == 77777 && !index.contains(unknown.get()));
  const std::vector<uint32_t> sorted = index.by_serial();
  CHECK(sorted.size() == in.size() && std::equal(sorted.begin(), sorted.end(), in.begin()));
}

// Against the definition, on random graphs.
void traversals() {
  std::mt19937 random(3);
  const auto any = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 50; ++round) {
    const OpenTrace trace(false);
    std::vector<NodeRef> nodes;
    for (int i = 0; i < 200; ++i)
      nodes.push_back(i < 5 ? alias_node(leaf(i))
                            : binary(add_op, nodes[any(nodes.size())], nodes[nodes.size() - 1 - any(4)]));
    std::vector<NodeRef> roots{nodes[any(100)], nodes[any(5)]};
    if (roots[0] == roots[1]) roots.pop_back();
    const std::vector<NodeRef> outputs{nodes[any(200)], nodes[any(200)], roots[0]};

    std::set<const Node*> below;  // everything under the outputs
    for (const NodeRef& output : outputs) below.insert(output.get());
    for (size_t i = nodes.size(); i-- > 0;)
      if (below.contains(nodes[i].get()))
        for (Node* input : nodes[i]->inputs) below.insert(input);
    std::set<const Node*> moved;
    for (const NodeRef& root : roots) moved.insert(root.get());
    std::vector<Node*> expected;
    std::set<const Node*> seen = moved;  // equal nodes stand in the list twice
    for (const NodeRef& node : nodes)
      if (std::any_of(node->inputs.begin(), node->inputs.end(), [&](Node* n) { return moved.contains(n); })) {
        moved.insert(node.get());
        if (below.contains(node.get()) && seen.insert(node.get()).second) expected.push_back(node.get());
      }
    const Dependents found = dependents(outputs, roots);
    CHECK(found.nodes == expected);
    CHECK(found.first == roots.size() && found.size() == roots.size() + expected.size());
    for (size_t i = 0; i < roots.size(); ++i) CHECK(found.index.find(roots[i].get()) == i);
    for (size_t i = 0; i < expected.size(); ++i) {
      CHECK(found.index.find(expected[i]) == roots.size() + i && found.contains(expected[i]));
    }
    for (const NodeRef& root : roots) CHECK(!found.contains(root.get()));
    for (const Node* node : reachable(outputs, 0)) CHECK(below.erase(node) || node->inputs.empty());
  }
}

}  // namespace

int main() {
  memory();
  memory_of_threads();
  forked();
  interning();
  equal_nodes();
  numbers();
  traversals();
  CHECK(live_nodes() == 0);
  return finish("graph");
}
