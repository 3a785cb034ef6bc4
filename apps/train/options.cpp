#include "apps/train/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "apps/cli/config_file.h"
#include "apps/cli/run_main.h"
#include "apps/train/run_folder.h"
#include "core/error.h"

namespace gmlp {

namespace {

constexpr double kSmallestEps = 1e-30;

void add_run_options(CLI::App& app, TrainOptions& options) {
  app.option_defaults()->always_capture_default();  // config.toml holds every value
  add_config_option(app, "Read options from FILE, such as a run's config.toml");
  app.add_option("--out", options.out, "Run folder; refused when not empty")->type_name("DIR");
  app.add_option("--resume", options.resume, "Continue the run in DIR, byte for byte")
      ->type_name("DIR")
      ->configurable(false);
  app.add_flag("--overwrite", options.overwrite, "Empty the run folder --out first")
      ->configurable(false);
  app.add_flag("--quiet", options.quiet, "Print nothing but errors");
  app.add_flag("--no-figures", options.no_figures, "Draw no figures at the end");
  app.add_option("--seed", options.seed, "Seed of everything random");
  app.add_option("--threads", options.threads, "0: as many as the machine has")
      ->check(integer_in(0, 4096));
  app.add_option("--precision", options.precision,
                 "f32; bf16: weights stay f32; or f64, on the reference kernels");
  app.add_option("--kernels", options.kernels, "fused, or reference: the readable definition")
      ->check(CLI::IsMember({"fused", "reference"}));
  app.add_flag("--checkpoint-activations", options.checkpoint_activations,
               "Keep only each block's input and compute the rest again: less memory, more time");
}

void add_length_options(CLI::App& app, TrainOptions& options) {
  app.add_option("--epochs", options.epochs, "Passes over the training set")->check(integer_in(1));
  app.add_option("--max-steps", options.max_steps, "Stop after N optimizer steps; 0: --epochs says")
      ->check(integer_in());
  app.add_option("--time-limit", options.time_limit,
                 "Stop after so many seconds of training, validate and save; the learning rate is "
                 "scheduled as if there were no limit")
      ->check(number_in(0, 1e12));
  app.add_option("--val-interval", options.val_interval, "Validate every N epochs")
      ->check(integer_in(1));
  app.add_option("--log-interval", options.log_interval, "Log every N steps")->check(integer_in(1));
  app.add_option("--save-interval", options.save_interval,
                 "Save every N steps, beside every epoch's end; 0: only there")
      ->check(integer_in());
  app.add_option("--checkpoint-hist", options.checkpoint_hist,
                 "How many earlier checkpoints are kept as step-N")
      ->check(integer_in(0, int64_t{1} << 20));
}

void add_optimizer_options(CLI::App& app, TrainOptions& options) {
  const CLI::Validator non_negative = number_in(0, 1e12);
  app.add_option("--batch-size", options.batch_size, "Samples a batch")
      ->check(integer_in(1, kLargestBatch));
  app.add_option("--grad-accum-steps", options.grad_accum_steps, "Batches an optimizer step")
      ->check(integer_in(1, int64_t{1} << 24));
  app.add_option("--lr", options.lr, "Peak learning rate")->check(non_negative);
  app.add_option("--min-lr", options.min_lr, "Learning rate at the end")->check(non_negative);
  app.add_option("--sched", options.sched, "Decay of the learning rate")
      ->check(CLI::IsMember({"cosine", "linear", "constant"}));
  app.add_option("--warmup-epochs", options.warmup_epochs, "Epochs of linear warm-up")
      ->check(non_negative);
  app.add_option("--warmup-steps", options.warmup_steps, "The same in steps, where > 0")
      ->check(integer_in());
  app.add_option("--weight-decay", options.weight_decay,
                 "AdamW's, on tensors of two or more dimensions")
      ->check(non_negative);
  // An f32 kernel divides by it where a gradient was always 0: it may not become 0 there.
  app.add_option("--opt-eps", options.opt_eps, "AdamW's epsilon")
      ->check(number_in(kSmallestEps, 1e12));
  app.add_option("--opt-betas", options.opt_betas, "AdamW's two betas")
      ->expected(2)
      ->delimiter(',')
      ->check(number_below(0, 1));  // of 1 the bias correction is 1 - 1, a divisor
  app.add_option("--clip-grad", options.clip_grad, "Largest gradient norm; 0: off")
      ->check(non_negative);
  app.add_flag("--model-ema", options.model_ema, "Average the weights; evaluate the average");
  app.add_option("--model-ema-decay", options.model_ema_decay, "Decay of that average")
      ->check(number_in(0, 1));
}

/// Registers all of TrainOptions, and --config.
void add_train_options(CLI::App& app, TrainOptions& options) {
  add_run_options(app, options);
  add_length_options(app, options);
  add_optimizer_options(app, options);
}

/// Throws InputError for the first option on the command line that contradicts --resume.
void check_resume_overrides(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_single_name();
    if (option->count() == 0 || name == "resume") continue;
    // --out, too, is the run's own: a resumed run stays in its folder.
    if (resumable_options().count(name) == 0 || name == "out") {
      fail_input(
          "--{}: cannot be given with --resume, the run's config.toml decides; leave it out, or "
          "start a new run with --init RUN/checkpoints/last",
          name);
    }
  }
}

}  // namespace

const std::set<std::string>& resumable_options() {
  static const std::set<std::string> names = {
      "threads",         "time-limit", "quiet",    "no-figures", "save-interval",
      "checkpoint-hist", "out",        "cache-dir"};  // cache-dir: in runs by earlier versions
  return names;
}

std::map<std::string, std::string> binding_options(const std::string& config) {
  std::map<std::string, std::string> options;
  std::istringstream lines(config);
  std::string line;
  while (std::getline(lines, line)) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos || line.front() == '#') continue;
    const std::string name = line.substr(0, equals);
    if (resumable_options().count(name) == 0) options[name] = line.substr(equals + 1);
  }
  return options;
}

bool parse_train_options(const VerbTexts& texts, const std::vector<std::string>& arguments,
                         bool users_own, const std::function<void(CLI::App&)>& add,
                         TrainOptions& options, std::string& config) {
  CLI::App app(texts.description, texts.name);
  app.footer(texts.footer);
  add_train_options(app, options);
  add(app);
  if (!parse_arguments(app, arguments)) return false;
  if (users_own && !options.resume.empty()) check_resume_overrides(app);
  config = resolved_config(app);
  return true;
}

std::vector<std::string> with_config_of(const std::string& resume,
                                        const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"--config", find_resume_point(resume).run + "/config.toml"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

}  // namespace gmlp
