#include "grid.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace pgemu {
namespace {

#if defined(__x86_64__)
struct Context {
  void* stack = nullptr;
};
// Saves what a call keeps, changes stacks, and restores.
asm(R"(
.text
.type pgemu_switch,@function
pgemu_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp,(%rdi); movq (%rsi),%rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size pgemu_switch,.-pgemu_switch
)");
extern "C" void pgemu_switch(Context* from, Context* to) __attribute__((visibility("hidden")));
void prepare(Context& context, char* stack, size_t bytes, void (*entry)()) {
  void** top = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t{15});
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  context.stack = top;
}
#else
struct Context {
  ucontext_t context;
};
void pgemu_switch(Context* from, Context* to) { swapcontext(&from->context, &to->context); }
void prepare(Context& context, char* stack, size_t bytes, void (*entry)()) {
  getcontext(&context.context);
  context.context.uc_stack.ss_sp = stack;
  context.context.uc_stack.ss_size = bytes;
  context.context.uc_link = nullptr;
  makecontext(&context.context, entry, 0);
}
#endif

constexpr size_t stack_bytes = 64 << 10;

enum class Waits : char { no, block, warp };
struct Fiber {
  Thread thread{};
  Context context;
  unsigned round = 0;  // of what it waits for
  Waits waits = Waits::no;
  bool done = false;
};
struct Warp {
  unsigned round = 0, arrived = 0, mask = 0, living = 0;
  unsigned long long exchange[2][32];
};

struct Running : Runtime {
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  Context main;
  Fiber* fiber = nullptr;
  char* stacks = nullptr;
  size_t stack_count = 0;
  unsigned round = 0, arrived = 0, living = 0;
  void (*entry)(void**) = nullptr;
  void** parameters = nullptr;
  const char* error = nullptr;
} running;

Warp& warp_of(const Fiber& fiber) { return running.warps[fiber.thread.warp]; }

void leave() { pgemu_switch(&running.fiber->context, &running.main); }

void wait(Waits what, unsigned round) {
  Fiber* const me = running.fiber;
  me->waits = what;
  me->round = round;
  leave();
  me->waits = Waits::no;
}

void fail(const char* what) {
  if (!running.error) running.error = what;
  leave();
  std::abort();
}

void sync_block() {
  const unsigned round = running.round;
  if (++running.arrived == running.living) {
    running.arrived = 0;
    ++running.round;
    return;
  }
  wait(Waits::block, round);
}

unsigned sync_warp(unsigned mask) {
  const Thread& me = running.fiber->thread;
  Warp& warp = warp_of(*running.fiber);
  const unsigned round = warp.round;
  if (!(mask >> me.lane & 1)) fail("a lane takes part in an exchange whose mask leaves it out");
  mask &= warp.living;  // lanes beyond the end of the block never come
  if (warp.arrived && warp.mask != mask) fail("the lanes of an exchange give different masks");
  warp.mask = mask;
  if (++warp.arrived == static_cast<unsigned>(__builtin_popcount(mask))) {
    warp.arrived = 0;
    ++warp.round;
  } else {
    wait(Waits::warp, round);
  }
  return round & 1;
}

unsigned half() { return warp_of(*running.fiber).round & 1; }

void run_fiber() {
  for (;;) {
    Fiber* const me = running.fiber;
    running.entry(running.parameters);
    me->done = true;
    --running.living;
    warp_of(*me).living &= ~(1u << me->thread.lane);
    if (running.living && running.arrived == running.living) {
      running.arrived = 0;
      ++running.round;
    }
    leave();
  }
}

bool waits(const Fiber& fiber) {
  if (fiber.waits == Waits::block) return fiber.round == running.round;
  return fiber.waits == Waits::warp && fiber.round == warp_of(fiber).round;
}

void make_fibers(unsigned count, Dim3 grid, Dim3 block) {
  Running& r = running;
  if (r.stack_count < count) {
    if (r.stacks) munmap(r.stacks, r.stack_count * stack_bytes);
    r.stacks = static_cast<char*>(mmap(nullptr, count * stack_bytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    r.stack_count = count;
  }
  r.fibers.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    Fiber& f = r.fibers[i];
    prepare(f.context, r.stacks + i * stack_bytes, stack_bytes, run_fiber);
    f.thread = {{i % block.x, i / block.x % block.y, i / block.x / block.y}, {}, block, grid, i % 32, i / 32};
  }
}

// Until all threads are done or none can go on.
void run_block(unsigned count, bool backwards) {
  Running& r = running;
  while (r.living && !r.error) {
    bool moved = false;
    for (unsigned i = 0; i < count && !r.error; ++i) {
      Fiber& f = r.fibers[backwards ? count - 1 - i : i];
      if (f.done || waits(f)) continue;
      moved = true;
      r.fiber = &f;
      r.current = &f.thread;
      r.exchange = warp_of(f).exchange;
      pgemu_switch(&r.main, &f.context);
    }
    if (!moved) r.error = "some threads wait at a barrier that the others never reach";
  }
}

template <class Body> void each_block(Dim3 grid, Body body) {
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x)
        if (!body(Dim3{x, y, z})) return;
}

}  // namespace

Runtime* runtime() {
  running.sync_block = sync_block;
  running.sync_warp = sync_warp;
  running.half = half;
  running.fail = fail;
  return &running;
}

Result run_grid(const Kernel& kernel, Dim3 grid, Dim3 block, void** parameters) {
  const Access access;
  if (!kernel.meets) {
    each_block(grid, [&](Dim3 at) {
      kernel.block(parameters, at, grid, block);
      return true;
    });
    return success;
  }
  static const bool backwards = environment("PGEMU_BACKWARDS", 0) != 0;
  Running& r = running;
  const unsigned count = block.x * block.y * block.z;
  r.entry = kernel.thread;
  r.parameters = parameters;
  r.error = nullptr;
  make_fibers(count, grid, block);
  each_block(grid, [&](Dim3 at) {
    if (kernel.shared_end > kernel.shared_begin)
      std::memset(kernel.shared_begin, 0xff, static_cast<size_t>(kernel.shared_end - kernel.shared_begin));
    r.warps.assign((count + 31) / 32, Warp());
    r.round = r.arrived = 0;
    r.living = count;
    for (Fiber& f : r.fibers) {
      f.thread.block = at;
      f.waits = Waits::no;
      f.done = false;
      warp_of(f).living |= 1u << f.thread.lane;
    }
    run_block(count, backwards);
    return r.error == nullptr;
  });
  if (r.error) return wrong(launch_failed, "kernel %s: %s", kernel.name, r.error);
  return success;
}

}  // namespace pgemu
