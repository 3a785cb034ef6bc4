// gmlp-language ablate: the paper's Table 3 and its series by depth (Table 4 and Figure 5) on your
// text. The runs differ in the architecture and its learning rate.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/cli/run_main.h"
#include "apps/language/options.h"
#include "apps/train/ablation.h"
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

/// The defaults of pretrain's options.
PretrainOptions recipe(const AblateOptions& options) {
  PretrainOptions recipe;
  recipe.tokenizer = options.out + "/tokenizer.model";
  recipe.objective = "mlm";
  recipe.epochs = 1000;  // a short text is repeated until max_steps
  recipe.max_steps = options.budget == "paper" ? kPaperSteps : kQuickSteps;
  if (options.max_steps > 0) recipe.max_steps = options.max_steps;
  recipe.batch_size = kBatch;
  recipe.warmup_steps = std::max<int64_t>(1, recipe.max_steps / 20);
  recipe.val_batches = 60;
  recipe.precision = "bf16";
  return recipe;
}

/// Trains the tokenizer of all runs on their text, unless the arguments name one.
void make_tokenizer(const AblateOptions& options, const PretrainOptions& shared) {
  const std::string path = recipe(options).tokenizer;
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

PlannedRun plan_run(PretrainOptions options, const std::vector<std::string>& arguments, Json& row,
                    bool complete) {
  options.model.model = row.at("model");
  options.lr = row.at("lr");
  options = parse_pretrain(arguments, options, complete);
  if (complete) {
    const LanguageConfig config = choose_language_model(options.model);
    const Arithmetic arithmetic = arithmetic_from(options.precision, options.kernels);
    require_precision(arithmetic.execution, config.arch, config.block);
    row["blocks"] = config.depth;
    row["size"] = fmt::format("{} blocks", config.depth);
    row["tokens"] = config.block.tokens;
  }
  return {options, [options](bool resume) {
            return pretrain(resume ? parse_pretrain({"--resume", options.out}) : options);
          }};
}

int ablate_rows(std::vector<Json> rows, const AblateOptions& options) {
  std::erase_if(rows, [&](const Json& row) {
    const std::string name = row.at("row"), table = row.at("table");
    const bool in_series = options.series == "both" || table.starts_with(options.series);
    return !in_series || (!options.only.empty() && !options.only.contains(name));
  });
  refuse_if(rows.empty(), "--only: names no row of --series {}; leave one of the two out",
            options.series);
  const auto plan = [&](const std::vector<std::string>& arguments, Json& row, bool complete) {
    return plan_run(recipe(options), arguments, row, complete);
  };
  const auto prepare = [&] {
    make_tokenizer(options, parse_pretrain(options.shared, recipe(options), false));
  };
  return ablate({"language", plan, prepare}, rows, options);
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
  const PretrainOptions defaults = recipe(options);
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
  const std::vector<Json> rows = ablation_rows("language");
  std::set<std::string> names;
  for (const Json& row : rows) names.insert(row.at("row"));
  app.add_option("--only", options.only, "Names of the rows to train, such as split,mixer")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  parse_arguments(app, arguments);
  options.shared = app.remaining();
  options.max_steps = parse_pretrain(options.shared, recipe(options), false).max_steps;
  if (options.seeds == 0) options.seeds = options.budget == "paper" ? 3 : 1;
  return ablate_rows(rows, options);
}

}  // namespace gmlp
