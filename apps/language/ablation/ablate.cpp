// gmlp-language ablate: the paper's Table 3 and its series by depth on your text. Every row is an
// ordinary run of pretrain per seed. All runs see the same text, masks and steps, and differ in the
// architecture and its learning rate. A repeated command continues where the previous one stopped.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/cli/options.h"
#include "apps/cli/run_main.h"
#include "apps/language/ablation/ablation.h"
#include "apps/language/options.h"
#include "core/error.h"
#include "core/io/file.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

namespace {

struct AblateOptions : AblationOptions {
  std::string budget = "quick", series = "both";
  std::set<std::string> only;
  int64_t max_steps = 0;  // given; 0: the budget's
};

/// Windows per step, and steps per run. 16,000 steps (33 M tokens) take seven minutes on two cores.
/// So `quick`, 13 runs of half that length, takes an hour, and `paper`, 31 runs, takes four.
constexpr int64_t kBatch = 16;
constexpr int64_t kQuickSteps = 8000;
constexpr int64_t kPaperSteps = 16000;
constexpr int64_t kVocab = 2000;

std::string own_tokenizer(const AblateOptions& options) {
  return options.out + "/tokenizer.model";
}

/// The defaults of pretrain's options.
PretrainOptions recipe(const AblateOptions& options, double lr) {
  PretrainOptions recipe;
  recipe.tokenizer = own_tokenizer(options);
  recipe.objective = "mlm";
  recipe.epochs = 1000;  // a short text is repeated until max_steps
  recipe.max_steps = options.budget == "paper" ? kPaperSteps : kQuickSteps;
  if (options.max_steps > 0) recipe.max_steps = options.max_steps;
  recipe.batch_size = kBatch;
  recipe.warmup_steps = std::max<int64_t>(1, recipe.max_steps / 20);
  recipe.lr = lr;
  recipe.val_batches = 60;
  recipe.precision = "bf16";
  return recipe;
}

/// Trains the tokenizer of all runs on their text, unless the arguments name one.
void make_tokenizer(const AblateOptions& options, const PretrainOptions& shared) {
  const std::string path = own_tokenizer(options);
  if (shared.tokenizer != path) return;
  std::string tokenizer;
  try {
    tokenizer = train_tokenizer(shared.text, {.type = "sentencepiece", .vocab = kVocab});
  } catch (const InputError& error) {
    fail_input("{} (or choose a --tokenizer, such as bytes)", error.what());
  }
  refuse_if(std::filesystem::exists(path) && read_text(path) != tokenizer,
            "{}: the tokenizer of another text; use another --out", path);
  std::filesystem::create_directories(options.out);
  write_file_atomic(path, tokenizer);
}

/// The rows that --series and --only select.
std::vector<const AblationRow*> selected_rows(const AblateOptions& options) {
  std::vector<const AblationRow*> rows;
  for (const AblationRow& row : kAblationRows) {
    if (options.series != "both" && options.series != row.series) continue;
    if (options.only.empty() || options.only.count(row.name) > 0) rows.push_back(&row);
  }
  if (!rows.empty()) return rows;
  fail_input("--only: names no row of --series {}; leave one of the two out", options.series);
}

/// Refuses shared options that the rows or the run folders determine. A file that repeats a
/// default, as a config.toml does, is accepted.
void check_shared(const PretrainOptions& shared, const std::vector<const AblationRow*>& rows,
                  const AblateOptions& options) {
  const std::string defaults = parse_pretrain({}, recipe(options, shared.lr), false).config;
  const auto refuse = [&](const std::vector<const char*>& names, const std::string& reason) {
    refuse_options(names, reason, shared.config, defaults);
  };
  refuse({"model", "arch", "gate", "toeplitz", "no-toeplitz", "attn-dim"},
         "the rows of the table set it");
  refuse({"init"}, "all rows start from random weights");
  refuse({"time-limit"}, "all rows must see the same tokens; use --max-steps");
  for (const AblationRow* row : rows) {
    for (const char* name : {"depth", "d-ffn"}) {
      const bool sets = std::ranges::count(row->model, fmt::format("--{}", name)) > 0;
      if (sets) refuse({name}, fmt::format("row {} sets it", row->name));
    }
  }
  refuse_if(!shared.resume.empty(), "--resume: repeat the command without it to continue");
  refuse_if(shared.overwrite, "--overwrite: finished runs are kept; use another --out");
}

/// Throws InputError for what would fail only after hours of training.
PlannedRun plan_run(AblationResult& result, uint64_t seed, const AblateOptions& options) {
  const AblationRow& row = *result.row;
  const std::string folder = fmt::format("{}/{}/seed-{}", options.out, row.name, seed);
  std::vector<std::string> arguments = options.shared;
  arguments.emplace_back("--model");
  arguments.insert(arguments.end(), row.model.begin(), row.model.end());
  arguments.insert(arguments.end(),
                   {"--out", folder, "--overwrite", "--seed", std::to_string(seed)});
  const PretrainOptions chosen = parse_pretrain(arguments, recipe(options, row.lr));
  const LanguageConfig config = choose_language_model(chosen.model);
  const Arithmetic arithmetic = arithmetic_from(chosen.precision, chosen.kernels);
  require_precision(arithmetic.execution, config.arch, config.block);
  result.blocks = config.depth;
  result.tokens = config.block.tokens;
  const auto train = [=](bool resume) {
    return pretrain(resume ? parse_pretrain({"--resume", folder}) : chosen);
  };
  return {fmt::format("{}, {} blocks, seed {}", row.title, config.depth, seed), chosen, train,
          &result.runs};
}

int ablate(const AblateOptions& options) {
  const std::vector<const AblationRow*> rows = selected_rows(options);
  const PretrainOptions shared =
      parse_pretrain(options.shared, recipe(options, rows.front()->lr), false);
  check_shared(shared, rows, options);
  std::vector<AblationResult> results;
  results.reserve(rows.size());
  for (const AblationRow* row : rows) results.push_back({row});
  std::vector<PlannedRun> runs;
  for (AblationResult& result : results) {
    const int64_t seeds = result.row->is_by_depth() ? 1 : options.seeds;
    for (int64_t i = 0; i < seeds; ++i) {
      runs.push_back(plan_run(result, shared.seed + static_cast<uint64_t>(i), options));
    }
  }
  make_tokenizer(options, shared);
  return train_all(runs, [&] {
    const AblationReport report = report_ablation(results);
    write_ablation(options.out, report.markdown, report.json);
  });
}

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app(
      "Rerun the paper's Table 3 and its series by depth. All other "
      "options, such as --text, --tokenizer and --max-steps, are those of pretrain and apply to "
      "every row",
      "gmlp-language ablate");
  options.out = "runs/ablation";
  options.seeds = 0;
  const PretrainOptions defaults = recipe(options, 0);
  app.footer(fmt::format(
      "Defaults: a SentencePiece tokenizer of {} ids trained on the text; a learning rate per "
      "architecture; --objective {}; --max-steps {} (quick) or {} (paper); a warm-up of a "
      "twentieth of the steps; --batch-size {}; --precision {}; --val-batches {}",
      kVocab, defaults.objective, kQuickSteps, kPaperSteps, kBatch, defaults.precision,
      defaults.val_batches));
  add_ablation_options(app, options,
                       "Runs per row of Table 3, with consecutive seeds; 0 = one, or three with "
                       "--budget paper. The series by depth has the first seed only");
  app.add_option(
         "--budget", options.budget,
         "quick: one seed and 16 M tokens per run, an hour on two cores; paper: three seeds "
         "and 33 M tokens, four hours")
      ->check(CLI::IsMember({"quick", "paper"}));
  app.add_option("--series", options.series, "Table 3, the series by depth, or both")
      ->check(CLI::IsMember({"table3", "depth", "both"}));
  std::set<std::string> names;
  for (const AblationRow& row : kAblationRows) names.insert(row.name);
  app.add_option("--only", options.only, "Names of the rows to train, such as split,mixer")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  parse_arguments(app, arguments);
  options.shared = app.remaining();
  options.max_steps = parse_pretrain(options.shared, recipe(options, 0), false).max_steps;
  if (options.seeds == 0) options.seeds = options.budget == "paper" ? 3 : 1;
  return ablate(options);
}

}  // namespace gmlp
