#pragma once
// TrainingRun: what a training run consists of, whatever it trains. The loop (training_loop.cpp)
// asks it and tells it; VisionRun and LanguageRun add the data, the model and the loss.
//
//   training_run.cpp          questions of the loop, steps, and an epoch's end
//   training_run_setup.cpp    options -> optimizer, schedule, run folder
//   training_run_state.cpp    the run <-> a checkpoint
//   training_run_report.cpp   banner, summary and the next command

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "apps/train/console.h"
#include "apps/train/metrics.h"
#include "apps/train/nan_policy.h"
#include "apps/train/options.h"
#include "apps/train/run_folder.h"
#include "autograd/ema.h"
#include "autograd/optimizer.h"
#include "autograd/schedule.h"
#include "core/arena.h"
#include "models/checkpoint/checkpoint_store.h"

namespace gmlp {

/// Where a run stands between two steps; with the weights and moments it is all that a resume
/// needs.
struct Progress {
  int64_t step = 0;           // optimizer steps taken (or skipped)
  int64_t epochs_closed = 0;  // whose end was validated and written to metrics.csv
  double epoch_loss_sum = 0;  // over the steps of the epoch so far, in order
  int64_t epoch_loss_count = 0;
  double best_metric = -1;
  double best_loss = 0;
  int64_t best_step = 0;
  int64_t best_epoch = 0;  // 0: none yet
  double seconds = 0;      // of the run, over all its processes
  bool has_best() const { return best_epoch > 0; }
  void forget_best() {
    best_metric = -1;
    best_loss = 0;
    best_step = best_epoch = 0;
  }
};

/// What a validation says of the weights.
struct EvalResult {
  bool complete = false;  // false: a signal came first
  int64_t samples = 0;
  double loss = 0;    // mean cross-entropy, nats, without smoothing
  double metric = 0;  // top-1 accuracy or F1 in percent, a text's perplexity
};

/// Adds the seconds of its life to a sum.
class AddSeconds {
 public:
  explicit AddSeconds(double& sum) : sum_(sum), began_(std::chrono::steady_clock::now()) {}
  ~AddSeconds() {
    sum_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  AddSeconds(const AddSeconds&) = delete;
  AddSeconds& operator=(const AddSeconds&) = delete;

 private:
  double& sum_;
  std::chrono::steady_clock::time_point began_;
};

/// What a run calls itself and what it counts in.
struct RunIdentity {
  std::string command;    // "gmlp-vision train": resumes the run
  std::string resume_as;  // the folder to resume, where it is not the run's own
  std::string kind;       // the folder below runs/
  std::string model;      // the architecture's name
  std::string data;       // the data's
  std::string weights;    // the file or folder whose weights it starts from, if any
  std::string samples;    // "images"
  std::string unit;       // of speed: "samples" or "tokens"
  int64_t units = 1;      // in a sample
  int64_t parameters = 0;
  double forward_flops = 0;         // of one sample
  std::string metric = "val_top1";  // metrics.csv's column for EvalResult's metric
  std::string figures;              // the files that draw_figures makes
};

class TrainingRun {
 public:
  /// Called by tests: to plant a non-finite gradient, or to stop at a chosen step.
  struct Hooks {
    std::function<void(TrainingRun&)> before_update;
    std::function<void(TrainingRun&)> after_step;
  };

  TrainingRun() = default;
  virtual ~TrainingRun() = default;
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;

  virtual const TrainOptions& common_options() const = 0;
  virtual const std::vector<Parameter*>& parameters() const = 0;

  // The loop's questions.
  bool finished() const;
  /// The current epoch's steps are done and its end is not yet written.
  bool epoch_complete() const;
  int64_t epoch() const { return progress.step / steps_per_epoch; }
  double learning_rate() const { return schedule.at(progress.step); }
  /// A micro-batch of this step: its number in the epoch, and from the start of the run, which its
  /// randomness depends on.
  int64_t batch_of_epoch(int64_t micro_batch) const;
  int64_t batch_of_run(int64_t micro_batch) const;

  // The loop's chores.
  void print_banner();
  /// After the last whole step of an epoch: skips what is left of its batches.
  void start_epoch_if_due();
  /// Forward and backward of the next batch; the gradients add up in the parameters. Returns the
  /// batch's share of the step's loss.
  virtual double accumulate_gradients(int64_t micro_batch) = 0;
  /// Counts the step, writes its lines, saves when it is time to.
  void end_step(double loss, double lr, double gradient_norm, bool skipped);
  void end_epoch();
  /// Saves, draws and says what to do next. The exit status.
  int finish();

