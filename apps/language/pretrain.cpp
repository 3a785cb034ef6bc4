// What training on text is: a batch of windows forward and backward. The loop around it is
// apps/train/training_loop.cpp; a run's parts are in run.h.

#include <cmath>

#include "apps/language/run.h"
#include "autograd/tape.h"

namespace gmlp {

double LanguageRun::accumulate_gradients(int64_t micro_batch) {
  const TextBatch batch = next_batch(micro_batch);
  arena.reset();  // the activations of the batch before are dead
  Tape tape(arena, execution, true);
  // The step's loss is the mean over its batches of their means over scored tokens.
  const double share = 1.0 / static_cast<double>(options.grad_accum_steps);
  const Var loss = model->loss(tape, batch.ids, batch.targets, batch.batch, share,
                               {true, options.dropout, options.seed, batch_of_run(micro_batch)});
  tape.backward(loss);
  return tape.value(loss).at(0);
}

TextBatch LanguageRun::next_batch(int64_t micro_batch) {
  const AddSeconds waiting(wait_);
  return loader->batch(epoch(), batch_of_epoch(micro_batch));
}

EvalResult LanguageRun::validate() {
  const TextScore score =
      evaluate_text(*model, *val_loader, data.val, options.val_batches, execution, arena);
  if (!score.complete) return score;
  last_score_ = score;
  show_progress();
  return score;
}

bool LanguageRun::improves_on(const EvalResult& score) const {
  // A model that diverged is never the best, and whatever is finite is better than one.
  if (!std::isfinite(score.loss)) return false;
  return !progress.has_best() || !(score.loss >= progress.best_loss);
}

int pretrain(const PretrainCommand& command, const TrainingRun::Hooks& hooks) {
  LanguageRun run(command);
  run.hooks = hooks;
  return train_to_end(run);
}

}  // namespace gmlp
