// gmlp-language ablate: the paper's Table 3 and its series by depth on your text. Every row is an
// ordinary run of pretrain for each seed, all with the same text, masks and steps; what differs is
// the architecture. Stopped, the same command goes on where it was.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/ablation_report.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/language/run.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

/// How rows are trained unless pretrain's options say otherwise.
struct Recipe {
  const char* scale;
  int64_t max_steps, batch_size, grad_accum_steps, warmup_steps;
  double lr, clip_grad;
  int64_t val_batches;  // of 16 windows; 0: all
};
// tiny: 32 runs of 1.2 M tokens, so that two cores need about half an hour. paper: as its appendix
// says, the batch of 2,048 in parts that fit.
constexpr Recipe kRecipes[] = {
    {"tiny", 600, 16, 1, 60, 3e-3, 1.0, 60},
    {"paper", 125000, 64, 32, 10000, 7e-4, 0.0, 0},
};

LanguageOptions recipe_options(const std::string& scale) {
  const Recipe& recipe = kRecipes[scale == "tiny" ? 0 : 1];
  LanguageOptions options;
  options.tokenizer = "bytes";
  options.objective = "mlm";
  options.epochs = 1000;  // a short text is passed over until --max-steps
  options.max_steps = recipe.max_steps;
  options.batch_size = recipe.batch_size;
  options.grad_accum_steps = recipe.grad_accum_steps;
  options.warmup_steps = recipe.warmup_steps;
  options.lr = recipe.lr;
  options.clip_grad = recipe.clip_grad;
  options.val_batches = recipe.val_batches;
  return options;
}

/// The recipes as --help shows them.
std::string recipes_text() {
  std::string text = "Unless given otherwise: --tokenizer bytes --objective mlm, and with\n";
  for (const Recipe& recipe : kRecipes) {
    text += fmt::format(
        "  --scale {}: --max-steps {} --batch-size {} --grad-accum-steps {} --warmup-steps {} --lr "
        "{} --clip-grad {} --val-batches {}\n",
        recipe.scale, recipe.max_steps, recipe.batch_size, recipe.grad_accum_steps,
        recipe.warmup_steps, recipe.lr, recipe.clip_grad, recipe.val_batches);
  }
  return text;
}

struct AblateOptions {
  std::string out = "runs/ablation";
  std::string scale = "tiny";
  std::string series = "both";
  std::vector<std::string> only;
  int64_t seeds = 3;
  std::optional<uint64_t> seed;     // the first; else pretrain's
  std::vector<std::string> shared;  // pretrain's
};

/// One run to be made: a row and a seed.
struct PlannedRun {
  const AblationRow* row = nullptr;
  std::string folder;
  LanguageConfig model;
  PretrainCommand command;
};

/// The rows of `all` that --series (`series` or both) and --only leave.
std::vector<const AblationRow*> chosen(const std::vector<AblationRow>& all, const char* series,
                                       const AblateOptions& options) {
  std::vector<const AblationRow*> rows;
  if (options.series != "both" && options.series != series) return rows;
  for (const AblationRow& row : all) {
    const bool wanted = options.only.empty() || std::find(options.only.begin(), options.only.end(),
                                                          row.name) != options.only.end();
    if (wanted) rows.push_back(&row);
  }
  return rows;
}

void check_names(const AblateOptions& options) {
  AblateOptions all = options;
  all.only.clear();
  std::vector<std::string> names;
  for (const AblationRow* row : chosen(table3_rows(), "table3", all)) names.emplace_back(row->name);
  for (const AblationRow* row : chosen(depth_rows(), "depth", all)) {
    if (std::find(names.begin(), names.end(), row->name) == names.end()) {
      names.emplace_back(row->name);
    }
  }
  for (const std::string& name : options.only) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    fail_input("--only {}: no such row; the rows are {}", name, fmt::join(names, ", "));
  }
}

