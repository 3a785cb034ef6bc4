#pragma once
// The state of a run between two steps. With the weights and moments it is all that a resume needs.

#include <cmath>
#include <cstdint>

#include "apps/cli/format.h"
#include "apps/train/task.h"
#include "core/error.h"

namespace gmlp {

struct RunLength {
  int64_t epochs = 1;
  int64_t steps_per_epoch = 1;
  int64_t total_steps = 1;
};

struct Progress {
  int64_t step = 0;           // optimizer steps, skipped ones included
  int64_t epochs_closed = 0;  // validated and written to metrics.csv
  double epoch_loss_sum = 0;  // over the current epoch's steps, in order
  int64_t epoch_loss_count = 0;
  struct Best {
    double metric = -1;
    double loss = 0;
    int64_t step = 0;
    int64_t epoch = 0;  // 0: none yet
  } best;
  double seconds = 0;  // of the run, over all its processes

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

/// Keeps NaN out of the weights: a step whose loss or gradient norm is not finite is skipped, and
/// the tenth in a row ends the run. A save checks the weights themselves (trainer_checkpoint.cpp):
/// finite gradients can overflow them, too.
struct NanPolicy {
  static constexpr int64_t kMaxInARow = 10;

  /// Whether to apply the step. Throws RunError at the tenth refusal in a row.
  bool accept(double loss, double gradient_norm, int64_t step) {
    if (std::isfinite(loss) && std::isfinite(gradient_norm)) {
      in_a_row = 0;
      return true;
    }
    ++in_a_row;
    ++skipped;
    if (in_a_row >= kMaxInARow) {
      fail_run(
          "step {}: loss {} and gradient norm {}, not finite for {} steps in a row, which changed "
          "no weight; start again, or from an earlier checkpoint with --init, with a smaller --lr, "
          "a longer --warmup-steps or a smaller --clip-grad",
          step, loss, gradient_norm, in_a_row);
    }
    return false;
  }

  int64_t in_a_row = 0;
  int64_t skipped = 0;  // in the whole run
};

}  // namespace gmlp
