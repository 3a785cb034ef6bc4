// The training loop. Everything it calls is named after what it does; what a batch's forward pass
// is, VisionRun (apps/vision/train.cpp) and LanguageRun (apps/language/pretrain.cpp) say.

#include <algorithm>

#include "apps/train/training_run.h"

namespace gmlp {

namespace {

/// The factor that brings the gradient's norm down to --clip-grad (torch's clip_grad_norm_).
double clip_scale(double norm, double limit) {
  return limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0;
}

/// batches -> gradients -> clipped -> AdamW -> log line.
void take_step(TrainingRun& run) {
  const TrainOptions& options = run.common_options();
  double loss = 0;
  for (int64_t micro = 0; micro < options.grad_accum_steps; ++micro) {
    loss += run.accumulate_gradients(micro);
  }
  if (run.hooks.before_update) run.hooks.before_update(run);

  const double norm = global_gradient_norm(run.parameters());
  const double lr = run.learning_rate();
  const bool finite = run.nan_policy.accept(loss, norm, run.progress.step + 1);
  if (finite) {
    run.optimizer->step(lr, clip_scale(norm, options.clip_grad));
    if (run.ema) run.ema->update();
  } else {
    zero_gradients(run.parameters());
  }
  run.end_step(loss, lr, norm, !finite);
}

}  // namespace

int train_to_end(TrainingRun& run) {
  run.print_banner();
  while (true) {
    // First, since a run that was stopped while it validated resumes here.
    if (run.epoch_complete()) run.end_epoch();
    if (run.finished()) break;
    run.start_epoch_if_due();
    take_step(run);
  }
  return run.finish();
}

}  // namespace gmlp