/// The options of pretrain that rows decide, and whether the shared ones give them, too: as words
/// or in the file of a --config. A file that says what is the default anyway, as a run's
/// config.toml does of every option, gives nothing.
std::map<std::string, bool> given_to_rows(const LanguageOptions& shared) {
  const LanguageModelOptions& model = shared.model;
  return {{"--model", !model.model.empty()},    {"--arch", !model.arch.empty()},
          {"--gate", !model.gate.empty()},      {"--toeplitz", model.toeplitz},
          {"--no-toeplitz", model.no_toeplitz}, {"--attn-dim", model.attn_dim > 0},
          {"--depth", model.depth > 0},         {"--d-ffn", model.d_ffn > 0}};
}

/// "--gate", or where it stands.
std::string place_of(const std::string& name, const AblateOptions& options) {
  return gives_option(options.shared, name) ? name : name + " (in the file of --config)";
}

/// Refuses what no run of a table may have.
void check_common(const LanguageOptions& shared, const AblateOptions& options) {
  std::map<std::string, bool> given = given_to_rows(shared);
  given.erase("--depth");  // only some rows decide these two
  given.erase("--d-ffn");
  given["--resume"] = !shared.resume.empty();
  given["--init"] = !shared.init.empty();
  given["--overwrite"] = shared.overwrite;
  for (const auto& [name, is_given] : given) {
    if (!is_given) continue;
    fail_input("{}: the rows of the table decide it, or the run's folder; leave it out",
               place_of(name, options));
  }
  if (shared.time_limit > 0) {
    fail_input(
        "{}: all rows must see the same tokens; use --max-steps, or stop and continue with the "
        "same command",
        place_of("--time-limit", options));
  }
}

/// What would make the rows something else than the table says.
void check_shared(const std::vector<const AblationRow*>& rows, const AblateOptions& options) {
  const LanguageOptions shared = parse_pretrain_part(options.shared, recipe_options(options.scale));
  check_common(shared, options);
  std::map<std::string, bool> given = given_to_rows(shared);
  for (const AblationRow* row : rows) {
    for (const std::string& word : row_options(*row, options.scale)) {
      if (!given[word]) continue;  // nor are the words between options given
      fail_input("{}: row {} decides it; leave it out, or leave the row out by --only or --series",
                 place_of(word, options), row->name);
    }
  }
}

/// What would fail is refused before hours of training, not after.
void check_runs(const std::vector<PlannedRun>& runs) {
  for (const PlannedRun& run : runs) {
    run_state(run.folder, run.command.config);
    const LanguageOptions& options = run.command.options;
    const ExecutionOptions execution =
        arithmetic_from(options.precision, options.kernels).execution;
    if (execution.precision == fused::Precision::kBf16) require_bf16_fits(run.model);
  }
}

/// pretrain's command for a row; `seed` empty: as the shared options or a --config among them say.
PretrainCommand command_for(const AblationRow& row, std::optional<uint64_t> seed,
                            const std::string& folder, const AblateOptions& options) {
  std::vector<std::string> arguments = options.shared;
  const std::vector<std::string> own = row_options(row, options.scale);
  arguments.insert(arguments.end(), own.begin(), own.end());
  arguments.insert(arguments.end(), {"--out", folder, "--overwrite"});
  if (seed) arguments.insert(arguments.end(), {"--seed", std::to_string(*seed)});
  const std::optional<PretrainCommand> command =
      parse_pretrain(arguments, recipe_options(options.scale));
  if (!command) fail_input("--help: give it alone, or see gmlp-language pretrain --help");
  return *command;
}

PlannedRun planned(const AblationRow& row, uint64_t seed, const AblateOptions& options) {
  PlannedRun run;
  run.row = &row;
  run.folder = fmt::format("{}/{}/seed-{}", options.out, row.name, seed);
  run.command = command_for(row, seed, run.folder, options);
  run.model = choose_language_model(run.command.options.model);
  return run;
}

/// Makes the runs that are not yet done, each from where it was stopped. The exit status.
int make_runs(const std::vector<PlannedRun>& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    const PlannedRun& run = runs[i];
    const std::string title =
        fmt::format("run {} of {}: {}, {} blocks, seed {}", i + 1, runs.size(), run.row->title,
                    run.model.depth, run.command.options.seed);
    const RunState state = run_state(run.folder, run.command.config);
    if (state == RunState::kDone) {
      fmt::print("{}: done before, in {}\n", title, run.folder);
      continue;
    }
    fmt::print("\n{}\n", title);
    std::optional<PretrainCommand> resumed;
    if (state == RunState::kSaved) resumed = parse_pretrain({"--resume", run.folder});
    const int status = pretrain(resumed ? *resumed : run.command);
    if (status != kExitSuccess) return status;
  }
  return kExitSuccess;
}

