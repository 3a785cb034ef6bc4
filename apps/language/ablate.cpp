// gmlp-language ablate: the paper's Table 3 and its series by depth on your text. Every row is an
// ordinary run of pretrain per seed. All runs see the same text, masks and steps, and differ in the
// architecture alone. A repeated command continues where the previous one stopped.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/language/ablation.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/language/pretrain.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

struct AblateOptions {
  std::string out = "runs/ablation";
  std::string scale = "tiny";
  std::string series = "both";
  std::vector<std::string> only;
  int64_t seeds = 3;
  std::optional<uint64_t> seed;     // the first one; empty: pretrain's
  std::vector<std::string> shared;  // arguments of pretrain for every row
};

/// Defaults of pretrain's options at a scale. At the scale "tiny" 32 runs of 1.2 M tokens take half
/// an hour on two cores. "paper" is the recipe of its appendix, with a batch of 64 x 32 = 2,048.
LanguageOptions recipe(const std::string& scale) {
  const bool tiny = scale == "tiny";
  LanguageOptions options;
  options.tokenizer = "bytes";
  options.objective = "mlm";
  options.epochs = 1000;  // a short text is repeated until max_steps
  options.max_steps = tiny ? 600 : 125000;
  options.batch_size = tiny ? 16 : 64;
  options.grad_accum_steps = tiny ? 1 : 32;
  options.warmup_steps = tiny ? 60 : 10000;
  options.lr = tiny ? 3e-3 : 7e-4;
  options.clip_grad = tiny ? 1.0 : 0.0;
  options.val_batches = tiny ? 60 : 0;
  return options;
}

std::string recipes_text() {
  std::string text = "Defaults: --tokenizer bytes --objective mlm, and with\n";
  for (const char* scale : {"tiny", "paper"}) {
    const LanguageOptions options = recipe(scale);
    text += fmt::format(
        "  --scale {}: --max-steps {} --batch-size {} --grad-accum-steps {} --warmup-steps {} --lr "
        "{} --clip-grad {} --val-batches {}\n",
        scale, options.max_steps, options.batch_size, options.grad_accum_steps,
        options.warmup_steps, options.lr, options.clip_grad, options.val_batches);
  }
  return text;
}

/// The rows that --series and --only select.
std::vector<const AblationRow*> selected_rows(const AblateOptions& options) {
  std::vector<const AblationRow*> rows;
  std::set<std::string> names;
  std::set<std::string> unknown(options.only.begin(), options.only.end());
  const std::set<std::string> only = unknown;
  for (const AblationRow& row : ablation_rows()) {
    const char* series = row.series == AblationSeries::kTable3 ? "table3" : "depth";
    if (options.series != "both" && options.series != series) continue;
    names.insert(row.name);
    unknown.erase(row.name);
    if (only.empty() || only.count(row.name) > 0) rows.push_back(&row);
  }
  if (!unknown.empty()) {
    fail_input("--only {}: no such row; choose from {}", *unknown.begin(), fmt::join(names, ", "));
  }
  return rows;
}

/// Refuses shared options, from the arguments or a --config among them, that the rows or the run
/// folders determine. A file that repeats a default, as a config.toml does, is accepted.
void check_shared(const LanguageOptions& shared, const std::vector<const AblationRow*>& rows,
                  const AblateOptions& options) {
  const LanguageModelOptions& model = shared.model;
  struct {
    const char* name;
    bool set;
    const char* reason;
  } const fixed[] = {
      {"--model", !model.model.empty(), "the rows of the table set it"},
      {"--arch", !model.arch.empty(), "the rows of the table set it"},
      {"--gate", !model.gate.empty(), "the rows of the table set it"},
      {"--toeplitz", model.toeplitz, "the rows of the table set it"},
      {"--no-toeplitz", model.no_toeplitz, "the rows of the table set it"},
      {"--attn-dim", model.attn_dim > 0, "the rows of the table set it"},
      {"--init", !shared.init.empty(), "all rows start from random weights"},
      {"--resume", !shared.resume.empty(), "repeat the command without it to continue"},
      {"--overwrite", shared.overwrite, "finished runs are kept; use another --out"},
      {"--time-limit", shared.time_limit > 0, "all rows must see the same tokens; use --max-steps"},
  };
  const char* remedy = "remove it from the arguments or the --config file";
  for (const auto& option : fixed) {
    if (option.set) fail_input("{}: {}; {}", option.name, option.reason, remedy);
  }
  for (const AblationRow* row : rows) {
    for (const std::string& argument : model_arguments(*row, options.scale)) {
      if (!(argument == "--depth" && model.depth > 0) &&
          !(argument == "--d-ffn" && model.d_ffn > 0)) {
        continue;
      }
      fail_input("{}: row {} sets it; {}, or deselect the row with --only or --series", argument,
                 row->name, remedy);
    }
  }
}

/// One run: a row and a seed.
struct PlannedRun {
  const AblationRow* row = nullptr;
  std::string folder;
  LanguageConfig model;
  PretrainCommand command;
};

