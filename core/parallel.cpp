#include "core/parallel.h"

#include <omp.h>

namespace gmlp {

namespace {

bool workers_flush = false;

// x86: bits FTZ (results) and DAZ (operands) of MXCSR. 64-bit Arm: bit FZ of FPCR is both.
#if defined(__x86_64__)
constexpr unsigned kFlush = 0x8040U;
bool thread_flushes() {
  return (__builtin_ia32_stmxcsr() & kFlush) == kFlush;
}
void let_thread_flush() {
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | kFlush);
}
#elif defined(__aarch64__)
constexpr uint64_t kFlush = uint64_t{1} << 24;
uint64_t control() {
  uint64_t bits = 0;
  asm volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
bool thread_flushes() {
  return (control() & kFlush) != 0;
}
void let_thread_flush() {
  asm volatile("msr fpcr, %0" : : "r"(control() | kFlush));
}
#else
bool thread_flushes() {
  return false;
}
void let_thread_flush() {}
#endif

}  // namespace

int thread_count() {
  return omp_get_max_threads();
}

void set_thread_count(int count) {
  omp_set_dynamic(0);  // exactly this many, even beyond the processors that are there
  omp_set_num_threads(count < 1 ? 1 : count);
  if (!workers_flush) return;
#pragma omp parallel
  let_thread_flush();
}

void flush_denormals() {
  workers_flush = true;
  let_thread_flush();
}

bool flushes_denormals() {
  return thread_flushes();
}

}  // namespace gmlp