/// The row's runs among those that were made, `seeds` of them.
AblationResult result_of(const AblationRow& row, const std::vector<PlannedRun>& runs,
                         int64_t seeds) {
  AblationResult result;
  result.row = &row;
  for (const PlannedRun& run : runs) {
    const bool enough = static_cast<int64_t>(result.runs.size()) == seeds;
    if (enough || std::string(run.row->name) != row.name) continue;
    result.blocks = run.model.depth;
    result.runs.push_back(
        read_ablation_run(run.folder, run.command.options.seed, run.model.block.tokens));
  }
  return result;
}

void report(const AblationResults& results, const AblateOptions& options, bool draw) {
  const std::string text = ablation_text(results);
  fmt::print("\n{}", text);
  write_file_atomic(options.out + "/ablation.md", text);
  write_file_atomic(options.out + "/ablation.json", ablation_json(results));
  const std::string picture = draw ? ablation_svg(results) : std::string();
  if (!picture.empty()) write_file_atomic(options.out + "/ablation.svg", picture);
  fmt::print("\nwritten to {0}/ablation.md and {0}/ablation.json{1}\n", options.out,
             picture.empty() ? "" : ", drawn in " + options.out + "/ablation.svg");
}

int ablate(const AblateOptions& options) {
  check_names(options);
  const std::vector<const AblationRow*> table3 = chosen(table3_rows(), "table3", options);
  const std::vector<const AblationRow*> depths = chosen(depth_rows(), "depth", options);
  std::vector<const AblationRow*> rows = table3;
  rows.insert(rows.end(), depths.begin(), depths.end());
  check_shared(rows, options);

  const uint64_t first =
      command_for(*rows.front(), options.seed, options.out, options).options.seed;
  std::vector<PlannedRun> runs;
  for (const AblationRow* row : table3) {
    for (int64_t i = 0; i < options.seeds; ++i) {
      runs.push_back(planned(*row, first + static_cast<uint64_t>(i), options));
    }
  }
  for (const AblationRow* row : depths) {
    PlannedRun run = planned(*row, first, options);
    const bool there = std::any_of(runs.begin(), runs.end(), [&](const PlannedRun& other) {
      return other.folder == run.folder;
    });
    if (!there) runs.push_back(std::move(run));
  }
  check_runs(runs);
  const int status = make_runs(runs);
  if (status != kExitSuccess) return status;
  AblationResults results{options.scale, {}, {}};
  for (const AblationRow* row : table3) {
    results.table3.push_back(result_of(*row, runs, options.seeds));
  }
  for (const AblationRow* row : depths) results.depths.push_back(result_of(*row, runs, 1));
  report(results, options, !runs.front().command.options.no_figures);
  return kExitSuccess;
}

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "The paper's Table 3 and its series by depth: one command, two tables and a picture. All "
      "other options are pretrain's (--text, --tokenizer, --max-steps, ...) and hold for every row",
      "gmlp-language ablate");
  app.footer(recipes_text());
  app.add_option("--out", options.out, "Folder of the runs and the tables")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--scale", options.scale, "tiny: models of minutes; paper: the paper's sizes")
      ->check(CLI::IsMember({"tiny", "paper"}))
      ->capture_default_str();
  app.add_option("--series", options.series, "What to train: Table 3, the series by depth, or both")
      ->check(CLI::IsMember({"table3", "depth", "both"}))
      ->capture_default_str();
  app.add_option("--only", options.only, "Rows by name, such as split,mixer")->delimiter(',');
  app.add_option("--seeds", options.seeds,
                 "Runs of each row of Table 3, with seeds --seed, --seed + 1, ...; the series by "
                 "depth has the first")
      ->check(integer_in(1, 1000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "The first seed");
  app.allow_extras();
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  options.shared = app.remaining();
  return ablate(options);
}

}  // namespace gmlp
