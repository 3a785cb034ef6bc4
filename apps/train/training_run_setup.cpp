// A run's beginning: from options to everything that is the same whatever is trained.

#include <algorithm>
#include <cmath>
#include <limits>

#include "apps/train/environment.h"
#include "apps/train/training_run.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/parallel.h"

namespace gmlp {

void TrainingRun::prepare(const std::string& config_text) {
  const TrainOptions& options = common_options();
  config_text_ = config_text;
  set_thread_count(resolve_threads(options.threads));
  const Arithmetic arithmetic = arithmetic_from(options.precision, options.kernels);
  dtype = arithmetic.dtype;
  execution = arithmetic.execution;
  execution.checkpoint = options.checkpoint_activations;
  if (!options.resume.empty()) resume_from_ = find_resume_point(options.resume).checkpoint;
}

void TrainingRun::open(int64_t batches_an_epoch) {
  build_optimizer();
  build_schedule(batches_an_epoch);
  open_folder();
  if (resumed()) restore(resume_from_);
  console = std::make_unique<Console>(common_options().quiet, &folder->log());
  measure_peak();
  seconds_before_ = progress.seconds;
  started_ = step_began_ = epoch_began_ = std::chrono::steady_clock::now();
  epoch_first_step_ = progress.step;
}

void TrainingRun::build_optimizer() {
  const TrainOptions& options = common_options();
  AdamWOptions adamw;
  adamw.beta1 = options.opt_betas.at(0);
  adamw.beta2 = options.opt_betas.at(1);
  adamw.eps = options.opt_eps;
  adamw.weight_decay = options.weight_decay;
  optimizer = std::make_unique<AdamW>(parameters(), adamw);
  if (options.model_ema) ema = std::make_unique<Ema>(parameters(), options.model_ema_decay);
}

void TrainingRun::build_schedule(int64_t batches_an_epoch) {
  const TrainOptions& options = common_options();
  batches_per_epoch = batches_an_epoch;
  steps_per_epoch = batches_per_epoch / options.grad_accum_steps;
  if (steps_per_epoch < 1) {
    fail_input("--grad-accum-steps {} is more than the {} batches of an epoch; use fewer",
               options.grad_accum_steps, batches_per_epoch);
  }
  if (options.epochs > std::numeric_limits<int64_t>::max() / steps_per_epoch) {
    fail_input("--epochs {}: more steps than can be counted; use fewer", options.epochs);
  }
  total_steps = options.epochs * steps_per_epoch;
  if (options.max_steps > 0) total_steps = std::min(total_steps, options.max_steps);
  schedule.decay = decay_from_name(options.sched);
  schedule.lr = options.lr;
  schedule.min_lr = std::min(options.min_lr, options.lr);
  schedule.total_steps = total_steps;
  // A run shorter than its warm-up would never reach its learning rate.
  const int64_t most = total_steps / 2;
  const double warmup = options.warmup_epochs * static_cast<double>(steps_per_epoch);
  schedule.warmup_steps = options.warmup_steps > 0
                              ? std::min(options.warmup_steps, most)
                              : std::llround(std::min(warmup, static_cast<double>(most)));
}

void TrainingRun::open_folder() {
  const TrainOptions& options = common_options();
  if (!resumed()) {
    const std::string path =
        RunFolder::create({options.out, identity.kind, identity.model, identity.data,
                           options.overwrite, identity.weights});
    folder = std::make_unique<RunFolder>(path);
    write_file_atomic(folder->file("config.toml"), config_text_);
    folder->metrics().line(metrics_header(identity.metric));
  } else {
    folder = std::make_unique<RunFolder>(find_resume_point(options.resume).run);
    remove_stale_temporaries(folder->path());
  }
  write_file_atomic(folder->file("environment.json"), environment_json());
  store = std::make_unique<CheckpointStore>(folder->checkpoints(), options.checkpoint_hist);
}

}  // namespace gmlp
