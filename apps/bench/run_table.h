#pragma once
// The lines that `step`, `infer` and `decode` print, and the JSON row with the same numbers.

#include <string>
#include <vector>

#include "apps/bench/options.h"
#include "apps/bench/report.h"
#include "core/arena.h"

namespace gmlp {

class RunTable {
 public:
  /// To be made when weights and optimizer state are in memory and nothing was run: memory is
  /// measured from here.
  RunTable(const BenchOptions& options, const std::string& model);

  /// A line of times given in seconds.
  void milliseconds(const std::string& what, const std::vector<double>& seconds);
  void ratio(const std::string& what, const std::vector<double>& ratios);
  /// Samples a second, GFLOP/s, the machine's peak and the share of it, in per cent.
  void speed(const std::vector<double>& seconds, const std::vector<double>& gflops,
             const std::vector<double>& peaks, const std::vector<double>& shares);
  /// Peaks of the arena and of the process.
  void memory(const Arena& arena);

  Json& row() { return row_; }
  /// Writes --json.
  void finish();

 private:
  void line(const std::string& what, const std::string& key, const Spread& spread,
            const char* unit);

  const BenchOptions& options_;
  int64_t resident_before_;
  Json row_;
};

}  // namespace gmlp
