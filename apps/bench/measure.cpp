// gmlp-bench peak: the products of each instruction set and the memory, on one thread and on all.
// And what all subcommands measure with.

#include "apps/bench/measure.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

Spread spread_of(std::vector<double> values) {
  require(!values.empty(), "spread_of nothing");
  std::ranges::sort(values);
  const double median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  return {median, values.front(), values.back()};
}

void to_json(Json& json, const Spread& spread) {
  json = {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

Peak peak_between(double before, double after) {
  constexpr double kTolerance = 0.05;
  return {(before + after) / 2, std::abs(after - before) > kTolerance * std::max(before, after)};
}

Peak with_steady_peak(const std::function<double()>& probe, const std::function<void()>& work) {
  constexpr int kAttempts = 3;
  Peak peak;
  for (int i = 0; i == 0 || (i < kAttempts && peak.moved); ++i) {
    const double before = probe();
    work();
    peak = peak_between(before, probe());
  }
  return peak;
}

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

Speed add_speed(Json& row, const std::vector<double>& seconds, double work, const char* unit,
                const Peak& peak) {
  const Spread s = spread_of(seconds);
  const double rate = 1e-9 * work / s.median, share_percent = 100 * rate / peak.value;
  row["ms"] = Spread{1e3 * s.median, 1e3 * s.low, 1e3 * s.high};
  row["rate"] = Spread{rate, 1e-9 * work / s.high, 1e-9 * work / s.low};
  row["unit"] = unit;
  row["peak"] = peak.value;
  row["share_of_peak_percent"] = share_percent;
  row["peak_moved"] = peak.moved;
  return {1e3 * s.median, rate, share_percent};
}

void require_agreement(const std::string& what, const Tensor& expected, const Tensor& found,
                       double tolerance) {
  double largest = 0, difference = 0;
  const int64_t columns = expected.shape().cols(), found_columns = found.shape().cols();
  for (int64_t i = 0; i < expected.elements(); ++i) {
    const int64_t row = i / columns, column = i % columns;
    if (column >= found_columns) continue;
    const double here = std::abs(expected.at(i) - found.at(row * found_columns + column));
    largest = std::max(largest, std::abs(expected.at(i)));
    // std::max would drop a NaN.
    difference = std::isnan(here) ? HUGE_VAL : std::max(difference, here);
  }
  if (difference <= tolerance * largest) return;
  fail_run(
      "{} by {:.3g}; the largest number is {:.3g}. One of them is wrong, so their times mean "
      "nothing; fix it first",
      what, difference, largest);
}

std::string machine_line() {
  return fmt::format("{}, {} kernels, {} thread{}", cpu_name(), isa_name(), thread_count(),
                     thread_count() == 1 ? "" : "s");
}

Json run_peak(const BenchOptions& options) {
  const std::set<int> thread_counts = {1, thread_count()};
  Json rows = Json::array();
  // Prints a peak for each number of threads. Returns how many times as fast as one all are.
  const auto measure = [&](const std::string& what, const char* unit, const auto& probe) {
    std::vector<double> medians;
    for (const int threads : thread_counts) {
      set_thread_count(threads);
      std::vector<double> values(static_cast<size_t>(options.repeat));
      std::ranges::generate(values, probe);
      const Spread s = spread_of(values);
      const std::string on = fmt::format("{} thread{}", threads, threads == 1 ? "" : "s");
      fmt::print("  {:<28}{:<12}{:>10.1f} {:<8} ({:.1f} to {:.1f})\n", what, on, s.median, unit,
                 s.low, s.high);
      rows.push_back({{"what", what}, {"threads", threads}, {"unit", unit}, {"value", s}});
      medians.push_back(s.median);
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
  measure("triad a += s b", "GB/s", triad_gigabytes);  // all cores share the memory

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
