#pragma once
// `ablate` of both programs: the runs of the rows in ablations.json, started, resumed or skipped,
// and a report of the finished ones. Every row is an ordinary run of training per seed. All runs
// see the same data in the same order. A repeated command continues where the previous one stopped.

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/train/options.h"
#include "core/io/json.h"

namespace gmlp {

/// A finished run, as read from its folder.
struct AblationRun {
  uint64_t seed = 0;
  std::string folder;
  int64_t parameters = 0;
  double loss = 0, metric = 0;  // of the last validation; NaN if the run diverged
  double samples_per_s = 0;     // of training, the median of the logged steps
};
/// `metric` is a name in summary.json. Throws InputError if the run is unfinished.
AblationRun read_ablation_run(const std::string& folder, uint64_t seed, const std::string& metric);

/// A row of ablations.json and its finished runs.
struct AblationRow {  // NOLINT(bugprone-exception-escape): the JSON library's destructor
  std::string table;  // its name in ablation.json
  Json facts;
  std::vector<AblationRun> runs = {};

  std::string fact(const char* name) const { return facts.at(name); }
};
/// All rows of "vision" or "language"; a table keeps the paper's order.
std::vector<AblationRow> ablation_rows(const std::string& program);

/// What both programs let one choose.
struct AblationOptions {
  std::string out;
  int64_t seeds = 3;
  std::vector<std::string> shared = {};  // arguments of training for every row
};
/// Registers --out and --seeds, which may be 0 if that is the default. All other arguments remain.
void add_ablation_options(CLI::App& app, AblationOptions& options, const char* seeds);

struct PlannedRun {
  TrainOptions options;
  std::function<int(bool resume)> train;  // begins or resumes it; returns the exit status
};
struct AblationProgram {
  std::string name;
  /// The run of the arguments on top of the defaults for a row. If `complete`, throws InputError
  /// for what would fail only after hours of training, and may add to the row's facts.
  std::function<PlannedRun(const std::vector<std::string>& arguments, Json& facts, bool complete)>
      plan;
  std::function<void()> prepare = [] {};  // before the first run
};
/// Trains what is not finished, prints the report and writes it to ablation.md and ablation.json.
/// Returns the exit status. Throws InputError before the first run for shared options that the rows
/// or the run folders determine, and if a folder has a run with other options.
int ablate(const AblationProgram& program, std::vector<AblationRow> rows,
           const AblationOptions& options);

struct AblationReport {  // NOLINT(bugprone-exception-escape): the JSON library's destructor
  std::string markdown;  // tables, and below each the order of its rows
  Json json;             // the same numbers, and every run
};
/// Two rows whose order the paper reports are compared if both were trained: the difference of
/// their means is positive if the paper's order is confirmed, and their spread is sqrt(s² + t²) for
/// deviations s and t.
AblationReport report_ablation(const std::string& program, const std::vector<AblationRow>& rows);

/// Mean and sample standard deviation, sqrt(sum (x - mean)² / (n - 1)), which is NaN for n = 1.
struct MeanDeviation {
  double mean = 0, deviation = 0;
};
MeanDeviation mean_deviation(const std::vector<double>& values);
/// The middle value, or the mean of the two middle values. `values` is not empty.
double median(std::vector<double> values);

}  // namespace gmlp
