// gmlp-language ablate: the paper's Table 3 and its series by depth on your text. Every row is an
// ordinary run of pretrain per seed. All runs see the same text, masks and steps, and differ in the
// architecture alone. A repeated command continues where the previous one stopped.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/ablation/ablation.h"
#include "apps/language/commands.h"
#include "apps/language/model_choice.h"
#include "apps/train/run_folder.h"
#include "core/error.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

struct AblateOptions {
  std::string out = "runs/ablation";
  std::string series = "both";
  std::set<std::string> only;
  int64_t seeds = 3;
  std::optional<uint64_t> seed;     // the first one; empty: pretrain's
  std::vector<std::string> shared;  // arguments of pretrain for every row
};

/// The defaults of pretrain's options: 32 runs of 1.2 M tokens take half an hour on two cores.
PretrainOptions recipe() {
  PretrainOptions options;
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
  std::vector<const AblationRow*> rows;
  for (const AblationRow& row : ablation_rows()) {
    if (options.series != "both" && options.series != row.series) continue;
    if (options.only.empty() || options.only.count(row.name) > 0) rows.push_back(&row);
  }
  if (!rows.empty()) return rows;
  fail_input("--only: names no row of --series {}; leave one of the two out", options.series);
}

/// Refuses shared options, from the arguments or a --config among them, that the rows or the run
/// folders determine. A file that repeats a default, as a config.toml does, is accepted.
void check_shared(const PretrainOptions& shared, const std::vector<const AblationRow*>& rows) {
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
    const std::string model_of_row = row->model;
    for (const auto& [name, given] :
         {std::pair{"--depth", model.depth > 0}, {"--d-ffn", model.d_ffn > 0}}) {
      const bool sets = model_of_row.find(name) != std::string::npos;
      fixed.emplace_back(name, given && sets, fmt::format("row {} sets it", row->name));
    }
  }
  for (const auto& [name, given, reason] : fixed) {
    if (!given) continue;
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
  const PretrainOptions& chosen = run.command.options;
  const ExecutionOptions execution = arithmetic_from(chosen.precision, chosen.kernels).execution;
  require_precision(execution, run.model.arch, run.model.block);
  return run;
}

int ablate(const AblateOptions& options) {
  const std::vector<const AblationRow*> rows = selected_rows(options);
  const std::optional<PretrainCommand> parsed = parse_pretrain(options.shared, recipe(), false);
  if (!parsed) fail_input("--help: use it alone, or see gmlp-language pretrain --help");
  const PretrainOptions& shared = parsed->options;
  check_shared(shared, rows);
  std::vector<PlannedRun> runs;
  for (const AblationRow* row : rows) {
    const int64_t seeds = row->is_by_depth() ? 1 : options.seeds;
    for (int64_t i = 0; i < seeds; ++i) {
      const uint64_t seed = options.seed.value_or(shared.seed) + static_cast<uint64_t>(i);
      runs.push_back(plan_run(*row, seed, options));
    }
  }
  std::vector<AblationResult> results;
  for (size_t i = 0; i < runs.size(); ++i) {
    const AblationRow* row = runs[i].row;
    const LanguageConfig& model = runs[i].model;
    const PretrainCommand& command = runs[i].command;
    const uint64_t seed = command.options.seed;
    const std::string& folder = command.options.out;
    const auto train = [&](bool resume) {
      return pretrain(resume ? *parse_pretrain({"--resume", folder}) : command);
    };
    const int status = train_unless_done(fmt::format("run {} of {}: {}, {} blocks, seed {}", i + 1,
                                                     runs.size(), row->title, model.depth, seed),
                                         folder, command.config, train);
    if (status != kExitSuccess) return status;
    if (results.empty() || results.back().row != row)
      results.push_back({row, model.depth, model.block.tokens, {}});
    results.back().runs.push_back(read_ablation_run(folder, seed));
  }
  const AblationReport report = report_ablation(results);
  write_file_atomic(options.out + "/ablation.md", report.markdown);
  write_file_atomic(options.out + "/ablation.json", json_text(report.json));
  fmt::print(
      "\n{1}\ntables   {0}/ablation.md, {0}/ablation.json\n"
      "chart    tools/plot.py ablation {0}\n",
      options.out, report.markdown);
  return kExitSuccess;
}

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "Rerun the paper's Table 3 and its series by depth. All other "
      "options, such as --text, --tokenizer and --max-steps, are those of pretrain and apply to "
      "every row",
      "gmlp-language ablate");
  const PretrainOptions defaults = recipe();
  app.footer(fmt::format(
      "Defaults: --tokenizer {} --objective {} --max-steps {} --batch-size {} --warmup-steps {} "
      "--lr {} --val-batches {}",
      defaults.tokenizer, defaults.objective, defaults.max_steps, defaults.batch_size,
      defaults.warmup_steps, defaults.lr, defaults.val_batches));
  OptionGroup group(app, "Options");
  app.option_defaults()->always_capture_default();
  app.add_option("--out", options.out, "Folder of the runs and the tables")->type_name("DIR");
  group.choice("--series", options.series, "Table 3, the series by depth, or both",
               {"table3", "depth", "both"});
  std::set<std::string> names;
  for (const AblationRow& row : ablation_rows()) names.insert(row.name);
  app.add_option("--only", options.only, "Names of the rows to train, such as split,mixer")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  group.integer("--seeds", options.seeds,
                "Runs per row of Table 3, with consecutive seeds; the series by depth uses the "
                "first seed only",
                1, 1000);
  app.add_option("--seed", options.seed, "First seed");
  app.allow_extras();
  if (!parse_arguments(app, arguments)) return kExitSuccess;
  options.shared = app.remaining();
  return ablate(options);
}

}  // namespace gmlp
