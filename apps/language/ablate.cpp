// gmlp-language ablate: the paper's Table 3 and its series by depth (Table 4 and Figure 5) on your
// text. The runs differ in the architecture and its learning rate.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/ranges.h>

#include "apps/cli/run_main.h"
#include "apps/language/options.h"
#include "apps/train/ablation.h"
#include "apps/train/run_folder.h"
#include "core/io/file.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"
#include "models/config_fields.h"

namespace gmlp {

namespace {

/// 16,000 steps (33 M tokens) take seven minutes on two cores. So `quick`, 13 runs of half that
/// length, takes an hour, and `paper`, 31 runs, takes four.
constexpr int64_t kQuickSteps = 8000;
constexpr int64_t kPaperSteps = 16000;
constexpr int64_t kVocab = 2000;

/// Trains the tokenizer of all runs, `path`, on their text.
void make_tokenizer(const std::string& path, const std::vector<std::string>& text) {
  std::string tokenizer;
  try {
    const DefaultStopSignals ended;
    tokenizer = train_tokenizer(text, {.type = "sentencepiece", .vocab = kVocab});
  } catch (const InputError& error) {
    fail_input("a tokenizer of {} ids: {}; or name another by --tokenizer, such as bytes", kVocab,
               error.what());
  }
  refuse_if(std::filesystem::exists(path) && read_text(path) != tokenizer,
            "{}: the tokenizer of another text; use another --out", path);
  make_folders(std::filesystem::path(path).parent_path().string());
  write_file_atomic(path, tokenizer);
}

PlannedRun plan_run(const std::vector<std::string>& recipe,
                    const std::vector<std::string>& arguments, Json& row, bool complete) {
  const PretrainOptions options =
      parse_pretrain(arguments, parse_pretrain(recipe, {}, false), complete);
  if (complete) {
    refuse_if(options.val_text.empty() && options.val_fraction <= 0,
              "--val-fraction 0: every row is validated; keep some text for it");
    LanguageModelOptions model = options.model;
    model.causal = model.causal || options.objective == "causal";
    LanguageConfig config;
    in_file("row " + row.at("row").get<std::string>(),
            [&] { config = choose_language_model(model); });
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

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblationOptions options;
  std::string budget = "quick", series = "both";
  std::set<std::string> names, only;
  std::vector<Json> rows = ablation_rows("language");
  for (const Json& row : rows) names.insert(row.at("row"));
  CLI::App app("", "gmlp-language ablate");
  add_ablation_options(app, "language", options);
  app.add_option(
         "--budget", budget,
         "quick: one seed and 16 M tokens per run, an hour on two cores; paper: three seeds "
         "and 33 M tokens, four hours")
      ->check(CLI::IsMember({"quick", "paper"}));
  app.add_option("--series", series, "Table 3, the series by depth, or both")
      ->check(CLI::IsMember({"table3", "depth", "both"}));
  app.add_option("--only", only, "Names of the rows to train, such as split,mixer")
      ->type_name("NAME,...")
      ->delimiter(',')
      ->check(CLI::IsMember(names));
  parse_arguments(app, arguments);
  options.shared = app.remaining();
  std::erase_if(rows, [&](const Json& row) {
    const std::string name = row.at("row"), table = row.at("table");
    const bool in_series = series == "both" || table.starts_with(series);
    return !in_series || (!only.empty() && !only.contains(name));
  });
  for (const Json& row : rows) only.erase(row.at("row"));
  refuse_if(!only.empty(), "--only: {} is no row of --series {}; leave one of the two out",
            fmt::join(only, ", "), series);

  const PretrainOptions shared = parse_pretrain(options.shared, {}, false);
  refuse_if(std::ranges::count(shared.text, "-") + std::ranges::count(shared.val_text, "-") > 0,
            "--text -: every run reads the text, standard input is read once; name a file");
  const std::string tokenizer = options.out + "/tokenizer.model";
  if (options.seeds == 0) options.seeds = budget == "paper" ? 3 : 1;
  int64_t steps = budget == "paper" ? kPaperSteps : kQuickSteps;
  if (shared.max_steps > 0) steps = shared.max_steps;
  const int64_t warmup = std::max<int64_t>(1, steps / 20);
  options.recipe.insert(options.recipe.end(),
                        {"--tokenizer", tokenizer, "--max-steps", std::to_string(steps),
                         "--warmup-steps", std::to_string(warmup)});
  const auto prepare = [&] {
    if (shared.tokenizer.empty() || shared.tokenizer == tokenizer)
      make_tokenizer(tokenizer, shared.text);
  };
  return ablate({"language", plan_run, prepare}, rows, options);
}

}  // namespace gmlp
