#include "core/parallel.h"

#include <omp.h>

namespace gmlp {

namespace {

bool workers_flush = false;

void flush_on_this_thread() {
#if defined(__x86_64__)
  __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() |
                         0x8040);  // MXCSR: FTZ (results), DAZ (operands)
#elif defined(__aarch64__)
  uint64_t fpcr = 0;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  asm volatile("msr fpcr, %0" : : "r"(fpcr | uint64_t{1} << 24));  // FZ (both)
#endif
}

}  // namespace

int thread_count() {
  return omp_get_max_threads();
}

void set_thread_count(int count) {
  omp_set_dynamic(0);  // exactly this many, even more than there are processors
  omp_set_num_threads(count < 1 ? 1 : count);
  if (!workers_flush) return;
#pragma omp parallel
  flush_on_this_thread();
}

void flush_denormals() {
  workers_flush = true;
  flush_on_this_thread();
}

}  // namespace gmlp
