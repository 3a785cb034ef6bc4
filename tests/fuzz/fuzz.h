#pragma once
// Helpers of the fuzz targets. A reader may refuse bytes with an InputError; every other exception
// leaves the target, and libFuzzer reports it.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>

#include <sanitizer/allocator_interface.h>
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

/// Ends the program, which is a finding.
inline void check(bool condition) {
  if (!condition) std::abort();
}

/// Bytes that one use of a reader may hold: 64 MB and twice the largest input of `./dev fuzz`.
inline int64_t memory_limit = (int64_t{64} << 20) + 2 * 65'536;

/// The bytes that are allocated, counted by hooks of the sanitizer.
class LiveMemory {
 public:
  static void start_use() { before_use() = live().load(); }

 private:
  static std::atomic<int64_t>& live() {
    static std::atomic<int64_t> bytes{0};
    return bytes;
  }
  static int64_t& before_use() {
    static int64_t bytes = INT64_MAX / 2;
    return bytes;
  }
  static void on_malloc(const volatile void* /*memory*/, size_t size) {
    if ((live() += static_cast<int64_t>(size)) - before_use() <= memory_limit) return;
    before_use() = INT64_MAX / 2;  // the report may take more
    std::fputs("a use of the reader takes too much memory\n", stderr);
    std::abort();
  }
  static void on_free(const volatile void* memory) {
    live() -= static_cast<int64_t>(__sanitizer_get_allocated_size(memory));
  }
  inline static const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
};

/// Calls `use`, which may take memory_limit and a second; the sanitizers are five times as slow.
template <typename Use>
int accept_input_errors(const Use& use) {
  LiveMemory::start_use();
  const std::clock_t start = std::clock();
  try {
    use();
  } catch (const gmlp::InputError&) {  // refused, with a reason
  }
  check(std::clock() - start < 5 * CLOCKS_PER_SEC);
  return 0;
}

}  // namespace gmlp::test
