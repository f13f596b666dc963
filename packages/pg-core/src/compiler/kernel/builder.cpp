#include "compiler/kernel/builder.h"

#include <algorithm>

#include "ops/ops.h"
#include "support/error.h"
#include "support/format.h"
#include "support/hash.h"

namespace pg {

using ir::Expr;

namespace {

bool same(const Condition& a, const Condition& b) { return a.e == b.e && a.low == b.low && a.high == b.high; }

bool same(const std::vector<Condition>& a, const std::vector<Condition>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Condition& x, const Condition& y) { return same(x, y); });
}

bool same(const Value& a, const Value& b) {
  return a.op == b.op && a.dtype == b.dtype && a.args == b.args && a.index == b.index &&
         a.buffer == b.buffer && a.record == b.record &&
         (a.attrs == b.attrs || (a.attrs && b.attrs && *a.attrs == *b.attrs)) && a.bits == b.bits &&
         a.raises == b.raises && (!a.raises || a.node == b.node) && same(a.conditions, b.conditions);
}

uint64_t hash_of(const Value& v) {
  uint64_t h = hash_mix(static_cast<uint64_t>(v.op) * 16 + static_cast<uint64_t>(v.dtype),
                        static_cast<uint64_t>(v.bits));
  for (const Value* a : v.args) h = hash_mix(h, static_cast<uint64_t>(a->id));
  h = hash_mix(h, v.index ? v.index.get()->id + 1 : 0);
  h = hash_mix(h, reinterpret_cast<uint64_t>(v.buffer));
  for (const Condition& c : v.conditions) h = hash_mix(h, c.e.get()->id);
  return hash_mix(h, reinterpret_cast<uint64_t>(v.record));
}

}  // namespace

Builder::Builder(Kernel& kernel, const GroupReader& group, ir::Axis grid, int64_t row_bytes)
    : kernel_(kernel), group_(group), row_bytes_left_(row_bytes),
      next_id_(static_cast<int32_t>(kernel.values.size() + kernel.accumulators.size())) {
  open_.push_back({nullptr, &top_, {}, {}});
  axis_depth_[grid] = 0;
}

// ---- loops
// -------------------------------------------------------------------------------------------------------------

Loop* Builder::open(ir::Axis axis, Loop::Kind kind, Expr start, int64_t count, Expr limit) {
  kernel_.loops.push_back({.axis = axis, .kind = kind, .start = start, .count = count, .limit = limit});
  Loop* loop = &kernel_.loops.back();
  axis_depth_[axis] = static_cast<int32_t>(open_.size());
  if (kind == Loop::Kind::lanes) lane_ = axis;
  open_.push_back({loop, &loop->body, {}, {}});
  return loop;
}

void Builder::close() {
  Open closing = std::move(open_.back());
  open_.pop_back();
  open_.back().body->push_back(closing.loop);
  for (const Task& t : closing.tasks) memo_.erase(t);
  const int32_t depth = static_cast<int32_t>(open_.size());
  for (uint64_t key : closing.value_keys) {
    const auto [first, last] = values_.equal_range(key);
    for (auto it = first; it != last; ++it)
      if (it->second->depth == depth) {
        values_.erase(it);
        break;
      }
  }
  if (closing.loop->kind == Loop::Kind::lanes) lane_ = nullptr;
}

void Builder::keep_row_values() {
  if (row_bytes_left_ <= 0) return;
  for (const Task& t : open_.back().tasks) {
    Value* v = memo_.at(t);
    // Plain loads are read again instead; 16-bit ones are worth keeping converted, but their rows are already
    // in the cache.
    if (t.conditions == 0 && v->varying && (v->op == ValueOp::elementwise || v->op == ValueOp::select))
      kept_.try_emplace({t.id, t.point}, Kept{v, open_.back().body});
  }
}

// ---- values
// ------------------------------------------------------------------------------------------------------------

int32_t Builder::depth_of(const ir::Atom* leaf) const {
  if (leaf->kind == ir::AtomKind::dynamic) return static_cast<const Value*>(leaf->value)->depth;
  return axis_depth_.at(leaf);
}

