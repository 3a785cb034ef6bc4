// The training loop. A TrainingTask defines the batch, the loss and the validation (task.h).
//
//   run         steps and epochs until the run is finished
//   train_step  forward, backward, clip, AdamW, EMA, log line
//   end_epoch   validation, metrics.csv, checkpoint

#include "apps/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>

#include <signal.h>

#include "apps/cli/run_main.h"
#include "core/io/file.h"

namespace gmlp {

int Trainer::run() {
  begin();
  while (true) {
    // Before the step: a run that was stopped while it validated resumes here.
    if (epoch_is_complete()) end_epoch();
    if (is_finished()) break;
    train_step();
  }
  return finish();
}

/// Forward and backward of this rank's shards of the step. Returns the step's loss, which is the
/// mean over all of them.
double Trainer::add_gradients() {
  const int64_t micros = options.grad_accum_steps;
  const double scale = 1.0 / static_cast<double>(options.step_batches());
  std::vector<double> losses;  // of the shards
  for (int64_t shard = gradients_->first(); shard < gradients_->end(); ++shard) {
    losses.push_back(0);
    for (int64_t micro = 0; micro < micros; ++micro) {
      const Stopwatch waiting;
      task.next_batch(position(shard * micros + micro));
      data_wait_ += waiting.seconds();

      arena.reset();  // frees the activations of the previous batch
      Tape tape(arena, task.setup.execution, true);
      const Var batch_loss = task.forward(tape, scale);
      if (micro + 1 == micros) {
        tape.after_block = [this](int64_t block) { gradients_->finish_block(block); };
      }
      tape.backward(batch_loss);  // adds to the parameters' gradients
      losses.back() += tape.value(batch_loss).at(0);
    }
    gradients_->finish_shard();
  }
  double loss = 0;
  for (const double part : gather_ranks(losses)) loss += part;
  return loss;
}

void Trainer::train_step() {
  const Stopwatch whole;
  data_wait_ = 0;
  const double loss = add_gradients();
  if (hooks.before_update) hooks.before_update(*this);

  const double norm = global_gradient_norm(parameters());
  const double lr = schedule.at(progress.step);
  const bool finite = progress.accept(loss, norm);
  if (finite) {
    // Limits the gradient's norm to --clip-grad, as torch's clip_grad_norm_.
    const double limit = options.clip_grad;
    optimizer->step(lr, limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0);
    if (ema) ema->update(optimizer->steps());
    progress.epoch_loss_sum += loss;
    ++progress.epoch_loss_count;
  } else {
    zero_gradients(parameters());
  }

  const double rank_wait = take_rank_wait();
  if (reporter_) {
    reporter_->step({.step = progress.step + 1,
                     .epoch = epoch() + 1,
                     .loss = loss,
                     .lr = lr,
                     .grad_norm = norm,
                     .seconds = whole.seconds(),
                     .data_wait = data_wait_,
                     .rank_wait = rank_wait,
                     .skipped = !finite});
  }
  ++progress.step;
  if (hooks.after_step) hooks.after_step(*this);
  // end_epoch() saves by itself, after validation.
  const bool due = options.save_interval > 0 && progress.step % options.save_interval == 0;
  if (due && !epoch_is_complete()) save_last();
}

void Trainer::end_epoch() {
  const int64_t number = progress.epochs_closed + 1;
  const bool due = number % options.val_interval == 0 || progress.step == length.total_steps;
  const EvalResult result = due ? validate() : EvalResult{};
  if (due && !result.complete) return;  // a signal: the resumed run validates the epoch again
  const bool best = report_epoch(result);
  ++progress.epochs_closed;
  progress.epoch_loss_sum = 0;
  progress.epoch_loss_count = 0;
  // `best` first: a run killed between the two saves repeats this function and writes the same.
  if (!folder_) return;
  const CheckpointBytes bytes = checkpoint_bytes(content());
  if (best) folder_->save_best(bytes);
  folder_->save_last(bytes, progress.step, options.checkpoint_hist);
}

EvalResult Trainer::validate() {
  const EmaScope averaged(ema.get());
  try {
    last_result_ = task.validate(arena);
  } catch (const Stopped&) {
    return {};
  }
  return last_result_;
}

/// Reports the epoch. Returns whether its validation is the best so far.
bool Trainer::report_epoch(const EvalResult& result) {
  progress.seconds = elapsed();
  if (reporter_) reporter_->epoch(result);
  if (!result.complete || !progress.improved_by(result, task.info.best_by_loss)) return false;
  progress.best = {result.metric, result.loss, progress.step, progress.epochs_closed + 1};
  return true;
}

int Trainer::finish() {
  const auto say = [this](const std::string& text) {
    if (reporter_) reporter_->line(text);
  };
  if (const int signal = stop_signal(); signal != 0) {
    save_last();
    if (!folder_) return 128 + signal;
    const std::string text = fmt::format(
        "stopped by {} at step {}; saved. Continue with\n  {} --resume {}",
        signal == SIGPIPE ? "a closed standard output" : fmt::format("signal {}", signal),
        progress.step, task.info.command, shell_quoted(folder_->path()));
    say(text);
    if (signal == SIGPIPE) std::fputs((text + "\n").c_str(), stderr);
    return 128 + signal;
  }
  if (is_patience_over()) {
    say(fmt::format("stopped early: {} epochs without a better validation than epoch {}",
                    progress.epochs_closed - progress.best.epoch, progress.best.epoch));
  } else if (progress.step < length.total_steps) {
    say(fmt::format("time limit reached at step {} of {}", progress.step, length.total_steps));
    finish_epoch_early();
  }
  // A process that made no step has no final result yet.
  if (stop_signal() == 0 && progress.step > 0 && !last_result_.complete) validate();
  if (stop_signal() != 0) return 128 + stop_signal();
  progress.seconds = elapsed();
  if (!reporter_) return 0;
  const EmaScope averaged(ema.get());  // the figures show the weights that are evaluated
  reporter_->summary(last_result_, is_patience_over());
  return 0;
}

/// Validates in the middle of an epoch.
void Trainer::finish_epoch_early() {
  if (progress.step > 0 && progress.step == progress.epochs_closed * length.steps_per_epoch) return;
  // Saved before the epoch's row: a resumed run drops that row, as if it had never stopped.
  save_last();
  if (progress.step == 0) return;
  const EvalResult result = validate();
  if (!result.complete) return;
  const int64_t best_step = progress.best.step;
  if (!report_epoch(result) || !folder_) return;
  // `last`, which a resumed run starts from, has the previous best.
  folder_->keep_best(best_step);
  folder_->save_best(checkpoint_bytes(content()));
}

bool Trainer::epoch_is_complete() const {
  const int64_t closed = progress.epochs_closed * length.steps_per_epoch;
  const int64_t end = std::min(closed + length.steps_per_epoch, length.total_steps);
  return progress.step == end && closed < end;
}

bool Trainer::is_patience_over() const {
  const int64_t closed = progress.epochs_closed;
  return options.patience > 0 && closed - progress.best.epoch >= options.patience &&
         closed % options.val_interval == 0 && progress.step < length.total_steps;
}

bool Trainer::is_finished() {
  share_stop_signal();
  // By the clock of one rank, so that all make the same steps.
  const bool time_is_up = max_over_ranks(is_root() && options.time_limit > 0 &&
                                         run_time_.seconds() >= options.time_limit) > 0;
  return progress.step >= length.total_steps || stop_signal() != 0 || time_is_up ||
         is_patience_over();
}

/// Of one of the next step's batches. Those that do not fill a step at an epoch's end are skipped.
BatchPosition Trainer::position(int64_t batch) const {
  const int64_t count = options.step_batches();
  return {epoch(), progress.step % length.steps_per_epoch * count + batch,
          progress.step * count + batch};
}

// The setup.

RunSetup::RunSetup(const TrainOptions& options)
    : Arithmetic(arithmetic_from(options.precision, options.kernels)) {
  use_threads(options.threads);
  set_rank_timeout(options.rank_timeout);
  execution.checkpoint = options.checkpoint_activations;
  if (options.resume.empty()) return;
  const ResumePoint point = find_resume_point(options.resume);
  if (is_root()) folder = std::make_shared<RunFolder>(point.run);
  wait_for_ranks();  // the others read what rank 0 has repaired
  checkpoint = find_checkpoint(point);
}

Trainer::Trainer(const TrainOptions& the_options, TrainingTask& the_task, Hooks the_hooks)
    : options(the_options),
      task(the_task),
      hooks(std::move(the_hooks)),
      data_(the_task.data_identity()) {
  const AdamWOptions adamw = {.beta1 = options.opt_betas.at(0),
                              .beta2 = options.opt_betas.at(1),
                              .eps = options.opt_eps,
                              .weight_decay = options.weight_decay};
  optimizer = std::make_unique<AdamW>(parameters(), adamw);
  gradients_ = std::make_unique<ShardedGradients>(parameters(), options.shards);
  if (options.model_ema) ema = std::make_unique<Ema>(parameters(), options.model_ema_decay);
  refuse_if(options.patience > 0 && task.info.validation_samples == 0,
            "--patience {}: nothing is held out to validate on; leave it out, or hold some out",
            options.patience);
  build_schedule();
}

void Trainer::build_schedule() {
  const int64_t batches = task.batches_per_epoch();
  length.steps_per_epoch = batches / options.step_batches();
  refuse_if(length.steps_per_epoch < 1,
            "--grad-accum-steps {} is more than the {} batches per epoch; use fewer",
            options.grad_accum_steps, batches / options.shards);
  refuse_if(options.epochs > std::numeric_limits<int64_t>::max() / length.steps_per_epoch,
            "--epochs {}: the number of steps overflows; use fewer", options.epochs);
  length.total_steps = options.epochs * length.steps_per_epoch;
  if (options.max_steps > 0) length.total_steps = std::min(length.total_steps, options.max_steps);
  length.epochs = 1 + (length.total_steps - 1) / length.steps_per_epoch;
  schedule.decay = kDecays.from_name(options.sched);
  schedule.lr = options.lr;
  schedule.min_lr = std::min(options.min_lr, options.lr);
  schedule.total_steps = length.total_steps;
  // A run shorter than its warm-up would never reach its learning rate.
  const double most = std::floor(static_cast<double>(length.total_steps) / 2);
  const double warmup = options.warmup_steps > 0
                            ? static_cast<double>(options.warmup_steps)
                            : options.warmup_epochs * static_cast<double>(length.steps_per_epoch);
  schedule.warmup_steps = std::llround(std::min(warmup, most));
  if (warmup > most) {
    task.info.notes.push_back(fmt::format(
        "the warm-up is cut from {:.0f} steps to {:.0f}, half of the run", warmup, most));
  }
}

/// Throws on a rank that would not compute the same bits as rank 0 does.
void Trainer::check_ranks() const {
  if (rank_count() == 1) return;
  std::map<std::string, std::string> facts;
  for (const auto& [name, value] : binding_options(options.config)) facts["--" + name] = value;
  uint32_t weights = 0;
  for (const Parameter* parameter : parameters()) {
    weights = crc32_of(parameter->value.raw(), parameter->value.bytes(), weights);
  }
  facts["the version"] = GMLP_VERSION;
  facts["the instruction set (GMLP_ISA chooses one)"] = isa_name();
  facts["the data"] = fmt::format("{} with checksum {:08x}", data_.counts, data_.checksum);
  facts["the checksum of the weights"] = fmt::format("{:08x}", weights);
  require_same_facts(facts);
}

/// Opens the run folder, restores the checkpoint and prints the banner.
void Trainer::begin() {
  check_ranks();
  folder_ = task.setup.folder;
  if (is_root() && !folder_) {
    folder_ =
        std::make_shared<RunFolder>(RunFolder::create(options.out, options.overwrite, task.info));
  }
  if (task.setup.resumed()) {
    restore(task.setup.checkpoint);
  } else if (folder_) {
    if (task.setup.folder) {
      task.info.notes.push_back(folder_->path() + ": nothing had been saved; starts at step 0");
    }
    folder_->rewind({}, task.info.notes);
  }
  if (folder_) {
    write_file_atomic(folder_->file("config.toml"), options.config);
    reporter_ = std::make_unique<Reporter>(*this, *folder_);
    reporter_->banner();
  }
  const bool shows = max_over_ranks(options.quiet ? 0 : 1) > 0;
  if (shows && progress.step < length.total_steps) {
    task.next_batch(position(gradients_->first() * options.grad_accum_steps));
    if (reporter_) reporter_->samples();
  }
  seconds_before_ = progress.seconds;
  run_time_ = Stopwatch();
}

}  // namespace gmlp
