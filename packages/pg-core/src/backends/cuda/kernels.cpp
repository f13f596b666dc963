#include "backends/cuda/kernels.h"

#include <map>
#include <mutex>

#include "backends/cuda/compile.h"
#include "backends/cuda/emitter.h"
#include "support/error.h"
#include "support/format.h"

namespace pg::cuda {
namespace {

struct Known {
  std::mutex mutex;  // compiling one text does not hold up another
  std::shared_ptr<const Code> code;
  std::map<std::string, Function> functions;
};

// Never destroyed: programs may run while the process ends.
struct Table {
  std::mutex mutex;
  std::map<std::pair<int, std::string>, Known> known;  // by GPU and text
};

Function function_of(Gpu& gpu, const std::string& text, const char* name) {
  static auto* table = new Table;
  Known* k = nullptr;
  {
    const std::lock_guard lock(table->mutex);
    k = &table->known[{gpu.index, text}];
  }
  const std::lock_guard lock(k->mutex);
  if (!k->code) k->code = compile(gpu, prelude + text);
  Function& f = k->functions[name];
  if (!f) f = k->code->function(name);
  return f;
}

}  // namespace

void launch_fixed(CudaRun& run, const FixedLaunch& what, std::initializer_list<const void*> parameters) {
  if (what.blocks == 0) return;
  require(what.blocks <= most_int, ErrorKind::not_implemented,
          [&] { return concat(what.function, ": ", what.blocks, " blocks are too many for a GPU"); });
  Gpu& gpu = run.gpu();
  gpu.enter();
  SmallVector<void*, 16> given;
  for (const void* p : parameters) given.push_back(const_cast<void*>(p));
  check(driver().launch(function_of(gpu, what.text, what.function), static_cast<unsigned>(what.blocks), 1, 1,
                        what.threads, 1, 1, 0, gpu.stream, given.data(), nullptr),
        "to launch a kernel");
}

std::string element_text(DType dtype, DType computed) {
  const std::string_view t = memory_type(dtype), c = register_type(computed);
  std::string in = concat("(C)", is_half(dtype) ? "pg_float(x)" : "x"), out = "(T)x";
  if (is_bool(dtype)) in = "x != 0", out = "x != (C)0";
  else if (is_half(dtype)) out = concat(dtype == DType::float16 ? "pg_f16_of" : "pg_bf16_of", "((float)x)");
  else if (is_complex(dtype))
    in = computed == dtype ? "x" : "C{x.re, x.im}",
    out = dtype == DType::complex64 ? "T{(float)x.re, (float)x.im}" : "x";
  return concat("typedef ", t, " T;\ntypedef ", c, " C;\nPG_INLINE C read(T x) { return ", in,
                "; }\nPG_INLINE T write(C x) { return ", out, "; }\n");
}

DType sum_type(DType dtype, bool exact) {
  if (is_complex(dtype)) return exact ? DType::complex128 : dtype;
  if (is_inexact(dtype)) return exact || dtype == DType::float64 ? DType::float64 : DType::float32;
  return size_of(dtype) <= 4 ? DType::uint32 : DType::uint64;
}

Operands::Operands(const CallArgs& c) : run(static_cast<CudaRun&>(*c.on)) {
  for (size_t i = 0; i < c.in.size(); ++i)
    in_.push_back(
        run.placed(c.inputs[i], static_cast<size_t>(count_of(c.in[i].shape) * size_of(c.in[i].dtype))));
}

Around around(const Shape& shape, int64_t axis) {
  Around out;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i);
    (at < axis ? out.outer : at == axis ? out.n : out.inner) *= shape[i];
  }
  return out;
}

}  // namespace pg::cuda
