// What training on text is: a batch of windows forward and backward. The loop around it is
// apps/training/training_loop.cpp; a run's parts are in run.h.

#include <chrono>

#include "apps/language/run.h"
#include "autograd/tape.h"

namespace gmlp {

double LanguageRun::accumulate_gradients(int64_t micro_batch) {
  const TextBatch batch = next_batch(micro_batch);
  arena.reset();  // the activations of the batch before are dead
  Tape tape(arena, compute, true);
  // The step's loss is the mean over its batches of their means over scored tokens.
  const double share = 1.0 / static_cast<double>(options.grad_accum_steps);
  const Var loss =
      model->loss(tape, batch.ids, batch.targets, batch.batch, share, context(micro_batch));
  tape.backward(loss);
  return tape.value(loss).at(0);
}

TextBatch LanguageRun::next_batch(int64_t micro_batch) {
  const auto began = std::chrono::steady_clock::now();
  const int64_t index = progress.step % steps_per_epoch * options.grad_accum_steps + micro_batch;
  TextBatch batch = loader->batch(epoch(), index);
  wait_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return batch;
}

LanguageContext LanguageRun::context(int64_t micro_batch) const {
  LanguageContext context;
  context.training = true;
  context.dropout = options.dropout;
  context.seed = options.seed;
  context.step = progress.step * options.grad_accum_steps + micro_batch;
  return context;
}

void LanguageRun::before_update() {
  if (hooks.before_update) hooks.before_update(*this);
}

void LanguageRun::after_step() {
  if (hooks.after_step) hooks.after_step(*this);
}

Score LanguageRun::validate() {
  const TextScore score =
      evaluate_text(*model, *val_loader, data.val, options.val_batches, compute, arena);
  if (!score.complete) return score;
  last_score_ = score;
  show_progress();
  return score;
}

bool LanguageRun::is_better(const Score& score) const {
  return !progress.has_best() || score.loss < progress.best_loss;
}

int pretrain(const PretrainCommand& command, const LanguageRun::Hooks& hooks) {
  LanguageRun run(command, hooks);
  return train_to_end(run);
}

}  // namespace gmlp
