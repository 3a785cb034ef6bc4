#pragma once
// Reporter: all output of a run. This is the banner, the progress bar and log lines, metrics.csv
// and steps.jsonl, and at the end summary.json, the pictures and the next command. Every line is
// also written to log.txt, even with --quiet. Losses in the two files have 9 significant digits,
// which distinguish any two f32. Only timing columns differ between repeats of a run.

#include <cstdint>
#include <string>
#include <vector>

#include "apps/cli/terminal.h"
#include "apps/train/event_file.h"
#include "apps/train/run_folder.h"
#include "apps/train/task.h"
#include "core/arena.h"

namespace gmlp {

class Trainer;

/// A line of steps.jsonl.
struct StepRecord {
  int64_t step = 0;   // counts from 1
  int64_t epoch = 0;  // counts from 1
  double loss = 0, lr = 0, grad_norm = 0;
  double seconds = 0;        // of the step
  double samples_per_s = 0;  // set by the Reporter: the mean since the line before
  double data_wait = 0;      // seconds per step; on a line the mean, too
  double rank_wait = 0;      // likewise, for other ranks
  bool skipped = false;
};

class Reporter {
 public:
  /// Writes environment.json and measures the machine's peak.
  Reporter(const Trainer& trainer, RunFolder& folder);

  void line(const std::string& text);
  void banner();
  /// Shows samples of the task's batch on the screen.
  void samples() { print(task_.samples(bar_.shown())); }
  void step(StepRecord record);
  /// At an epoch's end, with its validation.
  void epoch(const EvalResult& result);
  /// Writes summary.json and the pictures, then prints the best result and the next command. `last`
  /// is the last validation, which may be incomplete.
  void summary(const EvalResult& last, bool stopped_early);

 private:
  void print(const std::string& text);
  void measure_peak();
  double share_of_peak(double samples_per_s);
  /// The star refers to the banner's note on what only the training loss has.
  const char* loss_name() const { return task_.info.loss_with.empty() ? "loss" : "loss*"; }
  /// The most important first.
  std::vector<std::string> progress_fields(const StepRecord& record, const std::string& left);
  void write_summary(const EvalResult& best, const EvalResult& last, bool stopped_early);

  /// Sums over some steps of this process.
  struct Steps {
    double count = 0, seconds = 0, data_wait = 0, rank_wait = 0;
  };
  double samples_per_s(const Steps& steps) const;

  const Trainer& trainer_;
  const TrainOptions& options_;
  const TrainingTask& task_;
  RunFolder& folder_;
  ProgressBar bar_;  // on a terminal: a bar and colors, not plain lines
  EventFile events_;
  double peak_gflops_ = 0;
  double average_loss_ = 0;
  int64_t averaged_ = 0;
  Steps interval_, epoch_, all_;  // since the last line, since the last epoch's end, all
};

}  // namespace gmlp
