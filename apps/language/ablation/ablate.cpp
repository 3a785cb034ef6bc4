// gmlp-language ablate: the paper's Table 3 and its series by depth on your text. Every row is an
// ordinary run of pretrain per seed. All runs see the same text, masks and steps, and differ in the
// architecture alone. A repeated command continues where the previous one stopped.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/ablation/ablation.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/language/pretrain.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

struct AblateOptions {
  std::string out = "runs/ablation";
  std::string series = "both";
  std::vector<std::string> only;
  int64_t seeds = 3;
  std::optional<uint64_t> seed;     // the first one; empty: pretrain's
  std::vector<std::string> shared;  // arguments of pretrain for every row
};

/// The defaults of pretrain's options: 32 runs of 1.2 M tokens take half an hour on two cores.
LanguageOptions recipe() {
  LanguageOptions options;
  options.tokenizer = "bytes";
  options.objective = "mlm";
  options.epochs = 1000;  // a short text is repeated until max_steps
  options.max_steps = 600;
  options.batch_size = 16;
  options.warmup_steps = 60;
  options.lr = 3e-3;
  options.val_batches = 60;
  return options;
}

/// The rows that --series and --only select.
std::vector<const AblationRow*> selected_rows(const AblateOptions& options) {
  const std::set<std::string> only(options.only.begin(), options.only.end());
  std::set<std::string> unknown = only;
  std::set<std::string> names;
  std::vector<const AblationRow*> rows;
  for (const AblationRow& row : ablation_rows()) {
    const char* series = row.series == AblationSeries::kTable3 ? "table3" : "depth";
    if (options.series != "both" && options.series != series) continue;
    names.insert(row.name);
    unknown.erase(row.name);
    if (only.empty() || only.count(row.name) > 0) rows.push_back(&row);
  }
  if (unknown.empty()) return rows;
  fail_input("--only {}: no such row; choose from {}", *unknown.begin(), fmt::join(names, ", "));
}

/// Refuses shared options, from the arguments or a --config among them, that the rows or the run
/// folders determine. A file that repeats a default, as a config.toml does, is accepted.
void check_shared(const LanguageOptions& shared, const std::vector<const AblationRow*>& rows) {
  const LanguageModelOptions& model = shared.model;
  const std::string by_rows = "the rows of the table set it";
  std::vector<std::tuple<std::string, bool, std::string>> fixed = {
      {"--model", !model.model.empty(), by_rows},
      {"--arch", !model.arch.empty(), by_rows},
      {"--gate", !model.gate.empty(), by_rows},
      {"--toeplitz", model.toeplitz, by_rows},
      {"--no-toeplitz", model.no_toeplitz, by_rows},
      {"--attn-dim", model.attn_dim > 0, by_rows},
      {"--init", !shared.init.empty(), "all rows start from random weights"},
      {"--resume", !shared.resume.empty(), "repeat the command without it to continue"},
      {"--overwrite", shared.overwrite, "finished runs are kept; use another --out"},
      {"--time-limit", shared.time_limit > 0, "all rows must see the same tokens; use --max-steps"},
  };
  for (const AblationRow* row : rows) {
    const std::string reason = fmt::format("row {} sets it", row->name);
    for (const std::string& argument : model_arguments(*row)) {
      if (argument == "--depth") fixed.emplace_back(argument, model.depth > 0, reason);
      if (argument == "--d-ffn") fixed.emplace_back(argument, model.d_ffn > 0, reason);
    }
  }
  for (const auto& [name, given, reason] : fixed) {
    if (given)
      fail_input("{}: {}; remove it from the arguments or the --config file", name, reason);
  }
}

/// One run: a row and a seed.
struct PlannedRun {
  const AblationRow* row = nullptr;
  LanguageConfig model;
  PretrainCommand command;
};

