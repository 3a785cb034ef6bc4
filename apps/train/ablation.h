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

/// The rows of "vision" or "language", in the paper's order. To what ablations.json says of a row
/// come its "table" and, once they are finished, its "runs".
std::vector<Json> ablation_rows(const std::string& program);

/// What both programs let one choose.
struct AblationOptions {
  std::string out;
  int64_t seeds = 0;  // 0: the program decides
  // Arguments of training for every row; `recipe` is that of ablations.json and sets the defaults.
  std::vector<std::string> recipe, shared;
};
/// Describes the subcommand and registers --out and --seeds. All other arguments remain.
void add_ablation_options(CLI::App& app, const std::string& program, AblationOptions& options);

struct PlannedRun {
  TrainOptions options;
  std::function<int(bool resume)> train;  // begins or resumes it; returns the exit status
};
struct AblationProgram {
  std::string name;
  /// A row's run of `arguments`, whose defaults the arguments `recipe` set. If `complete`, throws
  /// InputError for what would fail only after hours of training, and may add to what is known of
  /// the row.
  std::function<PlannedRun(const std::vector<std::string>& recipe,
                           const std::vector<std::string>& arguments, Json& row, bool complete)>
      plan;
  std::function<void()> prepare = [] {};  // before the first run
};
/// Trains what is not finished, prints the report and writes it to ablation.md and ablation.json.
/// Returns the exit status. Throws InputError before the first run for shared options that the rows
/// or the run folders determine, and if a folder has a run with other options.
int ablate(const AblationProgram& program, std::vector<Json> rows, const AblationOptions& options);

/// A finished run, of whose samples each has `units`: its "val_loss" and "val_" + `metric` of the
/// last validation, and as `speed` the median of the logged steps in units per second. Numbers of a
/// run that diverged are null. Throws InputError if it is unfinished.
Json read_ablation_run(const std::string& folder, const std::string& metric,
                       const std::string& speed, double units);

struct AblationReport {  // NOLINT(bugprone-exception-escape): the JSON library's destructor
  std::string markdown;  // tables, and below each the order of its rows
  Json json;             // the same numbers, and every run
};
/// Two rows whose order the paper reports are compared if both were trained: the difference of
/// their means is positive if the paper's order is confirmed, and their spread is sqrt(s² + t²) for
/// deviations s and t.
AblationReport report_ablation(const std::string& program, const std::vector<Json>& rows);

}  // namespace gmlp
