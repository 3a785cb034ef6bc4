// gmlp-bench peak: the products of each instruction set and the memory, on one thread and on all.

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "apps/bench/measure.h"
#include "core/parallel.h"
#include "core/tensor.h"

namespace gmlp {

double probe_gflops(const std::string& precision) {
  return peak_gflops(precision, 0.05);
}

double probe_gigabytes() {
  constexpr int64_t kElements = 1 << 24;  // twice 64 MB
  constexpr int64_t kRange = 1 << 18;
  const Tensor a = Tensor::zeros(DType::kF32, {kElements});
  const Tensor b = Tensor::zeros(DType::kF32, {kElements});
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const Stopwatch watch;
    parallel_ranges(kElements, kRange, [&](int64_t begin, int64_t end) {
      float* out = a.data<float>();
      const float* x = b.data<float>();
      for (int64_t j = begin; j < end; ++j) out[j] += 3.0F * x[j];
    });
    best = std::max(best, 3e-9 * sizeof(float) * kElements / watch.seconds());
  }
  return best;
}

Json run_peak(const BenchOptions& options) {
  const std::set<int> thread_counts = {1, thread_count()};
  Json rows = Json::array();
  // On one thread and on all. Returns how many times as fast all are.
  const auto measure = [&](const std::string& what, const char* unit, const auto& probe) {
    std::vector<double> medians;
    for (const int threads : thread_counts) {
      set_thread_count(threads);
      const std::vector<Values> values =
          repeat(options.repeat, [&] { return std::vector{probe()}; });
      Json& row = rows.emplace_back(Json{{"what", what}, {"threads", threads}, {"unit", unit}});
      const std::string on = fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
      const std::string line = fmt::format("{:<28}{:<12}", what, on);
      medians.push_back(report(row, "value", line, values.front(), unit).median);
    }
    return medians.back() / medians.front();
  };

  fmt::print("{}\nmedian (least to most) of {}\n\n", machine_line(), options.repeat);
  double least_gain = HUGE_VAL;
  for (const fused::Kernels* table : fused::available_kernels()) {
    if (std::string_view(table->isa) == "amx_emulated") continue;
    for (const std::string precision : {"bf16", "f32"}) {
      if (precision == "bf16" && !table->has_bf16_dot) continue;
      const std::string what = fmt::format("{}, {} products", table->isa, precision);
      const auto probe = [&] { return peak_gflops(precision, 0.1, *table); };
      least_gain = std::min(least_gain, measure(what, "GFLOP/s", probe));
    }
  }
  measure("triad a += s b", "GB/s", probe_gigabytes);  // all cores share the memory

  // Two hyper-threads of a core, or two virtual processors that the host runs on one, are as fast
  // as one thread. Such a peak is no baseline, and its spread does not show it.
  constexpr double kMinGain = 0.75;
  const int most = *thread_counts.rbegin();
  if (least_gain < kMinGain * most) {
    fmt::print(
        "  {} threads are only {:.2f} times as fast as one: they share cores (try fewer "
        "--threads), or others use the machine (run it again)\n",
        most, least_gain);
  }
  return rows;
}

}  // namespace gmlp
