#pragma once
// Reporter: all output of a run. This is the banner, the progress bar and log lines, metrics.csv
// and steps.jsonl, and at the end summary.json, the pictures and the next command. Every line is
// also written to log.txt, even with --quiet.

#include <cstdint>
#include <string>

#include "apps/train/metrics.h"
#include "apps/train/run_folder.h"
#include "apps/train/run_state.h"
#include "apps/train/task.h"
#include "core/arena.h"

namespace gmlp {

class Reporter {
 public:
  /// Writes environment.json and measures the machine's peak.
  Reporter(const TrainOptions& options, const TrainingTask& task, const RunLength& length,
           RunFolder& folder);
  ~Reporter() { erase_bar(); }  // erases the progress bar
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  void line(const std::string& text);
  void banner();
  /// Shows samples of the task's batch on the screen.
  void samples() { print(task_.samples(terminal_)); }
  void step(StepRecord record);
  void epoch(const EpochRecord& record, const EvalResult& result, bool averaged);
  /// Writes summary.json and the pictures, then prints the best result and the next command with
  /// the checkpoint `weights`. `last` is the last validation, which may be incomplete.
  void summary(const Progress& progress, const EvalResult& last, int64_t skipped_steps,
               bool stopped_early, const Arena& arena, const std::string& weights);

 private:
  void print(const std::string& text);
  void erase_bar();
  void draw_bar(int64_t step, const std::string& text);
  void measure_peak();
  double share_of_peak(double samples_per_s);
  double samples_per_step() const {
    return static_cast<double>(options_.batch_size * options_.grad_accum_steps);
  }
  double seconds_left(int64_t step);
  std::string progress_text(const StepRecord& record);
  void write_summary(const Progress& progress, const EvalResult& best, const EvalResult& last,
                     int64_t skipped_steps, bool stopped_early, const Arena& arena);

  const TrainOptions& options_;
  const TrainingTask& task_;
  const RunLength length_;
  RunFolder& folder_;
  bool terminal_;  // a progress bar and colors, not plain lines
  bool bar_drawn_ = false;
  double peak_gflops_ = 0;
  double average_loss_ = 0;
  int64_t averaged_ = 0;
  int64_t steps_ = 0;  // of this process, and their time
  double seconds_ = 0;
  int64_t interval_steps_ = 0;  // since the last line, their time and their wait for data
  double interval_seconds_ = 0;
  double interval_wait_ = 0;
  int64_t timed_from_ = 0;  // the step where the timing began
  Stopwatch timed_since_;
  Stopwatch last_draw_;
};

}  // namespace gmlp
