#pragma once
// Helpers of the fuzz targets. A reader may refuse bytes with an InputError; every other exception
// leaves the target, and libFuzzer reports it.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"

namespace gmlp::test {

inline std::string_view view_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// The path of a file in memory that contains these bytes until the next call.
inline const std::string& file_of(std::string_view bytes) {
  static const int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
  if (ftruncate(descriptor, 0) != 0 ||
      pwrite(descriptor, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
  return path;
}

/// The texts before and after the first NUL: two texts from one input.
inline std::pair<std::string, std::string> two_texts(const uint8_t* data, size_t size) {
  const std::string_view all = view_of(data, size);
  const size_t end = std::min(all.find('\0'), size);
  return {std::string(all.substr(0, end)), std::string(all.substr(std::min(end + 1, size)))};
}

template <typename Use>
int accept_input_errors(const Use& use) {
  try {
    use();
  } catch (const gmlp::InputError&) {  // refused, with a reason
  }
  return 0;
}

/// Ends the program, which is a finding.
inline void check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace gmlp::test
