#pragma once
// What the ablations of images and of text share: runs that are started, resumed or skipped, and
// the numbers of finished ones.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/cli/format.h"
#include "apps/train/options.h"
#include "core/io/json.h"

namespace gmlp {

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

/// One run of a row, not necessarily begun.
struct PlannedRun {
  std::string title;
  TrainOptions options;
  std::function<int(bool resume)> train;  // begins or resumes it; returns the exit status
  std::vector<AblationRun>* results;      // of the row
};
/// Trains what is not finished, adds each run to its row's results, then calls `report`. Returns
/// the exit status. Throws InputError before the first run if a folder has a run with other
/// options.
int train_all(const std::vector<PlannedRun>& runs, const std::function<void()>& report);

/// What both programs let one choose.
struct AblationOptions {
  std::string out;
  int64_t seeds = 3;
  std::vector<std::string> shared;  // arguments of training for every row
};
/// Registers --out and --seeds, which may be 0 if that is the default. All other arguments remain.
void add_ablation_options(CLI::App& app, AblationOptions& options, const char* seeds);

/// Throws InputError if one of the options `names` has another value in `config`, the text of a
/// config.toml, than in `defaults`: from the arguments or a --config among them.
void refuse_options(const std::vector<const char*>& names, const std::string& reason,
                    const std::string& config, const std::string& defaults);

/// Writes ablation.md and ablation.json, and prints the table.
void write_ablation(const std::string& out, const std::string& table, const Json& json);

/// A number of each run.
std::vector<double> values_of(const std::vector<AblationRun>& runs, double AblationRun::*member);

/// Mean and sample standard deviation, sqrt(sum (x - mean)² / (n - 1)), which is NaN for n = 1.
struct MeanDeviation {
  double mean = 0, deviation = 0;
  std::string text(int digits) const { return with_error(mean, deviation, digits); }
};
MeanDeviation mean_deviation(const std::vector<double>& values);
/// A NaN, such as the deviation of one seed, becomes null.
Json to_json(const MeanDeviation& value);
/// The middle value, or the mean of the two middle values. `values` is not empty.
double median(std::vector<double> values);

}  // namespace gmlp
