// Replaces this program's operator new and delete by ones that count, except under ThreadSanitizer,
// which has its own and lets nobody replace them.
#include "tests/core/allocation_peak.h"

#include <atomic>
#include <cstdlib>
#include <new>

#include <malloc.h>

#if defined(__has_feature)
#  if __has_feature(thread_sanitizer)
#    define GMLP_KEEPS_NEW
#  endif
#endif

namespace {

std::atomic<int64_t> live_bytes{0};
std::atomic<int64_t> peak_bytes{0};
int64_t start_bytes = 0;

}  // namespace

#ifdef GMLP_KEEPS_NEW

constexpr bool kReplacesNew = false;

#else

constexpr bool kReplacesNew = true;

namespace {

void* try_allocate(size_t size) noexcept {
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  const int64_t live = live_bytes += static_cast<int64_t>(malloc_usable_size(memory));
  int64_t peak = peak_bytes;
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live)) {
  }
  return memory;
}

void* allocate(size_t size) {
  void* memory = try_allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory) noexcept {
  live_bytes -= static_cast<int64_t>(malloc_usable_size(memory));
  std::free(memory);
}

}  // namespace

void* operator new(size_t size) {
  return allocate(size);
}
void* operator new[](size_t size) {
  return allocate(size);
}
void* operator new(size_t size, const std::nothrow_t& /*tag*/) noexcept {
  return try_allocate(size);
}
void operator delete(void* memory) noexcept {
  release(memory);
}
void operator delete[](void* memory) noexcept {
  release(memory);
}
void operator delete(void* memory, size_t /*size*/) noexcept {
  release(memory);
}
void operator delete[](void* memory, size_t /*size*/) noexcept {
  release(memory);
}

#endif

namespace gmlp::test {

AllocationPeak::AllocationPeak() {
  start_bytes = live_bytes;
  peak_bytes = start_bytes;
}

bool AllocationPeak::counts() {
  return kReplacesNew;
}

int64_t AllocationPeak::bytes() const {
  return peak_bytes - start_bytes;
}

}  // namespace gmlp::test