bool Builder::varies(const ir::Atom* leaf) const {
  return leaf->kind == ir::AtomKind::dynamic ? static_cast<const Value*>(leaf->value)->varying
                                             : leaf == lane_;
}

Value* Builder::add(Value value) {
  const uint64_t key = hash_of(value);
  const auto [first, last] = values_.equal_range(key);
  for (auto it = first; it != last; ++it)
    if (same(*it->second, value)) return it->second;
  const auto see = [&](const ir::Atom* leaf) {
    value.depth = std::max(value.depth, depth_of(leaf));
    value.varying = value.varying || varies(leaf);
  };
  if (value.index) ir::for_each_leaf(value.index, see);
  for (const Condition& c : value.conditions) ir::for_each_leaf(c.e, see);
  for (const Value* a : value.args) {
    value.depth = std::max(value.depth, a->depth);
    value.varying = value.varying || a->varying;
  }
  value.id = next_id_++;
  kernel_.values.push_back(std::move(value));
  Value* v = &kernel_.values.back();
  open_[v->depth].body->push_back(v);
  open_[v->depth].value_keys.push_back(key);
  values_.emplace(key, v);
  return v;
}

Value* Builder::constant(int64_t bits, DType dtype) {
  Value v;
  v.op = ValueOp::constant;
  v.dtype = dtype;
  v.bits = bits;
  return add(std::move(v));
}

Value* Builder::within(Conditions conditions) {
  Value v;
  v.op = ValueOp::within;
  v.dtype = DType::bool_;
  v.conditions = std::move(conditions);
  return add(std::move(v));
}

Value* Builder::select(Value* condition, Value* a, Value* b) {
  if (a == b) return a;
  Value v;
  v.op = ValueOp::select;
  v.dtype = a->dtype;
  v.args = {condition, a, b};
  return add(std::move(v));
}

Value* Builder::load(KernelBuffer* buffer, Expr index, DType dtype) {
  Value v;
  v.op = ValueOp::load;
  v.dtype = dtype;
  v.buffer = buffer;
  v.index = index;
  return add(std::move(v));
}

void Builder::store(KernelBuffer* buffer, Expr index, Value* value) {
  kernel_.stores.push_back({buffer, index, value});
  open_.back().body->push_back(&kernel_.stores.back());
}

Accumulator* Builder::accumulate(Loop* outermost, Combine combine, DType dtype, Value* value) {
  kernel_.accumulators.push_back({next_id_++, combine, dtype, nullptr});
  Accumulator* a = &kernel_.accumulators.back();
  kernel_.updates.push_back({a, value});
  open_.back().body->push_back(&kernel_.updates.back());
  outermost->accumulators.push_back(a);
  return a;
}

Value* Builder::finish(Accumulator* accumulator) {
  Value v;
  v.op = ValueOp::result;
  v.dtype = accumulator->dtype;
  v.depth = static_cast<int32_t>(open_.size()) - 1;
  v.varying = lane_ != nullptr;
  v.id = next_id_++;
  kernel_.values.push_back(std::move(v));
  return accumulator->result = &kernel_.values.back();
}

void Builder::set_result(Id reduction, const std::vector<Expr>& index, Value* value) {
  results_[{reduction, points_.intern(index)}] = value;
}

// ---- conditions
// --------------------------------------------------------------------------------------------------------

int Builder::intern_conditions(Conditions conditions) {
  for (size_t i = 0; i < conditions_.size(); ++i)
    if (same(conditions_[i], conditions)) return static_cast<int>(i);
  conditions_.push_back(std::move(conditions));
  return static_cast<int>(conditions_.size()) - 1;
}

Builder::Conditions Builder::joined(int conditions, const Conditions& more) const {
  Conditions out = conditions_[conditions];
  for (const Condition& c : more)
    if (std::none_of(out.begin(), out.end(), [&](const Condition& o) { return same(o, c); }))
      out.push_back(c);
  return out;
}

// ---- records
// -----------------------------------------------------------------------------------------------------------

