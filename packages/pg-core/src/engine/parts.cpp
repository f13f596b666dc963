#include "engine/parts.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_map>

#include "backends/cuda/device.h"
#include "engine/tiers.h"
#include "ops/ops.h"

namespace pg::engine {
namespace {

using Place = std::pair<int, int>;  // level, device

Place place_of(int level, Device device) {
  return {level, static_cast<int>(device.kind) * 256 + device.index};
}

}  // namespace

bool is_mixed(const Graph& graph) {
  const auto differs = [&](const Graph::Record& r) {
    return r.op == &to_device_op || r.type.device != graph.nodes[0].type.device;
  };
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), differs);
}

Parts split(const Graph& graph) {
  const size_t count = graph.size();
  std::vector<int> level(count, 0);
  for (Id id = 0; id < count; ++id) {
    for (const Id in : graph[id].inputs) level[id] = std::max(level[id], level[in]);
    if (graph[id].op == &to_device_op) ++level[id];
  }
  const auto inside = [&](Id id) { return !graph[id].op->as<Leaf>() && graph[id].op != &to_device_op; };
  // Literals and counters are made anew where they are read.
  const auto anew = [&](Id id) { return inside(id) && graph[id].inputs.empty(); };
  const auto place = [&](Id id) { return place_of(level[id], graph[id].type.device); };

  Parts parts;
  std::vector<uint32_t> number(count, 0);
  const auto add_value = [&](Id id) { number[id] = parts.values++; };
  for (const Id id : graph.inputs) add_value(id);
  // What other programs, copies or the caller read of a program.
  std::vector<bool> wanted(count, false), output(count, false);
  for (const Id id : graph.outputs) {
    wanted[id] = inside(id);
    output[id] = true;
  }
  std::map<Place, std::vector<Id>> members, copies;
  for (Id id = 0; id < count; ++id) {
    const bool copy = graph[id].op == &to_device_op;
    for (const Id in : graph[id].inputs)
      if (inside(in) && (copy || (!anew(in) && place(in) != place(id)))) wanted[in] = true;
    if (copy) copies[place_of(level[id], {})].push_back(id);
  }
  for (Id id = 0; id < count; ++id)
    if (inside(id) && (wanted[id] || !anew(id))) members[place(id)].push_back(id);
  // A number of the host needs no copy: programs take it from there.
  const auto stays = [&](Id id) {
    const Aval& from = graph[graph[id].inputs[0]].type;
    return from.shape.empty() && from.device == Device{} && !output[id];
  };
  for (Id id = 0; id < count; ++id) {
    const bool copy = graph[id].op == &to_device_op;
    if (copy && stays(id)) number[id] = number[graph[id].inputs[0]];
    else if (copy || wanted[id]) add_value(id);
  }

  const int last = *std::max_element(level.begin(), level.end());
  for (int l = 0; l <= last; ++l) {
    for (const Id id : copies[place_of(l, {})])
      if (!stays(id))
        parts.steps.push_back({nullptr, graph[id].type.device, {number[graph[id].inputs[0]]}, {number[id]}});
    for (const auto& [where, ids] : members) {
      if (where.first != l) continue;
      GraphBuilder builder;
      PartStep step;
      std::unordered_map<Id, Id> renamed;
      const auto taken = [&](Id id) {
        const auto [found, fresh] = renamed.try_emplace(id, 0);
        if (fresh && anew(id)) {
          found->second = builder.add(graph[id]);
        } else if (fresh) {
          found->second = builder.param(graph[id].type);
          step.in.push_back(number[id]);
        }
        return found->second;
      };
      std::vector<Id> results;
      for (const Id id : ids) {
        Graph::Record record = graph[id];
        for (Id& in : record.inputs) in = taken(in);
        renamed[id] = builder.add(std::move(record));
        if (!wanted[id]) continue;
        results.push_back(renamed[id]);
        step.out.push_back(number[id]);
      }
      if (results.empty()) continue;
      step.device = graph[ids[0]].type.device;
      step.program = build(builder.finish(std::move(results)), step.device);
      parts.steps.push_back(std::move(step));
    }
  }
  for (const Id id : graph.outputs) parts.outputs.push_back(number[id]);
  return parts;
}

BadIndex run_parts(const Parts& parts, std::span<const Input> inputs, SmallVector<Buffer*, 4>& outputs) {
  std::vector<Input> values(parts.values, Input{nullptr, nullptr});
  std::copy(inputs.begin(), inputs.end(), values.begin());
  std::vector<BufferRef> held;
  const auto keep = [&](uint32_t value, BufferRef buffer) {
    values[value] = {buffer->data, buffer.get()};
    held.push_back(std::move(buffer));
  };
  const auto on_host = [&](const Input& number) {
    BufferRef copy = allocate(sizeof(uint64_t));
    std::memcpy(copy->data, number.data, sizeof(uint64_t));
    return copy;
  };
  for (const PartStep& step : parts.steps) {
    if (!step.program) {
      const Input& from = values[step.in[0]];
      keep(step.out[0],
           cuda::transfer(from.buffer ? BufferRef::share(from.buffer) : on_host(from), step.device));
      continue;
    }
    SmallVector<Input, 16> in;
    for (const uint32_t value : step.in) in.push_back(values[value]);
    SmallVector<Buffer*, 4> made;
    BadIndex bad = run(*step.program, {in.data(), in.size()}, made);
    if (bad.happened) {
      if (!bad.graph) bad.graph = &step.program->program.graph;
      return bad;
    }
    for (size_t i = 0; i < made.size(); ++i) keep(step.out[i], BufferRef::adopt(made[i]));
    note_run(*step.program);
  }
  for (const uint32_t value : parts.outputs) {
    BufferRef buffer = values[value].buffer ? BufferRef::share(values[value].buffer) : on_host(values[value]);
    outputs.push_back(buffer.detach());
  }
  return {};
}

}  // namespace pg::engine
