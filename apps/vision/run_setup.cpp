// A run's beginning: from options to everything that the loop needs.

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "apps/training/environment.h"
#include "apps/training/metrics.h"
#include "apps/vision/model_choice.h"
#include "apps/vision/run.h"
#include "apps/vision/weights.h"
#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "kernels/peak.h"

namespace gmlp {

namespace {

constexpr double kPeakProbeSeconds = 0.1;

/// Mirroring a digit makes another sign of it.
bool mirror_keeps_label(const VisionOptions& options) {
  return !options.no_flip && !options.data.starts_with("mnist:");
}

}  // namespace

VisionRun::VisionRun(const TrainCommand& command, const Hooks& test_hooks)
    : options(command.options), hooks(test_hooks), config_text_(command.config) {
  set_thread_count(resolve_threads(options.threads));
  const Arithmetic arithmetic = arithmetic_from(options.precision, options.kernels);
  dtype = arithmetic.dtype;
  compute = arithmetic.compute;
  compute.checkpoint = options.checkpoint_activations;
  if (!options.resume.empty()) resume_from_ = find_resume_point(options.resume).checkpoint;
  open_data();
  build_model();
  build_loader();
  build_schedule();
  open_folder();
  if (!resume_from_.empty()) restore(resume_from_);
  console = std::make_unique<Console>(options.quiet, &folder->log());
  peak_gflops_ = machine_peak_gflops(thread_count(), kPeakProbeSeconds, compute.precision);
  seconds_before_ = progress.seconds;
  started_ = step_began_ = epoch_began_ = std::chrono::steady_clock::now();
  epoch_first_step_ = progress.step;
}

void VisionRun::note(const std::string& line) {
  notes_.push_back(line);
}

void VisionRun::open_data() {
  data_options.seed = options.seed;
  data_options.val_fraction = options.val_fraction;
  data_options.skip_bad = options.skip_bad;
  data_options.max_train_samples = options.max_train_samples;
  data_options.photo_side = std::max<int64_t>(data_options.photo_side, 2 * options.img_size);
  data = open_dataset(options.data, data_options);
  if (data.train->size() < options.batch_size) {
    fail_input("--batch-size {} is more than the {} training images; use {} or fewer",
               options.batch_size, data.train->size(), data.train->size());
  }
  for (const std::string& line : data.notes) note(line);
}

void VisionRun::build_model() {
  config = choose_model(options, data);
  if (compute.precision == fused::Precision::kBf16) require_bf16_fits(config);
  model = std::make_unique<VisionModel>(config, dtype, options.seed);
  // A resumed run's weights come from its checkpoint.
  if (!options.init.empty() && resume_from_.empty()) {
    for (const std::string& line : initialise_from(*model, options.init)) note(line);
    note(fmt::format("weights taken from {}", options.init));
  }
  AdamWOptions adamw;
  adamw.beta1 = options.opt_betas.at(0);
  adamw.beta2 = options.opt_betas.at(1);
  adamw.eps = options.opt_eps;
  adamw.weight_decay = options.weight_decay;
  optimizer = std::make_unique<AdamW>(model->parameters(), adamw);
  if (options.model_ema) {
    ema = std::make_unique<Ema>(model->parameters(), options.model_ema_decay);
  }
}

void VisionRun::build_loader() {
  val_transform = evaluation_transform_for(config, data);
  train_transform = val_transform;
  train_transform.augment = augment_from_name(options.aug);
  train_transform.flip = mirror_keeps_label(options);
  LoaderOptions loading;
  loading.batch_size = options.batch_size;
  loading.seed = options.seed;
  loading.shuffle = !options.no_shuffle;
  loading.smoothing = options.smoothing;
  loading.mixup = options.mixup;
  loading.cutmix = options.cutmix;
  loading.switch_prob = options.mixup_switch_prob;
  loader = std::make_unique<Loader>(data.train, train_transform, loading);
}

void VisionRun::build_schedule() {
  steps_per_epoch = loader->batches_per_epoch() / options.grad_accum_steps;
  if (steps_per_epoch < 1) {
    fail_input("--grad-accum-steps {} is more than the {} batches of an epoch; use fewer",
               options.grad_accum_steps, loader->batches_per_epoch());
  }
  total_steps = options.epochs * steps_per_epoch;
  if (options.max_steps > 0) total_steps = std::min(total_steps, options.max_steps);
  schedule.decay = decay_from_name(options.sched);
  schedule.lr = options.lr;
  schedule.min_lr = std::min(options.min_lr, options.lr);
  schedule.total_steps = total_steps;
  const double warmup = options.warmup_epochs * static_cast<double>(steps_per_epoch);
  schedule.warmup_steps =
      options.warmup_steps > 0 ? options.warmup_steps : static_cast<int64_t>(std::llround(warmup));
  // A run shorter than its warm-up would never reach its learning rate.
  schedule.warmup_steps = std::min(schedule.warmup_steps, total_steps / 2);
}

void VisionRun::open_folder() {
  if (resume_from_.empty()) {
    const std::string path =
        RunFolder::create(options.out, "vision", config.name, data.name, options.overwrite);
    folder = std::make_unique<RunFolder>(path);
    write_file_atomic(folder->file("config.toml"), config_text_);
    folder->metrics().line(metrics_header());
  } else {
    folder = std::make_unique<RunFolder>(find_resume_point(options.resume).run);
    remove_stale_temporaries(folder->path());
  }
  write_file_atomic(folder->file("environment.json"), environment_json());
  store = std::make_unique<CheckpointStore>(folder->checkpoints(), options.checkpoint_hist);
}

}  // namespace gmlp
