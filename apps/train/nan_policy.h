#pragma once
// No NaN of a gradient reaches the weights: a step whose loss or gradient norm is not finite is
// skipped; many in a row mean that the run is lost, and it stops. Weights that overflow in a step
// of finite gradients are found before they would be saved (training_run_state.cpp).

#include <cmath>
#include <cstdint>

#include "core/error.h"

namespace gmlp {

class NanPolicy {
 public:
  static constexpr int64_t kMaxInARow = 10;

  /// Whether the step may be taken. Throws RunError at the tenth refusal in a row.
  bool accept(double loss, double gradient_norm, int64_t step) {
    if (std::isfinite(loss) && std::isfinite(gradient_norm)) {
      in_a_row_ = 0;
      return true;
    }
    ++in_a_row_;
    ++skipped_;
    if (in_a_row_ >= kMaxInARow) {
      fail_run(
          "step {}: loss {} and gradient norm {}, not finite for {} steps in a row, which changed "
          "no weight; start again, or from an earlier checkpoint with --init, with a smaller --lr, "
          "a longer --warmup-steps or a smaller --clip-grad",
          step, loss, gradient_norm, in_a_row_);
    }
    return false;
  }

  int64_t in_a_row() const { return in_a_row_; }
  int64_t skipped() const { return skipped_; }
  /// As it was when a checkpoint was saved.
  void restore(int64_t in_a_row, int64_t skipped) {
    in_a_row_ = in_a_row;
    skipped_ = skipped;
  }

 private:
  int64_t in_a_row_ = 0;
  int64_t skipped_ = 0;  // of the whole run
};

}  // namespace gmlp
