#pragma once
// Threads. Work is cut by the problem, never by the number of threads: parallel_for runs body(i)
// for i in [0, chunks), and whoever calls it chooses the chunks from sizes alone. Each chunk writes
// its own outputs, sums go over chunks in order; that is why any number of threads gives the same
// bits.

#include <cstdint>
#include <exception>

namespace gmlp {

/// The number of threads of the next parallel region, and its setting (>= 1).
int thread_count();
void set_thread_count(int count);

/// Numbers below the smallest normal one count as 0 from now on, on this thread and on the workers
/// of every later set_thread_count(). A moment that decays towards 0 spends a thousand steps there,
/// and some processors take a hundred times as long over each. Programs say so at their start;
/// libraries and tests leave the arithmetic as IEEE 754 has it.
void flush_denormals();
/// Whether this thread does.
bool flushes_denormals();

/// ceil(n / size): how many chunks of `size` cover n.
constexpr int64_t chunk_count(int64_t n, int64_t size) {
  return (n + size - 1) / size;
}

/// Calls body(i) for every i in [0, chunks), in any order, on all threads. An exception in one of
/// them is carried out of the region and rethrown here, the first that was caught.
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
    const int64_t end = begin + size < n ? begin + size : n;
    body(begin, end);
  });
}

}  // namespace gmlp
