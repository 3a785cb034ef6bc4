#pragma once
// The numbers of a run: steps.jsonl and metrics.csv. Losses have 9 significant digits, which
// distinguish any two f32. Only timing columns differ between repeats of a run.

#include <cstdint>
#include <string>

namespace gmlp {

struct StepRecord {
  int64_t step = 0;   // counts from 1
  int64_t epoch = 0;  // counts from 1
  double loss = 0;
  double lr = 0;
  double grad_norm = 0;
  double seconds = 0;        // of the step
  double samples_per_s = 0;  // the mean since the line before
  double data_wait = 0;      // seconds per step; on a line the mean, too
  double rank_wait = 0;      // likewise, for other ranks
  bool skipped = false;
};
/// One line of steps.jsonl. A number that is not finite becomes null: JSON has no NaN.
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
/// One row of metrics.csv; the val columns are empty if the epoch was not validated.
std::string metrics_row(const EpochRecord& record);

}  // namespace gmlp
