#include "apps/cli/peak.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <vector>

#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

double machine_peak_gflops(int threads, double seconds, fused::Precision precision) {
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const fused::Kernels& kernels = fused::kernels();
  double (*burst)(int64_t) =
      precision == fused::Precision::kBf16 ? kernels.bf16_burst : kernels.fma_burst;
  constexpr int64_t kIterations = 1 << 20;  // some milliseconds
  const Clock::time_point begin = Clock::now();
  double best = 0;
  do {
    // Twice as many bursts as threads, so that they overlap however they are scheduled.
    const Clock::time_point start = Clock::now();
    const int64_t bursts = 2 * threads;
    std::vector<double> flops(static_cast<size_t>(bursts));
    parallel_for(bursts, [&](int64_t i) { flops[static_cast<size_t>(i)] = burst(kIterations); });
    const double total = std::accumulate(flops.begin(), flops.end(), 0.0);
    best = std::max(best, total / seconds_since(start) * 1e-9);
  } while (seconds_since(begin) < seconds);
  return best;
}

}  // namespace gmlp
