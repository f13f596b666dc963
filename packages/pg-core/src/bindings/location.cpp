// Where in the user's Python an op was called: the nearest frame outside the libraries.

#include <string>
#include <string_view>
#include <unordered_map>

#include "bindings/common.h"
#include "support/format.h"

namespace pg::bindings {
namespace {

// Code objects seen, each kept alive for the life of the process, and whether it belongs to a library of
// ours.
std::unordered_map<PyCodeObject*, bool>& known_codes() {
  static auto* known = new std::unordered_map<PyCodeObject*, bool>;
  return *known;
}

std::string package = "/pequegrad/";

bool is_library(PyCodeObject* code) {
  auto& known = known_codes();
  if (const auto found = known.find(code); found != known.end()) return found->second;
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(code->co_filename, &length);
  if (!text) PyErr_Clear();
  const std::string_view path =
      text ? std::string_view(text, static_cast<size_t>(length)) : std::string_view();
  const auto holds = [&](std::string_view part) { return path.find(part) != std::string_view::npos; };
  const bool library =
      path.starts_with(package) || holds("/pg_nn/") || holds("/pg_jax/") || holds("/pg_onnx/");
  Py_INCREF(code);
  known.emplace(code, library);
  return library;
}

}  // namespace

Location nearest_user_location() {
  PyFrameObject* frame = PyThreadState_GetFrame(PyThreadState_Get());
  while (frame) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    const bool library = is_library(code);
    Py_DECREF(code);  // the table holds it
    if (!library) {
      const Location here{code, PyFrame_GetLasti(frame)};
      Py_DECREF(frame);
      return here;
    }
    PyFrameObject* back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  return {};
}

Place place_of(const Location& where) {
  if (!where.code) return {};
  auto* code = static_cast<PyCodeObject*>(where.code);
  const py::handle file(code->co_filename), name(code->co_name);
  return {py::cast<std::string>(file), PyCode_Addr2Line(code, where.offset), py::cast<std::string>(name)};
}

std::string format_location(const Location& where) {
  const Place place = place_of(where);
  return place.file.empty() ? "" : concat(place.file, ":", place.line, " in ", place.function);
}

void install_location_hooks(const std::string& package_path) {
  package = package_path;
  current_location = nearest_user_location;
  describe_location = format_location;
}

}  // namespace pg::bindings
