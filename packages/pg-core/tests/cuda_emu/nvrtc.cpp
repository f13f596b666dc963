// Stands for libnvrtc: compiles CUDA C with the host's compiler. What it hands out as machine code is a
// shared object for the emulated driver, with a number behind it (module.h). PGEMU_CXX names the compiler,
// PGEMU_KEEP a folder that receives every text, without its prelude.
//
// Starting a compiler and reading the prelude takes longer than most kernels do. So texts that wait while a
// compiler runs are compiled together, each in a namespace of its own.

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#define API extern "C" __attribute__((visibility("default")))

namespace {

enum Result { success = 0, out_of_resources = 1, invalid_option = 5, compilation = 6 };

struct Program {
  std::string text, log, code;
};

std::string folder() {
  Dl_info info;
  dladdr(reinterpret_cast<void*>(&folder), &info);
  const std::string path = info.dli_fname;
  return path.substr(0, path.rfind('/'));
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream out;
  out << file.rdbuf();
  return out.str();
}

bool known_option(const char* option) {
  static const char* const known[] = {"--gpu-architecture=", "--std=", "--fmad=", "--ptxas-options="};
  for (const char* k : known)
    if (!std::strncmp(option, k, std::strlen(k))) return true;
  return false;
}

/// A text that is to be compiled, and what became of it.
struct Request {
  std::string prelude, kernels;
  bool meets = false, done = false;
  Result result = success;
  std::string log, code;
};

constexpr const char* end_of_prelude = "// ---- kernels\n";
constexpr size_t most_together = 48;
std::mutex mutex;
std::condition_variable changed;
std::vector<Request*> waiting;
bool compiling = false;

// What the macros of one text define ends with it.
std::string forgotten(const std::string& text) {
  std::string out;
  const std::regex definition("(?:^|\n)[ \t]*#[ \t]*define[ \t]+(\\w+)");
  for (std::sregex_iterator it(text.begin(), text.end(), definition), end; it != end; ++it)
    out += "#undef " + (*it)[1].str() + "\n";
  return out;
}

std::string unit_of(const Request& r, size_t number) {
  const std::string n = std::to_string(number);
  std::string out = "#define PGEMU_SHARED PGEMU_SHARED_OF(" + n + ")\nnamespace pgemu_unit" + n + " {\n";
  // In its namespace only without C linkage.
  out += std::regex_replace(r.kernels, std::regex("extern \"C\" __global__"), "__global__") + "\n}\n";
  out += forgotten(r.kernels) + "#undef PGEMU_SHARED\nPGEMU_UNIT(" + n + ")\n";
  const std::regex head("__global__\\s+void\\s+(?:__launch_bounds__\\s*\\([^)]*\\)\\s*)?(\\w+)\\s*\\(");
  for (std::sregex_iterator it(r.kernels.begin(), r.kernels.end(), head), end; it != end; ++it)
    out += "PGEMU_KERNEL(" + n + ", " + (*it)[1].str() + ")\n";
  return out;
}

void compile(const std::vector<Request*>& all) {
  std::string text = all[0]->prelude;
  for (size_t i = 0; i < all.size(); ++i) text += unit_of(*all[i], i);
  const auto all_fail = [&](Result result, const std::string& log) {
    for (Request* r : all) r->result = result, r->log = log;
  };
  const char* compiler = std::getenv("PGEMU_CXX");
  std::string work = (std::filesystem::temp_directory_path() / "pgemu-XXXXXX").string();
  if (!mkdtemp(work.data())) return all_fail(out_of_resources, "no folder for temporary files");
  const std::string base = work + "/kernel";
  std::ofstream(base + ".cu") << text;
  const std::string command = std::string(compiler ? compiler : "g++") +
                              " -std=c++20 -x c++ -shared -fPIC -fvisibility=hidden -fno-gnu-unique -O0 -w "
                              "-ffp-contract=off -fno-math-errno" +
                              (all[0]->meets ? " -DPGEMU_MEETS" : "") + " -include '" + folder() +
                              "/kernel.h' '" + base + ".cu' -o '" + base + ".so' 2> '" + base + ".log'";
  const int status = std::system(command.c_str());
  const std::string log = read(base + ".log"), code = status == 0 ? read(base + ".so") : "";
  for (const char* ending : {".cu", ".so", ".log"}) unlink((base + ending).c_str());
  rmdir(work.c_str());
  if (status != 0 && all.size() > 1) {  // each has its own log
    for (Request* r : all) compile({r});
    return;
  }
  if (status != 0) return all_fail(compilation, log);
  for (size_t i = 0; i < all.size(); ++i) {
    const uint32_t number = static_cast<uint32_t>(i);
    all[i]->result = success;
    all[i]->code = code + std::string(reinterpret_cast<const char*>(&number), sizeof number);
  }
}

// The first to come compiles what waits, which is what came while others compiled.
void compile_with_others(Request& mine) {
  std::unique_lock lock(mutex);
  waiting.push_back(&mine);
  while (!mine.done) {
    if (compiling) {
      changed.wait(lock);
      continue;
    }
    compiling = true;
    std::vector<Request*> mates;
    const auto fits = [&](const Request* r) {
      return mates.size() < most_together && r->meets == waiting[0]->meets &&
             r->prelude == waiting[0]->prelude;
    };
    for (Request* r : waiting)
      if (fits(r)) mates.push_back(r);
    std::erase_if(waiting,
                  [&](Request* r) { return std::find(mates.begin(), mates.end(), r) != mates.end(); });
    lock.unlock();
    compile(mates);
    lock.lock();
    for (Request* r : mates) r->done = true;
    compiling = false;
    changed.notify_all();
  }
}

}  // namespace

