// gmlp-bench kernels: every kernel at the models' shapes, as a share of the machine's peak and
// beside other libraries. Contenders alternate (A B C A B C ...), and ratios compare neighbors, so
// that other programs on the machine slow both sides.

#include <algorithm>
#include <vector>

#include <unistd.h>

#include "apps/bench/cases.h"
#include "apps/bench/measure.h"
#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

/// Seconds per call, averaged over `calls`. The pause lets the previous contender's threads fall
/// asleep, and the first call, which is not timed, fills the caches.
double seconds_per_call(const Contender& contender, int64_t calls) {
  usleep(2000);
  contender.run();
  const double start = now_seconds();
  for (int64_t i = 0; i < calls; ++i) contender.run();
  return (now_seconds() - start) / static_cast<double>(calls);
}

/// Seconds per call of each contender, `repeat` samples of about 20 ms each.
std::vector<std::vector<double>> measure(const Case& c, int repeat) {
  constexpr double kSampleSeconds = 0.02;
  std::vector<int64_t> calls;
  for (const Contender& contender : c.contenders) {
    const double once = std::max(seconds_per_call(contender, 1), 1e-7);
    calls.push_back(std::max<int64_t>(1, static_cast<int64_t>(kSampleSeconds / once)));
  }
  std::vector<std::vector<double>> seconds(c.contenders.size());
  for (int i = 0; i < repeat; ++i) {
    for (size_t j = 0; j < seconds.size(); ++j) {
      seconds[j].push_back(seconds_per_call(c.contenders[j], calls[j]));
    }
  }
  return seconds;
}

void check_agreement(const Case& c) {
  Tensor ours;
  for (const Contender& contender : c.contenders) {
    if (!contender.result) continue;
    contender.run();
    const Tensor result = contender.result();
    if (!ours.defined()) ours = result;
    require_agreement(fmt::format("{}: {} differs from {}", c.title(), contender.by, kOurs), ours,
                      result, c.precision == "bf16" ? 3e-2 : 1e-4);
  }
}

/// Prints the line of contender `j` and returns its row. `seconds` are those of all.
Json report_contender(const Case& c, size_t j, const std::vector<std::vector<double>>& seconds,
                      const Peak& peak) {
  const bool first = j == 0;
  const char* unit = c.counts_bytes ? "GB/s" : "GFLOP/s";
  const Speed speed = speed_of(seconds[j], c.work, peak);
  const std::string& by = c.contenders[j].by;
  Json row = {{"kernel", c.kernel},
              {"shape", c.shape},
              {"precision", c.precision},
              {"by", by},
              {"threads", thread_count()}};
  add_speed(row, speed, unit, peak);
  std::string note = first && peak.moved ? "(the peak moved: run again)" : "";
  if (!first) {
    std::vector<double> ratios = seconds[j];
    for (size_t i = 0; i < ratios.size(); ++i) ratios[i] /= seconds[0][i];
    const Spread ratio = spread_of(ratios);
    note = fmt::format("{:.2f}x as fast ({:.2f} to {:.2f})", ratio.median, ratio.low, ratio.high);
    row["gmlp_speed_ratio"] = to_json(ratio);
  }
  fmt::print("{:<26}{:<20}{:<6}{:<10}{:>9.3f}  {:>14}  {:>8}   {}\n", first ? c.kernel : "",
             first ? c.shape : "", first ? c.precision : "", by, speed.ms.median,
             fmt::format("{:.1f} {}", speed.rate.median, unit),
             fmt::format("{:.1f} %", speed.share_percent), note);
  return row;
}

void print_header(int repeat) {
  fmt::print("{}\n", machine_line());
  for (const Baseline& baseline : baselines()) {
    fmt::print("beside {} {}\n", baseline.name, baseline.detail);
  }
  fmt::print(
      "median of {} samples; each ratio compares neighboring samples (least to most)\n"
      "gemm: gmlp packs A and B inside the timing; oneDNN has B in its own layout\n"
      "norm_fc1_gelu: gmlp also computes the norm; the others compute product + bias + GELU\n"
      "bf16: the others get A and B already rounded\n\n",
      repeat);
  fmt::print("{:<26}{:<20}{:<6}{:<10}{:>9}  {:>14}  {:>8}   {}\n", "kernel", "size", "", "by", "ms",
             "speed", "of peak", "gmlp is");
}

}  // namespace

void run_kernels(const BenchOptions& options) {
  const int repeat = options.repeat_or(9);
  const int threads = thread_count();
  print_header(repeat);
  Json rows = Json::array();
  for (const CaseMaker& make : all_cases()) {
    const Case c = make();
    if (c.title().find(options.only) == std::string::npos) continue;
    set_thread_count(c.one_thread ? 1 : threads);  // baselines read it when they prepare and run
    check_agreement(c);
    std::vector<std::vector<double>> seconds;
    const Peak peak = with_steady_peak(
        [&] { return c.counts_bytes ? triad_gigabytes() : peak_gflops(c.precision, kPeakSeconds); },
        [&] { seconds = measure(c, repeat); });
    for (size_t j = 0; j < seconds.size(); ++j)
      rows.push_back(report_contender(c, j, seconds, peak));
    set_thread_count(threads);
  }
  refuse_if(rows.empty(), "--only {}: in no case's title; leave it out to see all", options.only);
  write_rows(rows, options);
}

}  // namespace gmlp
