#pragma once
// Trainer: the training loop and its state, the same for every task. All ranks (apps/ranks) run it
// in step; rank 0 alone has a run folder and a reporter.
//
//   trainer.cpp             the loop: steps, epochs, the end; then the setup
//   trainer_checkpoint.cpp  the state as a checkpoint, and back

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "apps/ranks/sharded_gradients.h"
#include "apps/train/reporter.h"
#include "apps/train/run_folder.h"
#include "apps/train/task.h"
#include "autograd/optimizer.h"
#include "core/error.h"
#include "core/io/json.h"

namespace gmlp {

struct RunLength {
  int64_t epochs = 1, steps_per_epoch = 1, total_steps = 1;
};

/// The state of a run between two steps. With the weights and moments it is all that a resume
/// needs.
struct Progress {
  int64_t step = 0;           // optimizer steps, skipped ones included
  int64_t epochs_closed = 0;  // validated and written to metrics.csv
  double epoch_loss_sum = 0;  // over the current epoch's steps, in order
  int64_t epoch_loss_count = 0;
  struct Best {
    double metric = -1, loss = 0;
    int64_t step = 0;
    int64_t epoch = 0;  // 0: none yet
  } best;
  int64_t skipped = 0;  // steps that were not applied
  int64_t skipped_in_a_row = 0;
  double seconds = 0;  // of the run, over all its processes

  static constexpr int64_t kMaxSkippedInARow = 10;
  /// Keeps NaN out of the weights: whether to apply the next step, whose loss and gradient norm are
  /// given. Throws RunError at the tenth refusal in a row. A save checks the weights themselves
  /// (trainer_checkpoint.cpp): finite gradients can overflow them, too.
  bool accept(double loss, double gradient_norm) {
    const bool finite = std::isfinite(loss) && std::isfinite(gradient_norm);
    skipped_in_a_row = finite ? 0 : skipped_in_a_row + 1;
    skipped += finite ? 0 : 1;
    if (skipped_in_a_row < kMaxSkippedInARow) return finite;
    fail_run(
        "step {}: loss {} and gradient norm {}, not finite for {} steps in a row, which changed no "
        "weight; start again, or from an earlier checkpoint with --init, with a smaller --lr, a "
        "longer --warmup-steps or more clipping (--clip-grad)",
        step + 1, loss, gradient_norm, skipped_in_a_row);
  }

  /// The mean over the current epoch's steps; NaN if all were skipped.
  double epoch_loss() const {
    return epoch_loss_count == 0 ? NAN : epoch_loss_sum / static_cast<double>(epoch_loss_count);
  }
  bool has_best() const { return best.epoch > 0; }
  /// Whether `result` is better than the best so far; of equal metrics the lower loss is. A
  /// diverged model still has the metric of guessing, so a result that is not finite is never
  /// better.
  bool improved_by(const EvalResult& result, bool by_loss) const {
    if (!std::isfinite(result.loss)) return false;
    if (by_loss || result.metric == best.metric) return !has_best() || !(result.loss >= best.loss);
    return std::isfinite(result.metric) && (!has_best() || !(result.metric <= best.metric));
  }
};

class Trainer {
 public:
  /// For tests: to set a non-finite gradient, or to stop at a chosen step.
  struct Hooks {
    std::function<void(Trainer&)> before_update;
    std::function<void(Trainer&)> after_step;
  };

  /// Builds optimizer, EMA and schedule and writes nothing. Throws InputError for a length or batch
  /// size that the data cannot fill.
  Trainer(const TrainOptions& options, TrainingTask& task, Hooks hooks = {});

  /// Trains until the last step, a signal or the time limit; from the task's checkpoint when it has
  /// one. Returns the exit status.
  int run();

  const std::vector<Parameter*>& parameters() const { return task.parameters(); }

  TrainOptions options;
  TrainingTask& task;
  Hooks hooks;
  Arena arena;  // activations
  std::unique_ptr<AdamW> optimizer;
  std::unique_ptr<Ema> ema;  // null without --model-ema
  Schedule schedule;
  RunLength length;
  Progress progress;

 private:
  // trainer.cpp
  void train_step();
  void end_epoch();
  int finish();
  void finish_epoch_early();
  EvalResult validate();
  bool report_epoch(const EvalResult& result);
  bool epoch_is_complete() const;
  bool is_patience_over() const;
  bool is_finished();
  int64_t epoch() const { return progress.step / length.steps_per_epoch; }
  double add_gradients();
  BatchPosition position(int64_t batch) const;
  double elapsed() const { return seconds_before_ + run_time_.seconds(); }
  void build_schedule();
  void check_ranks() const;
  void begin();
  // trainer_checkpoint.cpp
  CheckpointContent tensors() const;
  CheckpointContent content();
  std::string state_json();
  void save_last() {
    if (!folder_) return;
    folder_->save_last(checkpoint_bytes(content()), progress.step, options.checkpoint_hist);
  }
  void restore(const std::string& checkpoint_folder);
  void restore_from(const std::string& checkpoint_folder);
  bool adopt_length(const Json& state);

  DataIdentity data_;
  std::unique_ptr<ShardedGradients> gradients_;
  std::shared_ptr<RunFolder> folder_;   // of rank 0
  std::unique_ptr<Reporter> reporter_;  // of rank 0
  EvalResult last_result_;              // of this process
  double seconds_before_ = 0;           // of earlier processes of the run
  double data_wait_ = 0;                // of the step, in seconds
  Stopwatch run_time_;                  // of this process
};

}  // namespace gmlp
