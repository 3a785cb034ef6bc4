// What happens between steps: lines, saves, and the end of an epoch.

#include "apps/train/training_run.h"

#include <algorithm>

#include "apps/cli/signals.h"

namespace gmlp {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

}  // namespace

double TrainingRun::elapsed() const {
  return seconds_before_ + seconds_since(started_);
}

bool TrainingRun::time_is_up() const {
  const double limit = common_options().time_limit;
  return limit > 0 && seconds_since(started_) >= limit;
}

bool TrainingRun::epoch_complete() const {
  const int64_t end = std::min((progress.epochs_closed + 1) * steps_per_epoch, total_steps);
  return progress.step == end && progress.step > 0 &&
         progress.epochs_closed * steps_per_epoch < total_steps;
}

bool TrainingRun::finished() const {
  return progress.step >= total_steps || stop_signal() != 0 || time_is_up();
}

int64_t TrainingRun::batch_of_epoch(int64_t micro_batch) const {
  return progress.step % steps_per_epoch * common_options().grad_accum_steps + micro_batch;
}

int64_t TrainingRun::batch_of_run(int64_t micro_batch) const {
  return progress.step * common_options().grad_accum_steps + micro_batch;
}

void TrainingRun::start_epoch_if_due() {
  if (progress.step % steps_per_epoch != 0) return;
  // Batches that do not fill a whole accumulated step are left out.
  if (batches_per_epoch % common_options().grad_accum_steps != 0) seek(epoch(), 0);
}

void TrainingRun::end_step(double loss, double lr, double gradient_norm, bool skipped) {
  const TrainOptions& options = common_options();
  const int64_t this_epoch = epoch();
  ++progress.step;
  if (!skipped) {
    progress.epoch_loss_sum += loss;
    ++progress.epoch_loss_count;
  }
  const double seconds = seconds_since(step_began_);
  const double wait = wait_seconds() - wait_before_;
  const int64_t samples = options.batch_size * options.grad_accum_steps;
  const double speed = static_cast<double>(samples) / seconds;
  speed_sum_ += speed;
  ++steps_here_;
  const bool logged = progress.step % options.log_interval == 0 || progress.step == total_steps;
  // Faster than the machine's peak: others used the machine when that was measured.
  if (logged && share_of_peak(speed) > 1) measure_peak();
  const double share = share_of_peak(speed);
  if (logged || skipped) {
    folder->steps().line(
        step_line({progress.step, this_epoch + 1, loss, lr, gradient_norm, speed, wait, skipped}));
  }
  if (skipped) {
    console->line(fmt::format("step {}: loss {}, gradient norm {}: not finite, step skipped",
                              progress.step, loss, gradient_norm));
  }
  const double units_per_s = speed * static_cast<double>(identity.units);
  console->step({progress.step, total_steps, this_epoch + 1, options.epochs, loss, lr, units_per_s,
                 identity.unit, share, wait, logged});
  if (hooks.after_step) hooks.after_step(*this);
  // The end of an epoch saves by itself, after it has validated.
  const bool due = options.save_interval > 0 && progress.step % options.save_interval == 0;
  if (due && !epoch_complete()) save_last();
  wait_before_ = wait_seconds();
  step_began_ = Clock::now();
}

EvalResult TrainingRun::validate_averaged() {
  const EmaScope averaged(ema.get());
  EvalResult score = validate();
  if (score.complete) validated_ = true;
  return score;
}

bool TrainingRun::update_best(const EvalResult& score) {
  if (!improves_on(score)) return false;
  progress.best_metric = score.metric;
  progress.best_loss = score.loss;
  progress.best_step = progress.step;
  progress.best_epoch = progress.epochs_closed + 1;
  return true;
}

