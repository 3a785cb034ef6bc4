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

struct Progress;   // trainer.h
struct RunLength;  // trainer.h

/// A line of steps.jsonl.
struct StepRecord {
  int64_t step = 0;   // counts from 1
  int64_t epoch = 0;  // counts from 1
  double loss = 0, lr = 0, grad_norm = 0;
  double seconds = 0;        // of the step
  double samples_per_s = 0;  // the mean since the line before
  double data_wait = 0;      // seconds per step; on a line the mean, too
  double rank_wait = 0;      // likewise, for other ranks
  bool skipped = false;
};

/// A row of metrics.csv.
struct EpochRecord {
  int64_t epoch = 0;  // counts from 1
  int64_t step = 0;   // optimizer steps so far
  double train_loss = 0;
  EvalResult val;
  double lr = 0, samples_per_s = 0;
  double seconds = 0;  // of the run so far
};

class Reporter {
 public:
  /// Writes environment.json and measures the machine's peak.
  Reporter(const TrainOptions& options, const TrainingTask& task, const RunLength& length,
           RunFolder& folder);

  void line(const std::string& text);
  void banner();
  /// Shows samples of the task's batch on the screen.
  void samples() { print(task_.samples(bar_.shown())); }
  void step(StepRecord record);
  void epoch(const EpochRecord& record);
  /// Writes summary.json and the pictures, then prints the best result and the next command. `last`
  /// is the last validation, which may be incomplete.
  void summary(const Progress& progress, const EvalResult& last, bool stopped_early,
               const Arena& arena);

 private:
  void print(const std::string& text);
  void measure_peak();
  double share_of_peak(double samples_per_s);
  /// The star refers to the banner's note on what only the training loss has.
  const char* loss_name() const { return task_.info.loss_with.empty() ? "loss" : "loss*"; }
  double samples_per_step() const { return static_cast<double>(options_.step_samples()); }
  /// The most important first.
  std::vector<std::string> progress_fields(const StepRecord& record, const std::string& left);
  void write_summary(const Progress& progress, const EvalResult& best, const EvalResult& last,
                     bool stopped_early, const Arena& arena);

  const TrainOptions& options_;
  const TrainingTask& task_;
  const RunLength& length_;
  RunFolder& folder_;
  ProgressBar bar_;  // on a terminal: a bar and colors, not plain lines
  EventFile events_;
  double peak_gflops_ = 0;
  double average_loss_ = 0;
  int64_t averaged_ = 0;
  int64_t steps_ = 0;  // of this process, and their time
  double seconds_ = 0;
  StepRecord interval_;  // the number of steps since the last line, their time and their waits
};

}  // namespace gmlp
