#pragma once
// The options that all training tasks share, and how a training subcommand's arguments become
// options and config.toml. Spellings are timm's if it has the option.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "autograd/tape.h"

namespace gmlp {

struct TrainOptions {
  // Recipe.
  int64_t epochs = 10;
  int64_t max_steps = 0;  // 0: unlimited
  int64_t batch_size = 128;
  int64_t grad_accum_steps = 1;
  int64_t shards = 1;  // of a batch: sharded_gradients.h
  double lr = 1e-3, min_lr = 1e-5;
  std::string sched = "cosine";
  double warmup_epochs = 1;
  int64_t warmup_steps = 0;  // replaces warmup_epochs when > 0
  double weight_decay = 0.05;
  double opt_eps = 1e-6;
  std::vector<double> opt_betas{0.9, 0.999};
  double clip_grad = 1.0;  // 0: off
  bool model_ema = false;
  double model_ema_decay = 0.9998;
  std::string precision = "f32", kernels = "fused";
  bool checkpoint_activations = false;
  uint64_t seed = 42;
  // Run.
  std::string out;     // empty: the next free runs/KIND/NNNN-MODEL-DATA
  std::string resume;  // a run folder, or a checkpoint in one
  bool overwrite = false, quiet = false, no_figures = false, tensorboard = false;
  int threads = 0;            // 0: all of the machine's
  double rank_timeout = 600;  // seconds without an answer of another rank; 0: none
  double time_limit = 0;      // seconds of this process; 0: none
  int64_t patience = 0;       // epochs without a better validation before the end; 0: no limit
  int64_t val_interval = 1;   // epochs
  int64_t log_interval = 10;  // steps
  int64_t save_interval = 0;  // steps; 0: only at an epoch's end
  int64_t checkpoint_hist = 1;
  std::string config;  // the text of config.toml: all of these options as they were parsed

  int64_t step_samples() const { return batch_size * grad_accum_steps; }
  int64_t shard_size() const { return batch_size / shards; }
  /// A step's loader batches, each a shard of one of its --grad-accum-steps batches.
  int64_t step_batches() const { return grad_accum_steps * shards; }
};

/// The lines of a config.toml by name.
std::map<std::string, std::string> options_of(const std::string& config);
/// The same, but for the options that change no byte of a run's results.
std::map<std::string, std::string> binding_options(const std::string& config);
/// Whether two texts of an option's value mean the same: earlier versions stored seed=007.
bool is_same_value(const std::string& before, const std::string& now);
/// Whether a resumed run may have another value of an option: its data may have moved (a checksum
/// tells whether they are the same), and its length may change.
bool is_changeable(const std::string& option);

/// A training subcommand.
struct TrainingSubcommand {
  const char* name;  // "gmlp-vision train"
  const char* description;
  /// Registers the task's options, in the groups Data, Model and Recipe.
  std::function<void(CLI::App&)> add;
  /// Throws InputError for an incomplete new run; fill_in() sets what the user left open.
  std::function<void(CLI::App&)> check;
  /// What --help shows as the default of the options that `check` fills in.
  std::map<std::string, std::string> defaults = {};
};

/// Parses `arguments` into `options`, whose values are the defaults. --config reads their `config`
/// back as the same options, from any folder: paths are absolute in it. --resume DIR reads the
/// run's config.toml; arguments then may only set options that change no result or are changeable.
/// Throws InputError.
void parse_training(const TrainingSubcommand& subcommand, std::vector<std::string> arguments,
                    TrainOptions& options);

/// For TrainingSubcommand::check: the value of `option`, `given` by the user, or else `value`,
/// rounded so that config.toml holds it exactly.
double fill_in(CLI::App& app, const std::string& option, double given, double value);

}  // namespace gmlp
