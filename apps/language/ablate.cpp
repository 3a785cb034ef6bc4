// gmlp-language ablate: the paper's Table 3 and its series by depth (Table 4 and Figure 5) on your
// text. The runs differ in the architecture and its learning rate.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/cli/run_main.h"
#include "apps/language/options.h"
#include "apps/train/ablation.h"
#include "apps/train/run_folder.h"
#include "core/io/file.h"
#include "data/text/tokenizer.h"
#include "models/checkpoint/load_models.h"

namespace gmlp {

namespace {

struct AblateOptions : AblationOptions {
  std::string budget = "quick", series = "both";
  std::set<std::string> only;
};

/// 16,000 steps (33 M tokens) take seven minutes on two cores. So `quick`, 13 runs of half that
/// length, takes an hour, and `paper`, 31 runs, takes four.
constexpr int64_t kQuickSteps = 8000;
constexpr int64_t kPaperSteps = 16000;
constexpr int64_t kVocab = 2000;

/// Trains the tokenizer of all runs, `path`, on their text.
void make_tokenizer(const std::string& path, const std::vector<std::string>& text) {
  std::string tokenizer;
  try {
    tokenizer = train_tokenizer(text, {.type = "sentencepiece", .vocab = kVocab});
  } catch (const InputError& error) {
    fail_input("{} (or choose a --tokenizer, such as bytes)", error.what());
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
  const PretrainOptions shared = parse_pretrain(options.shared, {}, false);
  const std::string tokenizer = options.out + "/tokenizer.model";
  int64_t steps = options.budget == "paper" ? kPaperSteps : kQuickSteps;
  if (shared.max_steps > 0) steps = shared.max_steps;
  const auto plan = [&](std::vector<std::string> recipe, const std::vector<std::string>& arguments,
                        Json& row, bool complete) {
    const int64_t warmup = std::max<int64_t>(1, steps / 20);
    recipe.insert(recipe.end(), {"--tokenizer", tokenizer, "--max-steps", std::to_string(steps),
                                 "--warmup-steps", std::to_string(warmup)});
    return plan_run(recipe, arguments, row, complete);
  };
  const auto prepare = [&] {
    if (shared.tokenizer.empty()) make_tokenizer(tokenizer, shared.text);
  };
  return ablate({"language", plan, prepare}, rows, options);
}

}  // namespace

int language_ablate(const std::vector<std::string>& arguments) {
  AblateOptions options;
  CLI::App app("", "gmlp-language ablate");
  add_ablation_options(app, "language", options);
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
  if (options.seeds == 0) options.seeds = options.budget == "paper" ? 3 : 1;
  return ablate_rows(rows, options);
}

}  // namespace gmlp
