#include "apps/train/options.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <set>

#include "apps/cli/format.h"
#include "apps/cli/run_main.h"
#include "apps/train/run_folder.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

/// The options that change no result, but for the moment at which a run ends; cache-dir is in runs
/// of earlier versions.
const std::set<std::string> kNeutralOptions = {
    "threads",      "workers",     "time-limit",    "patience",        "quiet", "no-figures",
    "rank-timeout", "tensorboard", "save-interval", "checkpoint-hist", "out",   "cache-dir"};

const std::set<std::string> kDataOptions = {"data", "text", "val-text"};
const std::set<std::string> kLengthOptions = {"epochs", "max-steps"};
/// More options whose values may be paths.
const std::set<std::string> kModelPathOptions = {"model", "init", "tokenizer"};

void add_recipe_options(CLI::App& app, TrainOptions& options) {
  OptionGroup recipe(app, "Recipe");
  recipe.integer("--epochs", options.epochs, "Passes over the training data", 1);
  recipe.integer(
      "--max-steps", options.max_steps,
      "Optimizer steps, in as many passes as they take unless the same command gives --epochs; "
      "0 = use --epochs");
  recipe.integer("--batch-size", options.batch_size, "Samples per batch", 1, kLargestBatch);
  recipe.integer("--grad-accum-steps", options.grad_accum_steps, "Batches per optimizer step", 1,
                 1 << 24);
  recipe.integer(
      "--shards", options.shards,
      "Equal parts of a batch, whose gradients are added as a binary tree: the ranks of "
      "mpirun share them, and any number of ranks computes the same bits; a power of two",
      1, 1 << 12);
  recipe.number("--lr", options.lr, "Peak learning rate");
  recipe.number("--min-lr", options.min_lr, "Learning rate at the last step");
  recipe.choice("--sched", options.sched, "Decay of the learning rate after warm-up",
                {"cosine", "linear", "constant"});
  recipe.number("--warmup-epochs", options.warmup_epochs,
                "Epochs of linear warm-up, at most half of the run");
  recipe.integer("--warmup-steps", options.warmup_steps,
                 "Steps of linear warm-up; 0 = use --warmup-epochs");
  recipe.number("--weight-decay", options.weight_decay,
                "AdamW's weight decay, for tensors of two or more dimensions");
  // An f32 kernel divides by it when a gradient was always 0, so it must not round to 0.
  recipe.number("--opt-eps", options.opt_eps, "AdamW's epsilon", 1e-30);
  app.add_option("--opt-betas", options.opt_betas, "AdamW's decay rates of the two moments")
      ->expected(2)
      ->delimiter(',')
      ->check(number_in(0, 0.99999));  // the bias correction divides by 1 - beta
  recipe.number("--clip-grad", options.clip_grad, "Maximum gradient norm; 0 = no clipping");
  app.add_flag("--model-ema", options.model_ema,
               "Average the weights over the steps (EMA), and evaluate and save the average");
  recipe.number("--model-ema-decay", options.model_ema_decay, "Decay rate of that average", 0, 1);
  app.add_option("--precision", options.precision,
                 "Precision of the blocks: f32, bf16 (the weights stay f32), or f64 on the "
                 "reference kernels");
  recipe.choice("--kernels", options.kernels,
                "Implementation of the operations: fused, or the readable reference",
                {"fused", "reference"});
  app.add_flag("--checkpoint-activations", options.checkpoint_activations,
               "Keep only each block's input and recompute the rest in the backward pass: less "
               "memory, more time");
  app.add_option("--seed", options.seed, "Seed of everything random")
      ->check(integer_in(0, INT64_MAX));
}

void add_run_options(CLI::App& app, TrainOptions& options) {
  OptionGroup run(app, "Run");
  run.text("--out", options.out, "DIR",
           "Run folder, which must be empty; by default the next free number below runs/");
  app.add_flag("--overwrite", options.overwrite, "Remove the previous run in --out first")
      ->configurable(false);
  app.add_option("--resume", options.resume,
                 "Run folder, or a checkpoint in one, to continue exactly as if it had never "
                 "stopped")
      ->type_name("DIR")
      ->configurable(false);
  run.number("--time-limit", options.time_limit,
             "Seconds of training after which to validate, save and stop; the learning rate does "
             "not depend on it; 0 = none");
  run.integer("--patience", options.patience,
              "Epochs without a better validation after which to stop; 0 = no limit");
  run.integer("--val-interval", options.val_interval, "Epochs per validation", 1);
  run.integer("--log-interval", options.log_interval, "Steps per log line", 1);
  run.integer("--save-interval", options.save_interval,
              "Steps per checkpoint within an epoch; 0 = save at an epoch's end only");
  run.integer("--checkpoint-hist", options.checkpoint_hist,
              "Number of earlier checkpoints to keep as step-N", 0, 1 << 20);
  app.add_flag("--no-figures", options.no_figures, "Draw no figures at the end");
  app.add_flag("--tensorboard", options.tensorboard,
               "Also write event files for TensorBoard (tensorboard --logdir RUN)");
  run.number("--rank-timeout", options.rank_timeout,
             "Seconds after which a rank that does not answer ends the job; 0 = never");
  app.add_flag("--quiet", options.quiet, "Print nothing but errors");
  add_threads_option(app, options.threads);
  add_config_option(app, "File of options, such as a run's config.toml");
  app.set_help_flag("-h,--help", "Print this help message and exit");
}

