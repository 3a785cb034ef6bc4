#pragma once
// The state of a run between two steps. With the weights and moments it is all that a resume needs.

#include <cmath>
#include <cstdint>

#include "apps/cli/format.h"
#include "apps/train/task.h"
#include "core/error.h"

namespace gmlp {

struct RunLength {
  int64_t epochs = 1, steps_per_epoch = 1, total_steps = 1;
};

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
        "longer --warmup-steps or a smaller --clip-grad",
        step + 1, loss, gradient_norm, skipped_in_a_row);
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

}  // namespace gmlp
