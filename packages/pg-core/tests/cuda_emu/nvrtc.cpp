// Stands for libnvrtc: compiles CUDA C with the host's compiler. What it hands out as machine code is a
// shared object for the emulated driver. PGEMU_CXX names the compiler.

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>

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

}  // namespace

// No version of NVIDIA's has this minor number: results of the two never meet in a cache.
API int nvrtcVersion(int* major, int* minor) {
  *major = 12;
  *minor = 99;
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
  // Whether threads meet is read off the kernels themselves; a prelude may define more than they use.
  const size_t first = p->text.find("extern \"C\" __global__");
  const std::string kernels = first == std::string::npos ? "" : p->text.substr(first);
  const bool meets = std::regex_search(kernels, std::regex("__sync|_sync\\(|pg_across"));
  std::string text = "#line 1 \"kernel.cu\"\n" + p->text + "\n";
  const std::regex head("__global__\\s+void\\s+(?:__launch_bounds__\\s*\\([^)]*\\)\\s*)?(\\w+)\\s*\\(");
  for (std::sregex_iterator it(kernels.begin(), kernels.end(), head), end; it != end; ++it)
    text += "PGEMU_KERNEL(" + (*it)[1].str() + ")\n";
  const char* compiler = std::getenv("PGEMU_CXX");
  char work[] = "/tmp/pgemu-XXXXXX";
  if (!mkdtemp(work)) return out_of_resources;
  const std::string base = std::string(work) + "/kernel";
  std::ofstream(base + ".cu") << text;
  const std::string command = std::string(compiler ? compiler : "g++") +
                              " -std=c++20 -x c++ -shared -fPIC -fvisibility=hidden -fno-gnu-unique -O1 -w "
                              "-ffp-contract=off -fno-math-errno" +
                              (meets ? " -DPGEMU_MEETS" : "") + " -include '" + folder() + "/kernel.h' '" +
                              base + ".cu' -o '" + base + ".so' 2> '" + base + ".log'";
  const int status = std::system(command.c_str());
  p->log = read(base + ".log");
  if (status == 0) p->code = read(base + ".so");
  for (const char* ending : {".cu", ".so", ".log"}) unlink((base + ending).c_str());
  rmdir(work);
  return status == 0 ? success : compilation;
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
