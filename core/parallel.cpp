#include "core/parallel.h"

#include <omp.h>

namespace gmlp {

namespace {

bool workers_flush = false;

// The control register of this thread's floating-point unit, and its flush bits.
#if defined(__x86_64__)
constexpr uint64_t kFlush = 0x8040;  // MXCSR: FTZ (results) and DAZ (operands)
uint64_t control() {
  return __builtin_ia32_stmxcsr();
}
void set_control(uint64_t bits) {
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(bits));
}
#elif defined(__aarch64__)
constexpr uint64_t kFlush = uint64_t{1} << 24;  // FPCR: FZ (both)
uint64_t control() {
  uint64_t bits = 0;
  asm volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
void set_control(uint64_t bits) {
  asm volatile("msr fpcr, %0" : : "r"(bits));
}
#else
constexpr uint64_t kFlush = 1;  // cannot be set
uint64_t control() {
  return 0;
}
void set_control(uint64_t /*bits*/) {}
#endif

}  // namespace

int thread_count() {
  return omp_get_max_threads();
}

void set_thread_count(int count) {
  omp_set_dynamic(0);  // exactly this many, even more than there are processors
  omp_set_num_threads(count < 1 ? 1 : count);
  if (!workers_flush) return;
#pragma omp parallel
  set_control(control() | kFlush);
}

void flush_denormals() {
  workers_flush = true;
  set_control(control() | kFlush);
}

bool flushes_denormals() {
  return (control() & kFlush) == kFlush;
}

}  // namespace gmlp
