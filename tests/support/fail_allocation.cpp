// A library to preload: the N-th allocation of the process fails (GMLP_FAIL_ALLOCATION=N). At the
// end it writes the number of allocations to the file GMLP_COUNT_ALLOCATIONS. It calls glibc's
// functions by their internal names.
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): glibc's names
extern "C" {
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* old, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

namespace {

std::atomic<long> g_calls{0};

bool fails() {
  static const char* const chosen = std::getenv("GMLP_FAIL_ALLOCATION");
  const long call = ++g_calls;
  if (chosen == nullptr || call != std::atol(chosen)) return false;
  errno = ENOMEM;
  return true;
}

struct Report {
  ~Report() {
    const char* path = std::getenv("GMLP_COUNT_ALLOCATIONS");
    std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "w");
    if (file == nullptr) return;
    std::fprintf(file, "%ld\n", g_calls.load());
    std::fclose(file);
  }
} g_report;

}  // namespace

extern "C" {
void* malloc(size_t bytes) {
  return fails() ? nullptr : __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
  return fails() ? nullptr : __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) {
  return fails() ? nullptr : __libc_realloc(old, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
  return fails() ? nullptr : __libc_memalign(alignment, bytes);
}
int posix_memalign(void** result, size_t alignment, size_t bytes) {
  *result = fails() ? nullptr : __libc_memalign(alignment, bytes);
  return *result == nullptr ? ENOMEM : 0;
}
}