/// Throws InputError if one of the options `given` contradicts --resume.
void check_resume_options(const std::vector<CLI::Option*>& given) {
  for (const CLI::Option* option : given) {
    const std::string name = option->get_single_name();
    // A resumed run stays in its folder.
    const bool neutral = kNeutralOptions.count(name) > 0 && name != "out";
    if (neutral || name == "resume" || is_changeable(name)) continue;
    fail_input(
        "--{}: cannot be combined with --resume, the run's config.toml decides; leave it out, or "
        "start a new run with --init RUN/checkpoints/last (finetune: --model)",
        name);
  }
}

/// What names a file or folder, "folder:DIR" too, as an absolute path; any other value as it is.
std::string with_absolute_path(const std::string& option, const std::string& value) {
  namespace fs = std::filesystem;
  const bool architecture = option == "model" && !value.ends_with(".json");
  for (const size_t begin : {size_t{0}, value.find(':') + 1}) {
    const fs::path path = value.substr(begin);
    const bool there = architecture ? fs::is_directory(path) : fs::exists(path);
    const bool name = value == "bytes" || value == "shapes" || value == "fashion-mnist";
    if (there && !name) return value.substr(0, begin) + fs::absolute(path).string();
  }
  return value;
}

/// Makes the paths among the options `given` absolute. The others of a resumed run are as the
/// checkpoint has them.
void make_paths_absolute(const std::vector<CLI::Option*>& given) {
  for (CLI::Option* option : given) {
    const std::string name = option->get_single_name();
    if (kDataOptions.count(name) + kModelPathOptions.count(name) == 0) continue;
    CLI::results_t values = option->reduced_results();
    for (std::string& value : values) value = with_absolute_path(name, value);
    option->clear();
    option->add_result(values);
  }
}

/// `config` with the lines of `before` for the options that change no result: what one resume says
/// of them, such as --quiet, is not for the next.
std::string with_neutral_options(const std::string& config, const std::string& before) {
  const std::map<std::string, std::string> old = options_of(before);
  std::string merged;
  for (const std::string& line : lines_of(config)) {
    const std::string name = line.substr(0, line.find('='));
    const bool keep = kNeutralOptions.count(name) != 0 && old.count(name) != 0;
    merged += (keep ? name + "=" + old.at(name) : line) + "\n";
  }
  return merged;
}

}  // namespace

std::map<std::string, std::string> options_of(const std::string& config) {
  std::map<std::string, std::string> options;
  for (const std::string& line : lines_of(config)) {
    const size_t equals = line.find('=');
    if (equals == std::string::npos || line.front() == '#') continue;
    options[line.substr(0, equals)] = line.substr(equals + 1);
  }
  return options;
}

std::map<std::string, std::string> binding_options(const std::string& config) {
  std::map<std::string, std::string> options = options_of(config);
  for (const std::string& name : kNeutralOptions) options.erase(name);
  return options;
}

bool is_same_value(const std::string& before, const std::string& now) {
  const auto has_others = [](const std::string& text) {
    return text.find_first_not_of("0123456789") != text.npos;
  };
  if (has_others(before) || has_others(now)) return before == now;
  // Base 0, because earlier versions read 010 as octal.
  return std::strtoull(before.c_str(), nullptr, 0) == std::strtoull(now.c_str(), nullptr, 0);
}

bool is_changeable(const std::string& option) {
  return kDataOptions.count(option) + kLengthOptions.count(option) > 0;
}

double fill_in(CLI::App& app, const std::string& option, double given, double value) {
  if (app.count(option) > 0) return given;
  const std::string text = fmt::format("{:.3g}", value);
  app.get_option(option)->default_str(text);
  return std::stod(text);
}

void parse_training(const TrainingSubcommand& subcommand, std::vector<std::string> arguments,
                    TrainOptions& options) {
  CLI::App app(subcommand.description, subcommand.name);
  app.set_help_flag();                              // added last, with the options of the run
  app.option_defaults()->always_capture_default();  // config.toml holds every value
  subcommand.add(app);
  add_recipe_options(app, options);
  add_run_options(app, options);
  for (const auto& [name, text] : subcommand.defaults) app.get_option(name)->default_str(text);
  const std::vector<std::string> typed = arguments;
  parse_arguments(app, arguments);
  const std::vector<CLI::Option*> given =
      app.get_options([](const CLI::Option* option) { return option->count() > 0; });
  std::string saved;
  if (options.resume.empty()) {
    subcommand.check(app);
  } else {
    check_resume_options(given);
    const std::string path = find_resume_point(options.resume).run + "/config.toml";
    saved = read_text(path);
    arguments.insert(arguments.begin(), {"--config", path});
    parse_arguments(app, arguments);
  }
  // As many passes as the steps take, unless whoever gives --max-steps gives --epochs, too.
  const auto is_argument = [&](const std::string& name) {
    return std::ranges::any_of(typed, [&](const std::string& argument) {
      return argument == name || argument.starts_with(name + "=");
    });
  };
  const bool more_steps = is_argument("--max-steps") && !is_argument("--epochs");
  if (options.max_steps > 0 && (more_steps || app.count("--epochs") == 0)) {
    options.epochs = std::max(options.epochs, options.max_steps);
    app.get_option("--epochs")->clear();
    app.get_option("--epochs")->default_str(std::to_string(options.epochs));
  }
  arithmetic_from(options.precision, options.kernels);  // throws
  refuse_if(options.batch_size % options.shards != 0,
            "--batch-size {}: {} shards cannot be equal parts of it; let --shards be a power of "
            "two, and --batch-size a multiple of it",
            options.batch_size, options.shards);
  make_paths_absolute(given);
  options.config = with_neutral_options(resolved_config(app), saved);
}

}  // namespace gmlp
