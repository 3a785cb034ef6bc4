// gmlp-bench kernels: every kernel at the models' shapes, as a share of what the machine could do,
// and beside other libraries. Contenders take turns (A B C A B C ...), each turn many calls; a
// ratio is taken turn by turn, so that what slows the machine down slows both. The machine's peak
// is measured before and after each case; where it moved, the case is run again.

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "apps/bench/baselines/baseline.h"
#include "apps/bench/cases.h"
#include "apps/bench/chart.h"
#include "apps/bench/measure.h"
#include "apps/bench/options.h"
#include "apps/bench/peaks.h"
#include "apps/bench/report.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"

namespace gmlp {

namespace {

constexpr double kTurnSeconds = 0.02;

struct Found {
  std::string by;
  std::string colour;
  std::vector<double> seconds;  // of one call, turn by turn
};

struct Measured {
  double peak;  // GFLOP/s or GB/s, the mean of before and after
  bool moved;
  std::vector<Found> found;
};

/// The time of one call, over enough of them to fill a turn. The threads of the one before need a
/// moment to fall asleep, then the caches belong to this one.
double turn(const Contender& contender, int64_t calls) {
  usleep(2000);
  contender.run();
  const double start = now_seconds();
  for (int64_t i = 0; i < calls; ++i) contender.run();
  return (now_seconds() - start) / static_cast<double>(calls);
}

/// The first run warms up: pages, packed weights, code. The second is timed.
int64_t calls_for_a_turn(const Contender& contender) {
  contender.run();
  const double start = now_seconds();
  contender.run();
  const double once = std::max(now_seconds() - start, 1e-7);
  return std::max<int64_t>(1, static_cast<int64_t>(kTurnSeconds / once));
}

/// The machine's peak at what the case does: arithmetic or moving bytes.
double probe(const Case& c) {
  return c.kind == Work::kBytes ? triad_gigabytes(thread_count())
                                : peak_gflops(c.precision, thread_count(), kPeakSeconds);
}

Measured measure(const Case& c, int repeat) {
  Measured measured{0, false, {}};
  std::vector<int64_t> calls;
  for (const Contender& contender : c.contenders) {
    measured.found.push_back({contender.by, contender.colour, {}});
    calls.push_back(calls_for_a_turn(contender));
  }
  const double before = probe(c);
  for (int i = 0; i < repeat; ++i) {
    for (size_t j = 0; j < c.contenders.size(); ++j) {
      measured.found[j].seconds.push_back(turn(c.contenders[j], calls[j]));
    }
  }
  const double after = probe(c);
  measured.peak = (before + after) / 2;
  measured.moved = peak_moved(before, after);
  return measured;
}

/// All contenders must have computed the same, or the comparison says nothing.
void check_agreement(const Case& c) {
  const double tolerance = c.precision == "bf16" ? 3e-2 : 1e-4;
  Tensor first;
  std::string by;
  for (const Contender& contender : c.contenders) {
    if (!contender.result) continue;
    contender.run();
    const Tensor result = contender.result();
    if (!first.defined()) {
      first = result;
      by = contender.by;
      continue;
    }
    double largest = 0;
    double difference = 0;
    for (int64_t i = 0; i < std::min(first.elements(), result.elements()); ++i) {
      largest = std::max(largest, std::abs(first.at(i)));
      difference = worse(difference, std::abs(first.at(i) - result.at(i)));
    }
    if (!(difference <= tolerance * largest)) {
      fail_run(
          "{}: {} and {} differ by {:.3g} where the largest number is {:.3g}; one of them is "
          "wrong, so their times mean nothing",
          c.title(), by, contender.by, difference, largest);
    }
  }
}

/// Prints a line for each contender as soon as its case is measured, and keeps what the files need.
class KernelTable {
 public:
  void head() const {
    fmt::print("{:<26}{:<20}{:<6}{:<10}{:>9}  {:>14}  {:>8}   {}\n", "kernel", "size", "", "by",
               "ms", "speed", "of peak", "gmlp is");
  }