PlannedRun plan_run(const AblationRow& row, uint64_t seed, const AblateOptions& options) {
  PlannedRun run;
  run.row = &row;
  run.folder = fmt::format("{}/{}/seed-{}", options.out, row.name, seed);
  std::vector<std::string> arguments = options.shared;
  const std::vector<std::string> model = model_arguments(row, options.scale);
  arguments.insert(arguments.end(), model.begin(), model.end());
  arguments.insert(arguments.end(),
                   {"--out", run.folder, "--overwrite", "--seed", std::to_string(seed)});
  const std::optional<PretrainCommand> command = parse_pretrain(arguments, recipe(options.scale));
  if (!command) fail_input("--help: use it alone, or see gmlp-language pretrain --help");
  run.command = *command;
  run.model = choose_language_model(run.command.options.model);
  return run;
}

/// All runs. The series by depth has the first seed only, and reuses runs of Table 3.
std::vector<PlannedRun> plan_runs(const std::vector<const AblationRow*>& rows, uint64_t first_seed,
                                  const AblateOptions& options) {
  std::vector<PlannedRun> runs;
  for (const AblationRow* row : rows) {
    const int64_t seeds = row->series == AblationSeries::kTable3 ? options.seeds : 1;
    for (int64_t i = 0; i < seeds; ++i) {
      PlannedRun run = plan_run(*row, first_seed + static_cast<uint64_t>(i), options);
      const bool reused = std::any_of(
          runs.begin(), runs.end(), [&](const auto& other) { return other.folder == run.folder; });
      if (!reused) runs.push_back(std::move(run));
    }
  }
  return runs;
}

/// Refuses what would fail, before hours of training.
void check_runs(const std::vector<PlannedRun>& runs) {
  for (const PlannedRun& run : runs) {
    run_state(run.folder, run.command.config);
    const LanguageOptions& options = run.command.options;
    const ExecutionOptions execution =
        arithmetic_from(options.precision, options.kernels).execution;
    if (execution.precision == fused::Precision::kBf16) require_bf16_fits(run.model);
  }
}

/// Trains or resumes the unfinished runs; returns the exit status.
int train_runs(const std::vector<PlannedRun>& runs) {
  for (size_t i = 0; i < runs.size(); ++i) {
    const PlannedRun& run = runs[i];
    const std::string title =
        fmt::format("run {} of {}: {}, {} blocks, seed {}", i + 1, runs.size(), run.row->title,
                    run.model.depth, run.command.options.seed);
    const RunState state = run_state(run.folder, run.command.config);
    if (state == RunState::kDone) {
      fmt::print("{}: already finished in {}\n", title, run.folder);
      continue;
    }
    fmt::print("\n{}\n", title);
    const int status = pretrain(
        state == RunState::kSaved ? *parse_pretrain({"--resume", run.folder}) : run.command);
    if (status != kExitSuccess) return status;
  }
  return kExitSuccess;
}

AblationResult read_result(const AblationRow& row, const std::vector<PlannedRun>& runs) {
  AblationResult result{&row, 0, {}};
  for (const PlannedRun& run : runs) {
    const bool depth = row.series == AblationSeries::kDepth;
    if (std::string(run.row->name) != row.name || (depth && !result.runs.empty())) continue;
    result.blocks = run.model.depth;
    result.runs.push_back(
        read_ablation_run(run.folder, run.command.options.seed, run.model.block.tokens));
  }
  return result;
}

int ablate(const AblateOptions& options) {
  const std::vector<const AblationRow*> rows = selected_rows(options);
  const LanguageOptions shared = parse_pretrain_part(options.shared, recipe(options.scale));
  check_shared(shared, rows, options);
  const std::vector<PlannedRun> runs = plan_runs(rows, options.seed.value_or(shared.seed), options);
  check_runs(runs);
  const int status = train_runs(runs);
  if (status != kExitSuccess) return status;

  AblationReport report{options.scale, {}};
  for (const AblationRow* row : rows) report.results.push_back(read_result(*row, runs));
  fmt::print("\n{}", report.text());
  write_file_atomic(options.out + "/ablation.md", report.text());
  write_file_atomic(options.out + "/ablation.json", report.json());
  const std::string chart = shared.no_figures ? "" : report.chart();
  if (!chart.empty()) write_file_atomic(options.out + "/ablation.svg", chart);
  fmt::print("\ntables   {0}/ablation.md, {0}/ablation.json\n", options.out);
  if (!chart.empty()) fmt::print("chart    {}/ablation.svg\n", options.out);
  return kExitSuccess;
}

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "Rerun the paper's Table 3 and its series by depth: two tables and a chart. All other "
      "options, such as --text, --tokenizer and --max-steps, are those of pretrain and apply to "
      "every row",
      "gmlp-language ablate");
  app.footer(recipes_text());
  app.add_option("--out", options.out, "Folder of the runs and the tables")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--scale", options.scale,
                 "tiny: models that train in minutes; paper: the paper's models")
      ->check(CLI::IsMember({"tiny", "paper"}))
      ->capture_default_str();
  app.add_option("--series", options.series, "Table 3, the series by depth, or both")
      ->check(CLI::IsMember({"table3", "depth", "both"}))
      ->capture_default_str();
  app.add_option("--only", options.only, "Names of the rows to train, such as split,mixer")
      ->delimiter(',');
  app.add_option("--seeds", options.seeds,
                 "Runs per row of Table 3, with consecutive seeds; the series by depth uses the "
                 "first seed only")
      ->check(CLI::Range(int64_t{1}, int64_t{1000}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "First seed");
  app.allow_extras();
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  options.shared = app.remaining();
  return ablate(options);
}

}  // namespace gmlp