void TrainingRun::write_epoch(const EvalResult& score, double training_seconds) {
  const TrainOptions& options = common_options();
  EpochRecord record;
  record.epoch = progress.epochs_closed + 1;
  record.step = progress.step;
  record.train_loss =
      progress.epoch_loss_count == 0
          ? 0
          : progress.epoch_loss_sum / static_cast<double>(progress.epoch_loss_count);
  record.validated = score.complete;
  record.val_loss = score.loss;
  record.val_metric = score.metric;
  record.lr = schedule.at(progress.step - 1);
  const int64_t samples =
      (progress.step - epoch_first_step_) * options.batch_size * options.grad_accum_steps;
  record.samples_per_s = static_cast<double>(samples) / training_seconds;
  record.seconds = elapsed();
  folder->metrics().line(metrics_row(record));
  if (!score.complete) return;
  console->line(fmt::format("epoch {}/{}: train loss {:.4f}, {}{}", record.epoch, options.epochs,
                            record.train_loss, score_text(score),
                            ema ? " (averaged weights)" : ""));
}

void TrainingRun::end_epoch() {
  const int64_t number = progress.epochs_closed + 1;
  const bool last = progress.step == total_steps;
  const double training_seconds = seconds_since(epoch_began_);
  EvalResult score;
  if (number % common_options().val_interval == 0 || last) {
    score = validate_averaged();
    if (!score.complete) return;  // a signal: resumed, the epoch is validated anew
  }
  write_epoch(score, training_seconds);
  const bool best = score.complete && update_best(score);
  ++progress.epochs_closed;
  progress.epoch_loss_sum = 0;
  progress.epoch_loss_count = 0;
  // `best` first: killed between the two, the resumed run comes here again and writes the same.
  const CheckpointBytes bytes = checkpoint_bytes(content());
  if (best) store->save_best(bytes);
  store->save_last(bytes, progress.step);
  measure_peak_if_due();
  epoch_began_ = step_began_ = Clock::now();
  epoch_first_step_ = progress.step;
}

void TrainingRun::validate_unfinished_epoch() {
  const bool closed =
      progress.step > 0 && progress.epochs_closed * steps_per_epoch == progress.step;
  if (closed) return;  // stopped between two epochs, all is written
  // Saved before this row is written: resumed, the run forgets it, as if it had never stopped.
  save_last();
  if (progress.step == 0) return;
  const double training_seconds = seconds_since(epoch_began_);
  const EvalResult score = validate_averaged();
  if (!score.complete) return;
  write_epoch(score, training_seconds);
  if (!progress.has_best() && update_best(score)) {
    store->save_best(checkpoint_bytes(content()));
  }
}

void TrainingRun::print_banner() {
  const TrainOptions& options = common_options();
  console->line(fmt::format("{} {}: {} on {}",
                            identity.command.substr(0, identity.command.find(' ')), GMLP_VERSION,
                            identity.model, identity.data));
  for (const std::string& line : banner()) console->line(line);
  console->line(machine_line());
  console->line(fmt::format("run      {} steps, {} an epoch of {} {}; in {}", grouped(total_steps),
                            grouped(steps_per_epoch),
                            options.batch_size * options.grad_accum_steps * steps_per_epoch,
                            identity.samples, folder->path()));
  for (const std::string& line : notes_) console->line("note     " + line);
  if (!console->quiet() && progress.step < total_steps) show_samples();
  started_ = step_began_ = epoch_began_ = Clock::now();
}

int TrainingRun::finish() {
  const int signal = stop_signal();
  if (signal != 0) {
    save_last();
    console->line(fmt::format("stopped by signal {} at step {}; saved. Continue with", signal,
                              progress.step));
    const std::string& path = identity.resume_as.empty() ? folder->path() : identity.resume_as;
    console->line(fmt::format("  {} --resume {}", identity.command, path));
    return 128 + signal;
  }
  if (progress.step < total_steps) {
    console->line(fmt::format("time limit reached at step {} of {}", progress.step, total_steps));
    validate_unfinished_epoch();
    if (stop_signal() != 0) return 128 + stop_signal();
  } else if (!validated_ && !validate_averaged().complete) {
    return 128 + stop_signal();  // a run killed after its last save had not said its final score
  }
  write_summary();
  if (!common_options().no_figures) {
    const EmaScope averaged(ema.get());
    draw_figures();
  }
  print_summary();
  return 0;
}

}  // namespace gmlp
