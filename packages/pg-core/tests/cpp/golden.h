#pragma once
// Texts that stand in tests/golden. A change shows as a difference there; PG_UPDATE_GOLDEN=1 writes the files
// anew.

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "check.h"

inline void compare_golden(const std::string& file, const std::string& text) {
  const std::string path = std::string(PG_TEST_FOLDER) + "/golden/" + file;
  if (std::getenv("PG_UPDATE_GOLDEN")) {
    std::ofstream(path) << text;
    return;
  }
  std::stringstream want;
  want << std::ifstream(path).rdbuf();
  if (want.str() != text) std::fprintf(stderr, "%s:\n%s", file.c_str(), text.c_str());
  CHECK(want.str() == text);
}