  void save_last();
  bool time_is_up() const;
  /// How often this process has measured the machine's peak, which stops everything else.
  int64_t peaks_measured() const { return peaks_measured_; }

  RunIdentity identity;
  Hooks hooks;
  DType dtype = DType::kF32;
  ExecutionOptions execution;
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<Ema> ema;  // null: off
  std::unique_ptr<RunFolder> folder;
  std::unique_ptr<Console> console;
  std::unique_ptr<CheckpointStore> store;
  Arena arena;
  Schedule schedule;
  NanPolicy nan_policy;
  Progress progress;
  int64_t batches_per_epoch = 1;
  int64_t steps_per_epoch = 1;
  int64_t total_steps = 1;

 protected:
  // A run's constructor calls prepare(), makes data, model and identity, and calls open()
  // (FinetuneRun leaves that to begin()).
  void prepare(const std::string& config_text);
  /// Steps and learning rates; InputError for a length that cannot be. By open(), or before.
  void build_schedule(int64_t batches_an_epoch);
  void open(int64_t batches_an_epoch);
  void note(const std::string& line) { notes_.push_back(line); }
  bool resumed() const { return !resume_from_.empty(); }
  const std::string& resume_from() const { return resume_from_; }
  double elapsed() const;

  /// The next batch will be `batch` of `epoch`.
  virtual void seek(int64_t epoch, int64_t batch) = 0;
  /// Seconds that were spent waiting for batches, in all.
  virtual double wait_seconds() const = 0;
  virtual EvalResult validate() = 0;
  virtual bool improves_on(const EvalResult& score) const = 0;
  /// Adds config.json and whatever files beside the weights make the model usable.
  virtual void describe_model(CheckpointContent& content) const = 0;
  // What is said: lines of the banner, samples of the data, a score, summary.json's objects.
  virtual std::vector<std::string> banner() const = 0;
  virtual void show_samples() = 0;
  virtual std::string score_text(const EvalResult& score) const = 0;
  virtual std::string best_text() const = 0;
  virtual nlohmann::ordered_json best_summary() const = 0;
  virtual nlohmann::ordered_json final_summary() const = 0;
  virtual void draw_figures() = 0;
  virtual std::string next_command(const std::string& checkpoint) const = 0;

 private:
  // training_run_setup.cpp
  void build_optimizer();
  void open_folder();
  // training_run_state.cpp
  CheckpointContent content();
  void check_weights();
  std::string state_json();
  void restore(const std::string& checkpoint_folder);
  void restore_from(const std::string& checkpoint_folder);
  void restore_tensors(const Checkpoint& checkpoint);
  void restore_progress(const nlohmann::ordered_json& state);
  void start_over(const std::string& checkpoint_folder, const nlohmann::ordered_json& state);
  // training_run.cpp
  EvalResult validate_averaged();
  bool update_best(const EvalResult& score);
  void write_epoch(const EvalResult& score, double training_seconds);
  void validate_unfinished_epoch();
  // training_run_report.cpp
  void measure_peak();
  void measure_peak_if_due();
  double share_of_peak(double samples_per_s) const;
  std::string machine_line() const;
  void write_summary();
  void print_summary();

  std::string config_text_;
  std::string resume_from_;         // a checkpoint folder; empty: a new run
  std::vector<std::string> notes_;  // said before there was a console
  double peak_gflops_ = 0;
  int64_t peaks_measured_ = 0;
  std::chrono::steady_clock::time_point peak_measured_at_;
  double seconds_before_ = 0;  // of earlier processes of the run
  std::chrono::steady_clock::time_point started_;
  std::chrono::steady_clock::time_point step_began_;
  std::chrono::steady_clock::time_point epoch_began_;
  int64_t epoch_first_step_ = 0;  // of this process in the epoch: for samples/s
  double wait_before_ = 0;        // wait_seconds() at the step's begin
  double speed_sum_ = 0;          // samples/s, over this process's steps
  int64_t steps_here_ = 0;        // of this process
  bool validated_ = false;        // by this process: final_summary() has something to say
};

/// The loop: steps and epochs until the run is finished. The exit status.
int train_to_end(TrainingRun& run);

}  // namespace gmlp
