// Runs the threads of a kernel, block by block. Where threads meet (barriers, shuffles) each is a fiber.
#pragma once

#include "memory.h"
#include "module.h"

namespace pgemu {

struct Kernel {
  const char* name;
  bool meets;
  void (*thread)(void**);
  void (*block)(void**, Dim3, Dim3, Dim3);
  char *shared_begin, *shared_end;  // poisoned for each block
};

Runtime* runtime();
Result run_grid(const Kernel& kernel, Dim3 grid, Dim3 block, void** parameters);

}  // namespace pgemu
