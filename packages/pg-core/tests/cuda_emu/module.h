// Between the emulated driver and a module: CUDA C that the host compiler made into a shared object. Included
// by both; every module exports the functions named here.
#pragma once

namespace pgemu {

struct Dim3 {
  unsigned x, y, z;
};

struct Thread {  // what a thread of a kernel sees
  Dim3 index, block, block_size, grid_size;
  unsigned lane, warp;
};

struct Runtime {
  Thread* current;
  void (*sync_block)();
  unsigned (*sync_warp)(unsigned mask);  // answers which half of `exchange` to read
  unsigned (*half)();                    // the half to write
  unsigned long long (*exchange)[32];    // [2][32] of the warp
  void (*fail)(const char* what);
};

// How large a parameter is, and whether it is a pointer into device memory.
struct Parameter {
  unsigned bytes;
  bool pointer;
};

// The machine code of a text is a shared object and, behind it, the number (4 bytes) of the text in it:
// texts may have been compiled together. extern "C" of the object:
//   int pgemu_meets                            do threads meet (barriers, shuffles)?
//   void pgemu_bind(Runtime*)
//   void pgemu_shared_NUMBER(char** begin, char** end)         shared memory, to be poisoned for each block
//   void pgemu_thread_NUMBER_NAME(void** parameters)           one thread
//   void pgemu_block_NUMBER_NAME(void** parameters, Dim3 block, Dim3 grid_size, Dim3 block_size)  all of a
//   block const Parameter* pgemu_parameters_NUMBER_NAME(unsigned* count)

}  // namespace pgemu