Value* Builder::find(const Task& task) const {
  const auto found = memo_.find(task);
  return found == memo_.end() ? nullptr : found->second;
}

// A lane value of an earlier stage: stored there into a row buffer, read here.
Value* Builder::kept(const Task& task) {
  if (task.conditions != 0 || !lane_) return nullptr;
  const auto found = kept_.find({task.id, task.point});
  if (found == kept_.end() || found->second.body == open_.back().body) return nullptr;
  Kept& k = found->second;
  if (!k.row) {
    const int64_t bytes = row_size * size_of(compute_type(k.value->dtype));
    if (bytes > row_bytes_left_) return nullptr;
    row_bytes_left_ -= bytes;
    kernel_.buffers.push_back(
        {concat("row", kernel_.locals.size()), k.value->dtype, row_size, Space::row, true});
    k.row = &kernel_.buffers.back();
    kernel_.locals.push_back(k.row);
    kernel_.stores.push_back({k.row, row_index, k.value});
    k.body->push_back(&kernel_.stores.back());
  }
  return load(k.row, row_index, k.value->dtype);
}

Value* Builder::at(Id id, std::vector<Expr> index) {
  const Task wanted{id, points_.intern(std::move(index)), 0};
  std::vector<Task> stack{wanted}, missing;
  while (!stack.empty()) {
    const Task task = stack.back();
    if (find(task)) {
      stack.pop_back();
      continue;
    }
    missing.clear();
    Value* v = kept(task);
    if (!v) v = build(task, missing);
    if (!v) {
      PG_INVARIANT(!missing.empty());
      stack.insert(stack.end(), missing.rbegin(), missing.rend());
      continue;
    }
    memo_.emplace(task, v);
    open_[v->depth].tasks.push_back(task);
    stack.pop_back();
  }
  return memo_.at(wanted);
}

Value* Builder::need(const Task& task, std::vector<Task>& missing) {
  Value* v = find(task);
  if (!v) missing.push_back(task);
  return v;
}

// An input record; `otherwise` is the value where the conditions do not hold (zero when there is none).
Value* Builder::input(const Task& task, Value* otherwise) {
  Value v;
  v.op = ValueOp::load;
  v.dtype = group_[task.id].type.dtype;
  v.buffer = kernel_.params[group_.input_position(task.id)];
  v.index = ir::flatten(points_[task.point], group_.shape(task.id));
  v.conditions = conditions_[task.conditions];
  if (otherwise && !v.conditions.empty()) v.args = {otherwise};
  return add(std::move(v));
}

Value* Builder::build(const Task& task, std::vector<Task>& missing) {
  const Graph::Record& r = group_[task.id];
  if (group_.is_input(task.id)) return input(task, nullptr);
  if (r.op->as<Identity>()) return need({r.inputs[0], task.point, task.conditions}, missing);
  if (r.op->as<View>()) return build_view(task, missing);
  if (r.op->as<Concat>()) return build_concat(task, missing);
  if (r.op->as<Gather>()) return build_gather(task, missing);
  if (r.op->as<Fill>()) return constant(r.attrs[0], r.type.dtype);
  if (r.op->as<Reduction>()) {
    const auto found = results_.find({task.id, task.point});
    PG_INVARIANT(found != results_.end(), "a reduction is read at another index than its own row");
    return found->second;
  }
  Value v;
  v.dtype = r.type.dtype;
  if (const Iota* i = r.op->as<Iota>()) {
    v.op = ValueOp::index;
    v.index = points_[task.point][i->axis(r.attrs)];
    return add(std::move(v));
  }
  PG_INVARIANT(r.op->elementwise(), concat("record not allowed in a group: ", r.op->name));
  v.op = ValueOp::elementwise;
  for (Id in : r.inputs)
    if (Value* a = need({in, task.point, task.conditions}, missing)) v.args.push_back(a);
  if (!missing.empty()) return nullptr;
  v.record = r.op;
  kernel_.attributes.push_back(r.attrs);
  v.attrs = &kernel_.attributes.back();
  v.node = task.id;
  return add(std::move(v));
}

