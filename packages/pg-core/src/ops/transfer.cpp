// The record that moves a value to another device. It is never a step of a program: the engine runs what lies
// on each device as a program of its own (engine/parts.h).

#include "graph/batch.h"
#include "ops/structural.h"

namespace pg {
using namespace structural;

namespace {

Device device_of(const Attrs& attrs) {
  return {static_cast<DeviceKind>(attrs[0]), static_cast<uint8_t>(attrs[1])};
}

Aval infer_to_device(std::span<const Aval> in, const Attrs& attrs) {
  Aval out = in[0];
  out.device = device_of(attrs);
  return out;
}

NodeRef transpose_to_device(const NodeRef& ct, const RuleArgs&, const Aval& type, int) {
  return to_device(ct, type.device);
}

NodeRef simplify_to_device(std::span<const NodeRef> x, const Attrs& attrs) {
  return x[0]->device == device_of(attrs) ? x[0] : nullptr;
}

}  // namespace

const Op& to_device_op =
    define({.name = "to_device",
            .doc = "The same values on another device.",
            .infer = infer_to_device,
            .lower = Call{},
            .facts = {linear()},
            .transpose = transpose_to_device,
            .batch = batch_same,
            .simplify = simplify_to_device,
            .show = [](const Attrs& a) { return concat("device=", to_string(device_of(a))); }});

NodeRef to_device(const NodeRef& x, Device device) {
  return make(to_device_op, {x}, {static_cast<int64_t>(device.kind), int64_t{device.index}});
}

}  // namespace pg
