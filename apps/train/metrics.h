#pragma once
// The numbers a run leaves behind, and how they are written: metrics.csv and steps.jsonl. Losses
// have 9 significant digits, which tell any two f32 apart. Timing columns differ from run to run,
// no other does.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gmlp {

struct StepRecord {
  int64_t step = 0;   // counts from 1
  int64_t epoch = 0;  // counts from 1
  double loss = 0;
  double lr = 0;
  double grad_norm = 0;
  double samples_per_s = 0;
  double data_wait = 0;  // seconds
  bool skipped = false;
};
/// One line of steps.jsonl. What is not finite becomes null: JSON has no NaN.
std::string step_line(const StepRecord& record);

struct EpochRecord {
  int64_t epoch = 0;  // counts from 1
  int64_t step = 0;   // optimizer steps so far
  double train_loss = 0;
  bool validated = false;
  double val_loss = 0;
  double val_metric = 0;  // EvalResult's
  double lr = 0;
  double samples_per_s = 0;
  double seconds = 0;  // of the run so far
};
/// `metric` names the column of val_metric: "val_top1", "val_perplexity", ...
std::string metrics_header(const std::string& metric);
/// One row of metrics.csv; the val columns are empty where the epoch was not validated.
std::string metrics_row(const EpochRecord& record);
/// metrics.csv back, for the curves. Throws InputError naming `path` and line.
std::vector<EpochRecord> read_metrics(const std::string& path);

/// (step, loss) of steps.jsonl, in at most `parts` means of as many lines each: a curve to look at.
/// Steps whose loss was not finite are left out. Throws InputError naming `path`.
std::vector<std::pair<double, double>> read_step_losses(const std::string& path, int64_t parts);

/// The standard error of a proportion p over n samples: sqrt(p (1 - p) / n).
double standard_error(double p, int64_t n);

/// A number of kB in /proc/self/status, such as that of "VmRSS", in bytes. 0 where /proc is not
/// there.
int64_t status_bytes(const std::string& name);
/// VmHWM of this process: the most memory it has held.
int64_t peak_resident_bytes();

/// "3m20s", "45s", "2h05m".
std::string duration_text(double seconds);
/// 12345678 as "12,345,678".
std::string grouped(int64_t value);

}  // namespace gmlp
