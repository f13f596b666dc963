#include "engine/control.h"

#include <utility>

#include "engine/body.h"
#include "engine/strips.h"
#include "graph/bytes.h"
#include "ops/control.h"
#include "support/error.h"

namespace pg::engine {
namespace {

// The values that a loop hands from one step to the next: they are read from one place and written to
// another, by turns the result and a spare.
class Carry {
 public:
  Carry(const Body& body, std::span<const Aval> types, std::span<void* const> initial,
        std::span<void* const> results, size_t first_input, DeviceRun* on)
      : types_(types), on_(on), results_(results), now_(initial.begin(), initial.end()),
        next_(initial.begin(), initial.end()), spare_(types.size(), nullptr) {
    size_t bytes = 0;
    std::vector<size_t> offsets;
    for (size_t i = 0; i < types.size(); ++i) {
      fixed_.push_back(body.hands_on(i, first_input + i));
      offsets.push_back(bytes);
      if (!fixed_[i]) bytes += (bytes_of(types[i]) + 63) / 64 * 64;
    }
    if (bytes) buffer_ = allocate_on(on, bytes);
    for (size_t i = 0; i < types.size() && bytes; ++i)
      spare_[i] = static_cast<char*>(buffer_->data) + offsets[i];
  }

  std::span<void* const> now() const { return now_; }
  /// Where the coming step writes.
  std::span<void* const> next() {
    for (size_t i = 0; i < now_.size(); ++i)
      if (!fixed_[i]) next_[i] = now_[i] == results_[i] ? spare_[i] : results_[i];
    return next_;
  }
  void advance() { now_ = next_; }
  void finish() const {
    for (size_t i = 0; i < now_.size(); ++i)
      if (now_[i] != results_[i]) copy_on(on_, results_[i], now_[i], bytes_of(types_[i]));
  }

 private:
  std::span<const Aval> types_;
  DeviceRun* on_;
  std::span<void* const> results_;
  std::vector<void*> now_, next_, spare_;
  std::vector<bool> fixed_;
  BufferRef buffer_;
};

using Pointers = std::span<void* const>;

void append(std::vector<void*>& to, Pointers from) { to.insert(to.end(), from.begin(), from.end()); }

BadIndex run_scan(const Scan& scan, const ProgramStep& step, Pointers in, Pointers out, Launches& launches,
                  DeviceRun* on) {
  Body body(step.bodies[0], on);
  const size_t c = scan.constants, k = scan.carries;
  Carry carry(body, std::span(step.out).first(k), in.subspan(c, k), out.first(k), c, on);
  const auto bytes_of_slice = [&](const Aval& type) {
    return scan.length ? bytes_of(type) / static_cast<size_t>(scan.length) : 0;
  };
  std::vector<size_t> x_bytes, y_bytes;
  for (size_t i = c + k; i < in.size(); ++i) x_bytes.push_back(bytes_of_slice(step.in[i]));
  for (size_t i = k; i < out.size(); ++i) y_bytes.push_back(bytes_of_slice(step.out[i]));
  Watch watch;
  std::vector<void*> inputs, outputs;
  for (int64_t i = 0; i < scan.length; ++i) {
    const size_t at = static_cast<size_t>(scan.reverse ? scan.length - 1 - i : i);
    inputs.assign(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(c));
    append(inputs, carry.now());
    for (size_t x = 0; x < x_bytes.size(); ++x)
      inputs.push_back(static_cast<char*>(in[c + k + x]) + at * x_bytes[x]);
    outputs.clear();
    append(outputs, carry.next());
    for (size_t y = 0; y < y_bytes.size(); ++y)
      outputs.push_back(static_cast<char*>(out[k + y]) + at * y_bytes[y]);
    if (BadIndex bad = body.run(inputs, outputs, launches); bad.happened) return bad;
    carry.advance();
    watch.look();
  }
  carry.finish();
  return {};
}

BadIndex run_while(size_t constants, const ProgramStep& step, Pointers in, Pointers out, Launches& launches,
                   DeviceRun* on) {
  Body test(step.bodies[0], on), body(step.bodies[1], on);
  Carry carry(body, step.out, in.subspan(constants), out, constants, on);
  Watch watch;
  std::vector<void*> inputs;
  uint8_t more = 0;
  const BufferRef answered = on ? on->allocate(sizeof(more)) : nullptr;
  void* const answer = on ? answered->data : &more;
  for (;;) {
    inputs.assign(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(constants));
    append(inputs, carry.now());
    if (BadIndex bad = test.run(inputs, {&answer, 1}, launches); bad.happened) return bad;
    if (on) on->read(&more, answer, sizeof(more));
    if (!more) break;
    if (BadIndex bad = body.run(inputs, carry.next(), launches); bad.happened) return bad;
    carry.advance();
    watch.look();
  }
  carry.finish();
  return {};
}

}  // namespace

BadIndex run_control(const Program& program, const ProgramStep& step, void* const* operands,
                     Launches& launches, DeviceRun* on) {
  const Graph::Record& r = program.graph[step.record];
  const Pointers in{operands, step.in.size()}, out{operands + step.in.size(), step.out.size()};
  BadIndex bad;
  if (r.op == &scan_op) {
    bad = run_scan(Scan(r.attrs), step, in, out, launches, on);
  } else if (r.op == &while_op) {
    bad = run_while(static_cast<size_t>(r.attrs[2]), step, in, out, launches, on);
  } else if (r.op == &cond_op) {
    int32_t which = 0;  // the first bytes of a larger number
    const size_t bytes = step.in[0].dtype == DType::int32 ? sizeof(which) : sizeof(uint8_t);
    if (on) on->read(&which, in[0], bytes);
    else std::memcpy(&which, in[0], bytes);
    const int32_t last = static_cast<int32_t>(step.bodies.size()) - 1;
    Body branch(step.bodies[static_cast<size_t>(std::clamp(which, 0, last))], on);
    bad = branch.run(in.subspan(1), out, launches);
  } else if (r.op == &strips_op) {
    bad = run_strips(Strips(r.attrs), step, operands, launches);
  } else {
    PG_INVARIANT(r.op == &call_op, r.op->name);
    bad = Body(step.bodies[0], on).run(in, out, launches);
  }
  if (bad.happened) bad.record = step.record;
  return bad;
}

}  // namespace pg::engine
