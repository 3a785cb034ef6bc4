#include "apps/bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "apps/cli/machine.h"
#include "core/error.h"

namespace gmlp {

namespace {

constexpr double kPeakTolerance = 0.05;

int columns_of(const std::string& text) {
  int columns = 0;
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xC0U) == 0x80U ? 0 : 1;
  return columns;
}

std::string blanks(int count) {
  return std::string(static_cast<size_t>(std::max(count, 0)), ' ');
}

}  // namespace

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Spread spread_of(std::vector<double> values) {
  require(!values.empty(), "spread_of nothing");
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {median, values.front(), values.back()};
}

Spread spread_of(const std::vector<double>& values, const std::function<double(double)>& f) {
  std::vector<double> mapped(values.size());
  std::transform(values.begin(), values.end(), mapped.begin(), f);
  return spread_of(mapped);
}

int64_t resident_bytes() {
  return status_bytes("VmRSS");
}

void reset_peak_resident() {
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets VmHWM to the present VmRSS
}

double worse(double worst, double difference) {
  return std::isnan(difference) ? HUGE_VAL : std::max(worst, difference);
}

bool peak_moved(double before, double after) {
  return std::abs(after - before) > kPeakTolerance * std::max(before, after);
}

std::string pad_right(const std::string& text, int width) {
  return text + blanks(width - columns_of(text));
}

std::string pad_left(const std::string& text, int width) {
  return blanks(width - columns_of(text)) + text;
}

}  // namespace gmlp