/// Throws InputError for what would fail only after hours of training.
PlannedRun plan_run(const AblationRow& row, uint64_t seed, const AblateOptions& options) {
  const std::string folder = fmt::format("{}/{}/seed-{}", options.out, row.name, seed);
  std::vector<std::string> arguments = options.shared;
  const std::vector<std::string> model = model_arguments(row);
  arguments.insert(arguments.end(), model.begin(), model.end());
  arguments.insert(arguments.end(),
                   {"--out", folder, "--overwrite", "--seed", std::to_string(seed)});
  const PretrainCommand command = parse_pretrain(arguments, recipe()).value();
  PlannedRun run{&row, choose_language_model(command.options.model), command};
  run_state(folder, run.command.config);
  const LanguageOptions& chosen = run.command.options;
  const ExecutionOptions execution = arithmetic_from(chosen.precision, chosen.kernels).execution;
  if (execution.precision == fused::Precision::kBf16) require_bf16_fits(run.model);
  return run;
}

/// Trains the run, or resumes it; returns the exit status.
int train_run(const PlannedRun& run, const std::string& title) {
  const std::string& folder = run.command.options.out;
  const RunState state = run_state(folder, run.command.config);
  if (state == RunState::kDone) {
    fmt::print("{}: already finished in {}\n", title, folder);
    return kExitSuccess;
  }
  fmt::print("\n{}\n", title);
  return pretrain(state == RunState::kSaved ? *parse_pretrain({"--resume", folder}) : run.command);
}

int ablate(const AblateOptions& options) {
  const std::vector<const AblationRow*> rows = selected_rows(options);
  const std::optional<PretrainCommand> parsed = parse_pretrain(options.shared, recipe(), false);
  if (!parsed) fail_input("--help: use it alone, or see gmlp-language pretrain --help");
  const LanguageOptions& shared = parsed->options;
  check_shared(shared, rows);
  std::vector<PlannedRun> runs;
  for (const AblationRow* row : rows) {
    const int64_t seeds = row->series == AblationSeries::kTable3 ? options.seeds : 1;
    for (int64_t i = 0; i < seeds; ++i) {
      const uint64_t seed = options.seed.value_or(shared.seed) + static_cast<uint64_t>(i);
      runs.push_back(plan_run(*row, seed, options));
    }
  }
  for (size_t i = 0; i < runs.size(); ++i) {
    const PlannedRun& run = runs[i];
    const int status =
        train_run(run, fmt::format("run {} of {}: {}, {} blocks, seed {}", i + 1, runs.size(),
                                   run.row->title, run.model.depth, run.command.options.seed));
    if (status != kExitSuccess) return status;
  }

  std::vector<AblationResult> results;
  for (const PlannedRun& run : runs) {
    if (results.empty() || results.back().row != run.row) {
      results.push_back({run.row, run.model.depth, {}});
    }
    const LanguageOptions& chosen = run.command.options;
    results.back().runs.push_back(
        read_ablation_run(chosen.out, chosen.seed, run.model.block.tokens));
  }
  const AblationReport report = report_ablation(results);
  write_file_atomic(options.out + "/ablation.md", report.markdown);
  write_file_atomic(options.out + "/ablation.json", json_text(report.json));
  fmt::print("\n{1}\ntables   {0}/ablation.md, {0}/ablation.json\n", options.out, report.markdown);
  if (shared.no_figures || report.chart.empty()) return kExitSuccess;
  write_file_atomic(options.out + "/ablation.svg", report.chart);
  fmt::print("chart    {}/ablation.svg\n", options.out);
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
  const LanguageOptions defaults = recipe();
  app.footer(fmt::format(
      "Defaults: --tokenizer {} --objective {} --max-steps {} --batch-size {} --warmup-steps {} "
      "--lr {} --val-batches {}",
      defaults.tokenizer, defaults.objective, defaults.max_steps, defaults.batch_size,
      defaults.warmup_steps, defaults.lr, defaults.val_batches));
  app.option_defaults()->always_capture_default();
  app.add_option("--out", options.out, "Folder of the runs and the tables")->type_name("DIR");
  app.add_option("--series", options.series, "Table 3, the series by depth, or both")
      ->check(CLI::IsMember({"table3", "depth", "both"}));
  app.add_option("--only", options.only, "Names of the rows to train, such as split,mixer")
      ->type_name("NAME,...")
      ->delimiter(',');
  app.add_option("--seeds", options.seeds,
                 "Runs per row of Table 3, with consecutive seeds; the series by depth uses the "
                 "first seed only")
      ->check(integer_in(1, 1000));
  app.add_option("--seed", options.seed, "First seed");
  app.allow_extras();
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  options.shared = app.remaining();
  return ablate(options);
}

}  // namespace gmlp
