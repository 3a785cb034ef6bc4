#include "apps/bench/measure.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"

namespace gmlp {

Spread spread_of(std::vector<double> values) {
  require(!values.empty(), "spread_of nothing");
  std::ranges::sort(values);
  const double median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  return {median, values.front(), values.back()};
}

Json to_json(const Spread& spread) {
  return {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
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

Speed speed_of(const std::vector<double>& seconds, double work, const Peak& peak) {
  const Spread s = spread_of(seconds);
  const Spread rate = {1e-9 * work / s.median, 1e-9 * work / s.high, 1e-9 * work / s.low};
  return {{1e3 * s.median, 1e3 * s.low, 1e3 * s.high}, rate, 100 * rate.median / peak.value};
}

void add_speed(Json& row, const Speed& speed, const char* unit, const Peak& peak) {
  row["ms"] = to_json(speed.ms);
  row["rate"] = to_json(speed.rate);
  row["unit"] = unit;
  row["peak"] = peak.value;
  row["share_of_peak_percent"] = speed.share_percent;
  row["peak_moved"] = peak.moved;
}

void require_agreement(const std::string& what, const Tensor& expected, const Tensor& found,
                       double tolerance) {
  double largest = 0, difference = 0;
  for (int64_t i = 0; i < std::min(expected.elements(), found.elements()); ++i) {
    const double here = std::abs(expected.at(i) - found.at(i));
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

void write_rows(const Json& rows, const BenchOptions& options) {
  if (options.json.empty()) return;
  const Json machine = parse_json(environment_json(), "machine");
  write_file_atomic(options.json, json_text({{"rows", rows}, {"machine", machine}}));
  fmt::print("written: {}\n", options.json);
}

std::string machine_line() {
  return fmt::format("{}, {} kernels, {} thread{}", cpu_name(), isa_name(), thread_count(),
                     thread_count() == 1 ? "" : "s");
}

}  // namespace gmlp
