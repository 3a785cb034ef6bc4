// What happens between steps: lines, saves, and the end of an epoch.

#include "apps/training/metrics.h"
#include "apps/training/signals.h"
#include "apps/vision/run.h"

namespace gmlp {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

}  // namespace

double VisionRun::elapsed() const {
  return seconds_before_ + seconds_since(started_);
}

bool VisionRun::time_is_up() const {
  return options.time_limit > 0 && seconds_since(started_) >= options.time_limit;
}

bool VisionRun::epoch_complete() const {
  const int64_t end = std::min((progress.epochs_closed + 1) * steps_per_epoch, total_steps);
  return progress.step == end && progress.step > 0 &&
         progress.epochs_closed * steps_per_epoch < total_steps;
}

bool VisionRun::finished() const {
  return progress.step >= total_steps || stop_signal() != 0 || time_is_up();
}

ForwardContext VisionRun::forward_context(int64_t micro_batch) const {
  ForwardContext context;
  context.training = true;
  context.drop_path = options.drop_path;
  context.seed = options.seed;
  context.step = progress.step * options.grad_accum_steps + micro_batch;
  return context;
}

void VisionRun::start_epoch_if_due() {
  if (progress.step % steps_per_epoch != 0) return;
  // Batches that do not fill a whole accumulated step are left out.
  if (loader->batches_per_epoch() % options.grad_accum_steps != 0) loader->seek(epoch(), 0);
}

void VisionRun::end_step(double loss, double lr, double gradient_norm, bool skipped) {
  const int64_t this_epoch = epoch();
  ++progress.step;
  if (!skipped) {
    progress.epoch_loss_sum += loss;
    ++progress.epoch_loss_count;
  }
  const double seconds = seconds_since(step_began_);
  const double wait = loader->wait_seconds() - wait_before_;
  const int64_t samples = options.batch_size * options.grad_accum_steps;
  const double speed = static_cast<double>(samples) / seconds;
  const double share = share_of_peak(speed);
  share_sum_ += share;
  ++share_count_;
  const bool logged = progress.step % options.log_interval == 0 || progress.step == total_steps;
  if (logged || skipped) {
    folder->steps().line(
        step_line({progress.step, this_epoch + 1, loss, lr, gradient_norm, speed, wait, skipped}));
  }
  if (skipped) {
    console->line(fmt::format("step {}: loss {}, gradient norm {}: not finite, step skipped",
                              progress.step, loss, gradient_norm));
  }
  console->step({progress.step, total_steps, this_epoch + 1, options.epochs, loss, lr, speed, share,
                 wait, logged});
  if (hooks.after_step) hooks.after_step(*this);
  // The end of an epoch saves by itself, after it has validated.
  const bool due = options.save_interval > 0 && progress.step % options.save_interval == 0;
  if (due && !epoch_complete()) save_last();
  wait_before_ = loader->wait_seconds();
  step_began_ = Clock::now();
}

Evaluation VisionRun::validate() {
  const EmaScope averaged(ema.get());
  return evaluate(*model, *data.val, val_transform, options.batch_size, compute, arena, {});
}

bool VisionRun::is_best(const Evaluation& evaluation) {
  if (evaluation.top1 <= progress.best_top1) return false;
  progress.best_top1 = evaluation.top1;
  progress.best_loss = evaluation.loss;
  progress.best_step = progress.step;
  progress.best_epoch = progress.epochs_closed + 1;
  return true;
}

void VisionRun::write_epoch(const Evaluation& evaluation, double training_seconds) {
  EpochRecord record;
  record.epoch = progress.epochs_closed + 1;
  record.step = progress.step;
  record.train_loss =
      progress.epoch_loss_count == 0
          ? 0
          : progress.epoch_loss_sum / static_cast<double>(progress.epoch_loss_count);
  record.validated = evaluation.complete;
  record.val_loss = evaluation.loss;
  record.val_top1 = evaluation.top1;
  record.lr = schedule.at(progress.step - 1);
  const int64_t samples =
      (progress.step - epoch_first_step_) * options.batch_size * options.grad_accum_steps;
  record.samples_per_s = static_cast<double>(samples) / training_seconds;
  record.seconds = elapsed();
  folder->metrics().line(metrics_row(record));
  if (!evaluation.complete) return;
  const double error = 100 * standard_error(evaluation.top1 / 100, evaluation.samples);
  console->line(
      fmt::format("epoch {}/{}: train loss {:.4f}, val loss {:.4f}, top-1 {:.2f} ± {:.2f} %{}",
                  record.epoch, options.epochs, record.train_loss, record.val_loss, record.val_top1,
                  error, ema ? " (averaged weights)" : ""));
}

void VisionRun::end_epoch() {
  const int64_t number = progress.epochs_closed + 1;
  const bool last = progress.step == total_steps;
  const double training_seconds = seconds_since(epoch_began_);
  Evaluation evaluation;
  if (number % options.val_interval == 0 || last) {
    evaluation = validate();
    if (!evaluation.complete) return;  // a signal: resumed, the epoch is validated anew
    last_evaluation_ = evaluation;
  }
  write_epoch(evaluation, training_seconds);
  const bool best = evaluation.complete && is_best(evaluation);
  ++progress.epochs_closed;
  progress.epoch_loss_sum = 0;
  progress.epoch_loss_count = 0;
  // `best` first: killed between the two, the resumed run comes here again and writes the same.
  const CheckpointBytes bytes = checkpoint_bytes(content());
  if (best) store->save_best(bytes);
  store->save_last(bytes, progress.step);
  epoch_began_ = step_began_ = Clock::now();
  epoch_first_step_ = progress.step;
}

void VisionRun::validate_unfinished_epoch() {
  const bool closed =
      progress.step > 0 && progress.epochs_closed * steps_per_epoch == progress.step;
  if (closed) return;  // stopped between two epochs, all is written
  // Saved before this row is written: resumed, the run forgets it, as if it had never stopped.
  save_last();
  if (progress.step == 0) return;
  const double training_seconds = seconds_since(epoch_began_);
  const Evaluation evaluation = validate();
  if (!evaluation.complete) return;
  last_evaluation_ = evaluation;
  write_epoch(evaluation, training_seconds);
  if (progress.best_top1 < 0 && is_best(evaluation)) {
    store->save_best(checkpoint_bytes(content()));
  }
}

}  // namespace gmlp
