#include "engine/strips.h"

#include <mutex>

#include "engine/body.h"
#include "runtime/threads.h"
#include "support/error.h"

namespace pg::engine {
namespace {

// Where the strips of a value lie in its memory.
struct Layout {
  Ints steps;                                      // bytes from one strip to the next along each direction
  size_t bytes = 0;                                // of a strip
  size_t run = 0;                                  // bytes that lie together
  std::vector<std::pair<int64_t, int64_t>> outer;  // of the pieces of a strip: how many, bytes between them
  bool whole_runs() const { return outer.empty(); }

  Layout(const Aval& type, const Cut& cut, const Ints& counts) : steps(counts.size(), 0) {
    const Shape strip = shape_of_strip(type.shape, cut, counts);
    const int64_t item = size_of(type.dtype);
    const Ints strides = strides_of(type.shape);
    bytes = static_cast<size_t>(count_of(strip) * item);
    for (size_t d = 0; d < counts.size(); ++d) {
      if (cut[d] < 0) continue;
      const size_t axis = static_cast<size_t>(cut[d]);
      int64_t step = strip[axis] * strides[axis] * item;
      for (size_t later = d + 1; later < counts.size(); ++later)
        if (cut[later] == cut[d]) step *= counts[later];
      steps[d] = step;
    }
    int64_t together = item;
    size_t axis = type.shape.size();
    for (bool all = true; axis > 0 && all; --axis) {
      together *= strip[axis - 1];
      all = strip[axis - 1] == type.shape[axis - 1];
    }
    run = static_cast<size_t>(together);
    for (size_t i = 0; i < axis; ++i)
      if (strip[i] > 1) outer.emplace_back(strip[i], strides[i] * item);
  }

  int64_t offset(const Ints& number) const {
    int64_t out = 0;
    for (size_t d = 0; d < number.size(); ++d) out += number[d] * steps[d];
    return out;
  }

  void copy(const char* from, char* to) const { copy_axis(from, to, 0); }

 private:
  char* copy_axis(const char* from, char* to, size_t axis) const {
    if (axis == outer.size()) {
      std::memcpy(to, from, run);
      return to + run;
    }
    for (int64_t i = 0; i < outer[axis].first; ++i)
      to = copy_axis(from + i * outer[axis].second, to, axis + 1);
    return to;
  }
};

void add_to(void* sum, const void* part, const Aval& type, size_t bytes) {
  const auto add = [&](auto zero) {
    using T = decltype(zero);
    T* const to = static_cast<T*>(sum);
    const T* const from = static_cast<const T*>(part);
    for (size_t i = 0; i < bytes / sizeof(T); ++i) to[i] += from[i];
  };
  if (type.dtype == DType::float32) return add(0.0f);
  PG_INVARIANT(type.dtype == DType::float64, "a sum over strips");
  add(0.0);
}

struct Job {
  const Strips& strips;
  const ProgramStep& step;
  void* const* operands;
  std::vector<Layout> in, out;
  std::vector<size_t> free_directions, summed_directions;
  int64_t tasks = 1, sums = 1;  // strips of different tasks are independent

  Job(const Strips& s, const ProgramStep& p, void* const* at) : strips(s), step(p), operands(at) {
    for (size_t i = 0; i < s.operands.size(); ++i) in.emplace_back(p.in[i], s.operands[i], s.counts);
    for (size_t i = 0; i < s.results.size(); ++i) out.emplace_back(p.out[i], s.results[i], s.counts);
    for (size_t d = 0; d < s.counts.size(); ++d) {
      const bool summed =
          std::any_of(s.results.begin(), s.results.end(), [&](const Cut& cut) { return is_summed(cut[d]); });
      (summed ? summed_directions : free_directions).push_back(d);
      (summed ? sums : tasks) *= s.counts[d];
    }
  }

