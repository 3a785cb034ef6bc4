#include "apps/bench/measure.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"

namespace gmlp {

std::vector<Values> repeat(int64_t count, const std::function<std::vector<double>()>& measure) {
  std::vector<Values> results;
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const std::vector<double> numbers = measure();
    results.resize(numbers.size(), Values(static_cast<size_t>(count)));
    for (size_t j = 0; j < numbers.size(); ++j) results[j][i] = numbers[j];
  }
  return results;
}

std::vector<Values> repeat_beside_peak(int64_t count,
                                       const std::function<std::vector<double>()>& measure,
                                       const std::function<double()>& probe) {
  double before = probe();
  return repeat(count, [&] {
    std::vector<double> numbers = measure();
    const double after = probe();
    numbers.push_back((before + after) / 2);
    before = after;
    return numbers;
  });
}

bool has_moved(const Values& peaks) {
  constexpr double kTolerance = 0.05;
  return peaks.max() - peaks.min() > kTolerance * peaks.max();
}

Spread spread_of(Values values) {
  require(values.size() > 0, "spread_of nothing");
  std::sort(std::begin(values), std::end(values));
  const double median = (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
  return {median, values.min(), values.max()};
}

double median_of(const Values& values) {
  return spread_of(values).median;
}

void to_json(Json& json, const Spread& spread) {
  json = {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

Spread report(Json& row, const std::string& key, const std::string& what, const Values& values,
              const char* unit) {
  const Spread s = spread_of(values);
  fmt::print("  {:<16}{:>10.2f} {:<9} ({:.2f} to {:.2f})\n", what, s.median, unit, s.low, s.high);
  row[key] = s;
  return s;
}

std::string machine_line() {
  return fmt::format("{}, {} kernels, {} thread{}", cpu_name(), isa_name(), thread_count(),
                     thread_count() == 1 ? "" : "s");
}

}  // namespace gmlp