Value* Builder::build_view(const Task& task, std::vector<Task>& missing) {
  const Graph::Record& r = group_[task.id];
  ViewIndex view = group_.view(task.id, points_[task.point]);
  const int source = points_.intern(std::move(view.source));
  if (view.conditions.empty()) return need({r.inputs[0], source, task.conditions}, missing);
  Value* fill = need({r.inputs[1], points_.intern({}), 0}, missing);
  if (!fill) return nullptr;
  const int conditions = intern_conditions(joined(task.conditions, view.conditions));
  if (task.conditions == 0) {
    // Through plain views down to an input: then the load itself supplies the value outside.
    Task below{r.inputs[0], source, conditions};
    while (!group_.is_input(below.id) && group_[below.id].op->as<View>()) {
      ViewIndex plain = group_.view(below.id, points_[below.point]);
      if (!plain.conditions.empty()) break;
      below = {group_[below.id].inputs[0], points_.intern(std::move(plain.source)), conditions};
    }
    if (group_.is_input(below.id)) return input(below, fill);
  }
  const Task inner{r.inputs[0], source, conditions};
  Value* v = need(inner, missing);
  return v ? select(within(std::move(view.conditions)), v, fill) : nullptr;
}

Value* Builder::build_concat(const Task& task, std::vector<Task>& missing) {
  const Graph::Record& r = group_[task.id];
  const int axis = r.op->as<Concat>()->axis(r.attrs);
  const std::vector<Expr> index = points_[task.point];
  const Expr along = index[axis];
  std::vector<std::pair<Value*, int64_t>> pieces;  // value, where it ends
  int64_t start = 0;
  for (Id in : r.inputs) {
    const int64_t end = start + group_.shape(in)[axis];
    // Pieces that this index cannot reach are left out.
    if (end > start && end > along.low() && start <= along.high()) {
      std::vector<Expr> inner = index;
      inner[axis] = along - start;
      Conditions c;
      if (along.low() < start || along.high() >= end) c.push_back({along, start, end});
      if (Value* v = need(
              {in, points_.intern(std::move(inner)), intern_conditions(joined(task.conditions, c))}, missing))
        pieces.emplace_back(v, end);
    }
    start = end;
  }
  if (!missing.empty()) return nullptr;
  // No index reaches a piece: the value stands behind a condition of a pad that never holds.
  if (pieces.empty()) return constant(0, r.type.dtype);
  Value* out = pieces.back().first;
  for (size_t i = pieces.size() - 1; i-- > 0;)
    out =
        select(within({{along, std::min<int64_t>(along.low(), 0), pieces[i].second}}), pieces[i].first, out);
  return out;
}

Value* Builder::build_gather(const Task& task, std::vector<Task>& missing) {
  const Graph::Record& r = group_[task.id];
  const std::vector<Expr> index = points_[task.point];
  const int64_t extent = group_.shape(r.inputs[0])[0];
  const IndexMode mode = static_cast<IndexMode>(r.attrs[0]);
  Value* row =
      need({r.inputs[1], points_.intern(group_.rows_index(task.id, index)), task.conditions}, missing);
  if (!row) return nullptr;
  Value limit;
  limit.op = ValueOp::limit;
  limit.dtype = DType::int64;
  limit.args = {row};
  limit.bits = extent;
  limit.raises = mode == IndexMode::raise;
  limit.node = task.id;
  Value* limited = add(std::move(limit));
  if (extent == 0) return constant(0, r.type.dtype);  // no row to read; `limit` reports it when asked to
  const Expr at = ir::dynamic(limited, 0, extent - 1);
  Value* v =
      need({r.inputs[0], points_.intern(group_.table_index(task.id, index, at)), task.conditions}, missing);
  if (!v || mode != IndexMode::drop) return v;
  Value in_range;
  in_range.op = ValueOp::in_range;
  in_range.dtype = DType::bool_;
  in_range.args = {row};
  in_range.bits = extent;
  return select(add(std::move(in_range)), v, constant(0, r.type.dtype));
}

}  // namespace pg