  bool is_sum(size_t result) const {
    return std::any_of(strips.results[result].begin(), strips.results[result].end(), is_summed);
  }
  /// The number of a strip along each direction.
  Ints number(int64_t task, int64_t sum) const {
    Ints out(strips.counts.size(), 0);
    const auto spread = [&](const std::vector<size_t>& directions, int64_t rest) {
      for (size_t i = directions.size(); i-- > 0; rest /= strips.counts[directions[i]])
        out[directions[i]] = rest % strips.counts[directions[i]];
    };
    spread(free_directions, task);
    spread(summed_directions, sum);
    return out;
  }
};

// What one thread needs to run strips: the body with its temporaries, and room for what does not lie in one
// piece.
class Strip {
 public:
  explicit Strip(const Job& job) : job_(job), body_(job.step.bodies[0], nullptr) {
    size_t bytes = 0;
    const auto room = [&](const Layout& layout, bool needed, std::vector<size_t>& offsets) {
      offsets.push_back(bytes);
      if (needed) bytes += (layout.bytes + 63) / 64 * 64;
    };
    for (const Layout& layout : job.in) room(layout, !layout.whole_runs(), in_offsets_);
    for (size_t i = 0; i < job.out.size(); ++i) room(job.out[i], job.is_sum(i), out_offsets_);
    if (bytes) buffer_ = allocate(bytes);
    copied_.assign(job.in.size(), -1);
  }

  BadIndex run(int64_t task, int64_t sum) {
    Launches uncounted;
    const Ints number = job_.number(task, sum);
    std::vector<void*> inputs, outputs;
    for (size_t i = 0; i < job_.in.size(); ++i) {
      const int64_t offset = job_.in[i].offset(number);
      char* const from = static_cast<char*>(job_.operands[i]) + offset;
      if (job_.in[i].whole_runs()) {
        inputs.push_back(from);
        continue;
      }
      char* const room = static_cast<char*>(buffer_->data) + in_offsets_[i];
      if (copied_[i] != offset) job_.in[i].copy(from, room);
      copied_[i] = offset;
      inputs.push_back(room);
    }
    for (const int64_t& n : number) inputs.push_back(const_cast<int64_t*>(&n));
    const auto place = [&](size_t i) {
      return static_cast<char*>(job_.operands[job_.in.size() + i]) + job_.out[i].offset(number);
    };
    for (size_t i = 0; i < job_.out.size(); ++i)
      outputs.push_back(sum > 0 && job_.is_sum(i) ? static_cast<char*>(buffer_->data) + out_offsets_[i]
                                                  : place(i));
    if (BadIndex bad = body_.run(inputs, outputs, uncounted); bad.happened) return bad;
    for (size_t i = 0; i < job_.out.size() && sum > 0; ++i)
      if (job_.is_sum(i)) add_to(place(i), outputs[i], job_.step.out[i], job_.out[i].bytes);
    return {};
  }

 private:
  const Job& job_;
  Body body_;
  std::vector<size_t> in_offsets_, out_offsets_;
  std::vector<int64_t> copied_;  // which strip of an operand lies in the buffer
  BufferRef buffer_;
};

}  // namespace

BadIndex run_strips(const Strips& strips, const ProgramStep& step, void* const* operands,
                    Launches& launches) {
  const Job job(strips, step, operands);
  launches.kernels += step.bodies[0].kernels;
  launches.calls += step.bodies[0].calls;
  std::mutex mutex;
  BadIndex first;
  int64_t first_task = job.tasks;
  Watch watch;
  parallel_for(job.tasks, 1, [&](int64_t begin, int64_t end, int worker) {
    Strip strip(job);
    for (int64_t task = begin; task < end; ++task)
      for (int64_t sum = 0; sum < job.sums; ++sum) {
        if (BadIndex bad = strip.run(task, sum); bad.happened) {
          const std::lock_guard lock(mutex);
          if (task < first_task) {
            first = bad;
            first_task = task;
          }
          break;
        }
        if (worker == 0) watch.look();
      }
  });
  return first;
}

}  // namespace pg::engine
