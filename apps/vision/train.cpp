// What training on images is: a batch forward and backward. The loop around it is
// apps/train/training_loop.cpp; a run's parts are in run.h.

#include "apps/vision/run.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

namespace gmlp {

double VisionRun::accumulate_gradients(int64_t micro_batch) {
  const Batch batch = loader->next();
  arena.reset();  // the activations of the batch before are dead
  Tape tape(arena, execution, true);
  const Tensor images = in_dtype(arena, batch.images, dtype);
  const Var logits = model->forward(
      tape, images, {true, options.drop_path, options.seed, batch_of_run(micro_batch)});
  // The step's loss is the mean over all its images.
  const double share = 1.0 / static_cast<double>(options.grad_accum_steps);
  const Var loss = cross_entropy(tape, logits, batch.targets, share);
  tape.backward(loss);
  return tape.value(loss).at(0);
}

EvalResult VisionRun::validate() {
  const Evaluation evaluation =
      evaluate(*model, *data.val, val_transform, options.batch_size, execution, arena, {});
  if (evaluation.complete) last_evaluation_ = evaluation;
  return evaluation;
}

int train(const TrainCommand& command, const TrainingRun::Hooks& hooks) {
  VisionRun run(command);
  run.hooks = hooks;
  return train_to_end(run);
}

}  // namespace gmlp
