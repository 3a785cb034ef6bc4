#include "apps/cli/peak.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "apps/cli/format.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace gmlp {

double peak_gflops(const std::string& precision, double seconds, const fused::Kernels& kernels) {
  double (*burst)(int64_t) = precision == "bf16" ? kernels.bf16_burst : kernels.fma_burst;
  constexpr int64_t kIterations = 1 << 20;  // some milliseconds
  const Stopwatch whole;
  double best = 0;
  do {
    // Twice as many bursts as threads, so that they overlap however they are scheduled.
    const Stopwatch watch;
    const int64_t bursts = 2 * thread_count();
    std::vector<double> flops(static_cast<size_t>(bursts));
    parallel_for(bursts, [&](int64_t i) { flops[static_cast<size_t>(i)] = burst(kIterations); });
    const double total = std::accumulate(flops.begin(), flops.end(), 0.0);
    best = std::max(best, total / watch.seconds() * 1e-9);
  } while (whole.seconds() < seconds);
  return best;
}

}  // namespace gmlp