  void add(const Case& c, const Measured& measured) {
    const char* unit = c.kind == Work::kBytes ? "GB/s" : "GFLOP/s";
    BarGroup group{c.title() + (c.kind == Work::kBytes ? ", of triad" : ""), {}};
    for (size_t j = 0; j < measured.found.size(); ++j) {
      const Found& found = measured.found[j];
      const Spread ms = spread_of(found.seconds, [](double s) { return 1e3 * s; });
      const Spread rate = spread_of(found.seconds, [&](double s) { return c.work / s * 1e-9; });
      const double share = measured.peak > 0 ? 100 * rate.median / measured.peak : 0;
      Json row = {{"kernel", c.kernel},        {"shape", c.shape},
                  {"precision", c.precision},  {"by", found.by},
                  {"threads", thread_count()}, {"ms", to_json(ms)},
                  {"rate", to_json(rate)},     {"unit", unit},
                  {"peak", measured.peak},     {"share_of_peak_percent", share}};
      std::string ratio;
      if (j > 0 && measured.found[0].by == kOurs) {
        const Spread times = ratio_to_first(measured, j);
        ratio =
            fmt::format("{:.2f}x as fast ({:.2f} to {:.2f})", times.median, times.low, times.high);
        row["gmlp_speed_ratio"] = to_json(times);
      }
      row["peak_moved"] = measured.moved;
      report_.add(row);
      const bool first = j == 0;
      if (first && measured.moved) ratio = "(the peak moved: run again)";
      fmt::print("{:<26}{:<20}{:<6}{:<10}{:>9.3f}  {:>14}  {:>8}{}{}\n", first ? c.kernel : "",
                 first ? c.shape : "", first ? c.precision : "", found.by, ms.median,
                 fmt::format("{:.1f} {}", rate.median, unit),
                 share > 0 ? fmt::format("{:.1f} %", share) : "-", ratio.empty() ? "" : "   ",
                 ratio);
      if (share > 0) group.bars.push_back({found.by, found.colour, share});
    }
    if (!group.bars.empty()) groups_.push_back(group);
  }

  void write(const BenchOptions& options) const {
    report_.write(options.json);
    if (options.svg.empty()) return;
    const char* title = "Share of the machine's peak in the same run";
    write_file_atomic(options.svg, draw_bar_chart(title, machine_line(), groups_));
    fmt::print("written: {}\n", options.svg);
  }

 private:
  /// How much faster ours, the first, was in each turn.
  static Spread ratio_to_first(const Measured& measured, size_t other) {
    std::vector<double> ratios;
    for (size_t i = 0; i < measured.found[0].seconds.size(); ++i) {
      ratios.push_back(measured.found[other].seconds[i] / measured.found[0].seconds[i]);
    }
    return spread_of(ratios);
  }

  Report report_;
  std::vector<BarGroup> groups_;
};

void print_head(int repeat) {
  fmt::print("{}\n", machine_line());
  for (const Baseline& baseline : baselines()) {
    fmt::print("beside {} {}\n", baseline.name, baseline.detail);
  }
  fmt::print(
      "median of {} turns; ratios turn by turn, with the least and the most\n"
      "gemm: gmlp packs A and B inside the timing, oneDNN has B in its own layout and in bf16 "
      "both\n"
      "rounded. norm_fc1_gelu: gmlp does the layer norm, too; theirs is matmul + bias + GELU.\n\n",
      repeat);
}

}  // namespace

void run_kernels(const BenchOptions& options) {
  const int repeat = options.repeat_or(9);
  const int threads = thread_count();
  std::vector<CaseMaker> cases;
  add_product_cases(cases);
  add_own_cases(cases);
  print_head(repeat);
  KernelTable table;
  table.head();
  int run = 0;
  for (const CaseMaker& make : cases) {
    const Case c = make();
    if (c.contenders.empty() || c.title().find(options.only) == std::string::npos) continue;
    // The baselines ask for the number of threads when they prepare or run.
    set_thread_count(c.one_thread ? 1 : threads);
    check_agreement(c);
    Measured measured = measure(c, repeat);
    for (int i = 1; i < kPeakAttempts && measured.moved; ++i) measured = measure(c, repeat);
    table.add(c, measured);
    set_thread_count(threads);
    ++run;
  }
  if (run == 0) fail_input("--only {}: in no case's title; leave it out to see all", options.only);
  table.write(options);
}

}  // namespace gmlp
