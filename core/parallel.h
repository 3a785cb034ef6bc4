#pragma once
// Threads. The problem's sizes alone determine how sums are cut, never the number of threads:
// parallel_for runs body(i) for i in [0, chunks), each chunk writes its own outputs, and sums run
// over chunks in order. So every number of threads gives the same bits.

#include <cstdint>
#include <exception>
#include <string>

namespace gmlp {

/// The number of threads of the next parallel region, and its setting (>= 1).
int thread_count();
void set_thread_count(int count);

/// How many threads this process may keep busy: OMP_NUM_THREADS if it is set, else the processors
/// of its affinity mask, but no more than the CPU quota of its container.
int default_thread_count();

/// The CPU quota of this process in processors, or infinity: the smallest of its control groups
/// (cgroup v1 and v2) and of the groups above them. `root` is where /proc and /sys are.
double cpu_quota(const std::string& root = "/");

/// Lets threads that wait for each other spin briefly and then sleep, for a machine that other
/// programs use, too. libgomp reads its spin count before main() begins. So this, first in main(),
/// sets GOMP_SPINCOUNT and executes the program again, unless the environment says how to wait.
void limit_spinning(char** argv);

/// Turns on flush-to-zero (FTZ/DAZ) for this thread and for the workers of every later
/// set_thread_count(). A moment that decays towards 0 is denormal for a thousand steps, and some
/// processors compute with denormals a hundred times slower. Only programs call it, at their start.
void flush_denormals();

/// ceil(n / size): how many chunks of `size` cover n.
constexpr int64_t chunk_count(int64_t n, int64_t size) {
  return (n + size - 1) / size;
}

/// Calls body(i) for every i in [0, chunks), in any order, on all threads. Rethrows the first
/// exception.
template <typename Body>
void parallel_for(int64_t chunks, const Body& body) {
  if (chunks <= 1) {
    if (chunks == 1) body(int64_t{0});
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t i = 0; i < chunks; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical(gmlp_parallel_error)
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

/// Calls body(begin, end) over [0, n) in ranges of `size`.
template <typename Body>
void parallel_ranges(int64_t n, int64_t size, const Body& body) {
  parallel_for(chunk_count(n, size), [&](int64_t i) {
    const int64_t begin = i * size;
    body(begin, begin + size < n ? begin + size : n);
  });
}

}  // namespace gmlp
