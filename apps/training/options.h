#pragma once
// What both trainers can be told: optimizer, schedule, run folder. Spellings are timm's where it
// has them.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/tensor.h"

namespace gmlp {

struct TrainOptions {
  // The run.
  std::string out;     // empty: the next free runs/<kind>/NNNN-model-data
  std::string resume;  // a run folder, or one of its checkpoints
  bool overwrite = false;
  bool quiet = false;
  bool no_figures = false;
  uint64_t seed = 42;
  int threads = 0;  // 0: as many as the machine has
  std::string precision = "f32";
  std::string kernels = "fused";
  bool checkpoint_activations = false;
  // How long.
  int64_t epochs = 10;
  int64_t max_steps = 0;  // 0: as epochs say
  double time_limit = 0;  // seconds of this process; the schedule does not know of it. 0: none
  // Optimizer.
  int64_t batch_size = 128;
  int64_t grad_accum_steps = 1;
  double lr = 1e-3;
  double min_lr = 1e-5;
  std::string sched = "cosine";
  double warmup_epochs = 1;
  int64_t warmup_steps = 0;  // in place of warmup_epochs, when > 0
  double weight_decay = 0.05;
  double opt_eps = 1e-6;
  std::vector<double> opt_betas{0.9, 0.999};
  double clip_grad = 1.0;  // 0: off
  bool model_ema = false;
  double model_ema_decay = 0.9998;
  // How often.
  int64_t val_interval = 1;   // epochs
  int64_t log_interval = 10;  // steps
  int64_t save_interval = 0;  // steps; 0: at the end of each epoch only
  int64_t checkpoint_hist = 1;
};

/// Registers everything above with `app`, and --config.
void add_train_options(CLI::App& app, TrainOptions& options);

/// Every option's value as text, given or default: config.toml, which --config reads back.
std::string resolved_config(const CLI::App& app);

/// The options that a resumed run may give anew: they change no byte of what it computes.
const std::set<std::string>& resumable_options();

/// The lines of a config.toml by name, without the resumable ones; to be compared at a resume.
std::map<std::string, std::string> binding_options(const std::string& config);

/// Throws InputError for the first option on the command line that contradicts --resume.
void check_resume_overrides(const CLI::App& app);

/// What --precision and --kernels mean together: the weights' type, and how blocks compute. Throws
/// InputError for an unknown name and for bf16 on the reference kernels.
struct Arithmetic {
  DType dtype = DType::kF32;
  Compute compute;
};
Arithmetic arithmetic_from(const std::string& precision, const std::string& kernels);

/// How many threads --threads asks for.
int resolve_threads(int threads);

}  // namespace gmlp
