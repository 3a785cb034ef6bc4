#pragma once
// Real files that the project cannot ship. They are there only where GMLP_SHARED says where.

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/catch.h"

namespace gmlp::test {

/// The path of `name` in the data/ of GMLP_SHARED, or "" after saying that the test is skipped:
/// what a test calls first, as ctest takes one that says so for skipped, whatever else it does.
inline std::string shared_file(const std::string& name) {
  const char* folder = std::getenv("GMLP_SHARED");
  if (folder != nullptr) {
    std::string path = std::string(folder) + "/data/" + name;
    if (std::filesystem::exists(path)) return path;
  }
  WARN("SKIPPED: set GMLP_SHARED to a folder with data/" << name);
  return "";
}

}  // namespace gmlp::test
