// What finetuning is: a batch of examples forward and backward. The loop around it is
// apps/train/training_loop.cpp; a run's parts are in finetune_run.h.

#include "apps/language/tasks/finetune_run.h"
#include "autograd/ops.h"
#include "autograd/tape.h"

namespace gmlp {

TaskBatch FinetuneRun::next_batch(int64_t micro_batch) {
  const AddSeconds waiting(wait_);
  return loader->batch(epoch(), batch_of_epoch(micro_batch));
}

double FinetuneRun::accumulate_gradients(int64_t micro_batch) {
  const TaskBatch batch = next_batch(micro_batch);
  const int64_t count = static_cast<int64_t>(batch.rows.size());
  const LanguageContext context = {true, options.dropout, options.seed, batch_of_run(micro_batch)};
  arena.reset();  // the activations of the batch before are dead
  Tape tape(arena, execution, true);
  // The step's loss is the mean over all its examples.
  const double share = 1.0 / static_cast<double>(options.grad_accum_steps);
  // Classes: (B, C) and B labels. Spans: (B, N, 2), turned to (B, 2, N), is a choice among the N
  // tokens for the first and for the last; targets (B, 2) are as many.
  Var logits = is_span_task(task)
                   ? transpose_tokens(tape, model->spans(tape, batch.ids, count, context))
                   : model->classify(tape, batch.ids, count, context);
  const Var loss = cross_entropy_ids(tape, logits, batch.targets, share);
  tape.backward(loss);
  return tape.value(loss).at(0);
}

EvalResult FinetuneRun::validate() {
  TaskScore score = score_task({*model, task, execution, arena, options.batch_size}, files.dev);
  if (score.complete) last_score_ = score;
  return score;
}

int finetune(const FinetuneCommand& command, const TrainingRun::Hooks& hooks) {
  FinetuneRun run(command);
  run.hooks = hooks;
  run.begin();
  return train_to_end(run);
}

}  // namespace gmlp
