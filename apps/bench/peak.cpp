// gmlp-bench peak: the products of each instruction set and the memory, on one thread and on all.

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "apps/bench/measure.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

struct Probe {
  std::string name;
  const char* unit;
  bool scales;  // with the number of threads; all cores share the memory
  std::function<double()> run;
};

/// The products of every instruction set that runs here, and the memory.
std::vector<Probe> probes() {
  std::vector<Probe> all;
  const auto add = [&](const fused::Kernels* table, const char* precision) {
    all.push_back({fmt::format("{}, {} products", table->isa, precision), "GFLOP/s", true,
                   [=] { return peak_gflops(precision, 0.1, *table); }});
  };
  for (const fused::Kernels* table : fused::available_kernels()) {
    if (std::string_view(table->isa) == "amx_emulated") continue;
    if (table->has_bf16_dot) add(table, "bf16");
    add(table, "f32");
  }
  all.push_back({"triad a += s b", "GB/s", false, triad_gigabytes});
  return all;
}

/// Two hyper-threads of a core, or two virtual processors that the host runs on one, are as fast as
/// one thread. Such a peak is no baseline, and its spread does not show it.
void warn_if_cores_are_shared(double gain, int threads) {
  constexpr double kMinGain = 0.75;
  if (gain >= kMinGain * threads) return;
  fmt::print(
      "  {} threads are only {:.2f} times as fast as one: they share cores (try fewer --threads), "
      "or others use the machine (run it again)\n",
      threads, gain);
}

}  // namespace

double triad_gigabytes() {
  constexpr int64_t kElements = 1 << 24;  // twice 64 MB
  constexpr int64_t kRange = 1 << 18;
  const Tensor a = Tensor::zeros(DType::kF32, {kElements});
  const Tensor b = Tensor::zeros(DType::kF32, {kElements});
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const double start = now_seconds();
    parallel_ranges(kElements, kRange, [&](int64_t begin, int64_t end) {
      float* out = a.data<float>();
      const float* x = b.data<float>();
      for (int64_t j = begin; j < end; ++j) out[j] += 3.0F * x[j];
    });
    best = std::max(best, 3e-9 * sizeof(float) * kElements / (now_seconds() - start));
  }
  return best;
}

void run_peak(const BenchOptions& options) {
  const int repeat = options.repeat_or(7);
  const std::set<int> thread_counts = {1, thread_count()};
  Json rows = Json::array();
  double least_gain = thread_count();
  fmt::print("{}\nmedian (least to most) of {}\n\n", machine_line(), repeat);
  for (const Probe& probe : probes()) {
    double one = 0;
    for (const int threads : thread_counts) {
      set_thread_count(threads);
      std::vector<double> values(static_cast<size_t>(repeat));
      for (double& value : values) value = probe.run();
      const Spread s = spread_of(values);
      const std::string on = fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
      fmt::print("  {:<28}{:<12}{:>10.1f} {:<8} ({:.1f} to {:.1f})\n", probe.name, on, s.median,
                 probe.unit, s.low, s.high);
      if (threads == 1) one = s.median;
      if (probe.scales && threads > 1) least_gain = std::min(least_gain, s.median / one);
      rows.push_back({{"what", probe.name},
                      {"threads", threads},
                      {"unit", probe.unit},
                      {"value", to_json(s)}});
    }
  }
  warn_if_cores_are_shared(least_gain, *thread_counts.rbegin());
  write_rows(rows, options);
}

}  // namespace gmlp
