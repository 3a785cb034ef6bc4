#pragma once
// Clocks, spreads and memory: what every command of gmlp-bench measures and compares with.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gmlp {

/// A monotonic clock.
double now_seconds();

/// The median of some measurements, and the least and the most of them.
struct Spread {
  double median = 0;
  double low = 0;
  double high = 0;
};
Spread spread_of(std::vector<double> values);  ///< at least one value
/// The spread of f of each value.
Spread spread_of(const std::vector<double>& values, const std::function<double(double)>& f);

/// Bytes of this process that are in memory now. 0 where the system does not tell.
int64_t resident_bytes();
/// From now on peak_resident_bytes() (apps/cli/machine.h) is the most since now, where the
/// system allows that; else it stays the most since the process began.
void reset_peak_resident();

/// The larger of two differences; NaN, which std::max would pass over, is the largest of all.
double worse(double worst, double difference);

/// Whether two probes of the machine's peak, before and after a case, differ by more than a few per
/// cent: somebody else used the machine, or its clock changed.
bool peak_moved(double before, double after);

/// `text` in at least `width` columns (UTF-8 counted as characters), its end or start filled.
std::string pad_right(const std::string& text, int width);
std::string pad_left(const std::string& text, int width);

}  // namespace gmlp
