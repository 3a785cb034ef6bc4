#pragma once
// VisionRun: everything that a training run consists of, so that the loop (train.cpp) can be read
// alone.
//
//   run_setup.cpp       options -> data, model, optimizer, loader, run folder
//   run_state.cpp       the run <-> a checkpoint
//   run_epoch.cpp       an epoch's end: validate, metrics, save
//   run_report.cpp      banner, step lines, summary and figures

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "apps/training/checkpoint.h"
#include "apps/training/console.h"
#include "apps/training/ema.h"
#include "apps/training/nan_policy.h"
#include "apps/training/run_folder.h"
#include "apps/vision/evaluate.h"
#include "apps/vision/options.h"
#include "autograd/optimizer.h"
#include "core/arena.h"
#include "data/loader.h"
#include "models/vision.h"

namespace gmlp {

/// Where a run stands between two steps; with the weights and moments it is all that a resume
/// needs.
struct Progress {
  int64_t step = 0;           // optimizer steps taken (or skipped)
  int64_t epochs_closed = 0;  // whose end was validated and written to metrics.csv
  double epoch_loss_sum = 0;  // over the steps of the epoch so far, in order
  int64_t epoch_loss_count = 0;
  double best_top1 = -1;  // percent; < 0: none yet
  double best_loss = 0;
  int64_t best_step = 0;
  int64_t best_epoch = 0;
  double seconds = 0;  // of the run, over all its processes
};

class VisionRun {
 public:
  /// Called by tests: to plant a non-finite gradient, or to stop at a chosen step.
  struct Hooks {
    std::function<void(VisionRun&)> before_update;
    std::function<void(VisionRun&)> after_step;
  };

  VisionRun(const TrainCommand& command, const Hooks& hooks);

  // The loop's questions.
  bool finished() const;
  /// The current epoch's steps are done and its end is not yet written.
  bool epoch_complete() const;
  int64_t epoch() const { return progress.step / steps_per_epoch; }
  double learning_rate() const { return schedule.at(progress.step); }
  ForwardContext forward_context(int64_t micro_batch) const;
  const std::vector<Parameter*>& parameters() const { return model->parameters(); }

  // The loop's chores.
  void announce();
  /// After the loader's last whole step of an epoch: skips what is left of it.
  void start_epoch_if_due();
  /// Counts the step, writes its lines, saves when it is time to.
  void end_step(double loss, double lr, double gradient_norm, bool skipped);
  void end_epoch();
  /// Saves, draws and says what to do next. The exit status.
  int finish();

  void save_last();
  bool time_is_up() const;

  VisionOptions options;
  Hooks hooks;
  DataOptions data_options;
  DataSplits data;
  VisionConfig config;
  TransformOptions train_transform;
  TransformOptions val_transform;
  DType dtype = DType::kF32;
  Compute compute;
  std::unique_ptr<VisionModel> model;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<Ema> ema;  // null: off
  std::unique_ptr<Loader> loader;
  std::unique_ptr<RunFolder> folder;
  std::unique_ptr<Console> console;
  std::unique_ptr<CheckpointStore> store;
  Arena arena;
  Schedule schedule;
  NanPolicy nan_policy;
  Progress progress;
  int64_t steps_per_epoch = 1;
  int64_t total_steps = 1;

 private:
  // run_setup.cpp
  void open_data();
  void build_model();
  void build_loader();
  void build_schedule();
  void open_folder();
  void note(const std::string& line);
  // run_state.cpp
  CheckpointContent content();
  std::string state_json();
  void restore(const std::string& checkpoint_folder);
  void restore_tensors(const Checkpoint& checkpoint);
  // run_epoch.cpp
  void write_epoch(const Evaluation& evaluation, double training_seconds);
  void validate_unfinished_epoch();
  Evaluation validate();
  bool is_best(const Evaluation& evaluation);
  // run_report.cpp
  void show_samples();
  void say_goodbye();
  void write_summary();
  void draw_figures();
  double elapsed() const;
  double share_of_peak(double samples_per_s) const;

  std::string config_text_;
  std::string resume_from_;         // a checkpoint folder; empty: a new run
  std::vector<std::string> notes_;  // said before there was a console
  double peak_gflops_ = 0;
  double seconds_before_ = 0;  // of earlier processes of the run
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point step_began_;
  std::chrono::steady_clock::time_point epoch_began_;
  int64_t epoch_first_step_ = 0;  // of this process in the epoch: for samples/s
  double wait_before_ = 0;        // the loader's, at the step's begin
  double share_sum_ = 0;          // of peak, over this process's steps
  int64_t share_count_ = 0;
  Evaluation last_evaluation_;
};

/// Trains as `command` says; the exit status. `hooks` are for tests.
int train(const TrainCommand& command, const VisionRun::Hooks& hooks = {});

}  // namespace gmlp
