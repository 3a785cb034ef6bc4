// The training loop. Everything it calls is named after what it does; a run's parts are in run.h.

#include <algorithm>

#include "apps/vision/run.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

namespace gmlp {

namespace {

/// Forward and backward of one batch; the gradients add up in the parameters. Returns its share of
/// the step's loss, which is the mean over all images of the step.
double accumulate_gradients(VisionRun& run, const Batch& batch, int64_t micro_batch) {
  run.arena.reset();  // the activations of the batch before are dead
  Tape tape(run.arena, run.compute, true);
  const Tensor images = in_dtype(run.arena, batch.images, run.dtype);
  const Var logits = run.model->forward(tape, images, run.forward_context(micro_batch));
  const double share = 1.0 / static_cast<double>(run.options.grad_accum_steps);
  const Var loss = cross_entropy(tape, logits, batch.targets, share);
  tape.backward(loss);
  return tape.value(loss).at(0);
}

/// The factor that brings the gradient's norm down to --clip-grad (torch's clip_grad_norm_).
double clip_scale(double norm, double limit) {
  return limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0;
}

/// batches -> gradients -> clipped -> AdamW -> log line.
void take_step(VisionRun& run) {
  double loss = 0;
  for (int64_t micro = 0; micro < run.options.grad_accum_steps; ++micro) {
    loss += accumulate_gradients(run, run.loader->next(), micro);
  }
  if (run.hooks.before_update) run.hooks.before_update(run);

  const double norm = global_gradient_norm(run.parameters());
  const double lr = run.learning_rate();
  const bool finite = run.nan_policy.accept(loss, norm, run.progress.step + 1);
  if (finite) {
    run.optimizer->step(lr, clip_scale(norm, run.options.clip_grad));
    if (run.ema) run.ema->update();
  } else {
    zero_gradients(run.parameters());
  }
  run.end_step(loss, lr, norm, !finite);
}

}  // namespace

int train(const TrainCommand& command, const VisionRun::Hooks& hooks) {
  VisionRun run(command, hooks);
  run.announce();
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
