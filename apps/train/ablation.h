#pragma once
// What the ablations of images and of text share: runs that are started, resumed or skipped, and
// the numbers of finished ones.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gmlp {

/// Trains the run of `folder`, whose options are the config.toml `config`: calls `train(false)` to
/// begin it and `train(true)` to resume it, or nothing if it is done. Returns the exit status.
int train_unless_done(const std::string& title, const std::string& folder,
                      const std::string& config, const std::function<int(bool resume)>& train);

/// A finished run, as read from its folder.
struct AblationRun {
  uint64_t seed = 0;
  std::string folder;
  int64_t parameters = 0;
  double loss = 0;           // of the last validation; NaN if the run diverged
  double top1 = 0;           // the same, in percent; NaN for text
  double samples_per_s = 0;  // of training, the median of the logged steps
};
/// Throws InputError if it is unfinished.
AblationRun read_ablation_run(const std::string& folder, uint64_t seed);

/// Mean and sample standard deviation, sqrt(sum (x - mean)² / (n - 1)), which is NaN for n = 1.
struct MeanDeviation {
  double mean = 0, deviation = 0;
};
MeanDeviation mean_deviation(const std::vector<double>& values);
/// "1.234 ± 0.012"; without the deviation if that is NaN.
std::string with_deviation(const MeanDeviation& value, int digits);
/// The middle value, or the mean of the two middle values. `values` is not empty.
double median(std::vector<double> values);

}  // namespace gmlp
