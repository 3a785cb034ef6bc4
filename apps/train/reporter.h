#pragma once
// Reporter: all output of a run. This is the banner, the progress bar and log lines, metrics.csv
// and steps.jsonl, and at the end summary.json, the pictures and the next command. Every line is
// also written to log.txt, even with --quiet.

#include <cstdint>
#include <string>
#include <vector>

#include "apps/cli/terminal.h"
#include "apps/train/metrics.h"
#include "apps/train/run_folder.h"
#include "apps/train/run_state.h"
#include "apps/train/task.h"
#include "apps/train/tensorboard/event_file.h"
#include "core/arena.h"

namespace gmlp {

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
  void epoch(const EpochRecord& record, const EvalResult& result, bool averaged);
  /// Writes summary.json and the pictures, then prints the best result and the next command with
  /// the checkpoint `weights`. `last` is the last validation, which may be incomplete.
  void summary(const Progress& progress, const EvalResult& last, int64_t skipped_steps,
               bool stopped_early, const Arena& arena, const std::string& weights);

 private:
  void print(const std::string& text);
  void measure_peak();
  double share_of_peak(double samples_per_s);
  /// The star refers to the banner's note on what only the training loss has.
  const char* loss_name() const { return task_.info.loss_with.empty() ? "loss" : "loss*"; }
  double samples_per_step() const {
    return static_cast<double>(options_.batch_size * options_.grad_accum_steps);
  }
  /// The most important first.
  std::vector<std::string> progress_fields(const StepRecord& record, const std::string& left);
  void write_summary(const Progress& progress, const EvalResult& best, const EvalResult& last,
                     int64_t skipped_steps, bool stopped_early, const Arena& arena);

  const TrainOptions& options_;
  const TrainingTask& task_;
  const RunLength length_;
  RunFolder& folder_;
  ProgressBar bar_;  // on a terminal: a bar and colors, not plain lines
  EventFile events_;
  double peak_gflops_ = 0;
  double average_loss_ = 0;
  int64_t averaged_ = 0;
  int64_t steps_ = 0;  // of this process, and their time
  double seconds_ = 0;
  int64_t interval_steps_ = 0;  // since the last line, their time and their wait for data
  double interval_seconds_ = 0;
  double interval_wait_ = 0;
  double interval_rank_wait_ = 0;
};

}  // namespace gmlp