// No version of NVIDIA's has this minor number: results of the two never meet in a cache. It counts up with
// every change of what machine code is here.
API int nvrtcVersion(int* major, int* minor) {
  *major = 12;
  *minor = 100;
  return success;
}
API int nvrtcGetNumSupportedArchs(int* count) {
  *count = 4;
  return success;
}
API int nvrtcGetSupportedArchs(int* out) {
  const int all[] = {75, 80, 90, 100};
  std::memcpy(out, all, sizeof all);
  return success;
}
API int nvrtcCreateProgram(Program** out, const char* text, const char*, int, const char* const*,
                           const char* const*) {
  *out = new Program{text, "", ""};
  return success;
}
API int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return success;
}

API int nvrtcCompileProgram(Program* p, int count, const char* const* options) {
  for (int i = 0; i < count; ++i)
    if (!known_option(options[i])) {
      p->log = std::string("unknown option ") + options[i];
      return invalid_option;
    }
  Request r;
  const size_t end = p->text.find(end_of_prelude);
  const size_t first = end == std::string::npos ? 0 : end + std::strlen(end_of_prelude);
  r.prelude = p->text.substr(0, first);
  r.kernels = p->text.substr(first);
  // Whether threads meet is read off the kernels themselves; a prelude may define more than they use.
  r.meets = std::regex_search(r.kernels, std::regex("__sync|_sync\\(|pg_across"));
  if (const char* kept = std::getenv("PGEMU_KEEP"))
    std::ofstream(std::string(kept) + "/" + std::to_string(std::hash<std::string>()(r.kernels)) + ".cu")
        << r.kernels;
  compile_with_others(r);
  p->log = r.log;
  p->code = r.code;
  return r.result;
}

API int nvrtcGetProgramLogSize(Program* p, size_t* size) {
  *size = p->log.size() + 1;
  return success;
}
API int nvrtcGetProgramLog(Program* p, char* out) {
  std::memcpy(out, p->log.c_str(), p->log.size() + 1);
  return success;
}
API int nvrtcGetCUBINSize(Program* p, size_t* size) {
  *size = p->code.size();
  return success;
}
API int nvrtcGetCUBIN(Program* p, char* out) {
  std::memcpy(out, p->code.data(), p->code.size());
  return success;
}
API int nvrtcGetPTXSize(Program* p, size_t* size) { return nvrtcGetCUBINSize(p, size); }
API int nvrtcGetPTX(Program* p, char* out) { return nvrtcGetCUBIN(p, out); }
