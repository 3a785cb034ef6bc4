#pragma once
// What both trainers can be told: optimizer, schedule, run folder. Spellings are timm's where it
// has them.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "apps/cli/options.h"
#include "autograd/execution_options.h"
#include "core/tensor.h"

namespace CLI {
class App;
}  // namespace CLI

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

/// The options that a resumed run may give anew: they change no byte of what it computes.
const std::set<std::string>& resumable_options();

/// The lines of a config.toml by name, without the resumable ones; to be compared at a resume.
std::map<std::string, std::string> binding_options(const std::string& config);

/// A verb that trains, as --help and errors call it.
struct VerbTexts {
  const char* name;  // "gmlp-vision train"
  const char* description;
  const char* footer = "";
};

/// Its options. `add` registers what TrainOptions does not have, `check` throws InputError for what
/// is missing or contradictory, and `fill_in`, where there is one, gives what the user left open.
template <class Options>
struct TrainingVerb {
  VerbTexts texts;
  void (*add)(CLI::App& app, Options& options);
  void (*check)(const Options& options);
  void (*fill_in)(Options& options) = nullptr;
};

/// The options of one run, and the text they resolve to (config.toml; --config reads it back).
template <class Options>
struct RunCommand {
  Options options;
  std::string config;
};

/// One pass over the arguments of a verb that trains: `options` holds the defaults and becomes what
/// they say, `config` the text that it resolves to. `add` registers what `options` has beside
/// TrainOptions. With --resume only `users_own` arguments are held against the run's. False when
/// help was printed.
bool parse_train_options(const VerbTexts& texts, const std::vector<std::string>& arguments,
                         bool users_own, const std::function<void(CLI::App&)>& add,
                         TrainOptions& options, std::string& config);

/// `arguments` behind the config.toml of the run that `resume` names.
std::vector<std::string> with_config_of(const std::string& resume,
                                        const std::vector<std::string>& arguments);

/// Parses the arguments after a verb that trains. With --resume the options are those of the run's
/// config.toml. What is not given is as in `defaults`. Empty when help was printed; InputError for
/// wrong usage.
template <class Options>
std::optional<RunCommand<Options>> parse_run_command(const TrainingVerb<Options>& verb,
                                                     const std::vector<std::string>& arguments,
                                                     const Options& defaults = {}) {
  const auto parse = [&verb](const std::vector<std::string>& words, bool users_own,
                             RunCommand<Options>& command) {
    return parse_train_options(
        verb.texts, words, users_own, [&](CLI::App& app) { verb.add(app, command.options); },
        command.options, command.config);
  };
  RunCommand<Options> command{defaults, ""};
  if (!parse(arguments, true, command)) return std::nullopt;
  if (!command.options.resume.empty()) {
    RunCommand<Options> resumed{defaults, ""};
    parse(with_config_of(command.options.resume, arguments), false, resumed);
    return resumed;
  }
  verb.check(command.options);
  if (verb.fill_in != nullptr) {
    // Parsed once more, the gaps filled in: so config.toml says what the run does.
    verb.fill_in(command.options);
    parse(arguments, false, command);
  }
  return command;
}

}  // namespace gmlp
